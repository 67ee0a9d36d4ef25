//! The live core's metrics: what changed, told to the recorder.

use metrics::{counter, gauge, histogram};

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
    telemetry::metric::{
        BITRATE, BROADCASTS, EPOCH_REFUSALS, EVICTION_SECONDS, EVICTIONS, FPS, HEALTH_SCORE, INVARIANT_BREACHES,
        PACKET_LOSS, PUBLISHER_RECONNECTS, TRANSITIONS, VIEWERS, VIEWERS_PEAK,
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

/// How good the publisher's picture is. What is not known any more is no number: a figure that stays would say that all is well.
pub fn health(experience: ExperienceId, health: &Health, stats: Option<Stats>) {
    let experience = experience.to_string();
    let score = match health {
        Health::Known { score, .. } => f64::from(*score),
        Health::Unknown => f64::NAN,
    };
    let figure = |of: fn(&Stats) -> f64| stats.as_ref().map_or(f64::NAN, of);
    gauge!(HEALTH_SCORE, "experience" => experience.clone()).set(score);
    gauge!(BITRATE, "experience" => experience.clone()).set(figure(|stats| stats.bitrate_bps));
    gauge!(FPS, "experience" => experience.clone()).set(figure(|stats| stats.fps));
    gauge!(PACKET_LOSS, "experience" => experience).set(figure(|stats| stats.loss_ratio));
}

/// Somebody whose right ended is out of a door.
pub fn put_out(door: &'static str, eviction: &Eviction) {
    counter!(EVICTIONS, "reason" => eviction.reason.to_string(), "door" => door).increment(1);
    histogram!(EVICTION_SECONDS, "door" => door).record(eviction.since.elapsed());
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
