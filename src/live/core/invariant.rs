//! What must hold of a broadcast and its audience at every moment; tests assert it, the engine counts breaches.

use super::{
    audience::Count,
    broadcast::{Broadcast, Stage},
};

/// The rules broken, by name; empty when all is well.
#[must_use]
pub fn breaches(before: &Stage, after: &Broadcast, count: Count) -> Vec<&'static str> {
    let mut broken = vec![];
    if before.is_over() && after.stage != *before {
        broken.push("over_is_over");
    }
    if let (Some(live_at), Some(ended_at)) = (after.live_at(), after.ended_at())
        && ended_at < live_at
    {
        broken.push("ended_after_live");
    }
    if let Stage::Reconnecting { since, until, .. } = &after.stage
        && until < since
    {
        broken.push("grace_runs_forward");
    }
    if let (Stage::Live { live_at: was, .. } | Stage::Reconnecting { live_at: was, .. }, Some(is)) =
        (before, after.live_at())
        && *was != is
    {
        broken.push("live_once");
    }
    if count.users > count.now || count.now > count.peak {
        broken.push("audience_adds_up");
    }
    broken
}
