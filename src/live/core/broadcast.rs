//! The life of one broadcast: what each event does to it, and what has to be done because of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId},
    limits::MEDIA_NOTICES_LATE,
};

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

/// What happens to `broadcast` when `event` is seen at `now`.
///
/// # Errors
/// [`Refusal`] when a person asks for what the state does not allow; what the world reports is never refused.
pub fn step(now: Timestamp, broadcast: &Broadcast, settings: &Settings, event: Event) -> Result<Step, Refusal> {
    match event {
        Event::OpenLobby | Event::GoLive | Event::End | Event::Cancel => command(now, &broadcast.stage, event),
        Event::Tick => Ok(tick(now, broadcast, settings)),
        Event::MediaUp { feed, .. } => Ok(media_up(now, &broadcast.stage, settings, feed)),
        Event::MediaDown { witness } => Ok(media_down(now, &broadcast.stage, settings, witness)),
        Event::OnAir { asked_at, feed } => Ok(on_air(now, &broadcast.stage, settings, asked_at, feed)),
        Event::NobodyOnAir { asked_at } => Ok(nobody_on_air(now, &broadcast.stage, settings, asked_at)),
        Event::NoAnswer { silent_since } => Ok(no_answer(now, &broadcast.stage, settings, silent_since)),
    }
}

/// The next moment at which a `Tick` would do something.
#[must_use]
pub fn next_alarm(broadcast: &Broadcast, settings: &Settings) -> Option<Timestamp> {
    match &broadcast.stage {
        Stage::Scheduled => broadcast.scheduled_at.map(|at| at.minus(settings.lobby_lead)),
        Stage::Lobby { .. } => broadcast.scheduled_at.map(|at| at.plus(settings.not_started)),
        Stage::Reconnecting { until, .. } => Some(*until),
        Stage::Live { .. } | Stage::Ended { .. } | Stage::Cancelled { .. } => None,
    }
}

fn command(now: Timestamp, stage: &Stage, event: Event) -> Result<Step, Refusal> {
    match (stage, event) {
        (Stage::Scheduled, Event::OpenLobby) => Ok(open_lobby(now)),
        (Stage::Scheduled, Event::GoLive) => Ok(go_live(now, Feed::None).and(Effect::OpenRoom)),
        (Stage::Lobby { feed, .. }, Event::GoLive) => Ok(go_live(now, *feed)),
        (Stage::Live { live_at, .. } | Stage::Reconnecting { live_at, .. }, Event::End) => {
            Ok(end(now, *live_at, EndReason::Creator))
        }
        (Stage::Scheduled, Event::Cancel) => Ok(cancel(now, CancelReason::Creator)),
        (Stage::Lobby { .. }, Event::Cancel) => Ok(cancel(now, CancelReason::Creator).and(Effect::CloseRoom)),
        // already there: the same answer again, nothing done twice
        (Stage::Lobby { .. }, Event::OpenLobby)
        | (Stage::Live { .. } | Stage::Reconnecting { .. }, Event::GoLive)
        | (Stage::Ended { .. }, Event::End)
        | (Stage::Cancelled { .. }, Event::Cancel) => Ok(Step::stay()),
        _ => Err(Refusal::IllegalTransition),
    }
}

fn tick(now: Timestamp, broadcast: &Broadcast, settings: &Settings) -> Step {
    let overdue = broadcast.scheduled_at.is_some_and(|at| now >= at.plus(settings.not_started));
    match &broadcast.stage {
        Stage::Scheduled if overdue => cancel(now, CancelReason::NeverStarted),
        Stage::Scheduled if broadcast.scheduled_at.is_some_and(|at| now >= at.minus(settings.lobby_lead)) => {
            open_lobby(now)
        }
        Stage::Lobby { .. } if overdue => cancel(now, CancelReason::NeverStarted).and(Effect::CloseRoom),
        Stage::Reconnecting { until, .. } if now >= *until => Step::stay().and(Effect::Ask),
        Stage::Scheduled
        | Stage::Lobby { .. }
        | Stage::Live { .. }
        | Stage::Reconnecting { .. }
        | Stage::Ended { .. }
        | Stage::Cancelled { .. } => Step::stay(),
    }
}

fn media_up(now: Timestamp, stage: &Stage, settings: &Settings, feed: Feed) -> Step {
    match stage {
        Stage::Lobby { .. } if settings.auto_start => go_live(now, feed),
        Stage::Lobby { since, feed: known } if *known != feed => Step::to(Stage::Lobby { since: *since, feed }),
        Stage::Live { live_at, since, feed: known, media_at } if *known != feed || media_at.is_none() => {
            Step::to(Stage::Live { live_at: *live_at, since: *since, feed, media_at: Some(now) })
        }
        Stage::Reconnecting { live_at, .. } => {
            Step::to(Stage::Live { live_at: *live_at, since: now, feed, media_at: Some(now) })
        }
        Stage::Scheduled | Stage::Lobby { .. } | Stage::Live { .. } | Stage::Ended { .. } | Stage::Cancelled { .. } => {
            Step::stay()
        }
    }
}

fn media_down(now: Timestamp, stage: &Stage, settings: &Settings, witness: Witness) -> Step {
    match stage {
        Stage::Lobby { since, feed } if *feed != Feed::None => {
            Step::to(Stage::Lobby { since: *since, feed: Feed::None })
        }
        // the grace begins only after media was once seen
        Stage::Live { live_at, feed, media_at: Some(_), .. } => Step::to(Stage::Reconnecting {
            live_at: *live_at,
            since: now,
            until: now.plus(settings.publisher_grace),
            feed: *feed,
            witness,
        }),
        Stage::Scheduled
        | Stage::Lobby { .. }
        | Stage::Live { .. }
        | Stage::Reconnecting { .. }
        | Stage::Ended { .. }
        | Stage::Cancelled { .. } => Step::stay(),
    }
}

fn on_air(now: Timestamp, stage: &Stage, settings: &Settings, asked_at: Timestamp, feed: Feed) -> Step {
    match stage {
        // the server lists a publisher for 20 s after its browser died: until then its listing takes back only its own word
        Stage::Reconnecting { since, witness: Witness::Studio | Witness::Viewers, .. }
            if asked_at < since.plus(MEDIA_NOTICES_LATE) =>
        {
            Step::stay()
        }
        Stage::Reconnecting { since, .. } if asked_at <= *since => Step::stay(),
        Stage::Lobby { .. } | Stage::Live { media_at: None, .. } | Stage::Reconnecting { .. } => {
            media_up(now, stage, settings, feed)
        }
        Stage::Scheduled | Stage::Live { .. } | Stage::Ended { .. } | Stage::Cancelled { .. } => Step::stay(),
    }
}

fn nobody_on_air(now: Timestamp, stage: &Stage, settings: &Settings, asked_at: Timestamp) -> Step {
    match stage {
        Stage::Reconnecting { live_at, until, .. } if asked_at >= *until => {
            end(now, *live_at, EndReason::PublisherGone)
        }
        Stage::Reconnecting { live_at, since, until, feed, witness: Witness::Studio | Witness::Viewers }
            if asked_at > *since =>
        {
            // the server knows by now, so its listing may take it back
            let (live_at, since, until, feed) = (*live_at, *since, *until, *feed);
            Step::to(Stage::Reconnecting { live_at, since, until, feed, witness: Witness::Server })
        }
        // an answer to a question asked before media appeared says nothing about it
        Stage::Live { media_at: Some(media_at), .. } if asked_at > *media_at => {
            media_down(now, stage, settings, Witness::Server)
        }
        Stage::Lobby { since, .. } if asked_at > *since => media_down(now, stage, settings, Witness::Server),
        Stage::Scheduled
        | Stage::Lobby { .. }
        | Stage::Live { .. }
        | Stage::Reconnecting { .. }
        | Stage::Ended { .. }
        | Stage::Cancelled { .. } => Step::stay(),
    }
}

/// One question that is lost says little: only a silence that lasted the whole time ends a broadcast.
fn no_answer(now: Timestamp, stage: &Stage, settings: &Settings, silent_since: Timestamp) -> Step {
    match stage {
        Stage::Reconnecting { live_at, until, .. } if now >= (*until).max(silent_since).plus(settings.unanswered) => {
            end(now, *live_at, EndReason::MediaServerSilent)
        }
        Stage::Scheduled
        | Stage::Lobby { .. }
        | Stage::Live { .. }
        | Stage::Reconnecting { .. }
        | Stage::Ended { .. }
        | Stage::Cancelled { .. } => Step::stay(),
    }
}

fn open_lobby(now: Timestamp) -> Step {
    Step::to(Stage::Lobby { since: now, feed: Feed::None }).and(Effect::OpenRoom)
}

fn go_live(now: Timestamp, feed: Feed) -> Step {
    let media_at = (feed != Feed::None).then_some(now);
    Step::to(Stage::Live { live_at: now, since: now, feed, media_at })
}

fn end(now: Timestamp, live_at: Timestamp, why: EndReason) -> Step {
    Step::to(Stage::Ended { live_at, at: now, why }).and(Effect::CloseRoom)
}

fn cancel(now: Timestamp, why: CancelReason) -> Step {
    Step::to(Stage::Cancelled { at: now, why })
}
