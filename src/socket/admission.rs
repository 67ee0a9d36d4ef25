//! How many may come in, and how fast: the turnstile that counts every socket from its knock to its end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    limits::{JOIN_BURST, JOIN_EVERY, JOINS_IN_FLIGHT_MAX, SOCKETS_MAX},
    pace::{Bucket, Pace},
};

/// What one node lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How fast.
    pub joins: Pace,
    /// How many are judged at a time.
    pub in_flight_max: usize,
    /// How many are inside, those being judged included.
    pub sockets_max: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            joins: Pace { every: JOIN_EVERY, burst: JOIN_BURST },
            in_flight_max: JOINS_IN_FLIGHT_MAX,
            sockets_max: SOCKETS_MAX,
        }
    }
}

/// Why nobody is let in just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too many at once, or too many inside.
    Busy,
    /// The engine is going away.
    Draining,
}

/// Counts the sockets of one node and lets them in at its pace.
#[derive(Debug)]
pub struct Turnstile {
    capacity: Capacity,
    bucket: Mutex<Bucket>,
    in_flight: AtomicUsize,
    inside: AtomicUsize,
    draining: AtomicBool,
    left: Notify,
}

impl Turnstile {
    /// An empty one.
    #[must_use]
    pub fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            bucket: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            left: Notify::new(),
        })
    }

    /// Lets one through to be judged.
    pub fn enter(self: &Arc<Self>, now: Duration) -> Result<Judged, Full> {
        if self.is_closed() {
            return Err(Full::Draining);
        }
        let judged = Judged { pass: Pass(self.clone()) };
        let inside = self.inside.fetch_add(1, Ordering::SeqCst);
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst);
        if inside >= self.capacity.sockets_max || in_flight >= self.capacity.in_flight_max {
            return Err(Full::Busy);
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now, self.capacity.joins).map(|()| judged).map_err(|_| Full::Busy)
    }

    /// Sockets now, those being judged included.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// Whether nobody is let in any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Completes once nobody is inside.
    pub async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.inside() == 0 {
                return;
            }
            left.await;
        }
    }
}

/// One who is being judged.
#[derive(Debug)]
pub struct Judged {
    pass: Pass,
}

impl Judged {
    /// The judgement is over and the socket stays; it counts until the pass is dropped.
    #[must_use]
    pub fn admitted(self) -> Pass {
        Pass(self.pass.0.clone()).also_counting()
    }
}

impl Drop for Judged {
    fn drop(&mut self) {
        self.pass.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One socket inside, for as long as it lives.
#[derive(Debug)]
pub struct Pass(Arc<Turnstile>);

impl Pass {
    /// Counts one more, because the pass it was made from counts itself out when it is dropped.
    fn also_counting(self) -> Self {
        self.0.inside.fetch_add(1, Ordering::SeqCst);
        self
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turnstile_counts_the_judged_and_the_admitted_and_forgets_the_refused() {
        let joins = Pace { every: Duration::from_millis(1), burst: 100 };
        let turnstile = Turnstile::new(Capacity { joins, in_flight_max: 2, sockets_max: 3 });
        let (first, second) = (turnstile.enter(Duration::ZERO).unwrap(), turnstile.enter(Duration::ZERO).unwrap());
        assert_eq!(turnstile.enter(Duration::ZERO).unwrap_err(), Full::Busy, "two are judged already");
        let inside = [first.admitted(), second.admitted(), turnstile.enter(Duration::ZERO).unwrap().admitted()];
        assert_eq!(turnstile.inside(), 3);
        assert_eq!(turnstile.enter(Duration::ZERO).unwrap_err(), Full::Busy, "three are inside");
        drop(inside);
        assert_eq!(turnstile.inside(), 0);
        turnstile.close();
        assert_eq!(turnstile.enter(Duration::ZERO).unwrap_err(), Full::Draining);
    }

    #[tokio::test]
    async fn whoever_waits_for_the_turnstile_to_empty_is_woken_by_the_last_to_leave() {
        let turnstile = Turnstile::new(Capacity::default());
        let pass = turnstile.enter(Duration::ZERO).unwrap().admitted();
        let emptied = {
            let turnstile = turnstile.clone();
            tokio::spawn(async move { turnstile.emptied().await })
        };
        tokio::task::yield_now().await;
        assert!(!emptied.is_finished());
        drop(pass);
        tokio::time::timeout(Duration::from_secs(5), emptied).await.expect("woken").unwrap();
    }
}
