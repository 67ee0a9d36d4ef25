//! The doorkeeper's rounds: wakes those whose rights time changes, follows the log of changes, closes doors when nothing is
//! known any more, and forgets who is gone.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    directory::{Doorkeeper, one_round, pause},
    entitlement_actor::{EntitlementActor, Word},
    hall::Hall,
    source::RightsSource,
};
use crate::{
    clock::Timestamp,
    limits::{
        CHANGES_LOOK_EVERY, CHANGES_OVERLAP, EXPIRY_AGAIN, LOAD_WAIT, RIGHTS_CHECK_EVERY, RIGHTS_SWEEP_EVERY,
        RIGHTS_TIDY_EVERY,
    },
    supervision::{Keeper, Unheard},
};

/// Whom the rounds are for; they end when the doorkeeper is gone.
struct Beat {
    hall: Weak<Hall>,
    keeper: Keeper<EntitlementActor>,
}

/// Begins all rounds on the doorkeeper's runtime.
pub(super) fn begin(doorkeeper: &Doorkeeper, source: Arc<dyn RightsSource>) {
    let beat = || Beat { hall: Arc::downgrade(&doorkeeper.hall), keeper: doorkeeper.keeper.clone() };
    let runtime = doorkeeper.runtime();
    runtime.spawn(wake(beat()));
    runtime.spawn(follow(beat(), source.clone()));
    runtime.spawn(every(RIGHTS_CHECK_EVERY, beat(), |hall, _| hall.fail_closed()));
    runtime.spawn(every(RIGHTS_SWEEP_EVERY, beat(), |hall, keeper| {
        for user in hall.idle() {
            let _told = keeper.tell_running(user, Word::Idle); // refused: the next round finds it again
        }
    }));
    runtime.spawn(tidy(beat(), source));
}

async fn every(pace: Duration, beat: Beat, round: impl Fn(&Hall, &Keeper<EntitlementActor>) + Send + Sync + 'static) {
    loop {
        pause(pace).await;
        let Some(hall) = beat.hall.upgrade() else { return };
        one_round(async { round(&hall, &beat.keeper) }.boxed()).await;
    }
}

/// Wakes the actors of those whose rights time changes. Whom a full mailbox keeps from it is tried again; where there is no
/// actor that works, the doors are told without one.
async fn wake(beat: Beat) {
    let mut left: Vec<_> = vec![];
    loop {
        let Some(hall) = beat.hall.upgrade() else { return };
        let again_in = (!left.is_empty()).then_some(EXPIRY_AGAIN);
        let due = hall.wheel.due(&hall.clock, again_in).await;
        let tried: Vec<_> = left.drain(..).chain(due).collect();
        one_round(
            async {
                for user in tried {
                    match beat.keeper.tell_running(user, Word::Due) {
                        Ok(true) => {}
                        Ok(false) | Err(Unheard::Degraded | Unheard::Crashed | Unheard::Late) => hall.look_again(user),
                        Err(Unheard::Busy) => left.push(user),
                    }
                }
            }
            .boxed(),
        )
        .await;
    }
}

/// Where following the log of changes stands.
struct Followed {
    since: Timestamp,
    seen: HashSet<i64>,
}

/// Follows the log of changes: other nodes' changes are heard by it, and each good look says that nothing else has changed.
async fn follow(beat: Beat, source: Arc<dyn RightsSource>) {
    let mut followed: Option<Followed> = None;
    loop {
        {
            let Some(hall) = beat.hall.upgrade() else { return };
            one_round(look(&hall, &beat.keeper, source.as_ref(), &mut followed).boxed()).await;
        }
        pause(CHANGES_LOOK_EVERY).await;
    }
}

async fn look(
    hall: &Hall,
    keeper: &Keeper<EntitlementActor>,
    source: &dyn RightsSource,
    followed: &mut Option<Followed>,
) {
    let (began, now) = (hall.clock.monotonic(), hall.clock.now());
    let since = followed.as_ref().map_or(now, |followed| followed.since).minus(CHANGES_OVERLAP);
    let changes = match tokio::time::timeout(LOAD_WAIT, source.changes(since)).await {
        Ok(Ok(changes)) => changes,
        Ok(Err(fault)) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the log of changed rights cannot be read");
            return;
        }
        Err(_) => return tracing::warn!("the log of changed rights was not read in time"),
    };
    let mut seen = HashSet::with_capacity(changes.len());
    for change in changes {
        let is_new = followed.as_ref().is_none_or(|followed| !followed.seen.contains(&change.number));
        if is_new {
            hall.doubt(change.user);
        }
        // What a full mailbox refuses is not seen, so that the next look tells it again.
        if !is_new || keeper.tell_running(change.user, Word::Changed) != Err(Unheard::Busy) {
            seen.insert(change.number);
        }
    }
    *followed = Some(Followed { since: now, seen });
    hall.heard(began);
    hall.read_openings(hall.openings_in_use()).await;
}

async fn tidy(beat: Beat, source: Arc<dyn RightsSource>) {
    loop {
        pause(RIGHTS_TIDY_EVERY).await;
        let Some(now) = beat.hall.upgrade().map(|hall| hall.clock.now()) else { return };
        one_round(
            async {
                if let Err(fault) = source.tidy(now).await {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "grants cannot be put in order");
                }
            }
            .boxed(),
        )
        .await;
    }
}
