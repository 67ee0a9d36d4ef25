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
