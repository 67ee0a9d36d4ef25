//! The terms of a pass: what is asked before checkout, where one goes afterwards, when it ends; and what a purchase keeps.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::house::{Answer, House, Person, Space};

async fn opened(terms: Value) -> (House, Person, Space) {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let answer = change(&house, &owner, &space, terms).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (house, owner, space)
}

async fn change(house: &House, owner: &Person, space: &Space, terms: Value) -> Answer {
    house.patch(&format!("/api/v1/passes/{}", space.pass), owner, terms).await
}

#[actix_web::test]
async fn what_is_asked_must_be_answered_and_is_kept_with_the_purchase() {
    let questions = json!([{ "text": "Your team?", "required": true }, { "text": "Why?" }]);
    let (house, owner, space) = opened(json!({ "questions": questions })).await;
    let member = house.person("member").await;
    for answers in
        [json!({}), json!({ "q1": " " }), json!({ "q1": "Red", "q9": "x" }), json!({ "q1": "x".repeat(1_001) })]
    {
        let refused = house.post("/ours/basic/purchase", &member, json!({ "answers": answers })).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{refused:?}");
        assert!(refused.body["fields"]["answers"].is_string(), "{refused:?}");
    }
    let form = [("email", "new@house.test"), ("answer.q2", "Because")];
    let page = house.form("/ours/basic/purchase", None, &form).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("Please answer: Your team?") && page.text.contains("Because"), "what was typed stays");
    let joined = house.post("/ours/basic/purchase", &member, json!({ "answers": { "q1": "Red" } })).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    let kept = json!([{ "id": "q1", "question": "Your team?", "answer": "Red" }]);
    let id = joined.body["purchase"]["id"].as_str().unwrap();
    change(&house, &owner, &space, json!({ "questions": [] })).await;
    for who in [&member, &owner] {
        let read = house.get(&format!("/api/v1/purchases/{id}"), Some(who)).await;
        assert_eq!((read.status, &read.body["answers"]), (200, &kept), "{}", who.email);
    }
    let stranger = house.person("stranger").await;
    assert_eq!(house.get(&format!("/api/v1/purchases/{id}"), Some(&stranger)).await.status, 404);
    let mine = house.get("/api/v1/me/purchases", Some(&member)).await;
    assert_eq!((mine.body["items"].as_array().unwrap().len(), &mine.body["items"][0]["id"]), (1, &json!(id)));
    assert_eq!(house.get("/api/v1/me/purchases", Some(&stranger)).await.body["items"], json!([]));
}

#[actix_web::test]
async fn whoever_is_sent_on_to_another_site_is_shown_so_before_and_proves_the_address_first() {
    let (house, ..) = opened(json!({ "redirect_url": "https://forum.example.org/hello" })).await;
    let page = house.get("/ours/basic", None).await;
    assert!(page.text.contains("forum.example.org") && page.text.contains("another site"));
    let member = house.person("member").await;
    let joined = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!(joined.body["next"]["url"], "https://forum.example.org/hello");
    let body = json!({ "email": "new@house.test" });
    let by_address = house.call(Method::POST, "/ours/basic/purchase", None, Some(body)).await;
    let next = by_address.body["next"]["url"].as_str().unwrap();
    assert!(next.starts_with("/login?next=%2Faccount%2Fpurchases%2Fpur_") && next.ends_with("%2Fonward"), "{next}");
    let id = joined.body["purchase"]["id"].as_str().unwrap();
    let path = format!("/account/purchases/{id}/onward");
    let onward = house.get(&path, Some(&member)).await;
    assert_eq!(onward.status, 200);
    for told in ["Basic is yours", "https://forum.example.org/hello", "another site", "/account/purchased_spaces/ours"]
    {
        assert!(onward.text.contains(told), "{told}");
    }
    let another = house.person("another").await;
    let pressed = house.form("/ours/basic/purchase", Some(&another), &[]).await;
    let page = pressed.location.unwrap();
    assert!(
        pressed.status == 303 && page.starts_with("/account/purchases/pur_"),
        "a form may not leave the site: {page}"
    );
    let stranger = house.person("stranger").await;
    let elsewhere = house.get(&path, Some(&stranger)).await;
    assert_eq!((elsewhere.status, elsewhere.location.as_deref()), (303, Some("/account/purchased_spaces")));
}

#[actix_web::test]
async fn the_end_of_a_pass_is_the_end_of_all_who_hold_it_and_of_its_sale() {
    let (house, owner, space) = opened(json!({})).await;
    let member = house.person("member").await;
    house.post("/ours/basic/purchase", &member, json!({})).await;
    house.told.take();
    let past = change(&house, &owner, &space, json!({ "auto_expire_at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!((past.status, past.body["fields"]["auto_expire_at"].is_string()), (422, true));
    let sooner = house.clock.now().plus(std::time::Duration::from_secs(3_600)).to_string();
    let ends = change(&house, &owner, &space, json!({ "auto_expire_at": sooner })).await;
    assert_eq!((ends.status, &ends.body["auto_expire_at"]), (200, &json!(sooner)));
    assert_eq!(house.told.take(), [member.id], "their rights changed");
    let of_the_pass =
        "access_grants g join access_passes p on p.id = g.access_pass_id where g.expires_at = p.auto_expire_at";
    assert_eq!(house.count(of_the_pass).await, 1);
    let later = house.person("later").await;
    house.post("/ours/basic/purchase", &later, json!({})).await;
    assert_eq!(house.count(of_the_pass).await, 2, "also of those who come after");
    change(&house, &owner, &space, json!({ "auto_expire_at": null })).await;
    let own = "access_grants where expires_at = starts_at + interval '7 days' and expires_at = lasts_until";
    assert_eq!(house.count(own).await, 2, "without it each lasts as long as its own");
    house.sql("update access_passes set auto_expire_at = now() - interval '1 second'").await;
    let refused = house.post("/ours/basic/purchase", &house.person("late").await, json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_for_sale"));
    assert!(house.get("/ours/basic", None).await.text.contains("come to its end"));
}
