//! Sign-in codes: who is let in, who is not, and what limits hold.

use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use backstage::web::auth::{BROWSER_COOKIE, SESSION_COOKIE};
use diesel_async::RunQueryDsl;
use futures_util::{FutureExt, future::join_all};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const ANN: &str = "ann@example.com";

async fn ask(world: &World, email: &str) -> String {
    let asked = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": email })).await;
    assert_eq!(asked.said(), "202");
    asked.json()["request"].as_str().unwrap().to_owned()
}

async fn bring(world: &World, email: &str, code: &str, request: &str) -> Answer {
    let body = json!({ "email": email, "code": code, "request": request });
    world.json("POST", "/api/v1/auth/sessions", None, body).await
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[actix_web::test]
async fn the_right_code_opens_a_session_and_the_wrong_one_does_not() {
    let world = World::strict();
    let request = ask(&world, ANN).await;
    let code = world.outbox.code(ANN, 1).await;
    assert_eq!(bring(&world, ANN, &another(&code), &request).await.said(), "401 code_invalid");
    let entered = bring(&world, ANN, &code, &request).await;
    assert_eq!(entered.said(), "201");
    assert_eq!(entered.json()["user"]["email"], ANN);
    let token = entered.json()["token"].as_str().unwrap().to_owned();
    let me =
        world.call(TestRequest::get().uri("/api/v1/me").insert_header(("authorization", format!("Bearer {token}"))));
    assert_eq!(me.await.json()["email"], ANN);
    let by_cookie = TestRequest::get().uri("/api/v1/me").insert_header(("cookie", format!("{SESSION_COOKIE}={token}")));
    assert_eq!(world.call(by_cookie).await.json()["email"], ANN);
}

#[actix_web::test]
async fn a_code_is_over_after_ten_minutes() {
    let world = World::strict();
    let request = ask(&world, ANN).await;
    let code = world.outbox.code(ANN, 1).await;
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(bring(&world, ANN, &code, &request).await.said(), "401 code_invalid");
}

#[actix_web::test]
async fn survive_118_a_code_is_dead_after_five_tries_and_an_address_after_five_such_codes_a_day() {
    let world = World::strict();
    let mut mailed = 0;
    for round in 0..8 {
        let request = ask(&world, ANN).await;
        if round >= 5 {
            continue;
        }
        mailed += 1;
        let code = world.outbox.code(ANN, mailed).await;
        for _ in 0..5 {
            assert_eq!(bring(&world, ANN, &another(&code), &request).await.said(), "401 code_invalid");
        }
        assert_eq!(bring(&world, ANN, &code, &request).await.said(), "401 code_invalid", "the sixth try");
        world.clock.advance(Duration::from_secs(3600));
    }
    // Something mailed to another address afterwards comes after anything that was ever mailed to this one.
    ask(&world, "ben@example.com").await;
    world.outbox.code("ben@example.com", 1).await;
    assert_eq!(world.outbox.letters().iter().filter(|letter| letter.to == ANN).count(), 5);
}

#[actix_web::test]
async fn survive_120_a_hundred_parallel_guesses_count_as_at_most_five() {
    let world = World::open();
    let request = ask(&world, ANN).await;
    let code = world.outbox.code(ANN, 1).await;
    let wrong = another(&code);
    let guesses = (0..100).map(|_| bring(&world, ANN, &wrong, &request));
    for answer in join_all(guesses).await {
        assert!(["401 code_invalid", "503 unavailable"].contains(&answer.said().as_str()), "{}", answer.said());
    }
    assert_eq!(bring(&world, ANN, &code, &request).await.said(), "401 code_invalid");
    assert_eq!(one_number(&world, "select tries_left::bigint as n from login_codes").await, 0);
}

#[derive(diesel::QueryableByName)]
struct One {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

async fn one_number(world: &World, sql: &'static str) -> i64 {
    let asked = world.database.store.run(move |connection| {
        async move { Ok::<One, backstage::store::StoreError>(diesel::sql_query(sql).get_result(connection).await?) }
            .boxed()
    });
    asked.await.unwrap().n
}

#[actix_web::test]
async fn survive_121_known_and_unknown_addresses_are_answered_alike() {
    let world = World::open();
    world.sign_in(ANN).await;
    let (mut known, mut unknown) = (vec![], vec![]);
    for round in 0..40 {
        let stranger = format!("stranger{round}@example.com");
        for (email, times) in [(ANN, &mut known), (stranger.as_str(), &mut unknown)] {
            let begun = now();
            let answer = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": email })).await;
            times.push(begun.elapsed());
            let fields: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
            assert_eq!((answer.status.as_u16(), fields), (202, vec!["request".to_owned()]));
            assert!(answer.cookie(BROWSER_COOKIE).is_some());
        }
        let wrong = bring(&world, &stranger, "000000", "req_00000000000000000000000000000000").await;
        assert_eq!(wrong.said(), bring(&world, ANN, "000000", "req_00000000000000000000000000000000").await.said());
    }
    known.sort();
    unknown.sort();
    let apart = known[20].abs_diff(unknown[20]);
    assert!(apart < Duration::from_millis(5), "the medians are {apart:?} apart");
    for round in 0..40 {
        world.outbox.newest(&format!("stranger{round}@example.com"), 1).await;
    }
    world.outbox.newest(ANN, 41).await;
}

#[expect(clippy::disallowed_methods, reason = "this test measures")]
fn now() -> Instant {
    Instant::now()
}

#[actix_web::test]
async fn survive_122_a_used_code_an_older_code_and_another_browsers_code_are_refused() {
    let world = World::strict();
    let request = ask(&world, ANN).await;
    let code = world.outbox.code(ANN, 1).await;
    assert_eq!(bring(&world, ANN, &code, "req_00000000000000000000000000000000").await.said(), "401 code_invalid");
    assert_eq!(bring(&world, ANN, &code, &request).await.said(), "201");
    assert_eq!(bring(&world, ANN, &code, &request).await.said(), "401 code_invalid", "used");

    let older = ask(&world, ANN).await;
    let old_code = world.outbox.code(ANN, 2).await;
    let newer = ask(&world, ANN).await;
    let new_code = world.outbox.code(ANN, 3).await;
    assert_eq!(bring(&world, ANN, &old_code, &older).await.said(), "401 code_invalid", "replaced");
    assert_eq!(bring(&world, ANN, &new_code, &older).await.said(), "401 code_invalid", "of the older request");
    assert_eq!(bring(&world, "ben@example.com", &new_code, &newer).await.said(), "401 code_invalid", "another address");
    assert_eq!(bring(&world, ANN, &new_code, &newer).await.said(), "201");
}

#[actix_web::test]
async fn a_browser_needs_no_request_and_another_browser_does_not_get_in() {
    let world = World::strict();
    let asked = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": ANN })).await;
    let mine = asked.cookie(BROWSER_COOKIE).unwrap().value().to_owned();
    let theirs = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": "eve@example.com" })).await;
    let theirs = theirs.cookie(BROWSER_COOKIE).unwrap().value().to_owned();
    let code = world.outbox.code(ANN, 1).await;
    let from = |browser: String| {
        let request = TestRequest::post().uri("/api/v1/auth/sessions");
        let request = request.insert_header(("cookie", format!("{BROWSER_COOKIE}={browser}")));
        world.call(request.set_json(json!({ "email": ANN, "code": code })))
    };
    assert_eq!(from(theirs).await.said(), "401 code_invalid");
    assert_eq!(from(mine).await.said(), "201");
}

#[actix_web::test]
async fn survive_123_a_victim_gets_three_mails_in_a_quarter_hour_and_a_client_sends_ten_an_hour() {
    let world = World::strict();
    for _ in 0..6 {
        ask(&world, ANN).await;
    }
    for other in 0..6 {
        ask(&world, &format!("other{other}@example.com")).await;
    }
    // Six of the ten mails this client may ask for went to nobody or to one address; four others were left.
    world.outbox.newest("other3@example.com", 1).await;
    let mailed = |to: &str| world.outbox.letters().iter().filter(|letter| letter.to.starts_with(to)).count();
    assert_eq!((mailed("ann"), mailed("other")), (3, 4));
    assert_eq!(one_number(&world, "select count(*) as n from jobs").await, 0);
}

#[actix_web::test]
async fn survive_124_addresses_with_line_breaks_are_refused() {
    let world = World::strict();
    for email in ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y", "a@b.example%0d%0aBcc:c@d.example\r"] {
        let answer = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": email })).await;
        assert_eq!(answer.said(), "422 invalid", "{email:?}");
    }
    assert_eq!(one_number(&world, "select count(*) as n from jobs").await, 0);
}

#[actix_web::test]
async fn survive_125_no_code_and_no_address_of_its_request_lies_in_the_database_in_clear() {
    let world = World::open();
    world.outbox.be_away(1);
    let request = ask(&world, ANN).await;
    let dump = |world: &World| {
        let url = world.database.url.clone();
        let told = std::process::Command::new("pg_dump").args(["--data-only", "--inserts", &url]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    };
    let waiting = dump(&world);
    world.clock.advance(Duration::from_secs(2));
    let code = world.outbox.code(ANN, 1).await;
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for dumped in [&waiting, &dump(&world)] {
        for secret in [code.as_str(), &hex(&code), ANN, &hex(ANN)] {
            assert!(!dumped.contains(secret), "{secret}");
        }
    }
    let entered = bring(&world, ANN, &code, &request).await;
    let token = entered.json()["token"].as_str().unwrap().to_owned();
    assert!(!dump(&world).contains(&token));
}

#[actix_web::test]
async fn survive_131_twins_of_an_address_are_one_account() {
    let world = World::open();
    let ann = world.sign_in(ANN).await;
    let request = ask(&world, "\u{ff21}NN@Example.com").await;
    let code = world.outbox.code(ANN, 2).await;
    let entered = bring(&world, " ann@EXAMPLE.com", &code, &request).await;
    assert_eq!(entered.json()["user"]["id"], Value::from(ann.id));
    let twin = world.json("POST", "/api/v1/auth/codes", None, json!({ "email": "\u{251}nn@example.com" })).await;
    assert_eq!(twin.said(), "422 invalid");
}

#[actix_web::test]
async fn a_client_that_guesses_wrong_too_often_must_wait() {
    let world = World::strict();
    let request = ask(&world, ANN).await;
    for _ in 0..30 {
        assert_eq!(bring(&world, ANN, "nonsense", &request).await.said(), "401 code_invalid");
    }
    let told = bring(&world, ANN, "nonsense", &request).await;
    assert_eq!(told.said(), "429 too_many_requests");
    assert!(told.headers.contains_key("retry-after"));
}
