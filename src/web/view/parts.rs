//! The small things that several pages print: moments, cue lamps, people, notices, and state for the page's script.

use serde::Serialize;

use crate::clock::Timestamp;

/// A moment as a page prints it: exact for machines, words in UTC until the page's script writes them in local time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// RFC 3339, UTC.
    pub iso: String,
    /// `26 November 2026, 18:00 UTC`.
    pub words: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { iso: at.to_string(), words: at.to_utc().format("%-d %B %Y, %H:%M UTC").to_string() }
    }
}

/// What a broadcast is doing; one lamp and one word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// No broadcast is open.
    Offline,
    /// Planned, the lobby is not open yet.
    Scheduled,
    /// People may come in and wait; there is no picture.
    Lobby,
    /// On air.
    Live,
    /// The publisher is away, the room is kept.
    Reconnecting,
    /// Over for good.
    Ended,
    /// Will not take place.
    Cancelled,
}

impl Cue {
    /// The word of the wire, also the one that scripts and styles know.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Scheduled => "scheduled",
            Self::Lobby => "lobby",
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    /// The words beside the lamp.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Offline => "Nothing on",
            Self::Scheduled => "Scheduled",
            Self::Lobby => "Lobby is open",
            Self::Live => "Live",
            Self::Reconnecting => "Reconnecting",
            Self::Ended => "Ended",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What is on in a space or an experience just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnAir {
    /// Nothing is on and nothing is planned.
    Quiet,
    /// The next broadcast has a date.
    Next {
        /// Its title, else the name of the experience.
        title: String,
        /// The planned start.
        at: Moment,
    },
    /// The lobby is open.
    Lobby {
        /// Its title, else the name of the experience.
        title: String,
        /// The planned start, if there is one.
        at: Option<Moment>,
        /// People in the lobby.
        waiting: u64,
    },
    /// On air, also while the publisher is away.
    Live {
        /// Its title, else the name of the experience.
        title: String,
        /// When it went live.
        since: Moment,
        /// People watching.
        watching: u64,
    },
}

/// Somebody who is signed in, as the top bar shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name they gave, else the part of the address before the `@`.
    pub name: String,
    /// Their address.
    pub email: String,
    /// One or two capitals for the avatar.
    pub initials: String,
    /// Whether they belong to a team, so that the way to the studio is shown.
    pub creator: bool,
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// Good to know.
    Neutral,
    /// It worked.
    Good,
    /// Needs a look.
    Warn,
    /// Did not work.
    Bad,
}

impl NoticeKind {
    /// The class of the notice.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "notice",
            Self::Good => "notice notice--good",
            Self::Warn => "notice notice--warn",
            Self::Bad => "notice notice--bad",
        }
    }

    /// The icon of the notice.
    #[must_use]
    pub fn icon(self) -> &'static str {
        match self {
            Self::Neutral => "info",
            Self::Good => "circle-check",
            Self::Warn => "triangle-alert",
            Self::Bad => "circle-alert",
        }
    }
}

/// A message that stays in the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub kind: NoticeKind,
    /// One short sentence.
    pub title: String,
    /// What to do now; may be empty.
    pub text: String,
}

/// `state` as JSON that may stand inside a `<script type="application/json">`: no `<`, `>` or `&` in it.
#[must_use]
pub fn page_state<T: Serialize>(state: &T) -> String {
    let json = serde_json::to_string(state).expect("page states are plain structs of strings and numbers");
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// One or two capitals for an avatar: the first letters of the first and the last word of `name`.
#[must_use]
pub fn initials_of(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}
