//! When a socket must be looked at again: a timer wheel for a shard's sockets, and what is due when one is looked at.

use std::time::Duration;

use crate::limits::{BOARD_WAIT, SOCKET_HEARTBEAT, SOCKET_SILENCE_MAX, SOCKET_STALL_MAX, SOCKET_TICK};

/// Slots of the wheel; with the tick, 128 s. What lies further waits in its slot for another round.
const SLOTS: usize = 512;

/// A deadline in ticks of the wheel.
pub type Tick = u32;

/// Wakes keys at ticks: late by less than a tick, never early. Eight bytes an entry.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<Entry>>,
    done: Tick,
}

/// A key that has come due, and the tick it was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whom to look at.
    pub key: u32,
    /// What it was set for; an owner that has since set another one passes this one over.
    pub due: Tick,
}

/// The first tick that lies at or after `at`.
#[must_use]
pub fn tick_after(at: Duration) -> Tick {
    Tick::try_from(at.as_millis().div_ceil(SOCKET_TICK.as_millis())).unwrap_or(Tick::MAX)
}

impl Wheel {
    /// A wheel whose past ends at `now`.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), done: last_tick(now) }
    }

    /// Sets a deadline; one in the past comes due at the next advance.
    pub fn set(&mut self, key: u32, due: Tick) {
        let slot = due.max(self.done.saturating_add(1)) as usize % SLOTS;
        self.slots[slot].push(Entry { key, due });
    }

    /// Takes out everything due at `now`.
    pub fn advance(&mut self, now: Duration, due: &mut Vec<Entry>) {
        let last = last_tick(now);
        let first = self.done.saturating_add(1);
        for tick in (first..=last).take(SLOTS) {
            let slot = &mut self.slots[tick as usize % SLOTS];
            due.extend(slot.extract_if(.., |entry| entry.due <= last));
            if slot.is_empty() {
                *slot = Vec::new(); // a storm's slot keeps no memory
            }
        }
        self.done = self.done.max(last);
    }
}

/// The last tick that lies at or before `now`.
fn last_tick(now: Duration) -> Tick {
    Tick::try_from(now.as_millis() / SOCKET_TICK.as_millis()).unwrap_or(Tick::MAX)
}

/// How far a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Upgraded, not yet greeted, because the board has not come.
    Waiting {
        /// Since when.
        since: Duration,
    },
    /// Greeted.
    Live,
    /// The close frame is on its way, or was answered.
    Leaving {
        /// When patience ends.
        until: Duration,
    },
}

/// What a socket's deadlines depend on. Times are of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// How far it is.
    pub stage: Stage,
    /// When it last said something whole.
    pub heard: Duration,
    /// Whether a ping is unanswered.
    pub pinged: bool,
    /// Since when it has taken nothing of what waits for it.
    pub stalled: Option<Duration>,
}

/// What is to be done with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing now.
    Nothing,
    /// Ask whether it is there.
    Ping,
    /// It did not answer: its cable was pulled.
    Silent,
    /// It reads too slowly.
    TooSlow,
    /// The board did not come.
    NoBoard,
    /// It did not finish the closing handshake.
    Overstayed,
}

/// What is due at `now`, and when to look again if that is done.
#[must_use]
pub fn judge(now: Duration, marks: &Marks) -> (Due, Duration) {
    let silent = marks.heard + SOCKET_SILENCE_MAX;
    let stalled = marks.stalled.map(|since| since + SOCKET_STALL_MAX);
    let soonest = |next: Duration| stalled.map_or(next, |stalled| stalled.min(next));
    match marks.stage {
        Stage::Leaving { until } if now >= until => (Due::Overstayed, until),
        Stage::Leaving { until } => (Due::Nothing, until),
        Stage::Waiting { .. } | Stage::Live if stalled.is_some_and(|stalled| now >= stalled) => (Due::TooSlow, now),
        Stage::Waiting { .. } | Stage::Live if now >= silent => (Due::Silent, now),
        Stage::Waiting { since } if now >= since + BOARD_WAIT => (Due::NoBoard, now),
        Stage::Waiting { since } => (Due::Nothing, soonest(since + BOARD_WAIT)),
        Stage::Live if marks.pinged => (Due::Nothing, soonest(silent)),
        Stage::Live if now >= marks.heard + SOCKET_HEARTBEAT => (Due::Ping, soonest(silent)),
        Stage::Live => (Due::Nothing, soonest(marks.heard + SOCKET_HEARTBEAT)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_is_due_depends_on_stage_silence_and_stall() {
        let live = Marks { stage: Stage::Live, heard: secs(100), pinged: false, stalled: None };
        let pinged = Marks { pinged: true, ..live };
        let stalled = Marks { stalled: Some(secs(101)), ..live };
        let waiting = Marks { stage: Stage::Waiting { since: secs(100) }, ..live };
        let leaving = Marks { stage: Stage::Leaving { until: secs(103) }, ..live };
        let cases = [
            (101, live, Due::Nothing, 125),
            (125, live, Due::Ping, 133),
            (126, pinged, Due::Nothing, 133),
            (133, pinged, Due::Silent, 133),
            (140, live, Due::Silent, 140),
            (102, stalled, Due::Nothing, 109),
            (109, stalled, Due::TooSlow, 109),
            (104, waiting, Due::Nothing, 105),
            (105, waiting, Due::NoBoard, 105),
            (102, leaving, Due::Nothing, 103),
            (103, leaving, Due::Overstayed, 103),
        ];
        for (now, marks, due, next) in cases {
            assert_eq!(judge(secs(now), &marks), (due, secs(next)), "at {now} s: {marks:?}");
        }
    }

    #[test]
    fn a_silent_viewer_is_gone_within_35_secs_however_late_the_ticks_are() {
        assert!(SOCKET_SILENCE_MAX + 2 * SOCKET_TICK <= secs(35));
        assert!(SOCKET_STALL_MAX + crate::limits::SLOW_GOODBYE + 2 * SOCKET_TICK <= secs(10));
    }

    #[test]
    fn a_deadline_beyond_the_wheels_horizon_waits_its_rounds() {
        let mut wheel = Wheel::new(secs(0));
        wheel.set(1, tick_after(secs(600)));
        let mut due = Vec::new();
        for second in 1..600 {
            wheel.advance(secs(second), &mut due);
            assert_eq!(due, [], "{second}");
        }
        wheel.advance(secs(600), &mut due);
        assert_eq!(due.len(), 1);
    }

    proptest! {
        #[test]
        fn every_deadline_comes_once_never_early_and_less_than_a_tick_late(
            deadlines in prop::collection::vec(0u64..400_000, 0..60),
            steps in prop::collection::vec(1u64..200_000, 1..60),
        ) {
            let start = Duration::from_millis(1_234);
            let mut wheel = Wheel::new(start);
            for (key, at) in (0..).zip(&deadlines) {
                wheel.set(key, tick_after(start + Duration::from_millis(*at)));
            }
            let (mut now, mut seen) = (start, vec![0; deadlines.len()]);
            for step in steps.into_iter().chain([500_000]) {
                now += Duration::from_millis(step);
                let mut due = Vec::new();
                wheel.advance(now, &mut due);
                for entry in due {
                    seen[entry.key as usize] += 1;
                    let at = start + Duration::from_millis(deadlines[entry.key as usize]);
                    prop_assert!(at <= now, "early");
                }
                for (key, at) in deadlines.iter().enumerate() {
                    let at = start + Duration::from_millis(*at);
                    prop_assert!(seen[key] == 1 || at + SOCKET_TICK > now, "late");
                }
            }
            prop_assert!(seen.iter().all(|times| *times == 1));
        }
    }
}
