//! The life of one broadcast: what each event does to it, and what has to be done because of it.

mod step;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId},
};

pub use step::{next_alarm, step};

/// Where the picture comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Nobody publishes.
    #[default]
    None,
    /// The creator's browser.
    Browser,
    /// An encoder such as OBS.
    Encoder,
}

/// Who saw that media went away or came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Witness {
    /// The creator's own page: its heartbeat and statistics.
    Studio,
    /// More than one viewer whose picture froze or moved again.
    Viewers,
    /// The media server.
    Server,
}

/// Why a broadcast is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The creator ended it.
    Creator,
    /// Media did not come back inside the grace.
    PublisherGone,
    /// The media server could not be asked for too long.
    MediaServerSilent,
}

/// Why a broadcast never happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The creator cancelled it.
    Creator,
    /// It did not start within the time after its schedule.
    NeverStarted,
}

/// Where a broadcast stands. Each variant carries only what that stage needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Stage {
    /// Announced; nobody waits yet.
    Scheduled,
    /// People wait; media that is there stays backstage.
    Lobby {
        /// When the lobby opened.
        since: Timestamp,
        /// What is already published, unseen by viewers.
        feed: Feed,
    },
    /// On air.
    Live {
        /// When it went live for the first time.
        live_at: Timestamp,
        /// When this stretch of being live began.
        since: Timestamp,
        /// What is published.
        feed: Feed,
        /// When media was last seen to appear; `None` until it was once seen.
        media_at: Option<Timestamp>,
    },
    /// On air, but the picture is gone; the same broadcast if it is back before `until`.
    Reconnecting {
        /// When it went live for the first time.
        live_at: Timestamp,
        /// When media was lost.
        since: Timestamp,
        /// When the media server is asked whether to give up.
        until: Timestamp,
        /// What was published.
        feed: Feed,
        /// Whose word it was. The media server's listing does not outweigh fresh silence that we saw ourselves.
        witness: Witness,
    },
    /// Over.
    Ended {
        /// When it went live, if ever.
        live_at: Timestamp,
        /// When it ended.
        at: Timestamp,
        /// Why.
        why: EndReason,
    },
    /// Never happened.
    Cancelled {
        /// When it was cancelled.
        at: Timestamp,
        /// Why.
        why: CancelReason,
    },
}

impl Stage {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Lobby { .. } => "lobby",
            Self::Live { .. } => "live",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Ended { .. } => "ended",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether nothing will ever happen to it again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Cancelled { .. })
    }

    /// Whether viewers may have the picture.
    #[must_use]
    pub fn is_on_air(&self) -> bool {
        matches!(self, Self::Live { .. } | Self::Reconnecting { .. })
    }

    /// Whether a room at the media server is wanted.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        matches!(self, Self::Lobby { .. } | Self::Live { .. } | Self::Reconnecting { .. })
    }

    /// What is published now.
    #[must_use]
    pub fn feed(&self) -> Feed {
        match self {
            Self::Lobby { feed, .. } | Self::Live { feed, .. } => *feed,
            Self::Scheduled | Self::Reconnecting { .. } | Self::Ended { .. } | Self::Cancelled { .. } => Feed::None,
        }
    }
}

/// One run of a live experience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its id, also the name of its room.
    pub id: BroadcastId,
    /// Where it happens.
    pub experience: ExperienceId,
    /// What it is called.
    pub title: Option<String>,
    /// Whether it is to be recorded.
    pub record: bool,
    /// When it was announced for.
    pub scheduled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it stands.
    pub stage: Stage,
}

impl Broadcast {
    /// When it went live, if it did.
    #[must_use]
    pub fn live_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Live { live_at, .. } | Stage::Reconnecting { live_at, .. } | Stage::Ended { live_at, .. } => {
                Some(*live_at)
            }
            Stage::Scheduled | Stage::Lobby { .. } | Stage::Cancelled { .. } => None,
        }
    }

    /// When it was over, if it is.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Ended { at, .. } | Stage::Cancelled { at, .. } => Some(*at),
            Stage::Scheduled | Stage::Lobby { .. } | Stage::Live { .. } | Stage::Reconnecting { .. } => None,
        }
    }

    /// Since when it stands where it stands.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match &self.stage {
            Stage::Scheduled => self.created_at,
            Stage::Lobby { since, .. } | Stage::Live { since, .. } | Stage::Reconnecting { since, .. } => *since,
            Stage::Ended { at, .. } | Stage::Cancelled { at, .. } => *at,
        }
    }
}

/// What the creator has set for the experience, and the operator for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long before its schedule the lobby opens.
    pub lobby_lead: Duration,
    /// How long lost media may stay away.
    pub publisher_grace: Duration,
    /// Whether media that starts in the lobby takes the broadcast live.
    pub auto_start: bool,
    /// How long after its schedule a broadcast that has not started is cancelled.
    pub not_started: Duration,
    /// How long after the deadline the media server may stay silent.
    pub unanswered: Duration,
}

/// What was seen or ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The creator opens the lobby.
    OpenLobby,
    /// The creator goes live.
    GoLive,
    /// The creator ends it.
    End,
    /// The creator cancels it.
    Cancel,
    /// Media appeared, freshly.
    MediaUp {
        /// From where.
        feed: Feed,
        /// Who saw it.
        witness: Witness,
    },
    /// Media went away.
    MediaDown {
        /// Who saw it.
        witness: Witness,
    },
    /// The media server was asked at `asked_at` and lists this feed.
    OnAir {
        /// When it was asked.
        asked_at: Timestamp,
        /// What it lists.
        feed: Feed,
    },
    /// The media server was asked at `asked_at` and lists nobody.
    NobodyOnAir {
        /// When it was asked.
        asked_at: Timestamp,
    },
    /// The media server was asked and did not answer.
    NoAnswer {
        /// When it last answered, or since when it is asked at all.
        silent_since: Timestamp,
    },
    /// Time has passed. Comes before every other event, so that a busy mailbox cannot delay a deadline.
    Tick,
}

/// Work for the shell. The core asks; only the shell touches the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Binding: open the broadcast's room, after the step is saved.
    OpenRoom,
    /// Binding: close the broadcast's room, after the step is saved.
    CloseRoom,
    /// Repeatable: ask the media server who is on air.
    Ask,
}

/// Says no to an event. An answer, not a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The deed does not fit the state.
    #[error("not possible in this state")]
    IllegalTransition,
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where the broadcast stands afterwards; `None`: where it stood, nothing to save.
    pub next: Option<Stage>,
    /// What has to be done.
    pub effects: Vec<Effect>,
}

impl Step {
    fn stay() -> Self {
        Self { next: None, effects: vec![] }
    }

    fn to(next: Stage) -> Self {
        Self { next: Some(next), effects: vec![] }
    }

    fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
