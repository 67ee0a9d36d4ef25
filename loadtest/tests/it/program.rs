//! The program itself, with processes and exit codes, against the small server.

use std::process::Output;

use tokio::process::Command;

use super::server::{self, Script};

/// Runs a scenario with twelve viewers in three processes; returns how it ended and its JSON.
async fn run(scenario: &str, script: Script, limits: &[&str]) -> (Output, serde_json::Value) {
    let (address, _served) = server::start(script).await;
    let place = tempfile::tempdir().unwrap();
    let (tokens, json, page) = (place.path().join("tokens"), place.path().join("json"), place.path().join("page"));
    std::fs::write(&tokens, "one\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["--url", &format!("http://{address}"), "--experience", "exp_1", "--scenario", scenario]);
    command
        .args(["--viewers", "12", "--processes", "3", "--duration", "2"])
        .args(limits.iter().flat_map(|limit| ["--limit", limit]));
    command.arg("--tokens").arg(tokens).arg("--json").arg(&json).arg("--report").arg(&page);
    let output = command.output().await.unwrap();
    let json = std::fs::read(&json).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    assert_eq!(page.exists(), output.status.code() != Some(2), "a run that was done leaves a page");
    (output, json)
}

#[tokio::test]
async fn the_counts_of_three_processes_add_up_and_a_good_run_ends_with_0() {
    let (output, json) = run("join-storm", Script::numbered(&[1, 2]), &["joined_all_ms=20000"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((&json["figures"]["joined"], &json["holds"]), (&12.0.into(), &true.into()));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("joined_all_ms  holds ≤ 20000"), "{table}");
}

#[tokio::test]
async fn a_run_with_a_broken_limit_ends_with_1() {
    let (output, json) = run("join-storm", Script::numbered(&[1]), &["joined_p50_ms=0"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json["holds"], false);
}

#[tokio::test]
async fn an_engine_that_loses_messages_breaks_a_run_that_stated_no_limit() {
    let (output, json) = run("join-storm", Script::numbered(&[2]), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json["figures"]["holes"], 12.0);
}

#[tokio::test]
async fn a_run_that_lets_nobody_in_ends_with_2_and_says_why() {
    let (output, _) = run("join-storm", Script::numbered(&[1]).closed(), &[]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nobody got inside: 12 × 403 no_grant"), "{said}");
}

#[tokio::test]
async fn what_one_viewer_sends_is_timed_at_all_the_others() {
    let (output, json) = run("watch", Script::numbered(&[]).echoing(None), &["fanout_p99_ms=1000", "missing=0"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((&json["figures"]["triggers"], &json["figures"]["missing"]), (&2.0.into(), &0.0.into()));
    assert_eq!(json["figures"]["messages"], 12.0 * (2.0 + 2.0), "a welcome, a snapshot, and two reactions each");
}

#[tokio::test]
async fn a_viewer_that_hears_nothing_is_missed() {
    let (output, json) = run("watch", Script::numbered(&[]).echoing(Some(5)), &["missing=0"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json["figures"]["missing"], 2.0);
}
