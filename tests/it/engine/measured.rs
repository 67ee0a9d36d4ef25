//! What the engine says of itself in figures: true when they are there, absent when they are not known.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Engine, Socket, go_live, run, until_asked};

fn out(door: &str, what: &str) -> String {
    format!(r#"backstage_eviction_seconds_{what}{{door="{door}"}}"#)
}

/// A visitor who is given a right, watches, and is in the room; with the path that takes the right away.
async fn inside(engine: &Engine, creator: &str, experience: &str) -> (Socket, String) {
    let visitor = engine.token("visitor@demo.test");
    let (_, public) = engine.get("/api/v1/spaces/demo/public", "").await;
    let passes = public["passes"].as_array().unwrap();
    let vip = passes.iter().find(|pass| pass["slug"] == "vip").unwrap()["id"].as_str().unwrap();
    let comp = json!({"email": "visitor@demo.test"});
    let (_, grant) = engine.post(&format!("/api/v1/passes/{vip}/grants"), creator, comp).await;
    let mut viewer = engine.watch(experience, &visitor).await;
    let token = viewer.next("token", |frame| frame["t"] == "token").await;
    engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
    (viewer, format!("/api/v1/grants/{}", grant["id"].as_str().unwrap()))
}

#[test]
fn an_eviction_is_timed_until_the_media_server_has_put_the_person_out() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (experience, _) = go_live(&engine, &creator).await;
        let (viewer, grant) = inside(&engine, &creator, &experience).await;
        let slow = json!({"provider": "livekit", "method": "RemoveParticipant", "action": "delay", "ms": 1200});
        engine.order("/_faults", slow).await;
        assert!(engine.call(Method::DELETE, &grant, &creator, None).await.0.is_success());
        assert_eq!(viewer.closed().await, 4003);
        let took = until_asked("the figure", || async { engine.metric(&out("livekit", "sum")).await }).await;
        assert_eq!(engine.metric(&out("livekit", "count")).await, Some(1.0));
        assert!((1.2..10.0).contains(&took), "the removal alone took 1.2 s, and {took} s were counted");
        assert!(
            engine.metric(&out("socket", "sum")).await.is_some_and(|took| took < 1.0),
            "the socket was closed at once"
        );
    });
}

#[test]
fn an_eviction_that_the_media_server_refuses_is_no_figure_until_it_succeeds() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let (viewer, grant) = inside(&engine, &creator, &experience).await;
        engine.order("/_faults", json!({"provider": "livekit", "method": "RemoveParticipant", "action": "fail"})).await;
        assert!(engine.call(Method::DELETE, &grant, &creator, None).await.0.is_success());
        assert_eq!(viewer.closed().await, 4003);
        until_asked("some tries", || async { (engine.calls("RemoveParticipant").await >= 10).then_some(()) }).await;
        assert_eq!(engine.metric(&out("socket", "count")).await, Some(1.0));
        assert_eq!(engine.metric(&out("livekit", "count")).await, None, "still in");
        engine.heal().await;
        until_asked("the figure", || async { engine.metric(&out("livekit", "count")).await }).await;
        let people = engine.rooms().list_participants(&broadcast).await.unwrap();
        assert_eq!(people.len(), 1, "the publisher alone");
        let series = r#"backstage_evictions_total{reason="revoked",door="livekit"}"#;
        assert_eq!(engine.metric(series).await, Some(1.0));
    });
}

#[test]
fn survive_054_health_that_nobody_tells_any_more_is_unknown_everywhere() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let path = format!("/api/v1/experiences/{experience}/studio");
        let mut studio = engine.socket(&path, &[("authorization", format!("Bearer {creator}"))]).await.unwrap();
        studio.next("welcome", |frame| frame["t"] == "welcome").await;
        let numbers = json!({"t": "stats", "publishing": true, "bitrate_bits": 2_000_000, "fps": 30.0, "loss_ratio": 0.0, "rtt_ms": 20.0});
        studio.say(numbers).await;
        let known = studio.next("health", |frame| frame["t"] == "health").await;
        assert_eq!((&known["health"]["status"], &known["health"]["score"]), (&json!("known"), &json!(100)));
        let series = format!(r#"backstage_stream_health_score{{experience="{experience}"}}"#);
        assert_eq!(engine.metric(&series).await, Some(100.0));

        engine.order("/_clock", json!({"advance_secs": 15})).await;
        let silent =
            studio.next("unknown", |frame| frame["t"] == "health" && frame["health"]["status"] == "unknown").await;
        assert_eq!(silent["stats"], Value::Null);
        assert_eq!(engine.metric(&series).await, None, "a figure that stays would say that all is well");
        assert_eq!(
            engine.metric(&format!(r#"backstage_stream_bitrate_bits{{experience="{experience}"}}"#)).await,
            None
        );
        let (_, told) = engine.get(&format!("/api/v1/broadcasts/{broadcast}/health"), &creator).await;
        assert_eq!(told["health"]["status"], "unknown");
    });
}
