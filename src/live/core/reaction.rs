//! Hearts and the like: counted, and told as totals per tick, so that ten thousand cost one frame.

use std::collections::BTreeMap;

/// What viewers may send. A fixed set keeps totals small and keeps words out.
pub const REACTIONS: [&str; 6] = ["❤️", "👏", "🔥", "😂", "😮", "🎉"];

/// Reactions since the last tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    /// Counts one; says whether it is one of ours.
    pub fn count(&mut self, reaction: &str) -> bool {
        let Some(known) = REACTIONS.iter().find(|known| **known == reaction) else { return false };
        let counted = self.0.entry(known).or_default();
        *counted = counted.saturating_add(1);
        true
    }

    /// The totals since the last call, none when nobody reacted.
    pub fn take(&mut self) -> Option<BTreeMap<&'static str, u32>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }
}
