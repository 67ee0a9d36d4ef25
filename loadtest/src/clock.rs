//! The one place that reads a clock: monotonic microseconds, the same in every process of this machine.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Monotonic time in microseconds since the machine's own beginning; comparable between processes of one machine.
pub fn now_us() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Wall-clock seconds since the Unix epoch, for the head of a report only.
pub fn unix_secs() -> i64 {
    i64::try_from(read(ClockId::CLOCK_REALTIME) / 1_000_000).unwrap_or(i64::MAX)
}

/// How long it is from `now` until `at_us`; zero when it is past.
pub fn until(now: u64, at_us: u64) -> Duration {
    Duration::from_micros(at_us.saturating_sub(now))
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("both clocks exist on every system we build for");
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0) / 1_000
}
