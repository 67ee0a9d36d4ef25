//! Joining a free pass: once, at once, and the same answer for every address.

use actix_web::{http::Method, test::TestRequest};
use backstage::config::LimitProfile;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::house::{Answer, House, Person, Space};

async fn opened() -> (House, Person, Space) {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    (house, owner, space)
}

async fn by_address(house: &House, email: &str) -> Answer {
    house.call(Method::POST, "/ours/basic/purchase", None, Some(json!({ "email": email }))).await
}

#[actix_web::test]
async fn joining_for_nothing_is_completed_at_once_and_told_apart_from_owning_it() {
    let (house, _, space) = opened().await;
    let member = house.person("member").await;
    let joined = house.post("/ours/basic/purchase", &member, json!({ "price_id": space.price })).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    let purchase = &joined.body["purchase"];
    assert!(purchase["id"].as_str().unwrap().starts_with("pur_"));
    assert_eq!(
        (&purchase["status"], &purchase["amount"], &purchase["currency"]),
        (&json!("completed"), &json!(0), &json!("usd"))
    );
    assert_eq!((&joined.body["client_secret"], &joined.body["intent"]), (&Value::Null, &Value::Null));
    let url = "/account/purchased_spaces/ours/experiences/stage";
    assert_eq!(joined.body["next"], json!({ "action": "none", "url": url }));
    assert_eq!(house.told.take(), [member.id]);
    let seven_days =
        "access_grants where source = 'free' and status = 'active' and expires_at = starts_at + interval '7 days'";
    assert_eq!(house.count(seven_days).await, 1);
    let again = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!((again.status, again.code()), (409, "already_owned"));
}

#[actix_web::test]
async fn a_button_pressed_many_times_at_once_joins_once() {
    let (house, ..) = opened().await;
    let member = house.person("member").await;
    let presses = (0..12).map(|_| house.post("/ours/basic/purchase", &member, json!({})));
    let answers = join_all(presses).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let owned = answers.iter().filter(|answer| (answer.status, answer.code()) == (409, "already_owned")).count();
    assert_eq!((made, owned), (1, 11), "{answers:?}");
    assert_eq!(house.count("access_grants").await, 1);
}

#[actix_web::test]
async fn an_address_is_told_the_same_whether_it_is_new_known_or_owns_the_pass() {
    let (house, _, space) = opened().await;
    let known = house.person("known").await;
    let answers = [
        by_address(&house, "new@house.test").await,
        by_address(&house, &known.email).await,
        by_address(&house, &known.email).await,
        by_address(&house, "KNOWN@house.test").await,
    ];
    let mut ids = Vec::new();
    for answer in answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut body = answer.body.clone();
        ids.push(body["purchase"]["id"].take());
        for of_its_own in ["created_at", "completed_at"] {
            assert!(body["purchase"].as_object_mut().unwrap().remove(of_its_own).unwrap().is_string());
        }
        assert_eq!(
            body,
            json!({
                "purchase": {
                    "id": null, "status": "completed", "amount": 0, "currency": "usd", "price_id": space.price,
                    "space_id": space.id, "pass_id": space.pass, "answers": [], "hold_expires_at": null,
                },
                "client_secret": null,
                "intent": null,
                "next": {
                    "action": "prove_email",
                    "url": "/login?next=%2Faccount%2Fpurchased_spaces%2Fours%2Fexperiences%2Fstage",
                },
            })
        );
    }
    ids.dedup();
    assert_eq!(ids.len(), 4, "an id that is given twice tells that nothing was made");
    assert_eq!(house.count("access_grants").await, 2);
    assert_eq!(house.count("users where email_norm = 'new@house.test' and email_proven_at is null").await, 1);
}

#[actix_web::test]
async fn who_joins_without_a_good_address_or_too_often_is_told_so() {
    let (mut house, ..) = opened().await;
    for body in [json!({}), json!({ "email": "" }), json!({ "email": "nobody" }), json!({ "email": "a@b.example\nx" })]
    {
        let answer = house.call(Method::POST, "/ours/basic/purchase", None, Some(body.clone())).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid"), "{body}");
    }
    house.profile = LimitProfile::Strict;
    assert_eq!(by_address(&house, "a@house.test").await.status, 201);
    let unknown = json!({ "price_id": format!("price_{}", "0".repeat(32)), "email": "a@house.test" });
    let refused = house.call(Method::POST, "/ours/basic/purchase", None, Some(unknown)).await;
    assert_eq!((refused.status, refused.code()), (422, "invalid"));
    assert!(refused.body["fields"]["price_id"].is_string());
}

#[actix_web::test]
async fn what_is_given_by_hand_or_withdrawn_is_not_for_sale() {
    let (house, owner, space) = opened().await;
    let member = house.person("member").await;
    let vip = json!({ "slug": "vip", "name": "VIP" });
    let vip = house.post(&format!("/api/v1/spaces/{}/passes", space.id), &owner, vip).await;
    assert_eq!(vip.status, 201);
    let by_hand = house.post("/ours/vip/purchase", &member, json!({})).await;
    assert_eq!((by_hand.status, by_hand.code()), (409, "not_for_sale"));
    let price = format!("/api/v1/prices/{}", space.price);
    house.patch(&price, &owner, json!({ "active": false })).await;
    let stopped = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!((stopped.status, stopped.code()), (409, "not_for_sale"));
    house.patch(&price, &owner, json!({ "active": true })).await;
    house.patch(&format!("/api/v1/passes/{}", space.pass), &owner, json!({ "status": "withdrawn" })).await;
    let withdrawn = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!((withdrawn.status, withdrawn.code()), (409, "not_for_sale"));
    for path in ["/ours/never/purchase", "/never/basic/purchase"] {
        assert_eq!(house.post(path, &member, json!({})).await.status, 404, "{path}");
    }
    assert_eq!(house.count("access_grants").await, 0);
}

#[actix_web::test]
async fn a_week_that_is_over_may_be_joined_again_and_a_price_that_was_sold_stays_as_it_was() {
    let (house, ..) = opened().await;
    let member = house.person("member").await;
    house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!(house.count("prices where first_sold_at is not null").await, 1);
    house
        .sql("update access_grants set starts_at = now() - interval '8 days', expires_at = now() - interval '1 day'")
        .await;
    assert_eq!(house.post("/ours/basic/purchase", &member, json!({})).await.status, 201);
    assert_eq!(house.count("access_grants where status = 'expired'").await, 1);
    assert_eq!(house.count("access_grants where status = 'active'").await, 1);
}

#[actix_web::test]
async fn somebody_banned_is_told_so_and_gets_nothing() {
    let (house, owner, space) = opened().await;
    let member = house.person("member").await;
    house
        .sql(&format!(
            "insert into space_bans (space_id, email_norm, banned_by, at) values ('{}', '{}', '{}', now())",
            super::house::uuid(&space.id),
            member.email,
            owner.id.0
        ))
        .await;
    let refused = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!((refused.status, refused.code()), (403, "banned"));
    assert_eq!(house.count("access_grants").await, 0);
}

#[actix_web::test]
async fn the_form_of_the_page_leads_inside_or_to_the_sign_in_and_tells_mistakes_on_the_page() {
    let (house, _, space) = opened().await;
    let member = house.person("member").await;
    let form = |email: &str| {
        let fields =
            [("price_id", space.price.as_str()), ("email", email), ("csrf", "")].map(|(k, v)| (k, v.to_owned()));
        TestRequest::post().uri("/ours/basic/purchase").set_form(fields)
    };
    let inside = "/account/purchased_spaces/ours/experiences/stage";
    for _ in 0..2 {
        let joined = house.send(form(""), Some(&member)).await;
        assert_eq!((joined.status, joined.location.as_deref()), (303, Some(inside)));
    }
    let unproven = house.send(form("new@house.test"), None).await;
    assert_eq!(unproven.status, 303);
    assert!(unproven.location.unwrap().starts_with("/login?next="));
    let wrong = house.send(form("nobody<script>"), None).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("This is not a whole address") && !wrong.text.contains("nobody<script>"));
    assert_eq!(house.count("access_grants").await, 2);
}
