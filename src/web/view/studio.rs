//! The creator's pages: spaces, a space, the live studio of an experience, its settings, a pass, people.
//! They read by these structs and change things through the JSON API, by their scripts.

use askama::Template;
use askama_web::WebTemplate;
use serde::Serialize;

use super::{
    layout::Layout,
    member::GrantState,
    parts::{Cue, Moment, OnAir, page_state},
};

/// What the person may do in this team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct May {
    /// Change spaces, experiences and passes, and run broadcasts.
    pub edit: bool,
    /// Give and take access, ban, see people.
    pub admit: bool,
}

/// Whether a space can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceStatus {
    /// Only the team sees it.
    Draft,
    /// Everybody sees it.
    Published,
    /// Put away.
    Archived,
}

impl SpaceStatus {
    /// The word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }
}

/// A space on the studio's home.
#[derive(Clone, Debug)]
pub struct StudioSpaceCard {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whether it can be seen.
    pub status: SpaceStatus,
    /// What is on.
    pub on_air: OnAir,
    /// How many hold access now.
    pub holders: u64,
}

/// A team with its spaces.
#[derive(Clone, Debug)]
pub struct StudioTeam {
    /// The id on the wire, `team_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The person's role in it.
    pub role: String,
    /// What they may do.
    pub may: May,
    /// Its spaces.
    pub spaces: Vec<StudioSpaceCard>,
}

/// The studio's home: the teams somebody belongs to, and their spaces.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/home.html")]
pub struct StudioHomePage {
    /// What is round the page.
    pub layout: Layout,
    /// The teams; empty for somebody who belongs to none.
    pub teams: Vec<StudioTeam>,
}

/// Which entry of a space's rail is the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RailEntry {
    /// The space itself.
    Space,
    /// One of its experiences.
    Experience,
    /// One of its passes.
    Pass,
    /// Its people.
    People,
}

/// The space a studio page belongs to.
#[derive(Clone, Debug)]
pub struct StudioSpace {
    /// The id on the wire, `spc_…`.
    pub id: String,
    /// Its team on the wire.
    pub team: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub tagline: String,
    /// Plain paragraphs; may be empty.
    pub description: String,
    /// Whether it can be seen.
    pub status: SpaceStatus,
    /// Whether only invited people see it.
    pub private: bool,
    /// What the person may do.
    pub may: May,
    /// The experience that *Go live* of the rail leads to: the first one.
    pub stage: Option<String>,
}

/// An experience in the studio's list.
#[derive(Clone, Debug)]
pub struct StudioExperienceRow {
    /// The id on the wire.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// The lamp.
    pub cue: Cue,
    /// What is on.
    pub on_air: OnAir,
    /// The names of the passes that open it.
    pub opened_by: Vec<String>,
}

/// Whether a pass is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassStatus {
    /// Only the team sees it.
    Draft,
    /// Offered.
    OnSale,
    /// Not offered any more.
    Withdrawn,
}

impl PassStatus {
    /// The word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::OnSale => "on_sale",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A pass in the studio's list.
#[derive(Clone, Debug)]
pub struct StudioPassRow {
    /// The id on the wire.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its price in words: `Free, 7 days`, `By invitation`.
    pub price: String,
    /// How many hold it now.
    pub holders: u64,
    /// Whether it is offered.
    pub status: PassStatus,
}

/// The studio's page of a space.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/space.html")]
pub struct StudioSpacePage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: StudioSpace,
    /// Its experiences in order.
    pub experiences: Vec<StudioExperienceRow>,
    /// Its passes in order.
    pub passes: Vec<StudioPassRow>,
}

/// The settings of a live experience.
#[derive(Clone, Debug, Serialize)]
pub struct LiveSettings {
    /// How long before the planned start the lobby opens, in seconds.
    pub lobby_lead_secs: u32,
    /// How long a lost publisher is waited for, in seconds.
    pub publisher_grace_secs: u32,
    /// Whether it goes live by itself when the picture starts in the lobby.
    pub auto_start: bool,
    /// How many devices of one person may watch at once.
    pub device_limit: u32,
    /// Whether the oldest device gives way beyond that, instead of the newcomer.
    pub drops_oldest: bool,
}

/// The open broadcast of the studio page.
#[derive(Clone, Debug, Serialize)]
pub struct OpenBroadcast {
    /// The id on the wire, `bc_…`.
    pub id: String,
    /// Its title; may be empty.
    pub title: String,
    /// What it is doing.
    pub state: Cue,
    /// The planned start, RFC 3339.
    pub scheduled_at: Option<String>,
    /// When it went live, RFC 3339.
    pub live_at: Option<String>,
    /// Until when the publisher is waited for, RFC 3339.
    pub until: Option<String>,
}

/// What the script of the live studio needs to know.
#[derive(Clone, Debug, Serialize)]
pub struct StageState {
    /// The id on the wire, `exp_…`.
    pub experience: String,
    /// The path of the studio socket.
    pub socket: String,
    /// The open broadcast, if there is one.
    pub broadcast: Option<OpenBroadcast>,
    /// The settings.
    pub settings: LiveSettings,
    /// Whether the media server is on this machine, so that no outside address is asked for.
    pub loopback: bool,
    /// Whether pictures can be had at all; not so with the stand-in of the media server.
    pub picture: bool,
    /// Whether the person may run broadcasts.
    pub may_run: bool,
}

/// A broadcast that is over.
#[derive(Clone, Debug)]
pub struct PastBroadcast {
    /// Its title, else the name of the experience.
    pub title: String,
    /// `Ended` or `Cancelled`.
    pub cue: Cue,
    /// When it went live, else when it was planned.
    pub at: Option<Moment>,
    /// How long it was on air, such as `58 min`; empty when it never was.
    pub length: String,
    /// The most that were here at once.
    pub peak: u64,
}

/// The live studio of an experience.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/live.html")]
pub struct StudioLivePage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: StudioSpace,
    /// The slug of the experience.
    pub slug: String,
    /// The name of the experience.
    pub name: String,
    /// What it is doing.
    pub cue: Cue,
    /// People here now.
    pub audience: u64,
    /// The most that were here at once.
    pub peak: u64,
    /// How many hold access now.
    pub entitled: u64,
    /// Earlier broadcasts, the newest first.
    pub past: Vec<PastBroadcast>,
    /// For the script.
    pub state: StageState,
}

impl StudioLivePage {
    /// The script's state as JSON.
    #[must_use]
    pub fn state_json(&self) -> String {
        page_state(&self.state)
    }
}

/// The settings of an experience.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/settings.html")]
pub struct StudioSettingsPage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: StudioSpace,
    /// The id of the experience on the wire.
    pub id: String,
    /// The slug of the experience.
    pub slug: String,
    /// The name of the experience.
    pub name: String,
    /// One sentence; may be empty.
    pub description: String,
    /// The settings.
    pub settings: LiveSettings,
}

/// An experience that a pass may include.
#[derive(Clone, Debug)]
pub struct Included {
    /// The id on the wire.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether the pass opens it.
    pub yes: bool,
}

/// A price of a pass.
#[derive(Clone, Debug)]
pub struct PriceRow {
    /// The id on the wire.
    pub id: String,
    /// In words: `Free for 7 days`.
    pub words: String,
    /// Whether it is offered.
    pub active: bool,
}

/// How many units there are of a pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct StockForm {
    /// Those sold and held included; `None` without limit.
    pub limit: Option<i32>,
    /// How many are free.
    pub left: Option<i64>,
}

/// Somebody who holds access.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The grant, for `DELETE /api/v1/grants/{id}`.
    pub grant_id: String,
    /// Their name, else the part of the address before the `@`.
    pub name: String,
    /// Their address.
    pub email: String,
    /// One or two capitals.
    pub initials: String,
    /// What they hold: the pass, else `the whole space`, else the experience.
    pub holds: String,
    /// Where it came from: `joined free`, `given by the team`, …
    pub source: String,
    /// How it stands.
    pub state: GrantState,
    /// When it ends or ended; for good when there is no end.
    pub until: Option<Moment>,
}

/// The studio's page of a pass.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/pass.html")]
pub struct StudioPassPage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: StudioSpace,
    /// The id of the pass on the wire.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// A name that only the team sees; may be empty.
    pub internal_name: String,
    /// One sentence; may be empty.
    pub headline: String,
    /// Plain paragraphs; may be empty.
    pub description: String,
    /// What one gets, one line each.
    pub benefits: Vec<String>,
    /// Whether it is offered.
    pub status: PassStatus,
    /// How many there are.
    pub stock: StockForm,
    /// What is asked before checkout, one a line, with a star where an answer is needed.
    pub questions: Vec<String>,
    /// Where a buyer goes afterwards; empty for the first experience.
    pub redirect_url: String,
    /// When the pass itself ends.
    pub ends: Option<Moment>,
    /// Its prices; without an active one it comes by invitation only.
    pub prices: Vec<PriceRow>,
    /// Every experience of the space.
    pub experiences: Vec<Included>,
    /// Who holds it.
    pub holders: Vec<Holder>,
}

/// Somebody in the team.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Their name, else the part of the address before the `@`.
    pub name: String,
    /// Their address.
    pub email: String,
    /// One or two capitals.
    pub initials: String,
    /// Their role.
    pub role: String,
}

/// Somebody the space is closed for.
#[derive(Clone, Debug)]
pub struct BanRow {
    /// Their address, for `DELETE /api/v1/spaces/{id}/bans`.
    pub email: String,
    /// Why, in the team's words; may be empty.
    pub reason: String,
    /// Until when; for good when there is no end.
    pub until: Option<Moment>,
}

/// The studio's page of a space's people.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "studio/people.html")]
pub struct StudioPeoplePage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: StudioSpace,
    /// The id of the team on the wire.
    pub team_id: String,
    /// Who holds access.
    pub holders: Vec<Holder>,
    /// Who belongs to the team.
    pub members: Vec<MemberRow>,
    /// Who is banned.
    pub bans: Vec<BanRow>,
    /// The experiences of the space, `(id, name)`, for *Why can they open this*.
    pub doors: Vec<(String, String)>,
    /// The passes of the space, `(id, name)`, for *Give access*.
    pub passes: Vec<(String, String)>,
}
