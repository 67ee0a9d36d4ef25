//! `Idempotency-Key` where the work is an order to an actor, or concerns people whose doors are open.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Engine, run};

async fn keyed(
    engine: &Engine,
    (method, path): (Method, &str),
    (token, key): (&str, &str),
    body: Option<Value>,
) -> (u16, Value) {
    let request = engine.client.request(method, format!("{}{path}", engine.http)).bearer_auth(token);
    let request = request.header("idempotency-key", key);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let (status, _, body) = engine.send(request, "date").await;
    (status.as_u16(), body)
}

#[test]
fn survive_063_a_broadcast_is_announced_and_led_once_however_often_the_same_key_is_sent() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let path = format!("/api/v1/experiences/{}/broadcasts", engine.experience().await);
        let announce = |key: &'static str, title: &str| {
            let body = json!({"title": title});
            let (engine, path, creator) = (&engine, path.clone(), creator.clone());
            async move { keyed(engine, (Method::POST, &path), (&creator, key), Some(body)).await }
        };
        let made = announce("k1", "One").await;
        assert_eq!(made.0, 201, "{made:?}");
        assert_eq!(announce("k1", "One").await, made, "the same answer");
        let (status, body) = announce("k1", "Two").await;
        assert_eq!((status, &body["code"]), (422, &json!("idempotency_mismatch")));
        let (status, body) = announce("k2", "One").await;
        assert_eq!((status, &body["code"]), (409, &json!("broadcast_open")));
        let deed = |deed: &str, key: &'static str| {
            let path = format!("/api/v1/broadcasts/{}/{deed}", made.1["id"].as_str().unwrap());
            let (engine, creator) = (&engine, creator.clone());
            async move { keyed(engine, (Method::POST, &path), (&creator, key), None).await }
        };
        let (lobby, live) = (deed("lobby", "d1").await, deed("go-live", "d2").await);
        assert_eq!((&lobby.1["state"], &live.1["state"]), (&json!("lobby"), &json!("live")));
        assert_eq!(deed("lobby", "d1").await, lobby, "what was answered then, though it is live by now");
        let (status, body) = deed("end", "d2").await;
        assert_eq!((status, &body["code"]), (422, &json!("idempotency_mismatch")));
        let ended = deed("end", "d3").await;
        assert_eq!((ended.0, &ended.1["state"]), (200, &json!("ended")));
        assert_eq!(deed("end", "d3").await, ended);
        let made_anew = announce("k2", "One").await;
        assert_eq!(made_anew.0, 201, "what was refused is not kept: {made_anew:?}");
        let cancel = format!("/api/v1/broadcasts/{}/cancel", made_anew.1["id"].as_str().unwrap());
        for _ in 0..2 {
            let (status, body) = keyed(&engine, (Method::POST, &cancel), (&creator, "d4"), None).await;
            assert_eq!((status, &body["state"]), (200, &json!("cancelled")));
        }
        let tries = (0..8).map(|_| announce("k3", "Eight"));
        let answers = futures_util::future::join_all(tries).await;
        let first = answers.iter().find(|(status, _)| *status == 201).expect("one is made");
        for answer in &answers {
            let in_flight = (answer.0, &answer.1["code"]) == (409, &json!("idempotency_in_flight"));
            assert!(answer == first || in_flight, "{answer:?}");
        }
    });
}

#[test]
fn a_member_is_changed_and_removed_once_however_often_the_same_key_is_sent() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (_, me) = engine.get("/api/v1/me", &creator).await;
        let members = format!("/api/v1/teams/{}/members", me["teams"][0]["id"].as_str().unwrap());
        let wanted = json!({"email": "helper@demo.test", "role": "analyst"});
        let (status, added) = engine.post(&members, &creator, wanted).await;
        assert_eq!(status, StatusCode::CREATED, "{added}");
        let member = format!("{members}/{}", added["id"].as_str().unwrap());
        let change = |role: &str| {
            let body = json!({"role": role});
            let (engine, member, creator) = (&engine, member.clone(), creator.clone());
            async move { keyed(engine, (Method::PATCH, &member), (&creator, "m1"), Some(body)).await }
        };
        let changed = change("editor").await;
        assert_eq!((changed.0, &changed.1["role"]), (200, &json!("editor")));
        assert_eq!(change("editor").await, changed);
        let (status, body) = change("admin").await;
        assert_eq!((status, &body["code"]), (422, &json!("idempotency_mismatch")));
        let remove = |key: &'static str| {
            let (engine, member, creator) = (&engine, member.clone(), creator.clone());
            async move { keyed(engine, (Method::DELETE, &member), (&creator, key), None).await.0 }
        };
        assert_eq!((remove("m2").await, remove("m2").await), (204, 204));
        assert_eq!(remove("m3").await, 404, "another request finds nobody to remove");
    });
}
