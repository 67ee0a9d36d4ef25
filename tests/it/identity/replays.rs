//! `Idempotency-Key`: once, however often it is sent.

use actix_web::test::TestRequest;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Answer, Person, World};

async fn make_team(world: &World, person: &Person, key: &str, name: &str) -> Answer {
    let request = TestRequest::post()
        .uri("/api/v1/teams")
        .insert_header(("authorization", format!("Bearer {}", person.token)))
        .insert_header(("idempotency-key", key));
    world.call(request.set_json(json!({ "name": name }))).await
}

async fn teams(world: &World, person: &Person) -> usize {
    let me = world.json("GET", "/api/v1/me", Some(person), serde_json::Value::Null).await;
    me.json()["teams"].as_array().unwrap().len()
}

#[actix_web::test]
async fn the_same_request_again_gets_the_same_answer_and_makes_nothing() {
    let world = World::open();
    let ann = world.sign_in("ann@example.com").await;
    let first = make_team(&world, &ann, "k1", "T").await;
    let again = make_team(&world, &ann, "k1", "T").await;
    assert_eq!((first.said(), again.said()), ("201".to_owned(), "201".to_owned()));
    assert_eq!(first.body, again.body);
    assert_eq!(teams(&world, &ann).await, 1);
    assert_eq!(make_team(&world, &ann, "k1", "Other").await.said(), "422 idempotency_mismatch");
    assert_eq!(make_team(&world, &ann, "", "T").await.said(), "400 malformed");
    let ben = world.sign_in("ben@example.com").await;
    assert_ne!(make_team(&world, &ben, "k1", "T").await.body, first.body, "keys are each person's own");
}

#[actix_web::test]
async fn twenty_at_once_make_one() {
    let world = World::open();
    let ann = world.sign_in("ann@example.com").await;
    let answers = join_all((0..20).map(|_| make_team(&world, &ann, "k1", "T"))).await;
    for answer in &answers {
        let said = answer.said();
        assert!(["201", "409 idempotency_in_flight", "503 unavailable"].contains(&said.as_str()), "{said}");
    }
    assert!(answers.iter().any(|answer| answer.said() == "201"));
    assert_eq!(teams(&world, &ann).await, 1);
}

#[actix_web::test]
async fn a_token_that_was_made_once_is_shown_again_to_the_same_request() {
    let world = World::open();
    let ann = world.sign_in("ann@example.com").await;
    let make = || {
        let request = TestRequest::post()
            .uri("/api/v1/tokens")
            .insert_header(("authorization", format!("Bearer {}", ann.token)))
            .insert_header(("idempotency-key", "t1"));
        world.call(request.set_json(json!({ "name": "script" })))
    };
    let (first, again) = (make().await, make().await);
    assert!(first.json()["token"].as_str().unwrap().starts_with("bpt_"));
    assert_eq!(first.json(), again.json());
}
