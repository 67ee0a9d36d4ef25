//! Randomness and fresh ids. Nobody else asks the machine for them.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::SharedClock;

/// The only source of secrets and of chance.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` from a cryptographic generator.
    fn fill(&self, bytes: &mut [u8]);
}

/// Entropy that others may keep.
pub type SharedEntropy = Arc<dyn Entropy>;

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// A number in `0..end` without bias worth speaking of (64 bits drawn); 0 when `end` is 0.
pub fn random_below(entropy: &dyn Entropy, end: u64) -> u64 {
    let drawn = u128::from(u64::from_le_bytes(random_bytes(entropy)));
    u64::try_from((drawn * u128::from(end)) >> 64).unwrap_or(0)
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the Entropy port's one implementation")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("an operating system without randomness cannot run this program");
    }
}

/// Makes ids: UUIDv7 from the clock and fresh randomness.
#[derive(Clone)]
pub struct Ids {
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl Ids {
    /// Ids that follow `clock`.
    pub fn new(clock: SharedClock, entropy: SharedEntropy) -> Self {
        Self { clock, entropy }
    }

    /// A fresh id of any kind.
    pub fn fresh<T: From<Uuid>>(&self) -> T {
        let now_ms = u64::try_from(self.clock.now().0).unwrap_or(0);
        let random = random_bytes::<10>(self.entropy.as_ref());
        T::from(uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid())
    }
}
