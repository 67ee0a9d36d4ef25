//! Durations counted in steps of a tenth of a millisecond, so that the counts of many processes add up exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Microseconds in one step.
const STEP_US: u64 = 100;

/// How often each duration was seen. Merging two is adding; nothing is lost by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn add(&mut self, micros: u64) {
        self.add_many(micros, 1);
    }

    /// Counts a duration `count` times.
    pub fn add_many(&mut self, micros: u64, count: u64) {
        if count > 0 {
            *self.0.entry(micros / STEP_US).or_default() += count;
        }
    }

    /// Adds another histogram to this one.
    pub fn merge(&mut self, other: &Self) {
        for (step, count) in &other.0 {
            *self.0.entry(*step).or_default() += count;
        }
    }

    /// The same counts with every time moved so that `zero` becomes the beginning; what lies before it counts as zero.
    #[must_use]
    pub fn since(&self, zero: u64) -> Self {
        let mut moved = Self::default();
        self.each(|micros, count| moved.add_many(micros.saturating_sub(zero / STEP_US * STEP_US), count));
        moved
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The smallest duration, in microseconds.
    pub fn min(&self) -> Option<u64> {
        self.0.keys().next().map(|step| step * STEP_US)
    }

    /// The largest duration, in microseconds.
    pub fn max(&self) -> Option<u64> {
        self.0.keys().next_back().map(|step| step * STEP_US)
    }

    /// The duration, in milliseconds, that the share `share` of all entries does not pass.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let total = self.count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
        let wanted = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        self.0.iter().find_map(|(step, count)| {
            seen += count;
            (seen >= wanted).then_some((step * STEP_US) as f64 / 1000.0)
        })
    }

    /// Calls `found(micros, count)` for each step that was seen, smallest first.
    pub fn each(&self, mut found: impl FnMut(u64, u64)) {
        for (step, count) in &self.0 {
            found(step * STEP_US, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for micros in values {
            histogram.add(*micros);
        }
        histogram
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let histogram = of(&(1..=1000).map(|n| n * 1000).collect::<Vec<_>>());
        assert_eq!(histogram.quantile_ms(0.5), Some(500.0));
        assert_eq!(histogram.quantile_ms(0.99), Some(990.0));
        assert_eq!(histogram.quantile_ms(1.0), Some(1000.0));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile_ms(0.99), None);
    }

    #[test]
    fn what_lies_before_the_zero_counts_as_zero() {
        let moved = of(&[5_000, 12_000]).since(10_000);
        assert_eq!((moved.min(), moved.max(), moved.count()), (Some(0), Some(2_000), 2));
    }

    proptest! {
        #[test]
        fn merging_parts_equals_counting_everything_in_one(
            values in proptest::collection::vec(0u64..5_000_000, 0..300),
            cut in 0usize..300,
        ) {
            let cut = cut.min(values.len());
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            prop_assert_eq!(merged, of(&values));
        }

        #[test]
        fn a_histogram_survives_the_trip_between_processes(values in proptest::collection::vec(0u64..5_000_000, 0..100)) {
            let text = serde_json::to_string(&of(&values)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), of(&values));
        }
    }
}
