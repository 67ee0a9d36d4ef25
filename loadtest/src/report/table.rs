//! The table on the terminal.

use std::fmt::Write;

use crate::report::{Outcome, number};

/// The outcome as plain text, one figure a line, limits beside their figures.
pub fn table(outcome: &Outcome) -> String {
    let mut text =
        format!("\n{} · {} · {}\n\n", outcome.args.scenario.name(), outcome.args.url, outcome.args.experience);
    let width = outcome.figures.all().map(|(name, _)| name.words().len()).max().unwrap_or(0);
    for (name, value) in outcome.figures.all() {
        let limit = outcome.verdicts.iter().find(|verdict| verdict.name == name);
        let limit = limit.map_or(String::new(), |verdict| {
            format!("  {} {}", if verdict.holds { "holds ≤" } else { "BROKEN ≤" }, number(verdict.most))
        });
        let _ = writeln!(text, "  {:<width$}  {:>12}  {}{limit}", name.words(), number(value), name.text());
    }
    for verdict in outcome.verdicts.iter().filter(|verdict| verdict.measured.is_none()) {
        let _ = writeln!(text, "  {}: not measured, so its limit is BROKEN", verdict.name.text());
    }
    section(&mut text, "Tries and sockets that failed", &outcome.total.reasons);
    section(&mut text, "Close codes", &outcome.total.closes);
    for note in &outcome.notes {
        let _ = writeln!(text, "\n  {note}");
    }
    text
}

fn section<K: std::fmt::Display>(text: &mut String, title: &str, counts: &std::collections::BTreeMap<K, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {title}");
    for (what, count) in counts {
        let _ = writeln!(text, "    {count:>8}  {what}");
    }
}
