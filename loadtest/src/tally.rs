//! What a crowd has counted since it last told; tallies of many processes and moments add up to the result.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    check::Faults,
    histogram::Histogram,
    limits::REASONS_MAX,
    message::{Kind, State},
};

/// One thing that was told to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Wave {
    /// The reactions that followed the trigger with this number.
    Reaction(usize),
    /// A numbered message.
    Numbered {
        /// The activation.
        epoch: u64,
        /// The number.
        offset: u64,
        /// What it was.
        kind: Kind,
        /// The state it told.
        state: Option<State>,
    },
}

/// Counts since the last telling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// From the start of the storm until a viewer had its snapshot, in microseconds.
    pub joined: Histogram,
    /// From the try that succeeded until the snapshot, in microseconds.
    pub opening: Histogram,
    /// The moments at which dropped viewers were back, by the monotonic clock.
    pub back: Histogram,
    /// How many of them got their place back, with only what they missed.
    pub recovered: u64,
    /// Sockets that ended after they had joined.
    pub dropped: u64,
    /// Viewers that were told not to come (again), or tried too often.
    pub gave_up: u64,
    /// The moments at which each wave reached its viewers, by the monotonic clock.
    #[serde(serialize_with = "as_pairs", deserialize_with = "from_pairs")]
    pub waves: BTreeMap<Wave, Histogram>,
    /// Reactions that no trigger of ours explains.
    pub unprompted: u64,
    /// Messages by kind, in the order of `Kind::ALL`.
    pub messages: [u64; Kind::ALL.len()],
    /// Bytes of frames, with their heads.
    pub bytes: u64,
    /// Viewers to whom an end was told.
    pub ended_seen: u64,
    /// Why tries and sockets failed.
    pub reasons: BTreeMap<String, u64>,
    /// Close codes of the engine.
    pub closes: BTreeMap<u16, u64>,
    /// What was wrong with the numbers.
    pub faults: Faults,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn merge(&mut self, other: &Self) {
        self.joined.merge(&other.joined);
        self.opening.merge(&other.opening);
        self.back.merge(&other.back);
        self.recovered += other.recovered;
        self.dropped += other.dropped;
        self.gave_up += other.gave_up;
        for (wave, moments) in &other.waves {
            self.waves.entry(*wave).or_default().merge(moments);
        }
        self.unprompted += other.unprompted;
        for (mine, theirs) in self.messages.iter_mut().zip(other.messages) {
            *mine += theirs;
        }
        self.bytes += other.bytes;
        self.ended_seen += other.ended_seen;
        for (reason, count) in &other.reasons {
            self.count_reason(reason.clone(), *count);
        }
        for (code, count) in &other.closes {
            *self.closes.entry(*code).or_default() += count;
        }
        self.faults.merge(&other.faults);
    }

    /// Counts why something failed.
    pub fn reason(&mut self, reason: &impl ToString) {
        self.count_reason(reason.to_string(), 1);
    }

    /// All messages of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.messages[kind as usize]
    }

    /// All messages.
    pub fn heard(&self) -> u64 {
        self.messages.iter().sum()
    }

    fn count_reason(&mut self, reason: String, count: u64) {
        let known = self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&reason);
        let reason = if known { reason } else { "other".to_owned() };
        *self.reasons.entry(reason).or_default() += count;
    }
}

fn as_pairs<S: Serializer>(waves: &BTreeMap<Wave, Histogram>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(waves)
}

fn from_pairs<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Wave, Histogram>, D::Error> {
    Ok(Vec::<(Wave, Histogram)>::deserialize(from)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(reaction: usize, moment: u64) -> Tally {
        let mut tally = Tally { bytes: 10, ..Tally::default() };
        tally.waves.entry(Wave::Reaction(reaction)).or_default().add(moment);
        tally.messages[Kind::State as usize] += 2;
        tally.reason(&"connection refused");
        tally
    }

    #[test]
    fn a_wave_seen_by_two_processes_is_one_wave() {
        let mut total = tally(1, 5_000);
        total.merge(&tally(1, 9_000));
        total.merge(&tally(2, 9_000));
        assert_eq!(total.waves.len(), 2);
        assert_eq!(total.waves[&Wave::Reaction(1)].count(), 2);
        assert_eq!((total.of(Kind::State), total.bytes, total.reasons["connection refused"]), (6, 30, 3));
    }

    #[test]
    fn a_tally_survives_the_trip_between_processes() {
        let text = serde_json::to_string(&tally(3, 1)).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally(3, 1));
    }

    #[test]
    fn endless_reasons_are_counted_together() {
        let mut tally = Tally::default();
        (0..100).for_each(|n| tally.reason(&n));
        assert_eq!(tally.reasons.len(), REASONS_MAX + 1);
        assert_eq!(tally.reasons.values().sum::<u64>(), 100);
    }
}
