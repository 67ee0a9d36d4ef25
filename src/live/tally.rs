//! The live core's metrics: what changed, told to the recorder.

use metrics::{counter, histogram};

use super::{
    core::{
        audience::Count,
        broadcast::{Broadcast, Stage},
        health::{Health, Stats},
        invariant::breaches,
    },
    order::Eviction,
};
use crate::{
    clock::Timestamp,
    ids::ExperienceId,
    telemetry::{
        metric::{EPOCH_REFUSALS, EVICTION_SECONDS, EVICTIONS, INVARIANT_BREACHES, PUBLISHER_RECONNECTS, TRANSITIONS},
        stage::{self, Figures, Sent},
    },
};

/// A step was saved.
pub fn stepped(before: &Stage, after: &Broadcast, count: Count, now: Timestamp) {
    let (from, to) = (before.name(), after.stage.name());
    if from != to {
        counter!(TRANSITIONS, "from" => from, "to" => to).increment(1);
    }
    if let Stage::Reconnecting { .. } = before {
        let outcome = if after.stage.is_over() { "ended" } else { "back" };
        counter!(PUBLISHER_RECONNECTS, "outcome" => outcome).increment(u64::from(from != to));
    }
    for id in breaches(before, after, count) {
        debug_assert!(false, "invariant {id} broken at {now}: {before:?} -> {after:?}");
        tracing::error!(id, %now, broadcast = %after.id, "an invariant is broken");
        counter!(INVARIANT_BREACHES, "id" => id).increment(1);
    }
}

/// Somebody whose right ended is out of a door.
pub fn put_out(door: &'static str, eviction: &Eviction) {
    counter!(EVICTIONS, "reason" => eviction.reason.to_string(), "door" => door).increment(1);
    histogram!(EVICTION_SECONDS, "door" => door).record(eviction.since.elapsed());
}

/// What operators are shown of an experience, for as long as this is kept: an activation that is given up takes it along.
#[derive(Debug)]
pub struct Shown(ExperienceId);

impl Shown {
    /// Nothing is shown of it yet.
    pub fn of(experience: ExperienceId) -> Self {
        Self(experience)
    }

    /// What is so now.
    pub fn look(&self, at: Option<&Broadcast>, count: Count, health: &Health, stats: Option<Stats>) {
        let score = match health {
            Health::Known { score, .. } => Some(*score),
            Health::Unknown => None,
        };
        let sent =
            |stats: Stats| Sent { bitrate_bits: stats.bitrate_bps, fps: stats.fps, loss_ratio: stats.loss_ratio };
        let open = at.filter(|at| !at.stage.is_over());
        let figures = Figures {
            state: open.map(|at| at.stage.name()),
            viewers: count.now,
            peak: count.peak,
            score: score.filter(|_| open.is_some()),
            sent: stats.filter(|_| open.is_some()).map(sent),
        };
        stage::show(self.0, figures);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        stage::show(self.0, Figures::default());
    }
}

/// A step was refused by the fence.
pub fn fenced() {
    counter!(EPOCH_REFUSALS).increment(1);
}
