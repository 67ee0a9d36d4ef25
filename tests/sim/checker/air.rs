//! What holds of a broadcast and its picture: the grace, the way back, the end, the questions, and the rooms.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{History, Unrest};
use crate::world::Seen;

/// The longest flight of an answer and of the step it leads to; a picture that returns within it comes too late.
const ANSWER: u64 = 7_000;
/// The media server notices a dead browser this late.
const NOTICED: u64 = 20_000;
/// Some rounds of questions with two lost answers in a row, and a commit that fails as often.
const ROUNDS: u64 = 25_000;
/// How long the word of those who saw silence outweighs the media server's list.
const FRESH_SILENCE: u64 = 30_000;
/// The media server's silence after which a broadcast ends.
const UNANSWERED: u64 = 60_000;

fn ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// Nothing ends for want of a picture before its grace is over, nor while the picture is there.
pub fn grace(history: &History, grace: Duration) -> Result<(), String> {
    let mut up: BTreeMap<u128, u64> = BTreeMap::new();
    let mut until: BTreeMap<u128, (u64, u64)> = BTreeMap::new();
    // who runs it and since when, and when the media server told it who is there
    let (mut owner, mut told) = ((0, 0), vec![]);
    for (at, seen) in history {
        match seen {
            Seen::OnAir { broadcast } => {
                up.insert(*broadcast, *at);
            }
            Seen::OffAir { broadcast } => {
                up.remove(broadcast);
            }
            Seen::Activated { engine, .. } => owner = (*engine, *at),
            // an answer that comes while the end is being written is too late
            Seen::Listed { engine, asked } if *engine == owner.0 && *asked >= owner.1 => told.push(*at),
            Seen::Saved { broadcast, state: "reconnecting", facts, .. } => {
                let (since, ends) = facts.grace.unwrap_or_default();
                if ends - since != i64::try_from(ms(grace)).unwrap_or(0) {
                    return Err(format!("grace: {at} ms: a grace from {since} to {ends}"));
                }
                let begun = u64::try_from(since - 1_795_262_400_000).unwrap_or(0);
                until.insert(*broadcast, (begun, begun + ms(grace)));
            }
            Seen::Saved { broadcast, state: "ended", facts, .. } => {
                let Some((_, ends)) = until.get(broadcast).copied().filter(|_| facts.why != Some("creator")) else {
                    if facts.why == Some("creator") {
                        continue;
                    }
                    return Err(format!("grace: {at} ms: {broadcast} ended without one"));
                };
                let shown = up.get(broadcast).is_some_and(|since| at - since > ANSWER);
                if *at < ends || (shown && facts.why == Some("publisher")) {
                    return Err(format!("grace: {at} ms: {broadcast} ended, grace until {ends}, picture {shown}"));
                }
                let silence = at.saturating_sub(UNANSWERED) + 1..at.saturating_sub(ANSWER);
                let silent = !told.iter().any(|told| silence.contains(told));
                if facts.why == Some("silence") && (!silent || *at < ends + UNANSWERED) {
                    return Err(format!("grace: {at} ms: {broadcast} ended for a silence that was none"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One broadcast, as far as the picture matters.
#[derive(Clone, Copy, Default)]
struct Shown {
    state: &'static str,
    since: u64,
    /// A picture was there while it was live or when it went live, for long enough to be noticed.
    seen: bool,
    /// Since when the picture is there, or gone.
    picture: Option<(bool, u64)>,
    until: u64,
}

impl Shown {
    /// By when it has to change, and why.
    fn due(&self, unrest: &Unrest) -> Option<(u64, &'static str)> {
        let (up, changed) = self.picture.unwrap_or((false, 0));
        match (self.state, up) {
            ("live", false) if self.seen => {
                Some((unrest.due(self.since.max(changed + NOTICED), ROUNDS), "live without a picture"))
            }
            ("reconnecting", false) => {
                Some((unrest.due(self.until.max(changed + NOTICED), ROUNDS), "not ended after its grace"))
            }
            ("reconnecting", true) => {
                Some((unrest.due(self.since.max(changed) + FRESH_SILENCE, ROUNDS), "not live with a picture"))
            }
            _ => None,
        }
    }
}

/// Lost pictures are noticed, pictures that return are shown, and what is really over ends: all within a bound.
pub fn follows_the_picture(history: &History, unrest: &Unrest, grace: Duration) -> Result<(), String> {
    let mut all: BTreeMap<u128, Shown> = BTreeMap::new();
    for (at, seen) in history {
        let (Seen::Saved { broadcast, .. } | Seen::OnAir { broadcast } | Seen::OffAir { broadcast }) = seen else {
            if *seen == Seen::Over {
                for (broadcast, shown) in &all {
                    late(*at, *broadcast, shown, unrest)?;
                }
            }
            continue;
        };
        let shown = all.entry(*broadcast).or_default();
        late(*at, *broadcast, shown, unrest)?;
        if let ("live" | "lobby", Some((true, since))) = (shown.state, shown.picture) {
            shown.seen |= *at > unrest.due(since.max(shown.since), ROUNDS);
        }
        match seen {
            Seen::OnAir { .. } => shown.picture = Some((true, *at)),
            Seen::OffAir { .. } => {
                // what was backstage only and is gone before it is live was never seen: it goes live without a picture
                shown.seen &= shown.state != "lobby";
                shown.picture = Some((false, *at));
            }
            Seen::Saved { state, facts, .. } => {
                if shown.state != *state {
                    (shown.state, shown.since) = (state, *at);
                }
                if let Some((since, until)) = facts.grace {
                    shown.seen = true;
                    shown.until = u64::try_from(until - 1_795_262_400_000).unwrap_or(0);
                    debug_assert!(until - since == i64::try_from(ms(grace)).unwrap_or(0));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn late(at: u64, broadcast: u128, shown: &Shown, unrest: &Unrest) -> Result<(), String> {
    match shown.due(unrest) {
        Some((due, what)) if at > due => Err(format!("picture: {at} ms: {broadcast} was {what} since {due} ms")),
        _ => Ok(()),
    }
}

/// Questions in five seconds.
const QUESTIONS: usize = 40;

/// The media server is asked, not flooded.
pub fn asked_with_measure(history: &History) -> Result<(), String> {
    let mut recent: VecDeque<u64> = VecDeque::new();
    for (at, seen) in history {
        if let Seen::Asked { .. } = seen {
            recent.push_back(*at);
            while recent.front().is_some_and(|first| at - first > 5_000) {
                recent.pop_front();
            }
            if recent.len() > QUESTIONS {
                return Err(format!("measure: {at} ms: {QUESTIONS} questions within five seconds"));
            }
        }
    }
    Ok(())
}

/// Rounds of the reconciler, one of which may fail twice.
const SWEPT: u64 = 45_000;

/// Rooms that no broadcast wants are closed.
pub fn no_orphan_room(history: &History, unrest: &Unrest) -> Result<(), String> {
    let mut rooms: BTreeMap<u128, u64> = BTreeMap::new();
    let mut over: BTreeMap<u128, u64> = BTreeMap::new();
    for (at, seen) in history {
        let looked: Vec<u128> = match seen {
            Seen::RoomOpened { broadcast } => {
                rooms.insert(*broadcast, *at);
                continue;
            }
            Seen::Saved { broadcast, state: "ended" | "cancelled", .. } => {
                over.insert(*broadcast, *at);
                continue;
            }
            Seen::RoomClosed { broadcast } => vec![*broadcast],
            Seen::Over => rooms.keys().copied().collect(),
            _ => continue,
        };
        for broadcast in looked {
            let Some(opened) = rooms.remove(&broadcast) else { continue };
            let Some(ended) = over.get(&broadcast) else { continue };
            let due = unrest.due(opened.max(*ended), SWEPT);
            if *at > due {
                return Err(format!("orphan: {at} ms: the room of {broadcast} was there after {due} ms"));
            }
        }
    }
    Ok(())
}
