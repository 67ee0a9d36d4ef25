//! The member's experience page: the room with lobby, player and slates, or the door with the reason it is closed.

use askama::Template;
use askama_web::WebTemplate;
use serde::Serialize;

use super::{
    layout::Layout,
    parts::{Cue, Moment, page_state},
};

/// Why a door is closed, in the order in which one is told when several hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutReason {
    /// The team closed the space for this person.
    Banned,
    /// As many devices watch as one pass allows.
    DeviceLimit,
    /// A bank looks into the payment.
    Disputed,
    /// The pass was refunded.
    Refunded,
    /// The team took it back.
    Revoked,
    /// Late payments, past the time of grace.
    PastDueOver,
    /// Resting by the holder's wish.
    Paused,
    /// Its time is over.
    Expired,
    /// It starts later.
    NotYet,
    /// The pass does not open this experience.
    NotIncluded,
    /// The space is closed for now.
    SpaceUnpublished,
    /// No grant at all.
    NoGrant,
}

impl ShutReason {
    /// The code of the wire.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::DeviceLimit => "device_limit",
            Self::Disputed => "disputed",
            Self::Refunded => "refunded",
            Self::Revoked => "revoked",
            Self::PastDueOver => "past_due_over",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::NotIncluded => "not_included",
            Self::SpaceUnpublished => "space_unpublished",
            Self::NoGrant => "no_grant",
        }
    }
}

/// A pass that would open the door.
#[derive(Clone, Debug)]
pub struct PassLink {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whether one can join for nothing; else it comes by invitation.
    pub free: bool,
}

/// Another door of the same space that is open.
#[derive(Clone, Debug)]
pub struct OpenDoor {
    /// The slug of the experience.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// A closed door.
#[derive(Clone, Debug)]
pub struct Shut {
    /// Why.
    pub reason: ShutReason,
    /// The pass that mattered, if one did.
    pub pass: Option<String>,
    /// The moment that mattered: when it ended, was taken back, starts.
    pub at: Option<Moment>,
    /// The words of the team about a ban, if they gave any.
    pub words: Option<String>,
    /// How many devices may watch at once.
    pub device_limit: u32,
    /// Passes that would open it, in the seller's order.
    pub opened_by: Vec<PassLink>,
    /// Other doors of the space that are open.
    pub still_open: Vec<OpenDoor>,
}

/// Why the door is open.
#[derive(Clone, Debug)]
pub enum OpenBecause {
    /// By a role in the team.
    Staff {
        /// The role.
        role: String,
    },
    /// By a grant.
    Grant {
        /// The pass it came from; `None` when it opens the space or the experience directly.
        pass: Option<String>,
        /// Where it came from: `joined free`, `given by the team`, …
        source: String,
        /// When it began.
        since: Moment,
        /// When it ends; for good when there is no end.
        until: Option<Moment>,
    },
}

/// What the page's script needs to know.
#[derive(Clone, Debug, Serialize)]
pub struct WatchState {
    /// The id on the wire, `exp_…`.
    pub experience: String,
    /// The path of the viewer socket.
    pub socket: String,
    /// The state the page was printed with; the socket knows better.
    pub state: Cue,
    /// The planned start, RFC 3339.
    pub starts_at: Option<String>,
    /// Until when the publisher is waited for, RFC 3339.
    pub until: Option<String>,
    /// Whether the media server is on this machine, so that no outside address is asked for.
    pub loopback: bool,
    /// Whether pictures can be had at all; not so with the stand-in of the media server.
    pub picture: bool,
    /// The reactions one may send, most used first.
    pub reactions: Vec<String>,
}

/// The open room.
#[derive(Clone, Debug)]
pub struct Room {
    /// The state the page is printed with.
    pub cue: Cue,
    /// The title of the broadcast, else the name of the experience.
    pub title: String,
    /// The planned start.
    pub starts_at: Option<Moment>,
    /// Until when the publisher is waited for.
    pub until: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// People here now.
    pub audience: u64,
    /// The most that were here at once.
    pub peak: u64,
    /// Why the door is open.
    pub because: OpenBecause,
    /// How many devices may watch at once.
    pub device_limit: u32,
    /// For the script.
    pub state: WatchState,
}

impl Room {
    /// The script's state as JSON.
    #[must_use]
    pub fn state_json(&self) -> String {
        page_state(&self.state)
    }
}

/// What the visitor finds.
#[derive(Clone, Debug)]
pub enum Door {
    /// The room.
    Open(Box<Room>),
    /// The door and why it is closed.
    Shut(Shut),
    /// Whether it is open cannot be known just now.
    Unknown,
}

/// The member's experience page.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "experience.html")]
pub struct ExperiencePage {
    /// What is round the page.
    pub layout: Layout,
    /// The slug of the space.
    pub space_slug: String,
    /// The name of the space.
    pub space_name: String,
    /// The slug of the experience.
    pub slug: String,
    /// The name of the experience.
    pub name: String,
    /// Plain paragraphs, one a line; may be empty.
    pub text: String,
    /// Whether the visitor is staff; the page then leads to the studio.
    pub staff: bool,
    /// What they find.
    pub door: Door,
}
