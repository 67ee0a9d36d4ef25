//! What a team offers: order, what a pass opens, prices, and what strangers may know of it.

use actix_web::{http::Method, test::TestRequest};
use backstage::ids::UserId;
use serde_json::{Value, json};

use super::house::{House, uuid};

#[actix_web::test]
async fn the_sellers_order_is_what_everybody_sees_and_a_list_that_is_not_whole_changes_nothing() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let base = format!("/api/v1/spaces/{}", space.id);
    let mut passes = vec![space.pass.clone()];
    for slug in ["two", "three"] {
        passes.push(house.post(&format!("{base}/passes"), &owner, json!({ "slug": slug, "name": slug })).await.id());
    }
    let order = format!("{base}/passes/order");
    for list in [
        json!([passes[0], passes[1]]),
        json!([passes[0], passes[0], passes[1]]),
        json!([passes[0], passes[1], passes[2], format!("pass_{}", "0".repeat(32))]),
    ] {
        let refused = house.put(&order, &owner, json!({ "pass_ids": list })).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{refused:?}");
        assert!(refused.body["fields"]["pass_ids"].is_string());
    }
    let wanted = json!([passes[2], passes[0], passes[1]]);
    assert_eq!(house.put(&order, &owner, json!({ "pass_ids": wanted })).await.status, 200);
    let slugs = |listed: &Value| listed.as_array().unwrap().iter().map(|one| one["slug"].clone()).collect::<Vec<_>>();
    let listed = house.get(&format!("{base}/passes"), Some(&owner)).await;
    assert_eq!(slugs(&listed.body["items"]), ["three", "basic", "two"]);
    let public = house.get("/api/v1/spaces/ours/public", None).await;
    assert_eq!(slugs(&public.body["passes"]), ["three", "basic", "two"]);
    let first = house.get(&format!("{base}/passes?limit=2"), Some(&owner)).await;
    assert_eq!(slugs(&first.body["items"]), ["three", "basic"]);
    let next = first.body["next"].as_str().unwrap();
    let rest = house.get(&format!("{base}/passes?limit=2&cursor={next}"), Some(&owner)).await;
    assert_eq!((slugs(&rest.body["items"]), &rest.body["next"]), (vec![json!("two")], &Value::Null));
}

#[actix_web::test]
async fn what_a_pass_opens_changes_at_once_for_those_who_hold_it() {
    let house = House::open();
    let owner = house.person("owner").await;
    let member = house.person("member").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    assert_eq!(house.post("/ours/basic/purchase", &member, json!({})).await.status, 201);
    assert_eq!(house.told.take(), [member.id]);
    let changes = format!("rights_changes where user_id = '{}'", member.id.0);
    let before = house.count(&changes).await;
    let path = format!("/api/v1/passes/{}/experiences", space.pass);
    let taken = house.put(&path, &owner, json!({ "experience_ids": [] })).await;
    assert_eq!((taken.status, &taken.body["experience_ids"]), (200, &json!([])));
    assert_eq!(house.told.take(), [member.id]);
    assert_eq!(house.count(&changes).await, before + 1);
    assert_eq!(house.put(&path, &owner, json!({ "experience_ids": [] })).await.status, 200);
    assert_eq!(house.told.take(), Vec::<UserId>::new(), "nothing changed, so nobody is told");

    let stranger = house.person("stranger").await;
    let theirs = house.team(&stranger).await;
    let other = house.space(&stranger, theirs, "theirs").await;
    for foreign in [other.experience.clone(), format!("exp_{}", "0".repeat(32))] {
        let refused = house.put(&path, &owner, json!({ "experience_ids": [foreign] })).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"));
        assert!(refused.body["fields"]["experience_ids"].is_string());
    }
}

#[actix_web::test]
async fn closing_a_space_and_taking_an_experience_away_tell_everybody_who_held_something() {
    let house = House::open();
    let owner = house.person("owner").await;
    let member = house.person("member").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    house.post("/ours/basic/purchase", &member, json!({})).await;
    house.told.take();
    let path = format!("/api/v1/spaces/{}", space.id);
    assert_eq!(house.patch(&path, &owner, json!({ "status": "draft" })).await.status, 200);
    assert_eq!(house.told.take(), [member.id]);
    assert_eq!(house.patch(&path, &owner, json!({ "name": "Another" })).await.status, 200);
    assert_eq!(house.told.take(), Vec::<UserId>::new());

    let experience = format!("/api/v1/experiences/{}", space.experience);
    house
        .sql(&format!(
            "insert into broadcasts (id, experience_id, state, facts, epoch, version, created_at)
             values (gen_random_uuid(), '{}', 'lobby', '{{}}', 1, 0, now())",
            uuid(&space.experience)
        ))
        .await;
    let refused = house.call(Method::DELETE, &experience, Some(&owner), None).await;
    assert_eq!((refused.status, refused.code()), (409, "broadcast_open"));
    house.sql("update broadcasts set state = 'cancelled', ended_at = now()").await;
    assert_eq!(house.call(Method::DELETE, &experience, Some(&owner), None).await.status, 204);
    assert_eq!(house.told.take(), [member.id]);
    assert_eq!(house.get(&experience, Some(&owner)).await.status, 404);
    let pass = house.get(&format!("/api/v1/passes/{}", space.pass), Some(&owner)).await;
    assert_eq!(pass.body["experience_ids"], json!([]));
}

#[actix_web::test]
async fn settings_of_an_experience_stand_flat_and_keep_their_bounds() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let path = format!("/api/v1/experiences/{}", space.experience);
    let body = json!({ "lobby_lead_secs": 0, "publisher_grace_secs": 1800, "auto_start": false, "device_limit": 1 });
    let changed = house.patch(&path, &owner, body.clone()).await;
    assert_eq!(changed.status, 200);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&changed.body[field], value, "{field}");
    }
    assert_eq!(changed.body["device_policy"], "refuse_newcomer");
    assert_eq!(
        house.told.take_settings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        std::slice::from_ref(&space.experience)
    );
    for (field, value) in [
        ("lobby_lead_secs", json!(-1)),
        ("publisher_grace_secs", json!(1801)),
        ("device_limit", json!(0)),
        ("device_policy", json!("drop_newest")),
        ("kind", json!("chat")),
        ("name", json!("")),
    ] {
        let refused = house.patch(&path, &owner, json!({ field: value })).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{field}");
        assert!(refused.body["fields"][field].is_string(), "{refused:?}");
    }
    assert_eq!(house.get(&path, Some(&owner)).await.text, changed.text);
    let dropping = house.patch(&path, &owner, json!({ "device_policy": "drop_oldest" })).await;
    assert_eq!((dropping.status, &dropping.body["device_policy"]), (200, &json!("drop_oldest")));
    assert_eq!(house.get(&path, Some(&owner)).await.body["device_policy"], "drop_oldest");
}

#[actix_web::test]
async fn a_pass_is_offered_at_prices_of_every_kind_and_nothing_is_taken_that_would_have_to_be_paid() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let path = format!("/api/v1/passes/{}/prices", space.pass);
    let month =
        json!({ "kind": "recurring", "amount": 1000, "interval": "month", "trial_days": 7, "initial_fee": 500 });
    let year = json!({ "kind": "recurring", "amount": 10_000, "interval": "year" });
    let parts = json!({ "kind": "one_time", "amount": 9000, "currency": "eur", "instalments": 3, "access_days": 90 });
    let member = house.person("member").await;
    for asked in [month, year, parts] {
        let made = house.post(&path, &owner, asked.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        for (field, value) in asked.as_object().unwrap() {
            assert_eq!(&made.body[field], value, "{field}");
        }
        let refused = house.post("/ours/basic/purchase", &member, json!({ "price_id": made.id() })).await;
        assert_eq!((refused.status, refused.code()), (503, "payments_unavailable"));
    }
    assert_eq!(house.count("purchases").await + house.count("access_grants").await, 0);
    let listed = house.get(&path, Some(&owner)).await;
    let free = &listed.body["items"][0];
    assert_eq!(free["target"], json!({ "kind": "pass", "id": space.pass }));
    let rest = json!({ "kind": "free", "amount": 0, "currency": "usd", "access_days": 7, "active": true, "interval": null,
        "initial_fee": 0, "trial_days": 0, "instalments": 1 });
    for (field, value) in rest.as_object().unwrap() {
        assert_eq!(&free[field], value, "{field}");
    }
    let public = house.get("/api/v1/spaces/ours/passes/basic/public", None).await;
    assert_eq!(public.body["pass"]["prices"].as_array().unwrap().len(), 4);
}

#[actix_web::test]
async fn a_space_and_an_experience_are_offered_without_a_pass_and_open_just_that() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let member = house.person("member").await;
    let of_space = house.post(&format!("/api/v1/spaces/{}/prices", space.id), &owner, json!({ "kind": "free" })).await;
    let path = format!("/api/v1/experiences/{}/prices", space.experience);
    let of_room = house.post(&path, &owner, json!({ "kind": "free", "access_days": 3 })).await;
    assert_eq!((&of_space.body["target"], of_room.status), (&json!({ "kind": "space", "id": space.id }), 201));
    assert_eq!(house.get(&path, Some(&owner)).await.body["items"][0]["id"], json!(of_room.id()));
    assert_eq!(house.get(&path, Some(&member)).await.status, 404);

    let unsaid = house.post("/ours/purchase", &member, json!({})).await;
    assert_eq!((unsaid.status, unsaid.body["fields"]["price_id"].is_string()), (422, true));
    let of_a_pass = house.post("/ours/purchase", &member, json!({ "price_id": space.price })).await;
    assert_eq!((of_a_pass.status, of_a_pass.code()), (409, "not_for_sale"));
    let room = house.post("/ours/purchase", &member, json!({ "price_id": of_room.id() })).await;
    assert_eq!(room.status, 201, "{room:?}");
    assert_eq!(room.body["next"]["url"], "/account/purchased_spaces/ours/experiences/stage");
    let whole = house.post("/ours/purchase", &member, json!({ "price_id": of_space.id() })).await;
    assert_eq!((whole.status, &whole.body["purchase"]["pass_id"]), (201, &json!(null)));
    let again = house.post("/ours/purchase", &member, json!({ "price_id": of_space.id() })).await;
    assert_eq!((again.status, again.code()), (409, "already_owned"));
    let opened = "access_grants where source = 'free' and access_pass_id is null and purchase_id is not null";
    assert_eq!(house.count(&format!("{opened} and experience_id is null and expires_at is null")).await, 1);
    let three_days = "expires_at = starts_at + interval '3 days'";
    assert_eq!(house.count(&format!("{opened} and experience_id is not null and {three_days}")).await, 1);
    let public = house.get("/api/v1/spaces/ours/public", None).await;
    assert_eq!(public.body["direct_prices"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn the_same_idempotency_key_makes_one_space_and_another_body_is_refused() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let send = |name: &'static str| {
        let request = TestRequest::post().uri(&format!("/api/v1/teams/{team}/spaces"));
        let request =
            request.insert_header(("idempotency-key", "once")).set_json(json!({ "slug": "one", "name": name }));
        house.send(request, Some(&owner))
    };
    let (first, again) = (send("A").await, send("A").await);
    assert_eq!((first.status, &first.text), (201, &again.text));
    let other = send("B").await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    assert_eq!(house.count("spaces").await, 1);
}

#[actix_web::test]
async fn survive_136_drafts_archived_and_private_spaces_are_not_there_for_strangers() {
    let house = House::open();
    let owner = house.person("owner").await;
    let stranger = house.person("stranger").await;
    let holder = house.person("holder").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "hidden").await;
    house.post("/hidden/basic/purchase", &holder, json!({})).await;
    let path = format!("/api/v1/spaces/{}", space.id);
    let pages = [
        "/hidden",
        "/Hidden",
        "/hidden/basic",
        "/api/v1/spaces/hidden/public",
        "/api/v1/spaces/hidden/passes/basic/public",
        "/m/hidden",
        "/m/hidden/stage",
    ];
    for (change, holder_sees) in [
        (json!({ "status": "draft" }), false),
        (json!({ "status": "archived" }), false),
        (json!({ "status": "published", "visibility": "private" }), true),
    ] {
        assert_eq!(house.patch(&path, &owner, change.clone()).await.status, 200);
        for page in pages {
            let never = house.get(&page.to_lowercase().replace("hidden", "never-was"), None).await;
            for who in [None, Some(&stranger)] {
                let answer = house.get(page, who).await;
                assert_eq!((answer.status, &answer.text), (404, &never.text), "{page} {change}");
            }
            assert_ne!(house.get(page, Some(&owner)).await.status, 404, "{page} {change} for the team");
            assert_eq!(house.get(page, Some(&holder)).await.status != 404, holder_sees, "{page} {change}");
        }
        let bought = house.post("/hidden/basic/purchase", &stranger, json!({})).await;
        assert_eq!((bought.status, bought.code()), (404, "not_found"));
        assert!(!house.get("/", None).await.text.contains("/hidden"), "home lists it");
    }
    assert_eq!(house.count("access_grants").await, 1);
}

#[actix_web::test]
async fn survive_137_what_only_the_team_may_see_reaches_nobody_else() {
    let house = House::open();
    let owner = house.person("canary-owner").await;
    let holder = house.person("canary-holder").await;
    let stranger = house.person("stranger").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    house.post("/ours/basic/purchase", &holder, json!({})).await;
    let draft = json!({ "slug": "draft", "name": "canary-draft", "status": "draft" });
    house.post(&format!("/api/v1/spaces/{}/passes", space.id), &owner, draft).await;
    let open = ["/", "/ours", "/ours/basic", "/api/v1/spaces/ours/public", "/api/v1/spaces/ours/passes/basic/public"];
    for path in open {
        for who in [None, Some(&stranger)] {
            let answer = house.get(path, who).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.text.contains("canary"), "{path}: {}", answer.text);
        }
    }
    for path in ["/ours/draft", "/api/v1/spaces/ours/passes/draft/public"] {
        assert_eq!(house.get(path, Some(&stranger)).await.status, 404);
        assert_eq!(house.get(path, Some(&owner)).await.status, 200);
    }
    let seen = house.get(&format!("/api/v1/passes/{}", space.pass), Some(&owner)).await;
    assert_eq!(seen.body["internal_name"], "canary-internal");
}
