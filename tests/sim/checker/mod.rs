//! Reads a history and says what was broken in it. Counts by itself, each experience for itself, and shares no code with the
//! engine.

mod air;
mod crowd;
mod devices;
mod frames;
mod inside;
mod lease;
mod rows;

use std::time::Duration;

use crate::world::{EXPERIENCES, Noted, Part, Seen};

/// What happened in one experience, and what concerned all of them: milliseconds since the beginning, and what.
pub struct History<'a>(Vec<(u64, &'a Seen)>);

impl<'a> History<'a> {
    fn of(all: &'a [Noted], number: usize) -> Self {
        let here = all.iter().filter(|noted| noted.of.is_none_or(|of| of == number));
        Self(here.map(|noted| (noted.at, &noted.seen)).collect())
    }

    fn end(&self) -> u64 {
        self.0.last().map_or(0, |(at, _)| *at)
    }
}

impl<'h> IntoIterator for &'h History<'_> {
    type Item = (&'h u64, &'h Seen);
    type IntoIter = std::iter::Map<std::slice::Iter<'h, (u64, &'h Seen)>, fn(&'h (u64, &'h Seen)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(at, seen)| (at, *seen))
    }
}

/// Every promise, one after the other, in every experience.
pub fn check(all: &[Noted], grace: Duration) -> Result<(), String> {
    for number in 0..EXPERIENCES {
        check_one(&History::of(all, number), grace).map_err(|why| format!("{why} (experience {number})"))?;
    }
    Ok(())
}

fn check_one(history: &History, grace: Duration) -> Result<(), String> {
    let unrest = Unrest::of(history);
    rows::fenced_and_whole(history)?;
    rows::ended_once(history)?;
    rows::live_once(history)?;
    rows::answered_once(history)?;
    lease::owners_alone_act(history)?;
    lease::owned_again(history)?;
    frames::without_a_hole(history)?;
    frames::durable_first(history)?;
    air::grace(history, grace)?;
    air::follows_the_picture(history, &unrest, grace)?;
    air::asked_with_measure(history)?;
    air::no_orphan_room(history, &unrest)?;
    inside::rights(history, &unrest)?;
    inside::put_out_for_a_reason(history)?;
    devices::one_at_a_time(history, &unrest)?;
    devices::what_gave_way_is_out(history, &unrest)?;
    crowd::audience(history)
}

/// When something was wrong that is nobody's fault: what has to be done in time is due that much later.
pub struct Unrest(Vec<(u64, u64)>);

impl Unrest {
    fn of(history: &History) -> Self {
        let mut spans = vec![];
        let mut away: Vec<(Part, u64)> = vec![];
        let (mut unowned, mut serving) = (None::<u64>, 0);
        for (at, seen) in history {
            match seen {
                Seen::Away { what } => away.push((*what, *at)),
                Seen::Back { what } => {
                    if let Some(found) = away.iter().position(|(part, _)| part == what) {
                        spans.push((away.swap_remove(found).1, *at));
                    }
                }
                // nobody runs it, or one who may be gone any moment, until the engine that serves has it; that this does not
                // last is a rule of its own
                Seen::TookOver { engine } => {
                    serving = *engine;
                    unowned.get_or_insert(*at);
                }
                Seen::Activated { engine, .. } if *engine == serving => {
                    spans.push((unowned.take().unwrap_or(*at), *at));
                }
                Seen::Activated { .. } => {
                    unowned.get_or_insert(*at);
                }
                Seen::Drilled => spans.push((*at, *at)),
                _ => {}
            }
        }
        spans.extend(away.into_iter().map(|(_, since)| (since, u64::MAX)));
        spans.extend(unowned.map(|since| (since, u64::MAX)));
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
