//! The pages: what each shows to whom.

use serde_json::json;

use super::house::House;

#[actix_web::test]
async fn short_links_lead_to_the_first_experience_and_to_a_named_one() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let base = format!("/api/v1/spaces/{}/experiences", space.id);
    let second = json!({ "kind": "live_stream", "slug": "second", "name": "Second" });
    let second = house.post(&base, &owner, second).await.id();
    let room = |slug: &str| format!("/account/purchased_spaces/ours/experiences/{slug}");
    let first = house.get("/m/ours", None).await;
    assert_eq!((first.status, first.location), (302, Some(room("stage"))));
    let order = json!({ "experience_ids": [second, space.experience] });
    assert_eq!(house.put(&format!("{base}/order"), &owner, order).await.status, 200);
    assert_eq!(house.get("/m/ours", None).await.location, Some(room("second")));
    assert_eq!(house.get("/m/ours/stage", None).await.location, Some(room("stage")));
    assert_eq!(house.get("/m/ours/never", None).await.status, 404);
    assert_eq!(house.get("/m/never", None).await.status, 404);
}

#[actix_web::test]
async fn sales_pages_show_the_way_in_that_this_visitor_has() {
    let house = House::open();
    let owner = house.person("owner").await;
    let member = house.person("member").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let vip = json!({ "slug": "vip", "name": "VIP" });
    house.post(&format!("/api/v1/spaces/{}/passes", space.id), &owner, vip).await;
    let page = house.get("/ours", None).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("A Space") && page.text.contains("Basic") && page.text.contains("VIP"), "{}", page.text);
    assert!(house.get("/ours/basic", None).await.text.contains("Join for free"));
    assert!(house.get("/ours/vip", None).await.text.contains("By invitation"));
    house.post("/ours/basic/purchase", &member, json!({})).await;
    assert!(house.get("/ours/basic", Some(&member)).await.text.contains("This is already yours"));
    assert!(house.get("/", None).await.text.contains("/ours"));
    assert!(!house.get("/ours", Some(&member)).await.text.contains("/studio/ours"));
    assert!(house.get("/ours", Some(&owner)).await.text.contains("/studio/ours"));
}

#[actix_web::test]
async fn a_members_pages_show_what_they_hold_and_which_doors_are_open() {
    let house = House::open();
    let owner = house.person("owner").await;
    let member = house.person("member").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let closed = json!({ "kind": "live_stream", "slug": "closed", "name": "The Closed One" });
    house.post(&format!("/api/v1/spaces/{}/experiences", space.id), &owner, closed).await;
    assert_eq!(house.get("/account/purchased_spaces", None).await.status, 401);
    let nothing = house.get("/account/purchased_spaces/ours", Some(&member)).await;
    assert_eq!((nothing.status, nothing.location.as_deref()), (303, Some("/ours")));
    house.post("/ours/basic/purchase", &member, json!({})).await;
    let mine = house.get("/account/purchased_spaces", Some(&member)).await;
    assert_eq!(mine.status, 200);
    assert!(mine.text.contains("A Space") && mine.text.contains("Basic"), "{}", mine.text);
    let here = house.get("/account/purchased_spaces/ours", Some(&member)).await;
    assert_eq!(here.status, 200);
    assert!(here.text.contains("The Stage") && here.text.contains("The Closed One"));
    assert_eq!(house.get("/account/purchased_spaces/Ours", Some(&member)).await.status, 308);
    assert_eq!(house.get("/account/purchased_spaces/never", Some(&member)).await.status, 404);
}

#[actix_web::test]
async fn the_studio_is_there_for_the_team_alone_and_people_for_those_who_may_admit() {
    use backstage::identity::core::role::Role;
    let house = House::open();
    let owner = house.person("owner").await;
    let member = house.person("member").await;
    let editor = house.person("editor").await;
    let team = house.team(&owner).await;
    house.admit(team, &editor, Role::Editor).await;
    house.space(&owner, team, "ours").await;
    house.post("/ours/basic/purchase", &member, json!({})).await;
    for path in ["/studio/ours", "/studio/ours/people", "/studio/ours/passes/basic"] {
        assert_eq!(house.get(path, None).await.status, 401, "{path}");
        assert_eq!(house.get(path, Some(&member)).await.status, 404, "{path}");
        assert_eq!(house.get(path, Some(&owner)).await.status, 200, "{path}");
    }
    assert_eq!(house.get("/studio/ours/people", Some(&editor)).await.status, 403);
    assert!(house.get("/studio/ours/people", Some(&owner)).await.text.contains(&member.email));
    assert!(house.get("/studio/ours/passes/basic", Some(&owner)).await.text.contains(&member.email));
    assert!(!house.get("/studio/ours/passes/basic", Some(&editor)).await.text.contains(&member.email));
    let home = house.get("/studio", Some(&owner)).await;
    assert!(home.status == 200 && home.text.contains("A Space"));
    assert!(!house.get("/studio", Some(&member)).await.text.contains("A Space"));
}
