//! How far a long run is: a bar on a terminal, a plain line a hundredth elsewhere. A short run shows nothing.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Runs of fewer seeds are over before anybody asks.
const LONG: u64 = 10_000;

/// Shown on the error stream, past the test harness, which keeps what tests print until they have failed.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    pub fn of(seeds: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain || seeds < LONG { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let words = "{elapsed_precise} [{bar:40}] {pos}/{len} lives · {per_sec} · {eta_precise} left";
        let style = ProgressStyle::with_template(words).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(seeds), target).with_style(style);
        if !plain && seeds >= LONG {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, plain: plain && seeds >= LONG }
    }

    /// One more is done.
    pub fn step(&self) {
        self.bar.inc(1);
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        if self.plain && done.is_multiple_of((all / 100).max(1)) {
            let (elapsed, left) = (HumanDuration(self.bar.elapsed()), HumanDuration(self.bar.eta()));
            say(&format!("simulation: {done} of {all} lives · {elapsed} gone · {left} left"));
        }
    }

    /// Says one line at once.
    pub fn note(&self, line: &str) {
        if self.plain {
            say(line);
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{line}");
}
