//! The table, the JSON and the page of a run in which one limit is broken.

use clap::Parser;

use super::*;
use crate::figures::Name;

fn outcome() -> Outcome {
    let line = "loadtest --url http://127.0.0.1:1 --tokens t --viewers 10 --scenario watch --experience <b>/x --limit fanout_p99_ms=200";
    let args = Args::try_parse_from(line.split(' ')).unwrap();
    let mut outcome = Outcome::new(&args, 1_795_000_000);
    let mut times = Histogram::default();
    (1..=100).for_each(|n| times.add(n * 3_000));
    let mut series = Series::quantiles("Trigger to delivery, by second");
    series.quantiles_at(0.5, &times);
    series.quantiles_at(1.5, &times);
    outcome.figures.set(Name::FanoutP99Ms, times.quantile_ms(0.99));
    outcome.figures.count(Name::Holes, 0);
    outcome.histograms.push(("Trigger to delivery".to_owned(), times));
    outcome.series.push(series);
    outcome.series.push(Series::attendance(&[(0, 0), (250_000, 7), (500_000, 10)]));
    outcome.total.reason(&"503 admission_full");
    outcome.judge(&args.limits);
    outcome
}

#[test]
fn the_page_shows_its_plots_and_its_verdict_and_loads_nothing() {
    let page = page(&outcome());
    assert!(page.contains("A limit is broken"));
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("<polyline").count(), 4);
    assert!(page.contains("297 ms"), "the 99th percentile is named");
    for outside in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "the page asks the network for {outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(!page.contains("<b>/x"), "what comes from the command line is escaped");
}

#[test]
fn no_coordinate_of_a_plot_is_lost_when_nothing_was_seen() {
    let mut empty = outcome();
    empty.histograms = vec![("Nothing".to_owned(), Histogram::default())];
    empty.series = vec![Series::quantiles("Nothing"), Series::attendance(&[(0, 0), (0, 0)])];
    let page = page(&empty);
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn the_table_names_the_broken_limit_beside_its_figure() {
    let table = table(&outcome());
    let line = table.lines().find(|line| line.contains("fanout_p99_ms")).unwrap();
    assert!(line.contains("297") && line.contains("BROKEN ≤ 200"), "{line}");
}

#[test]
fn the_json_carries_figures_limits_and_verdict() {
    let json: serde_json::Value = serde_json::from_str(&outcome().json().unwrap()).unwrap();
    assert_eq!(json["holds"], false);
    assert_eq!(json["figures"]["fanout_p99_ms"], 297.0);
    assert_eq!(json["limits"][0]["name"], "fanout_p99_ms");
    assert_eq!(json["reasons"]["503 admission_full"], 1);
}
