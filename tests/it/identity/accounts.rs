//! Sessions and API tokens through their routes.

use std::time::Duration;

use actix_web::test::TestRequest;
use backstage::web::auth::{BROWSER_COOKIE, SESSION_COOKIE};
use serde_json::{Value, json};

use crate::support::{Person, World};

const ANN: &str = "ann@example.com";

async fn me(world: &World, person: &Person) -> String {
    world.json("GET", "/api/v1/me", Some(person), Value::Null).await.said()
}

#[actix_web::test]
async fn survive_126_signing_in_makes_a_new_session_and_ends_the_one_before() {
    let world = World::open();
    let before = world.sign_in(ANN).await;
    let asked = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": ANN })).await;
    let code = world.outbox.code(ANN, 2).await;
    let body = json!({ "email": ANN, "code": code, "request": asked.json()["request"] });
    let request = world.by_cookie(TestRequest::post().uri("/api/v1/auth/sessions"), &before).set_json(body);
    let entered = world.call(request).await;
    assert_eq!(entered.said(), "201");
    assert_ne!(entered.json()["token"], Value::from(before.token.as_str()));
    assert_eq!(me(&world, &before).await, "401 sign_in_needed");
    assert_eq!(world.consequences.logins.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn survive_126_a_planted_cookie_does_not_become_a_session() {
    let world = World::open();
    let asked = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": ANN })).await;
    let code = world.outbox.code(ANN, 1).await;
    let planted = Person { id: String::new(), token: "bps_planted".to_owned() };
    let body = json!({ "email": ANN, "code": code, "request": asked.json()["request"] });
    let request = TestRequest::post().uri("/api/v1/auth/sessions");
    let request = request.insert_header(("cookie", format!("{SESSION_COOKIE}=bps_planted"))).set_json(body);
    let entered = world.call(request).await;
    assert_eq!(entered.said(), "201");
    assert_ne!(entered.cookie(SESSION_COOKIE).unwrap().value(), "bps_planted");
    assert_eq!(me(&world, &planted).await, "401 sign_in_needed");
}

#[actix_web::test]
async fn survive_127_cookies_are_for_this_host_encrypted_and_closed_to_scripts() {
    let world = World::open();
    let asked = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": ANN })).await;
    let code = world.outbox.code(ANN, 1).await;
    let body = json!({ "email": ANN, "code": code, "request": asked.json()["request"] });
    let entered = world.json("POST", "/api/v1/auth/sessions", None, body).await;
    for (answer, name) in [(&asked, BROWSER_COOKIE), (&entered, SESSION_COOKIE)] {
        let cookie = answer.cookie(name).unwrap();
        assert!(cookie.name().starts_with("__Host-"));
        assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));
        assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None));
        assert_eq!(cookie.same_site(), Some(actix_web::cookie::SameSite::Lax));
    }
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let world = World::open();
    let (here, there) = (world.sign_in(ANN).await, world.sign_in(ANN).await);
    let stranger = world.sign_in("ben@example.com").await;
    let listed = world.json("GET", "/api/v1/auth/sessions", Some(&here), Value::Null).await.json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(world.json("DELETE", &path, Some(&stranger), Value::Null).await.said(), "404 not_found");
    assert_eq!(me(&world, &there).await, "200");
    assert_eq!(world.json("DELETE", &path, Some(&here), Value::Null).await.said(), "204");
    assert_eq!(me(&world, &there).await, "401 sign_in_needed", "at once, although it was asked a moment ago");
    assert_eq!(world.json("DELETE", "/api/v1/auth/sessions", Some(&here), Value::Null).await.said(), "204");
    assert_eq!(me(&world, &here).await, "401 sign_in_needed");
    assert_eq!(me(&world, &stranger).await, "200");
    assert_eq!(world.consequences.logins.lock().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_session_nobody_uses_ends_and_one_in_use_goes_on() {
    let world = World::open();
    let (used, unused) = (world.sign_in(ANN).await, world.sign_in("ben@example.com").await);
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(20 * 24 * 3600));
        assert_eq!(me(&world, &used).await, "200");
    }
    assert_eq!(me(&world, &unused).await, "401 sign_in_needed");
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(20 * 24 * 3600));
        let _ = me(&world, &used).await;
    }
    assert_eq!(me(&world, &used).await, "401 sign_in_needed", "not for ever");
}

#[actix_web::test]
async fn an_api_token_does_what_its_scopes_say_until_it_ends() {
    let world = World::open();
    let ann = world.sign_in(ANN).await;
    let make = |scopes: Value| {
        let wanted = json!({ "name": "script", "scopes": scopes, "ttl_secs": 3600 });
        world.json("POST", "/api/v1/tokens", Some(&ann), wanted)
    };
    let made = make(json!(["read"])).await;
    assert_eq!(made.said(), "201");
    let reader = Person { id: ann.id.clone(), token: made.json()["token"].as_str().unwrap().to_owned() };
    assert_eq!(me(&world, &reader).await, "200");
    let denied = world.json("POST", "/api/v1/teams", Some(&reader), json!({ "name": "T" })).await;
    assert_eq!(denied.said(), "403 scope_missing");
    assert_eq!(world.json("GET", "/api/v1/tokens", Some(&reader), Value::Null).await.said(), "403 scope_missing");
    assert_eq!(make(json!(["everything"])).await.said(), "422 invalid");
    let listed = world.json("GET", "/api/v1/tokens", Some(&ann), Value::Null).await.json();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["token"]), (1, &Value::Null));
    let path = format!("/api/v1/tokens/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(world.json("DELETE", &path, Some(&ann), Value::Null).await.said(), "204");
    assert_eq!(me(&world, &reader).await, "401 sign_in_needed");
    let other = make(json!(["all"])).await.json();
    let short_lived = Person { id: ann.id.clone(), token: other["token"].as_str().unwrap().to_owned() };
    assert_eq!(me(&world, &short_lived).await, "200");
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(me(&world, &short_lived).await, "401 sign_in_needed");
}

#[actix_web::test]
async fn an_api_token_in_the_cookie_is_nobodys() {
    let world = World::open();
    let ann = world.sign_in(ANN).await;
    let made = world.json("POST", "/api/v1/tokens", Some(&ann), json!({ "name": "script" })).await.json();
    let cookie = format!("{SESSION_COOKIE}={}", made["token"].as_str().unwrap());
    let answer = world.call(TestRequest::get().uri("/api/v1/me").insert_header(("cookie", cookie))).await;
    assert_eq!(answer.said(), "401 sign_in_needed");
}
