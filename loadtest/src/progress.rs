//! How far the run is: a bar on a terminal, a plain line now and then elsewhere.

use std::{io::IsTerminal, sync::Mutex};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{clock, limits::PLAIN_LINE_EVERY, tally::Tally};

/// Shows progress on the error stream; results go to the output.
pub struct Progress {
    scenario: &'static str,
    viewers: usize,
    bar: Option<ProgressBar>,
    last_line_us: Mutex<u64>,
}

impl Progress {
    /// Progress of a run of so many viewers.
    pub fn new(scenario: &'static str, viewers: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{elapsed_precise} {prefix} [{bar:30}] {pos}/{len} inside · {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(viewers as u64).with_style(style).with_prefix(scenario);
            bar.enable_steady_tick(std::time::Duration::from_millis(250));
            bar
        });
        Self { scenario, viewers, bar, last_line_us: Mutex::new(0) }
    }

    /// Shows the present state.
    pub fn show(&self, doing: &str, inside: usize, total: &Tally) {
        let words =
            format!("{doing} · {} messages · {} tries failed", total.heard(), total.reasons.values().sum::<u64>());
        if let Some(bar) = &self.bar {
            bar.set_position(inside as u64);
            bar.set_message(words);
            return;
        }
        let Ok(mut last) = self.last_line_us.lock() else { return };
        let now = clock::now_us();
        if clock::until(*last, now) >= PLAIN_LINE_EVERY {
            *last = now;
            eprintln!("{}: {inside}/{} inside · {words}", self.scenario, self.viewers);
        }
    }

    /// Says one line without disturbing the bar.
    pub fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{}: {line}", self.scenario),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
