//! What `seed` makes.

use backstage::{command::seed, entropy::SystemEntropy};

use super::house::{House, Person};

#[actix_web::test]
async fn the_demo_is_made_once_however_often_it_is_seeded() {
    let house = House::open();
    let tables = "spaces, experiences, access_passes, prices, access_grants, users, memberships, teams";
    for _ in 0..2 {
        seed::demo(&house.database.store, &house.ids, house.clock.now()).await.unwrap();
        for (table, rows) in tables.split(", ").zip([1, 1, 2, 1, 1, 4, 1, 1]) {
            assert_eq!(house.count(table).await, rows, "{table}");
        }
    }
    let offered = house.get("/api/v1/spaces/demo/public", None).await;
    assert_eq!(offered.status, 200);
    assert_eq!(offered.body["experiences"][0]["slug"], "main-stage");
    assert_eq!(offered.body["passes"][0]["slug"], "basic");
    assert_eq!(offered.body["passes"][0]["prices"][0]["access_days"], 7);
    assert_eq!(offered.body["passes"][1]["slug"], "vip");
    assert_eq!(offered.body["passes"][1]["prices"], serde_json::json!([]));
    let comped = "access_grants g join users u on u.id = g.user_id
        where u.email = 'member@demo.test' and g.source = 'comp' and g.expires_at is null";
    assert_eq!(house.count(comped).await, 1);
    assert_eq!(house.count("users where email = 'operator@demo.test' and platform_admin").await, 1);
}

#[actix_web::test]
async fn everybody_of_a_crowd_is_signed_in_by_their_token_and_holds_the_door_open() {
    let house = House::open();
    seed::demo(&house.database.store, &house.ids, house.clock.now()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tokens");
    let means = seed::Parts {
        store: &house.database.store,
        ring: &house.ring,
        ids: &house.ids,
        entropy: &SystemEntropy,
        clock: house.clock.as_ref(),
    };
    let crowd = seed::Crowd { experience: "demo/main-stage", viewers: 5_000, out: &out };
    seed::crowd(means, crowd).await.unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let tokens: Vec<&str> = text.lines().collect();
    assert_eq!(tokens.len(), 5_000);
    assert_eq!(house.count("access_grants where source = 'comp' and status = 'active'").await, 5_001);
    for token in [tokens[0], tokens[4_999]] {
        let person = Person { id: house.ids.fresh(), email: String::new(), token: token.to_owned() };
        let mine = house.get("/account/purchased_spaces", Some(&person)).await;
        assert!(mine.status == 200 && mine.text.contains("The Demo Room"), "{}", mine.text);
    }
    let nowhere = seed::Crowd { experience: "demo/never", viewers: 1, out: &out };
    let refused = seed::crowd(means, nowhere).await.unwrap_err().to_string();
    assert_eq!(refused, "there is no experience demo/never");
}
