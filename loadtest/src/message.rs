//! What a message of the engine says, as far as a viewer of the load test needs it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kinds of messages that are told apart.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first message of a socket.
    Welcome,
    /// Everything, at once.
    Snapshot,
    /// A change of the broadcast's state.
    State,
    /// How many are watching.
    Audience,
    /// Hearts.
    Reactions,
    /// Where the picture comes from.
    Playback,
    /// Who is on stage.
    Stage,
    /// A word to everybody.
    Notice,
    /// A fresh token for one viewer.
    Token,
    /// The socket is about to close.
    Bye,
    /// The engine did not understand.
    Error,
    /// Anything newer than this program.
    #[serde(other)]
    Other,
}

impl Kind {
    /// Every kind, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::Welcome,
        Self::Snapshot,
        Self::State,
        Self::Audience,
        Self::Reactions,
        Self::Playback,
        Self::Stage,
        Self::Notice,
        Self::Token,
        Self::Bye,
        Self::Error,
        Self::Other,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Snapshot => "snapshot",
            Self::State => "state",
            Self::Audience => "audience",
            Self::Reactions => "reactions",
            Self::Playback => "playback",
            Self::Stage => "stage",
            Self::Notice => "notice",
            Self::Token => "token",
            Self::Bye => "bye",
            Self::Error => "error",
            Self::Other => "other",
        }
    }

    /// Whether messages of this kind are numbered when they carry an offset.
    pub const fn is_numbered(self) -> bool {
        matches!(self, Self::State | Self::Stage | Self::Notice | Self::Playback)
    }
}

/// The states of a broadcast as the wire names them.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No open broadcast.
    Offline,
    /// Announced.
    Scheduled,
    /// The audience gathers.
    Lobby,
    /// On air.
    Live,
    /// The picture is away and may come back.
    Reconnecting,
    /// Over.
    Ended,
    /// Will not take place.
    Cancelled,
    /// A state newer than this program.
    #[serde(other)]
    Unknown,
}

/// The fields of any message that this program looks at.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// What it is.
    pub t: Kind,
    /// The activation of the experience that it belongs to.
    pub epoch: Option<u64>,
    /// Its number, or the newest number when it was sent.
    pub offset: Option<u64>,
    /// The state that it tells.
    pub state: Option<State>,
    /// The socket's own name, in a welcome.
    #[serde(borrow)]
    pub session: Option<&'a str>,
    /// The secret for coming back, in a welcome.
    #[serde(borrow)]
    pub resume: Option<&'a str>,
    /// Whether the place was kept and only what was missed follows.
    #[serde(default)]
    pub recovered: bool,
    /// Whether a bye asks to come back.
    pub reconnect: Option<bool>,
    /// When a bye asks to come back.
    pub after_ms: Option<u64>,
}

impl Message<'_> {
    /// The wait that a bye asks for.
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_it_is_read_by() {
        for kind in Kind::ALL {
            let text = format!("{{\"t\":\"{}\"}}", kind.name());
            assert_eq!(serde_json::from_str::<Message<'_>>(&text).unwrap().t, kind);
        }
    }

    #[test]
    fn a_kind_or_a_state_of_tomorrow_is_no_fault() {
        let text = r#"{"t":"poll","epoch":3,"offset":9,"state":"paused","more":{"a":[1]}}"#;
        let message: Message<'_> = serde_json::from_str(text).unwrap();
        assert_eq!((message.t, message.state, message.offset), (Kind::Other, Some(State::Unknown), Some(9)));
    }
}
