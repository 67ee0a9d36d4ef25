//! One wheel for the whole node that knows when the next answer about anybody changes by itself, and says so then: never
//! early, and well within a second, also when the wall clock is moved.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    clock::{SharedClock, Timestamp},
    ids::UserId,
};

/// Who is to be looked at again, and when.
#[derive(Debug, Default)]
pub struct Wheel {
    state: Mutex<State>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeSet<(Timestamp, UserId)>,
    of: HashMap<UserId, Timestamp>,
}

impl Wheel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at `user` again at `at`, and at no other time; `None`: not at all.
    pub fn arm(&self, user: UserId, at: Option<Timestamp>) {
        let mut state = self.state();
        if let Some(old) = state.of.remove(&user) {
            state.due.remove(&(old, user));
        }
        if let Some(at) = at {
            let is_first = state.due.first().is_none_or(|(first, _)| at < *first);
            state.due.insert((at, user));
            state.of.insert(user, at);
            drop(state);
            if is_first {
                self.earlier.notify_one();
            }
        }
    }

    /// Waits until somebody is due and takes out all who are. `again_in`: some must be tried again after that long.
    pub async fn due(&self, clock: &SharedClock, again_in: Option<Duration>) -> Vec<UserId> {
        loop {
            let earlier = self.earlier.notified();
            let first = self.state().due.first().map(|(at, _)| *at);
            if let Some(first) = first
                && first <= clock.now()
            {
                return self.take(clock.now());
            }
            tokio::select! {
                () = async { match first { Some(at) => clock.sleep_until(at).await, None => std::future::pending().await } } => {}
                () = async { match again_in { Some(wait) => tokio::time::sleep(wait).await, None => std::future::pending().await } } => return vec![],
                () = earlier => {}
            }
        }
    }

    fn take(&self, now: Timestamp) -> Vec<UserId> {
        let mut state = self.state();
        let mut due = vec![];
        while let Some((at, user)) = state.due.first().copied()
            && at <= now
        {
            state.due.pop_first();
            state.of.remove(&user);
            due.push(user);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::clock::{SystemClock, TokioClock};

    const PATIENCE: Duration = Duration::from_secs(5);

    fn person(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn whoever_comes_due_by_a_moved_clock_is_told_at_once() {
        let moved = SystemClock::new();
        let clock: SharedClock = Arc::new(moved.clone());
        let wheel = Wheel::default();
        wheel.arm(person(1), Some(clock.now().plus(Duration::from_secs(3_600))));
        let (due, ()) = tokio::join!(tokio::time::timeout(PATIENCE, wheel.due(&clock, None)), async {
            tokio::task::yield_now().await;
            moved.set_offset(Duration::from_secs(3_601));
        });
        assert_eq!(due.expect("told without waiting for the hour"), [person(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_armed_earlier_than_all_others_is_not_told_late() {
        let clock: SharedClock = Arc::new(TokioClock::starting_at(Timestamp(0)));
        let wheel = Wheel::default();
        wheel.arm(person(1), Some(Timestamp(60_000)));
        let (due, ()) = tokio::join!(wheel.due(&clock, None), async {
            tokio::task::yield_now().await;
            wheel.arm(person(2), Some(Timestamp(5_000)));
        });
        assert_eq!((due.as_slice(), clock.now()), ([person(2)].as_slice(), Timestamp(5_000)));
        wheel.arm(person(1), None);
        assert_eq!(wheel.due(&clock, Some(Duration::from_secs(100))).await, [], "who is disarmed is never told");
        assert_eq!(clock.now(), Timestamp(105_000));
    }
}
