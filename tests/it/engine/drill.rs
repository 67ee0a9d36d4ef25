//! An actor that fails while it is live, as everybody in the house notices it: not at all, or as one snapshot.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, Socket, go_live, run, until_asked};

/// What a failed actor may take to be back.
const BACK: Duration = Duration::from_millis(100);

async fn engine() -> Engine {
    Engine::with(vec![("BACKSTAGE__DRILLS__ENABLED", "true".into())]).await
}

/// Another live experience of the demo's space.
async fn side_stage(engine: &Engine, creator: &str) -> String {
    let (_, me) = engine.get("/api/v1/me", creator).await;
    let team = me["teams"][0]["id"].as_str().unwrap();
    let (_, spaces) = engine.get(&format!("/api/v1/teams/{team}/spaces"), creator).await;
    let path = format!("/api/v1/spaces/{}/experiences", spaces["items"][0]["id"].as_str().unwrap());
    let wanted = json!({"kind": "live_stream", "slug": "side-stage", "name": "Side Stage"});
    let (status, made) = engine.post(&path, creator, wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn panic(engine: &Engine, creator: &str, experience: &str) {
    let (status, body) = engine.post("/api/v1/drills/panic", creator, json!({"experience_id": experience})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
}

async fn hearts(viewer: &mut Socket) -> Value {
    viewer.say(json!({"t": "react", "e": "❤️"})).await;
    viewer.next("reactions", |frame| frame["t"] == "reactions").await
}

#[expect(clippy::disallowed_methods, reason = "the time that people outside wait is what is measured")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn survive_001_an_actor_that_panics_while_live_costs_one_snapshot_and_nobody_else_anything() {
    run(async {
        let engine = engine().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let elsewhere = side_stage(&engine, &creator).await;
        let mut neighbour = engine.watch(&elsewhere, &creator).await;
        let untouched = neighbour.state("offline").await;
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewers = vec![engine.watch(&experience, &member).await, engine.watch(&experience, &creator).await];
        let mut epochs = vec![];
        for viewer in &mut viewers {
            epochs.push(viewer.state("live").await["epoch"].as_u64().unwrap());
        }
        let mut waits = vec![];
        for _ in 0..4 {
            let begun = now();
            panic(&engine, &creator, &experience).await;
            for (viewer, epoch) in viewers.iter_mut().zip(&mut epochs) {
                // each socket checks for itself that no number is left out
                let back = viewer.next("the snapshot of a new activation", |frame| frame["t"] == "snapshot").await;
                assert_eq!((back["epoch"].as_u64(), &back["state"]), (Some(*epoch + 1), &json!("live")));
                assert_eq!(back["broadcast"]["id"], broadcast.as_str());
                assert_eq!(back["audience"]["now"], 2, "nobody is counted twice");
                *epoch += 1;
            }
            waits.push(begun.elapsed());
            assert_eq!(hearts(&mut viewers[0]).await["epoch"], epochs[0], "the room works");
        }
        // a busy machine may be late now and then; what one failure costs shows in the quickest
        let quickest = waits.iter().min().unwrap();
        assert!(*quickest <= BACK, "back after {waits:?}");
        assert_eq!(hearts(&mut neighbour).await["epoch"], untouched["epoch"], "the neighbour did not notice");
        let (status, ended) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        assert_eq!((status, &ended["state"]), (StatusCode::OK, &json!("ended")));
        let restarts = "backstage_actor_restarts_total{actor=\"experience\",cause=\"message\"}";
        assert_eq!(engine.metric(restarts).await, Some(4.0));
    });
}

#[test]
fn survive_002_a_message_that_always_panics_is_set_aside_and_the_room_goes_on() {
    run(async {
        let engine = engine().await;
        let creator = engine.token("creator@demo.test");
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &creator).await;
        viewer.state("live").await;
        for _ in 0..20 {
            panic(&engine, &creator, &experience).await;
        }
        let degraded = "backstage_actor_degraded_total{actor=\"experience\"}";
        until_asked("the alert", || engine.metric_is(degraded.to_owned(), 1.0)).await;
        hearts(&mut viewer).await;
        let restarts = "backstage_actor_restarts_total{actor=\"experience\",cause=\"message\"}";
        assert_eq!(engine.metric(restarts).await, Some(6.0), "five restarts, and the sixth sets it aside");
        let (status, ended) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        assert_eq!((status, &ended["state"]), (StatusCode::OK, &json!("ended")));
        viewer.state("ended").await;
    });
}

#[test]
fn drills_are_for_those_who_run_an_experience_and_only_where_they_were_asked_for() {
    run(async {
        let engine = engine().await;
        let experience = json!({"experience_id": engine.experience().await});
        let member = engine.token("member@demo.test");
        let (status, body) = engine.post("/api/v1/drills/panic", &member, experience.clone()).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        assert_eq!(engine.post("/api/v1/drills/panic", "", experience.clone()).await.0, StatusCode::UNAUTHORIZED);
        drop(engine);
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        assert_eq!(engine.post("/api/v1/drills/panic", &creator, experience).await.0, StatusCode::NOT_FOUND);
    });
}
