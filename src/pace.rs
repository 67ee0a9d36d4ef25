//! A steady rate with a burst: the token bucket every part of the engine that has a pace takes from.

use std::time::Duration;

/// A steady rate and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// One for each of these.
    pub every: Duration,
    /// At once, after a rest.
    pub burst: u32,
}

/// A token bucket in eight bytes: it remembers only when it will be full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Takes one at `now`, or says how long to wait for it.
    pub fn take(&mut self, now: Duration, pace: Pace) -> Result<(), Duration> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (now, every) = (micros(now), micros(pace.every));
        let full_at = self.full_at_us.max(now).saturating_add(every);
        let room = every.saturating_mul(u64::from(pace.burst));
        match (full_at - now).checked_sub(room) {
            None | Some(0) => {
                self.full_at_us = full_at;
                Ok(())
            }
            Some(wait) => Err(Duration::from_micros(wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { every: Duration::from_millis(600), burst: 20 };

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::default();
        let at = Duration::from_millis;
        for _ in 0..20 {
            assert_eq!(bucket.take(at(1_000), PACE), Ok(()));
        }
        assert_eq!(bucket.take(at(1_000), PACE), Err(at(600)));
        assert_eq!(bucket.take(at(1_599), PACE), Err(at(1)));
        assert_eq!(bucket.take(at(1_600), PACE), Ok(()));
        assert_eq!(bucket.take(at(1_600), PACE), Err(at(600)));
    }

    proptest! {
        #[test]
        fn no_window_ever_passes_more_than_its_rate_and_one_burst(gaps in prop::collection::vec(0u64..2_000, 1..300)) {
            let mut bucket = Bucket::default();
            let (mut now, mut passed) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(now, PACE).is_ok() {
                    passed.push(now);
                }
            }
            for (at, first) in passed.iter().enumerate() {
                for (count, last) in passed[at..].iter().enumerate() {
                    let allowed = last.saturating_sub(*first).as_millis() / 600 + 20;
                    prop_assert!(count as u128 <= allowed);
                }
            }
        }
    }
}
