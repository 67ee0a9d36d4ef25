//! The member's own pages: the spaces they hold access to, one such space, their devices.

use askama::Template;
use askama_web::WebTemplate;

use super::{
    layout::Layout,
    parts::{Cue, Moment, OnAir},
};

/// How a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It opens the door.
    Active,
    /// It starts later.
    NotYet,
    /// Its time is over.
    Expired,
    /// The team took it back.
    Revoked,
    /// Resting by the holder's wish.
    Paused,
    /// The payment is late; the door is still open.
    PastDue,
    /// The money went back.
    Refunded,
    /// A bank looks into the payment.
    Disputed,
}

/// A grant in words.
#[derive(Clone, Debug)]
pub struct HeldGrant {
    /// The name of the pass, else what it opens directly.
    pub name: String,
    /// Where it came from: `joined free`, `given by the team`, …
    pub source: String,
    /// How it stands.
    pub state: GrantState,
    /// When it began.
    pub since: Moment,
    /// When it ends or ended; for good when there is no end.
    pub until: Option<Moment>,
}

/// A space somebody holds access to.
#[derive(Clone, Debug)]
pub struct HeldSpace {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub tagline: String,
    /// What is on.
    pub on_air: OnAir,
    /// Their grants there, those that open a door first; empty for staff.
    pub grants: Vec<HeldGrant>,
    /// Their role in the team, when they enter as staff.
    pub role: Option<String>,
}

/// The list of spaces somebody holds access to.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "spaces.html")]
pub struct PurchasedSpacesPage {
    /// What is round the page.
    pub layout: Layout,
    /// Their spaces; those that are live come first.
    pub spaces: Vec<HeldSpace>,
}

/// An experience in a member's list.
#[derive(Clone, Debug)]
pub struct MemberExperience {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub text: String,
    /// What is on.
    pub on_air: OnAir,
    /// The lamp.
    pub cue: Cue,
    /// Whether the door is open for this member.
    pub open: bool,
}

/// A member's page of one space.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "member_space.html")]
pub struct PurchasedSpacePage {
    /// What is round the page.
    pub layout: Layout,
    /// The space, with the member's grants.
    pub space: HeldSpace,
    /// Its experiences in the seller's order.
    pub experiences: Vec<MemberExperience>,
}

/// A browser or script that is signed in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// The id, for `DELETE /api/v1/auth/sessions/{id}`.
    pub id: String,
    /// `Firefox on Linux`, or what the browser called itself.
    pub device: String,
    /// When it signed in.
    pub since: Moment,
    /// When it was last seen.
    pub seen: Moment,
    /// Whether it is the one that asks.
    pub here: bool,
}

/// The devices page: sessions, each of which can be ended.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "devices.html")]
pub struct DevicesPage {
    /// What is round the page.
    pub layout: Layout,
    /// The one that asks first, then the last seen first.
    pub sessions: Vec<SessionRow>,
}

/// After something was taken whose seller sends people on to another site: the way there, and the way inside.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "onward.html")]
pub struct OnwardPage {
    /// What is round the page.
    pub layout: Layout,
    /// The name of the space.
    pub space: String,
    /// The name of the pass.
    pub pass: String,
    /// The other site.
    pub host: String,
    /// The whole address there.
    pub url: String,
    /// The member's page of the space.
    pub inside: String,
}
