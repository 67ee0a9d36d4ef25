//! What the engine survives as a whole: its own death, its database's, and its media server's absence.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, announce, go_live, run, until, until_asked};

#[test]
fn survive_009_a_killed_engine_comes_back_with_the_same_broadcast_still_live() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        let before = viewer.state("live").await;
        let engine = engine.crash_and_restart().await;
        let mut viewer = engine.watch(&experience, &member).await;
        let after = viewer.state("live").await;
        assert_eq!(after["broadcast"]["id"], broadcast.as_str());
        assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "a new activation is a new epoch");
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!((&now["state"], &now["ended_at"]), (&json!("live"), &Value::Null));
    });
}

#[test]
fn survive_028_watching_goes_on_without_the_database_and_writes_wait_for_it() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        nix::sys::signal::kill(engine.postgres(), nix::sys::signal::Signal::SIGKILL).unwrap();

        let end = format!("/api/v1/broadcasts/{broadcast}/end");
        let (status, body) = engine.post(&end, &creator, json!({})).await;
        assert!(status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::OK, "{status} {body}");
        viewer.say(json!({"t": "react", "e": "🔥"})).await;
        viewer.next("reactions", |frame| frame["t"] == "reactions").await;
        // the engine starts its own database again; then everything goes on
        until_asked("the database", || async {
            let (status, body) = engine.post(&end, &creator, json!({})).await;
            assert!(status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE, "{status} {body}");
            (status == StatusCode::OK).then(|| assert_eq!(body["state"], "ended"))
        })
        .await;
    });
}

#[test]
fn survive_043_going_live_without_a_media_server_is_degraded_and_follows_when_it_is_back() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (_, broadcast) = announce(&engine, &creator, json!({})).await;
        engine.order("/_faults", json!({"provider": "livekit", "action": "fail", "status": 503})).await;
        let deed = |deed: &str| format!("/api/v1/broadcasts/{broadcast}/{deed}");
        let (status, live) = engine.post(&deed("go-live"), &creator, json!({})).await;
        assert_eq!((status, &live["state"]), (StatusCode::OK, &json!("live")));
        let (status, body) = engine.post(&deed("publisher-token"), &creator, json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("media_unavailable")));
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!(now["degraded"], true);
        engine.client.delete(format!("{}/_faults", engine.standins)).send().await.unwrap();
        until_asked("the room", || async {
            let (status, _) = engine.post(&deed("publisher-token"), &creator, json!({})).await;
            (status == StatusCode::OK).then_some(())
        })
        .await;
    });
}

#[test]
fn a_second_engine_on_the_same_state_or_port_says_so_in_one_sentence() {
    run(async {
        let engine = Engine::start().await;
        let port = engine.http.rsplit(':').next().unwrap().to_owned();
        let taken = |port: &str, state: &std::path::Path| {
            let mut command = super::command(state);
            let output = command
                .env("BACKSTAGE__SERVER__PORT", port)
                .stderr(std::process::Stdio::piped())
                .arg("serve")
                .output()
                .unwrap();
            assert!(!output.status.success());
            String::from_utf8(output.stderr).unwrap()
        };
        let elsewhere = tempfile::tempdir().unwrap();
        let told = taken(&port, elsewhere.path());
        assert!(told.contains(&format!("port {port}")) && told.contains("taken"), "{told}");
        let told = taken("0", engine.state());
        assert!(told.lines().any(|line| line.starts_with("backstage: ")), "{told}");
    });
}

#[test]
fn a_clean_stop_leaves_no_child_and_no_announcement_behind() {
    run(async {
        let engine = Engine::start().await;
        let postgres = engine.postgres();
        let served = engine.state().join("serve.json");
        let child = nix::unistd::Pid::from_raw(i32::try_from(engine.child.id()).unwrap());
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGTERM).unwrap();
        until("the end of Postgres", || nix::sys::signal::kill(postgres, None).err()).await;
        until("the end of the announcement", || (!served.exists()).then_some(())).await;
    });
}
