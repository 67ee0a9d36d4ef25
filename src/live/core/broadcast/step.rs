//! The rules: what each event does to a broadcast, and when time itself does something.

use super::{Broadcast, CancelReason, Effect, EndReason, Event, Feed, Refusal, Settings, Stage, Step, Witness};
use crate::{clock::Timestamp, limits::MEDIA_NOTICES_LATE};

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
