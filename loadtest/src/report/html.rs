//! The report as one page that works offline.

use std::fmt::Write;

use crate::report::{Outcome, number, plot};

const STYLE: &str = include_str!("report.css");

/// The outcome as a self-contained page.
pub fn page(outcome: &Outcome) -> String {
    let escape = plot::escape;
    let name = outcome.args.scenario.name();
    let verdict = if outcome.holds() { ("holds", "Every limit holds") } else { ("broken", "A limit is broken") };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Load test: {name}</title><style>{STYLE}</style></head><body>\
         <header><h1>{name}</h1><p class=\"{}\">{}</p><p>{} · {} · {} viewers · {}</p></header>",
        verdict.0,
        verdict.1,
        escape(outcome.args.url.as_str()),
        escape(&outcome.args.experience),
        outcome.args.viewers,
        outcome.started(),
    );
    limits(&mut page, outcome);
    for (title, histogram) in outcome.histograms.iter().filter(|(_, histogram)| histogram.count() > 0) {
        let _ = write!(page, "<section><h2>{}</h2>{}</section>", escape(title), plot::bars(title, histogram));
    }
    if outcome.total.joined.count() > 0 {
        let title = "Start of the storm to snapshot";
        let _ = write!(page, "<section><h2>{title}</h2>{}</section>", plot::bars(title, &outcome.total.joined));
    }
    for series in outcome.series.iter().filter(|series| series.lines.iter().any(|(_, line)| line.len() > 1)) {
        let _ = write!(page, "<section><h2>{}</h2>{}</section>", escape(&series.title), plot::lines(series));
    }
    figures(&mut page, outcome);
    counts(&mut page, "Tries and sockets that failed", &outcome.total.reasons);
    counts(&mut page, "Close codes", &outcome.total.closes);
    for note in &outcome.notes {
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(note));
    }
    page.push_str("</body></html>\n");
    page
}

fn limits(page: &mut String, outcome: &Outcome) {
    page.push_str("<section><h2>Limits</h2><table><tr><th>Figure</th><th>At most</th><th>Measured</th><th></th></tr>");
    for verdict in &outcome.verdicts {
        let (class, word) = if verdict.holds { ("holds", "holds") } else { ("broken", "broken") };
        let _ = write!(
            page,
            "<tr><td>{} <code>{}</code></td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            verdict.name.words(),
            verdict.name.text(),
            number(verdict.most),
            verdict.measured.map_or("not measured".to_owned(), number),
        );
    }
    page.push_str("</table></section>");
}

fn figures(page: &mut String, outcome: &Outcome) {
    page.push_str("<section><h2>Figures</h2><table>");
    for (name, value) in outcome.figures.all() {
        let _ =
            write!(page, "<tr><td>{} <code>{}</code></td><td>{}</td></tr>", name.words(), name.text(), number(value));
    }
    page.push_str("</table></section>");
}

fn counts<K: std::fmt::Display>(page: &mut String, title: &str, counts: &std::collections::BTreeMap<K, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>{title}</h2><table>");
    for (what, count) in counts {
        let _ = write!(page, "<tr><td>{}</td><td>{count}</td></tr>", plot::escape(&what.to_string()));
    }
    page.push_str("</table></section>");
}
