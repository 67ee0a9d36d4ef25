//! Faults, the clock, the guard, and what survives the end of the program.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::standins::{Standins, until};

const OPEN: &str = "/livekit/_act";

async fn open_room(standins: &Standins) {
    standins.post(OPEN, json!({"room": "show", "identity": "host", "act": "join", "via": "whip"})).await;
}

#[tokio::test]
async fn everything_survives_a_kill_and_the_port_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Standins::start(dir.path(), &[]);
    open_room(&first).await;
    first.post("/_clock", json!({"advance_secs": 3_600})).await;
    first.post("/_faults", json!({"provider": "mail", "action": "fail", "times": 3})).await;
    first.post("/livekit/_webhook", json!({"url": "http://127.0.0.1:9/hook"})).await;
    assert_eq!(first.end(Signal::SIGKILL), None);

    let second = Standins::start(dir.path(), &[]);
    for field in ["/http", "/smtp", "/livekit/secret"] {
        assert_eq!(second.told(field), first.told(field));
    }
    let (_, clock) = second.ask("GET", "/_clock", None).await;
    assert_eq!((&clock["offset_ms"], &clock["locked"]), (&json!(3_600_000), &json!(false)));
    let (_, faults) = second.ask("GET", "/_faults", None).await;
    assert_eq!((&faults[0]["order"]["provider"], &faults[0]["seen"]), (&json!("mail"), &json!(0)));
    let (_, hooks) = second.ask("GET", "/livekit/_webhook", None).await;
    assert_eq!(hooks["urls"], json!(["http://127.0.0.1:9/hook"]));
    second.act(json!({"room": "show", "identity": "host", "act": "leave"})).await;
}

#[tokio::test]
async fn a_port_in_use_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Standins::start(dir.path(), &[]);
    let (port, _) = (first.told("/http"), first.end(Signal::SIGKILL));
    let _squatter = std::net::TcpListener::bind(port.trim_start_matches("http://")).unwrap();
    let second = Standins::start(dir.path(), &[]);
    assert_ne!(second.told("/http"), port);
}

#[tokio::test]
async fn a_stop_by_signal_is_clean_and_takes_the_card_away() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let dir = tempfile::tempdir().unwrap();
        let mut standins = Standins::start(dir.path(), &[]);
        open_room(&standins).await;
        assert_eq!(standins.end(signal), Some(0));
        assert!(!dir.path().join("standins.json").exists());
        assert!(dir.path().join("state.json").exists());
    }
}

#[tokio::test]
async fn the_card_and_the_state_are_readable_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    open_room(&standins).await;
    for file in ["standins.json", "state.json", "mail.jsonl", "log.jsonl"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let (_, ports) = standins.ask("GET", "/_ports", None).await;
    assert_eq!((&ports["http"], &ports["smtp"]), (&standins.card["http"], &standins.card["smtp"]));
    assert_eq!((&ports["pid"], &ports["clock_offset_secs"]), (&standins.card["pid"], &json!(0)));
}

#[tokio::test]
async fn moving_the_clock_brings_what_is_due_and_wakes_followers() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    open_room(&standins).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "drop", "after_secs": 20})).await;
    let follow = standins.ask("GET", "/_clock/wait?than=0", None);
    let advance = standins.ask("POST", "/_clock", Some(json!({"advance_secs": 60})));
    let ((_, followed), (status, moved)) = tokio::join!(follow, advance);
    assert_eq!((status, &moved["offset_ms"], &followed["offset_ms"]), (200, &json!(60_000), &json!(60_000)));
    let (status, told) =
        standins.ask("POST", OPEN, Some(json!({"room": "show", "identity": "host", "act": "leave"}))).await;
    assert_eq!((status, &told["code"]), (404, &json!("not_found")), "dropped after 20 s, room closed after 20 more");

    let (status, _) = standins.ask("POST", "/_clock", Some(json!({"advance_secs": -1}))).await;
    assert_eq!(status, 422);
    standins.ask("PUT", "/_clock/lock", Some(json!({"reason": "A real LiveKit is in use."}))).await;
    let (status, told) = standins.ask("POST", "/_clock", Some(json!({"advance_secs": 1}))).await;
    assert_eq!((status, &told["code"]), (409, &json!("clock_locked")));
    let (_, told) = standins.ask("DELETE", "/_clock/lock", None).await;
    assert_eq!((&told["locked"], &told["offset_ms"]), (&json!(false), &json!(60_000)));
}

#[tokio::test]
async fn a_call_fails_or_loses_its_answer_to_order() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let order = json!({"provider": "livekit", "method": "ListRooms", "action": "fail", "status": 429, "times": 1});
    standins.post("/_faults", order).await;
    let list = "/twirp/livekit.RoomService/ListRooms";
    let (status, told) = standins.ask("POST", list, Some(json!({}))).await;
    assert_eq!((status, &told["code"]), (429, &json!("resource_exhausted")));
    assert_eq!(standins.ask("POST", list, Some(json!({}))).await.0, 401);

    let order = json!({"provider": "livekit", "path": "CreateRoom", "action": "drop_response"});
    standins.post("/_faults", order).await;
    let grants = livekit_api::access_token::VideoGrants { room_create: true, ..Default::default() };
    let unanswered = standins
        .http
        .post(standins.url("/twirp/livekit.RoomService/CreateRoom"))
        .bearer_auth(crate::livekit::token(&standins, grants))
        .json(&json!({"name": "show"}))
        .send()
        .await;
    assert!(unanswered.is_err(), "the connection ends without an answer");
    standins.act(json!({"room": "show", "identity": "host", "act": "join"})).await;
    assert_eq!(standins.log("livekit").await.last().unwrap()["status"], serde_json::Value::Null);

    let (_, deleted) = standins.ask("DELETE", "/_faults", None).await;
    assert_eq!(deleted["deleted"], 1);
    let (status, told) =
        standins.ask("POST", "/_faults", Some(json!({"provider": "livekit", "action": "explode"}))).await;
    assert_eq!((status, &told["code"]), (422, &json!("not_understood")));
}

#[tokio::test]
async fn controls_are_closed_to_other_sites_however_the_path_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let paths =
        ["/_clock", "/%5Fclock", "/_log", "/mail", "/mail/messages", "/livekit/_webhook", "/livekit/%5fwebhook"];
    for path in paths {
        let foreign =
            standins.http.get(standins.url(path)).header("Origin", "https://evil.example").send().await.unwrap();
        assert_eq!(foreign.status(), 403, "{path}");
        let rebound = standins.http.get(standins.url(path)).header("Host", "evil.example").send().await.unwrap();
        assert_eq!(rebound.status(), 403, "{path}");
        let own = standins.http.get(standins.url(path)).send().await.unwrap();
        assert_eq!(own.status(), 200, "{path}");
    }
    let form = standins.http.post(standins.url("/_clock")).body(r#"{"advance_secs": 1}"#).send().await.unwrap();
    assert_eq!(form.status(), 415);
}

#[tokio::test]
async fn a_second_program_on_the_same_state_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Standins::start(dir.path(), &[]);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_backstage-standins"))
        .arg("--state")
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("other stand-ins already use"), "{said}");
}

#[tokio::test]
async fn an_empty_room_closes_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    open_room(&standins).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "leave"})).await;
    standins.post("/_clock", json!({"advance_secs": 19})).await;
    until("the room to close one second later", async || {
        let log = standins.ask("POST", OPEN, Some(json!({"room": "show", "identity": "x", "act": "leave"}))).await.1;
        (log["detail"] == "requested room does not exist").then_some(())
    })
    .await;
}
