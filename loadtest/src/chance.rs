//! Jitter: how long a viewer waits before it tries again, and the masks of its frames.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::limits::{ASKED_WAIT_MAX, BACKOFF_FIRST, BACKOFF_MAX};

/// One viewer's own source of chance; the same seed gives the same waits.
#[derive(Debug)]
pub struct Chance(SmallRng);

impl Chance {
    /// Chance for the viewer `number` of a run with this seed.
    pub fn new(seed: u64, number: usize) -> Self {
        Self(SmallRng::seed_from_u64(seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The wait before try number `failed` + 1: full jitter under a doubling ceiling.
    pub fn backoff(&mut self, failed: u32) -> Duration {
        let ceiling = BACKOFF_FIRST.saturating_mul(1 << failed.saturating_sub(1).min(8)).min(BACKOFF_MAX);
        ceiling.mul_f64(self.0.random())
    }

    /// The wait where the server asked for one: at least what it asked, and up to one first backoff more.
    pub fn asked(&mut self, wait: Duration) -> Duration {
        wait.min(ASKED_WAIT_MAX) + BACKOFF_FIRST.mul_f64(self.0.random())
    }

    /// A fresh mask for one frame.
    pub fn mask(&mut self) -> [u8; 4] {
        self.0.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_a_ceiling_that_doubles_and_stops() {
        let mut chance = Chance::new(7, 1);
        for failed in 1..40 {
            let ceiling = BACKOFF_FIRST * 2u32.pow(failed.min(12) - 1);
            for _ in 0..100 {
                assert!(chance.backoff(failed) <= ceiling.min(BACKOFF_MAX));
            }
        }
    }

    #[test]
    fn nobody_comes_back_before_the_server_asked_for_it() {
        let mut chance = Chance::new(7, 2);
        for _ in 0..1000 {
            assert!(chance.asked(Duration::from_secs(3)) >= Duration::from_secs(3));
        }
    }

    #[test]
    fn two_viewers_do_not_draw_the_same_wait() {
        assert_ne!(Chance::new(7, 1).backoff(3), Chance::new(7, 2).backoff(3));
    }
}
