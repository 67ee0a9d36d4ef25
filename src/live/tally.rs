//! The live core's metrics: what changed, told to the recorder.

use metrics::{counter, gauge};

use super::core::{
    audience::Count,
    broadcast::{Broadcast, Stage},
    health::{Health, Stats},
    invariant::breaches,
};
use crate::{
    clock::Timestamp,
    ids::ExperienceId,
    telemetry::metric::{
        BITRATE, BROADCASTS, EPOCH_REFUSALS, FPS, HEALTH_SCORE, INVARIANT_BREACHES, PACKET_LOSS, PUBLISHER_RECONNECTS,
        TRANSITIONS, VIEWERS, VIEWERS_PEAK,
    },
};

/// An open broadcast as the gauge counts it, for as long as this is kept: an activation that is given up takes it along.
#[derive(Debug)]
pub struct Open(Option<&'static str>);

impl Open {
    /// An activation found, or made, a broadcast.
    pub fn of(at: Option<&Broadcast>) -> Self {
        let state = at.filter(|at| !at.stage.is_over()).map(|at| at.stage.name());
        if let Some(state) = state {
            gauge!(BROADCASTS, "state" => state).increment(1);
        }
        Self(state)
    }

    /// It stands somewhere else by now.
    pub fn step(&mut self, at: &Broadcast) {
        *self = Self::of(Some(at)); // what stood there before is taken back as it is dropped
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            gauge!(BROADCASTS, "state" => state).decrement(1);
        }
    }
}

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

/// The studio said how good its picture is.
pub fn health(experience: ExperienceId, health: &Health, stats: Option<Stats>) {
    let experience = experience.to_string();
    if let Health::Known { score, .. } = health {
        gauge!(HEALTH_SCORE, "experience" => experience.clone()).set(f64::from(*score));
    }
    if let Some(stats) = stats {
        gauge!(BITRATE, "experience" => experience.clone()).set(stats.bitrate_bps);
        gauge!(FPS, "experience" => experience.clone()).set(stats.fps);
        gauge!(PACKET_LOSS, "experience" => experience).set(stats.loss_ratio);
    }
}

/// How many are there.
pub fn audience(experience: ExperienceId, count: Count) {
    let experience = experience.to_string();
    gauge!(VIEWERS, "experience" => experience.clone()).set(f64::from(count.now));
    gauge!(VIEWERS_PEAK, "experience" => experience).set(f64::from(count.peak));
}

/// A step was refused by the fence.
pub fn fenced() {
    counter!(EPOCH_REFUSALS).increment(1);
}
