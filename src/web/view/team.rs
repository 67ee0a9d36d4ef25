//! The studio's page of a team: members, their roles, and what each role may do.

use askama::Template;
use askama_web::WebTemplate;

use super::{layout::Layout, parts::Moment};

/// A role that a member may be given.
#[derive(Clone, Debug)]
pub struct RoleChoice {
    /// Its word.
    pub word: String,
    /// Whether the member has it.
    pub chosen: bool,
}

/// Somebody in the team.
#[derive(Clone, Debug)]
pub struct TeamMember {
    /// The membership on the wire, `mem_…`.
    pub id: String,
    /// Their name, else the part of the address before the `@`.
    pub name: String,
    /// Their address.
    pub email: String,
    /// One or two capitals.
    pub initials: String,
    /// Their role.
    pub role: String,
    /// Since when they belong to it.
    pub since: Moment,
    /// Whether it is the reader.
    pub me: bool,
    /// The roles that the reader may give them; empty when none.
    pub choices: Vec<RoleChoice>,
    /// Whether the reader may send them away, or leave.
    pub may_end: bool,
}

/// One line of the table of roles.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// What it is, in words.
    pub words: String,
    /// Whether each role may do it, in the order of [`StudioTeamPage::roles`].
    pub by: Vec<bool>,
}

/// The studio's page of a team.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/team.html")]
pub struct StudioTeamPage {
    /// What is round the page.
    pub layout: Layout,
    /// The team on the wire.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The reader's role.
    pub role: String,
    /// Whether the reader may rename it.
    pub may_rename: bool,
    /// Who belongs to it, the oldest member first.
    pub members: Vec<TeamMember>,
    /// The roles with which the reader may take somebody in; empty when none.
    pub may_add: Vec<String>,
    /// Every role.
    pub roles: Vec<String>,
    /// What each may do.
    pub allowed: Vec<Allowed>,
}
