//! Time as the engine sees it: a wall clock for deadlines, a monotonic one for durations. Nobody else reads a clock.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio::sync::Notify;

/// Milliseconds since the Unix epoch, UTC. On the wire: RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant moved forward by `wait`, saturating at the end of time.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant moved back by `wait`, saturating at the beginning of time.
    #[must_use]
    pub fn minus(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` to this instant; zero when it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant in the database's type.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|at| at.with_timezone(&Utc).into())
            .map_err(|_| D::Error::custom("not an RFC 3339 time with an offset"))
    }
}

/// The only source of time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, for deadlines that are stored.
    fn now(&self) -> Timestamp;
    /// Time since this clock was made, never moved by anybody, for durations.
    fn monotonic(&self) -> Duration;
    /// Completes once `now() >= at`, also when the wall clock is moved forward meanwhile; never early.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}

/// A clock that others may keep.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock, moved forward by an offset in local mode (the stand-ins' clock control).
#[derive(Clone)]
pub struct SystemClock(Arc<Moved>);

struct Moved {
    born: std::time::Instant,
    offset_ms: AtomicI64,
    moved: Notify,
}

impl SystemClock {
    /// A clock that shows the machine's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one implementation")]
    pub fn new() -> Self {
        let born = std::time::Instant::now();
        Self(Arc::new(Moved { born, offset_ms: AtomicI64::new(0), moved: Notify::new() }))
    }

    /// Sets how far this clock is ahead of the machine's; moving back is ignored. Sleepers wake and look again.
    pub fn set_offset(&self, offset: Duration) {
        let offset_ms = i64::try_from(offset.as_millis()).unwrap_or(i64::MAX);
        if self.0.offset_ms.fetch_max(offset_ms, Ordering::SeqCst) < offset_ms {
            self.0.moved.notify_waiters();
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one implementation")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(self.0.offset_ms.load(Ordering::SeqCst)).plus(since_epoch)
    }

    fn monotonic(&self) -> Duration {
        self.0.born.elapsed()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let moved = clock.0.moved.notified();
                let now = clock.now();
                if now >= at {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(at.since(now)) => {}
                    () = moved => {}
                }
            }
        })
    }
}

/// A clock on tokio's own time, for tests and simulation with a paused runtime.
#[derive(Clone, Debug)]
pub struct TokioClock {
    born: tokio::time::Instant,
    starts_at: Timestamp,
}

impl TokioClock {
    /// A clock that shows `starts_at` now. Must be called inside a runtime.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this clock is made of tokio's")]
    pub fn starting_at(starts_at: Timestamp) -> Self {
        Self { born: tokio::time::Instant::now(), starts_at }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.starts_at.plus(self.born.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.born.elapsed()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            while clock.now() < at {
                // tokio's timer has whole milliseconds and may fire up to one early against a truncated `now`
                tokio::time::sleep(at.since(clock.now()).max(Duration::from_millis(1))).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sleeper_wakes_when_the_clock_is_moved_past_its_deadline() {
        let clock = SystemClock::new();
        let sleeper = tokio::spawn(clock.sleep_until(clock.now().plus(Duration::from_secs(3600))));
        tokio::task::yield_now().await;
        clock.set_offset(Duration::from_secs(3601));
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.expect("woken").unwrap();
    }

    #[test]
    fn a_clock_is_never_moved_back() {
        let clock = SystemClock::new();
        clock.set_offset(Duration::from_secs(100));
        let ahead = clock.now();
        clock.set_offset(Duration::from_secs(1));
        assert!(clock.now() >= ahead);
    }

    #[test]
    fn a_timestamp_survives_the_wire() {
        let at = Timestamp(1_795_262_400_123);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, "\"2026-11-21T12:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }
}
