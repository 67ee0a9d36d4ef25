//! Randomness that is the same in every run.

use std::sync::Mutex;

use backstage::entropy::Entropy;
use rand::{RngCore, SeedableRng, rngs::StdRng};

/// A seeded generator.
pub struct TestEntropy(Mutex<StdRng>);

impl TestEntropy {
    /// The generator of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}
