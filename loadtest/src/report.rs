//! What a run leaves behind: a table, JSON, and a page with plots.

mod html;
mod plot;
mod table;

use serde::Serialize;

use crate::{
    args::{Args, Limit},
    figures::{Figures, Verdict},
    histogram::Histogram,
    tally::Tally,
};

pub use html::page;
pub use table::table;

/// Everything that is known after a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was asked for.
    pub args: Args,
    /// When it began, in seconds since the Unix epoch.
    pub started_at: i64,
    /// The figures.
    pub figures: Figures,
    /// How they stand to their limits.
    pub verdicts: Vec<Verdict>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The counts behind the figures.
    pub total: Tally,
    /// Durations worth a plot, with their titles; in microseconds.
    pub histograms: Vec<(String, Histogram)>,
    /// What changed over time.
    pub series: Vec<Series>,
}

/// Lines over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What is shown.
    pub title: String,
    /// The unit of the upright axis.
    pub unit: &'static str,
    /// Names and points; a point is seconds and value.
    pub lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

impl Series {
    /// How many viewers were inside, from (microseconds, viewers).
    pub fn attendance(points: &[(u64, usize)]) -> Self {
        let line = points.iter().map(|(micros, inside)| (*micros as f64 / 1e6, *inside as f64)).collect();
        Self { title: "Viewers inside".to_owned(), unit: "viewers", lines: vec![("inside", line)] }
    }

    /// An empty series of quantiles in milliseconds.
    pub fn quantiles(title: &str) -> Self {
        let lines = ["median", "99 of 100", "slowest"].into_iter().map(|name| (name, Vec::new())).collect();
        Self { title: title.to_owned(), unit: "ms", lines }
    }

    /// Adds the quantiles of what happened at this second.
    pub fn quantiles_at(&mut self, second: f64, times: &Histogram) {
        for ((_, line), share) in self.lines.iter_mut().zip([0.5, 0.99, 1.0]) {
            line.extend(times.quantile_ms(share).map(|value| (second, value)));
        }
    }
}

impl Outcome {
    /// An outcome that nothing is known about yet.
    pub fn new(args: &Args, started_at: i64) -> Self {
        Self {
            args: args.clone(),
            started_at,
            figures: Figures::default(),
            verdicts: Vec::new(),
            notes: Vec::new(),
            total: Tally::default(),
            histograms: Vec::new(),
            series: Vec::new(),
        }
    }

    /// Holds the figures against the limits.
    pub fn judge(&mut self, limits: &[Limit]) {
        self.verdicts = self.figures.judge(limits);
    }

    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// The moment of the start, readable.
    pub fn started(&self) -> String {
        chrono::DateTime::from_timestamp(self.started_at, 0).map(|at| at.to_rfc3339()).unwrap_or_default()
    }

    /// The figures as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Document<'a> {
            scenario: &'static str,
            url: &'a str,
            experience: &'a str,
            processes: usize,
            started_at: String,
            holds: bool,
            figures: &'a Figures,
            limits: &'a [Verdict],
            reasons: &'a std::collections::BTreeMap<String, u64>,
            closes: &'a std::collections::BTreeMap<u16, u64>,
            notes: &'a [String],
        }
        serde_json::to_string_pretty(&Document {
            scenario: self.args.scenario.name(),
            url: self.args.url.as_str(),
            experience: &self.args.experience,
            processes: self.args.processes,
            started_at: self.started(),
            holds: self.holds(),
            figures: &self.figures,
            limits: &self.verdicts,
            reasons: &self.total.reasons,
            closes: &self.total.closes,
            notes: &self.notes,
        })
    }
}

/// A figure as people read it: no more digits than it has meaning.
fn number(value: f64) -> String {
    let digits = usize::from(value.fract() != 0.0 && value.abs() < 1000.0);
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests;
