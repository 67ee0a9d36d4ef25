//! What time it is for every stand-in: the machine's wall clock, moved forward on request and never back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;

/// The stand-ins' wall clock.
pub struct Clock {
    offset_ms: AtomicI64,
    moved: watch::Sender<i64>,
}

impl Clock {
    /// A clock that is `offset_ms` ahead of the machine's.
    pub fn new(offset_ms: i64) -> Self {
        Self { offset_ms: AtomicI64::new(offset_ms), moved: watch::Sender::new(offset_ms) }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        machine_ms() + self.offset_ms()
    }

    /// How far ahead of the machine this clock is, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }

    /// Moves the clock so that it is `offset_ms` ahead; a smaller offset than now is ignored.
    pub fn move_to(&self, offset_ms: i64) {
        let before = self.offset_ms.fetch_max(offset_ms, Ordering::SeqCst);
        if offset_ms > before {
            self.moved.send_replace(offset_ms);
        }
    }

    /// Something that tells when the offset changes.
    pub fn follow(&self) -> watch::Receiver<i64> {
        self.moved.subscribe()
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A point in time for measuring waits, untouched by moves of the clock.
#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the machine's clock")]
pub fn steady() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the machine's clock")]
fn machine_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_never_moved_back() {
        let clock = Clock::new(5_000);
        clock.move_to(1_000);
        assert_eq!(clock.offset_ms(), 5_000);
        clock.move_to(6_000);
        assert_eq!(clock.offset_ms(), 6_000);
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_795_265_384_439), "2026-11-21T12:49:44.439Z");
    }
}
