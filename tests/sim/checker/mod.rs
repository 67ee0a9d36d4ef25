//! Reads a history and says what was broken in it. Counts by itself, and shares no code with the engine.

mod air;
mod crowd;
mod frames;
mod inside;
mod rows;

use std::time::Duration;

use crate::world::Seen;

/// A history: milliseconds since the beginning, and what happened.
pub type History = [(u64, Seen)];

/// Every promise, one after the other.
pub fn check(history: &History, grace: Duration) -> Result<(), String> {
    let unrest = Unrest::of(history);
    rows::fenced_and_whole(history)?;
    rows::ended_once(history)?;
    rows::live_once(history)?;
    rows::answered_once(history)?;
    frames::without_a_hole(history)?;
    frames::durable_first(history)?;
    air::grace(history, grace)?;
    air::follows_the_picture(history, &unrest, grace)?;
    air::asked_with_measure(history)?;
    air::no_orphan_room(history, &unrest)?;
    inside::rights(history, &unrest)?;
    crowd::audience(history)
}

/// When something was wrong that is nobody's fault: what has to be done in time is due that much later.
pub struct Unrest(Vec<(u64, u64)>);

impl Unrest {
    fn of(history: &History) -> Self {
        let mut spans = vec![];
        let mut away: Vec<(crate::world::Part, u64)> = vec![];
        for (at, seen) in history {
            match seen {
                Seen::Away { what } => away.push((*what, *at)),
                Seen::Back { what } => {
                    if let Some(found) = away.iter().position(|(part, _)| part == what) {
                        spans.push((away.swap_remove(found).1, *at));
                    }
                }
                Seen::Drilled | Seen::Activated { .. } | Seen::TookOver { .. } => spans.push((*at, *at)),
                _ => {}
            }
        }
        spans.extend(away.into_iter().map(|(_, since)| (since, u64::MAX)));
        spans.sort_unstable();
        Self(spans)
    }

    /// When something is due that began at `since` and may take `bound` of undisturbed time.
    pub fn due(&self, since: u64, bound: u64) -> u64 {
        let mut due = since.saturating_add(bound);
        for (from, to) in &self.0 {
            if *from < due && *to >= since {
                due = due.max(to.saturating_add(bound));
            }
        }
        due
    }
}
