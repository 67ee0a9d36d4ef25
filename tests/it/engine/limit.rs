//! The strict limits as a client in the outside world meets them.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, Settings, run};

fn strict() -> Settings {
    vec![("BACKSTAGE__LIMITS__PROFILE", "strict".to_owned()), ("BACKSTAGE__SERVER__TRUSTED_PROXIES", "1".to_owned())]
}

async fn get(engine: &Engine, path: &str, from: &str) -> (StatusCode, Option<String>, Value) {
    let request = engine.client.get(format!("{}{path}", engine.http)).header("x-forwarded-for", from);
    engine.send(request, "retry-after").await
}

async fn flood(engine: &Engine, path: &str, from: &str, times: usize) -> usize {
    let answers = join_all((0..times).map(|_| get(engine, path, from))).await;
    answers.iter().filter(|(status, ..)| *status == StatusCode::TOO_MANY_REQUESTS).count()
}

#[test]
fn survive_164_one_client_may_ask_so_often_and_no_header_of_its_own_makes_it_another() {
    run(async {
        let engine = Engine::with(strict()).await;
        let public = "/api/v1/spaces/demo/public";
        let refused = flood(&engine, public, "203.0.113.1", 1_000).await;
        assert!(
            (300..=800).contains(&refused),
            "{refused} of 1,000 were refused; 200 fit at once, and 50 more each second"
        );
        assert!(
            flood(&engine, public, "198.51.100.9, 203.0.113.1", 200).await >= 100,
            "what a client writes counts nothing"
        );
        for path in ["/api/v1/me", "/login", "/nowhere", "/api/v1/auth/sessions"] {
            assert!(flood(&engine, path, "203.0.113.1", 100).await >= 50, "{path} is counted too");
        }
        for path in ["/metrics", "/health/live", "/assets/none.js", "/hooks/livekit"] {
            assert_eq!(flood(&engine, path, "203.0.113.1", 50).await, 0, "{path} is not counted");
        }
        assert_eq!(get(&engine, public, "203.0.113.2").await.0, StatusCode::OK, "others are not concerned");
        let answers = join_all((0..100).map(|_| get(&engine, public, "203.0.113.1"))).await;
        let refused = answers.iter().find(|(status, ..)| *status == StatusCode::TOO_MANY_REQUESTS).unwrap();
        assert_eq!((refused.1.as_deref(), &refused.2["code"]), (Some("1"), &json!("too_many_requests")));
        assert_eq!(refused.2["type"], "/problems/too_many_requests");
    });
}

#[test]
fn survive_084_one_client_joins_a_free_pass_with_so_many_addresses_and_no_more() {
    run(async {
        let engine = Engine::with(strict()).await;
        let join = |number: usize, from: &'static str| {
            let request = engine.client.post(format!("{}/demo/basic/purchase", engine.http));
            let request = request.header("x-forwarded-for", from);
            let request = request.json(&json!({"email": format!("somebody+{number}@else.test")}));
            engine.send(request, "retry-after")
        };
        for number in 0..20 {
            assert_eq!(join(number, "203.0.113.1").await.0, StatusCode::CREATED, "{number}");
        }
        let (status, again, body) = join(20, "203.0.113.1").await;
        assert_eq!((status, &body["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests")));
        let wait: u64 = again.unwrap().parse().unwrap();
        assert!((3_500..=3_600).contains(&wait), "an hour counts, and the first was just now: {wait}");
        assert_eq!(join(21, "203.0.113.2").await.0, StatusCode::CREATED, "others may join");
    });
}
