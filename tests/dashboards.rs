//! The dashboard and the rules ask for series that exist, with labels they have.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::{collections::BTreeSet, fs, path::Path};

use backstage::telemetry::metric::{ALL, Kind, Series};
use regex::Regex;

/// Series our names in `query`, with the labels asked for right behind them.
fn asked(query: &str) -> Vec<(String, Vec<String>)> {
    let name = Regex::new(r"backstage_[a-z_]+").unwrap();
    let label = Regex::new(r"([a-z_]+)\s*(?:=~|!~|!=|=)").unwrap();
    let behind = |end: usize| {
        let rest = &query[end..];
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        label.captures_iter(inside).map(|found| found[1].to_owned()).collect()
    };
    name.find_iter(query).map(|found| (found.as_str().to_owned(), behind(found.end()))).collect()
}

fn series_of(name: &str) -> Option<&'static Series> {
    let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
    ALL.iter().find(|series| {
        series.name == name || (series.kind == Kind::Histogram && plain.is_some_and(|plain| series.name == plain))
    })
}

fn wrong(queries: &[String]) -> Vec<String> {
    let mut wrong = vec![];
    for query in queries {
        let names = asked(query);
        if names.is_empty() {
            wrong.push(format!("`{query}` asks for nothing of ours"));
        }
        for (name, labels) in names {
            match series_of(&name) {
                None => wrong.push(format!("`{query}`: there is no {name}")),
                Some(series) => wrong.extend(
                    labels
                        .iter()
                        .filter(|label| *label != "le" && !series.labels.contains(&label.as_str()))
                        .map(|label| format!("`{query}`: {name} has no label {label}")),
                ),
            }
        }
    }
    wrong
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn panels() -> Vec<serde_json::Value> {
    let dashboard: serde_json::Value = serde_json::from_str(&file("dashboards/backstage.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

#[test]
fn every_query_of_the_dashboard_asks_for_a_series_that_exists() {
    let targets = panels().into_iter().filter_map(|panel| panel.get("targets").cloned());
    let queries: Vec<String> = targets
        .flat_map(|targets| targets.as_array().unwrap().clone())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    assert!(queries.len() > 20);
    assert_eq!(wrong(&queries), Vec::<String>::new());
}

#[test]
fn every_panel_has_a_place_and_a_number_of_its_own() {
    let (mut numbers, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        let at = &panel["gridPos"];
        assert!(places.insert((at["x"].as_u64().unwrap(), at["y"].as_u64().unwrap())), "{}", panel["title"]);
        assert!(at["x"].as_u64().unwrap() + at["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}

#[test]
fn every_rule_asks_for_a_series_that_exists() {
    let rules = file("dashboards/rules/backstage.yml");
    let expressions = Regex::new(r"(?m)expr:\s*(?:\|\n((?:\s{12}.*\n|\s{10,}.*\n)+?)\s{8}\w|(.*)$)").unwrap();
    let queries: Vec<String> = expressions
        .captures_iter(&rules)
        .map(|found| found.get(1).or_else(|| found.get(2)).unwrap().as_str().to_owned())
        .collect();
    assert_eq!(queries.len(), rules.matches("- alert:").count());
    assert_eq!(wrong(&queries), Vec::<String>::new());
}

#[test]
fn a_query_for_nothing_is_noticed() {
    assert_eq!(wrong(&["sum(backstage_nothing)".into()]).len(), 1);
    assert_eq!(wrong(&["backstage_viewers{room=\"x\"}".into()]).len(), 1);
    assert_eq!(wrong(&["up".into()]).len(), 1);
}
