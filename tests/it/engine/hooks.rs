//! Webhooks as the engine takes them: stored once, applied once, and believed about nothing but what happened.

use std::time::Duration;

use backstage::clock::{Clock, SystemClock};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Engine, announce,
    media::{publisher, within},
    run, until_asked,
};

/// Posts a webhook of our own making, signed as the media server signs; `at` is what it says about when it happened.
async fn tell(engine: &Engine, id: &str, event: &str, at: i64, about: &Value) -> StatusCode {
    let body = json!({
        "event": event, "id": id, "createdAt": at.to_string(),
        "room": {"name": about["room"], "creationTime": at.to_string()},
        "participant": {"identity": about["identity"], "joinedAt": at.to_string(), "kind": "STANDARD"},
    })
    .to_string();
    let now = SystemClock::new().now().0 / 1000;
    let hash = STANDARD.encode(Sha256::digest(body.as_bytes()));
    let claims = json!({"iss": engine.served["livekit"]["key"], "nbf": now, "exp": now + 300, "sha256": hash});
    let secret = EncodingKey::from_secret(engine.served["livekit"]["secret"].as_str().unwrap().as_bytes());
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
    let hook = engine.client.post(format!("{}/hooks/livekit", engine.http));
    hook.header("authorization", signed).body(body).send().await.unwrap().status()
}

async fn counted(engine: &Engine, outcome: &str) -> f64 {
    let series = format!(r#"backstage_webhooks_total{{provider="livekit",outcome="{outcome}"}}"#);
    engine.metric(&series).await.unwrap_or_default()
}

fn applied(engine: &Engine, id: &str) -> String {
    engine.sql(&format!("select applied_at is not null from provider_events where event_id = '{id}'"))
}

#[test]
fn survive_053_what_the_media_server_says_about_when_something_happened_orders_nothing() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        engine.order("/_faults", json!({"provider": "livekit", "action": "lose_webhook"})).await;
        let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
        engine.post(&format!("/api/v1/broadcasts/{broadcast}/lobby"), &creator, json!({})).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("lobby").await;
        let sends = publisher(&engine, &creator, &broadcast).await;
        engine.order("/livekit/_act", json!({"act": "join", "token": sends["token"]})).await;
        let act = |act: &'static str| json!({"act": act, "room": sends["room"], "identity": sends["identity"]});
        engine.order("/livekit/_act", act("publish")).await;
        let (long_ago, far_off) = (0, 4_102_444_800);
        assert_eq!(tell(&engine, "EV_1", "track_published", far_off, &sends).await, StatusCode::OK);
        let live = viewer.state("live").await;
        engine.order("/livekit/_act", act("leave")).await;
        // by its own word it happened a century before the track appeared
        assert_eq!(tell(&engine, "EV_2", "participant_left", long_ago, &sends).await, StatusCode::OK);
        let lost = viewer.state("reconnecting").await;
        let now = SystemClock::new().now();
        for frame in [live, lost] {
            let since: chrono::DateTime<chrono::Utc> = frame["since"].as_str().unwrap().parse().unwrap();
            assert!((now.0 - since.timestamp_millis()).abs() < 60_000, "{frame}: our own time counts");
        }
    });
}

#[test]
fn a_webhook_that_was_stored_and_not_applied_is_applied_when_it_comes_again_and_then_never_more() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        engine.order("/_faults", json!({"provider": "livekit", "action": "lose_webhook"})).await;
        let (_, broadcast) = announce(&engine, &creator, json!({})).await;
        // as if the engine had died between storing and applying
        engine.sql("insert into provider_events (provider, event_id, received_at, body) values ('livekit', 'EV_1', now(), '{}')");
        let about = json!({"room": broadcast, "identity": "usr_1:tv"});
        assert_eq!(tell(&engine, "EV_1", "track_unpublished", 1, &about).await, StatusCode::OK);
        assert_eq!((applied(&engine, "EV_1").as_str(), counted(&engine, "taken_again").await), ("t", 1.0));
        assert_eq!(tell(&engine, "EV_1", "track_unpublished", 1, &about).await, StatusCode::OK);
        assert_eq!((counted(&engine, "taken_again").await, counted(&engine, "duplicate").await), (1.0, 1.0));

        assert_eq!(tell(&engine, "EV_2", "track_unpublished", 1, &about).await, StatusCode::OK);
        assert_eq!((applied(&engine, "EV_2").as_str(), counted(&engine, "taken").await), ("t", 1.0));
        assert_eq!(engine.sql("select count(*) from provider_events"), "2");
    });
}

#[test]
fn a_stored_webhook_that_cannot_be_applied_is_answered_and_applied_once_that_is_possible() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (_, broadcast) = announce(&engine, &creator, json!({})).await;
        engine.post(&format!("/api/v1/broadcasts/{broadcast}/cancel"), &creator, json!({})).await;
        let about = json!({"room": broadcast, "identity": "usr_1:tv"});
        engine.sql("alter table broadcasts rename to broadcasts_away");
        assert_eq!(tell(&engine, "EV_1", "participant_joined", 1, &about).await, StatusCode::OK, "2xx once stored");
        assert_eq!(applied(&engine, "EV_1"), "f", "and not applied before it is");
        engine.sql("alter table broadcasts_away rename to broadcasts");
        let done = until_asked("its being applied", || async { (applied(&engine, "EV_1") == "t").then_some(()) });
        within(Duration::from_secs(10), "applying it", done).await;
    });
}
