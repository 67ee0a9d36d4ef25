//! The routes, with the doorkeeper behind them.

use std::time::Duration;

use backstage::clock::Clock;
use serde_json::{Value, json};

use super::Doors;

const ANN: &str = "ann@example.com";

#[actix_web::test]
async fn a_comp_opens_at_once_and_its_revocation_closes_at_once() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    assert_eq!(doors.why(&ann, None).await["reason"], "no_grant");

    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    let given = doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await;
    assert_eq!(given.said(), "201");
    let grant = given.json();
    assert_eq!((&grant["source"], &grant["status"]), (&json!("comp"), &json!("active")));
    assert_eq!(grant["user"], json!({ "id": ann.id, "email": ANN }));
    assert_eq!((&grant["expires_at"], &grant["experience_id"]), (&Value::Null, &Value::Null));

    let why = doors.why(&ann, None).await;
    assert_eq!((&why["allowed"], &why["reason"], &why["grant"]), (&json!(true), &json!("grant"), &grant["id"]));
    assert_eq!(why["lineage"]["pass_id"], json!(doors.house.pass.to_string()));
    assert_eq!(why["lineage"]["source"], "comp");

    let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
    assert_eq!(doors.ask("DELETE", &path, &doors.admin, Value::Null).await.said(), "204");
    let why = doors.why(&ann, None).await;
    assert_eq!((&why["allowed"], &why["reason"], &why["grant"]), (&json!(false), &json!("revoked"), &Value::Null));
    assert_eq!(why["lineage"]["grant_id"], grant["id"], "it says which grant it was");
    assert_eq!(doors.ask("DELETE", &path, &doors.admin, Value::Null).await.said(), "204", "again changes nothing");
    assert!(doors.told.0.lock().unwrap().iter().any(|user| user.to_string() == ann.id));
}

#[actix_web::test]
async fn a_comp_for_somebody_new_waits_for_them() {
    let doors = Doors::open().await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    assert_eq!(doors.ask("POST", &passes, &doors.admin, json!({ "email": "New@Example.com" })).await.said(), "201");
    let new = doors.world.sign_in("new@example.com").await;
    assert_eq!(doors.why(&new, None).await["reason"], "grant");
    let spaces = doors.ask("GET", "/api/v1/me/spaces", &new, Value::Null).await.json();
    assert_eq!(spaces["items"][0]["id"], json!(doors.house.space.to_string()));
    assert_eq!(spaces["items"][0]["access"]["allowed"], true);
    let grants = doors.ask("GET", "/api/v1/me/grants", &new, Value::Null).await.json();
    assert_eq!((grants["items"].as_array().unwrap().len(), &grants["next"]), (1, &Value::Null));
}

#[actix_web::test]
async fn survive_088_a_grant_with_an_end_is_closed_at_that_end_and_open_up_to_it() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    let (begins, ends) =
        (doors.world.clock.now().plus(Duration::from_secs(60)), doors.world.clock.now().plus(Duration::from_secs(120)));
    let spaces = format!("/api/v1/spaces/{}/grants", doors.house.space);
    let body = json!({ "email": ANN, "experience_id": doors.house.stage, "starts_at": begins, "expires_at": ends });
    let given = doors.ask("POST", &spaces, &doors.admin, body).await;
    assert_eq!((given.said(), &given.json()["source"]), ("201".to_owned(), &json!("direct")));
    for (advance_ms, reason) in [(0, "not_yet"), (59_999, "not_yet"), (1, "grant"), (59_999, "grant"), (1, "expired")] {
        doors.world.clock.advance(Duration::from_millis(advance_ms));
        assert_eq!(doors.why(&ann, None).await["reason"], reason, "after {advance_ms} ms more");
    }
}

#[actix_web::test]
async fn survive_092_an_experience_taken_out_of_a_pass_is_closed_to_its_holders_at_once() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await;
    for (ticked, reason) in [(false, "not_included"), (true, "grant")] {
        doors.house.tick(doors.store(), ticked).await;
        doors.doorkeeper.catalog_changed(&[ann.id.parse().unwrap()]);
        assert_eq!(doors.why(&ann, None).await["reason"], reason);
    }
}

#[actix_web::test]
async fn survive_095_a_ban_closes_every_door_and_its_end_opens_them_again() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await;
    let bans = format!("/api/v1/spaces/{}/bans", doors.house.space);
    let banned = doors.ask("POST", &bans, &doors.admin, json!({ "email": "Ann@example.com", "reason": "rude" })).await;
    assert_eq!((banned.said(), &banned.json()["email"]), ("201".to_owned(), &json!(ANN)));
    assert_eq!(doors.why(&ann, None).await["reason"], "banned");
    let listed = doors.ask("GET", &bans, &doors.admin, Value::Null).await.json();
    assert_eq!((&listed["items"][0]["email"], &listed["items"][0]["reason"]), (&json!(ANN), &json!("rude")));

    let until = doors.world.clock.now().plus(Duration::from_secs(60));
    doors.ask("POST", &bans, &doors.admin, json!({ "email": ANN, "until": until })).await;
    doors.world.clock.advance(Duration::from_secs(60));
    assert_eq!(doors.why(&ann, None).await["reason"], "grant");

    doors.ask("POST", &bans, &doors.admin, json!({ "email": ANN })).await;
    assert_eq!(doors.ask("DELETE", &bans, &doors.admin, json!({ "email": ANN })).await.said(), "204");
    assert_eq!(doors.why(&ann, None).await["reason"], "grant");
}

#[actix_web::test]
async fn an_admin_may_ask_about_anybody_and_an_unknown_address_holds_nothing() {
    let doors = Doors::open().await;
    let (ann, bob) = (doors.world.sign_in(ANN).await, doors.world.sign_in("bob@example.com").await);
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await;
    assert_eq!(doors.why(&doors.admin, Some(ANN)).await["reason"], "grant");
    assert_eq!(doors.why(&doors.admin, Some(&ann.id)).await["reason"], "grant");
    assert_eq!(doors.why(&doors.admin, Some("nobody@example.com")).await["reason"], "no_grant");
    assert_eq!(doors.why(&doors.admin, None).await["reason"], "staff");
    assert_eq!(doors.why(&ann, Some(ANN)).await["reason"], "grant");
    assert_eq!(doors.why(&bob, Some(ANN)).await["code"], "not_found");
    assert_eq!(doors.why(&doors.admin, Some("nonsense")).await["code"], "invalid");
    doors.house.employ(doors.store(), bob.id.parse().unwrap(), "editor").await;
    assert_eq!(doors.why(&bob, Some(ANN)).await["code"], "forbidden");
}

#[actix_web::test]
async fn survive_132_strangers_see_no_grants_and_editors_give_none() {
    let doors = Doors::open().await;
    let (stranger, editor) = (doors.world.sign_in("s@example.com").await, doors.world.sign_in("e@example.com").await);
    doors.house.employ(doors.store(), editor.id.parse().unwrap(), "editor").await;
    let given = doors
        .ask("POST", &format!("/api/v1/passes/{}/grants", doors.house.pass), &doors.admin, json!({ "email": ANN }))
        .await;
    let grant = given.json()["id"].as_str().unwrap().to_owned();
    for (method, path, body) in [
        ("GET", format!("/api/v1/passes/{}/grants", doors.house.pass), Value::Null),
        ("POST", format!("/api/v1/passes/{}/grants", doors.house.pass), json!({ "email": ANN })),
        ("GET", format!("/api/v1/spaces/{}/grants", doors.house.space), Value::Null),
        ("POST", format!("/api/v1/spaces/{}/grants", doors.house.space), json!({ "email": ANN })),
        ("GET", format!("/api/v1/teams/{}/grants", doors.house.team), Value::Null),
        ("DELETE", format!("/api/v1/grants/{grant}"), Value::Null),
        ("GET", format!("/api/v1/spaces/{}/bans", doors.house.space), Value::Null),
        ("POST", format!("/api/v1/spaces/{}/bans", doors.house.space), json!({ "email": ANN })),
        ("DELETE", format!("/api/v1/spaces/{}/bans", doors.house.space), json!({ "email": ANN })),
    ] {
        assert_eq!(doors.ask(method, &path, &stranger, body.clone()).await.said(), "404 not_found", "{method} {path}");
        assert_eq!(doors.ask(method, &path, &editor, body.clone()).await.said(), "403 forbidden", "{method} {path}");
        assert_eq!(doors.world.json(method, &path, None, body).await.said(), "401 sign_in_needed", "{method} {path}");
    }
}

#[actix_web::test]
async fn what_does_not_fit_is_named() {
    let doors = Doors::open().await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    let spaces = format!("/api/v1/spaces/{}/grants", doors.house.space);
    let past = doors.world.clock.now().minus(Duration::from_secs(60));
    let other = super::House::build(doors.store()).await;
    for (path, body, field) in [
        (&passes, json!({ "email": "no address" }), "email"),
        (&passes, json!({ "email": ANN, "expires_at": past }), "expires_at"),
        (&spaces, json!({ "email": ANN, "experience_id": other.stage }), "experience_id"),
        (&passes, json!({ "email": ANN, "status": "active" }), ""),
    ] {
        let said = doors.ask("POST", path, &doors.admin, body.clone()).await;
        assert_eq!(said.said(), "422 invalid", "{body}");
        assert!(said.json()["fields"].to_string().contains(field), "{body}");
    }
}

#[actix_web::test]
async fn every_act_stands_in_the_audit_log() {
    let doors = Doors::open().await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    let given = doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await.json();
    let grant = given["id"].as_str().unwrap();
    doors.ask("DELETE", &format!("/api/v1/grants/{grant}"), &doors.admin, Value::Null).await;
    let bans = format!("/api/v1/spaces/{}/bans", doors.house.space);
    doors.ask("POST", &bans, &doors.admin, json!({ "email": ANN })).await;
    doors.ask("DELETE", &bans, &doors.admin, json!({ "email": ANN })).await;
    let team = doors.house.team;
    let log: Result<_, backstage::store::StoreError> = {
        use futures_util::FutureExt;
        doors
            .store()
            .run(move |connection| async move { backstage::identity::audit::list(connection, team, 10).await }.boxed())
            .await
    };
    let acts: Vec<_> = log.unwrap().into_iter().map(|entry| entry.action).collect();
    assert_eq!(acts, ["ban.lifted", "ban.made", "grant.revoked", "grant.given"]);
}

#[actix_web::test]
async fn a_space_that_is_not_published_is_closed_to_members_and_open_to_staff() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await;
    assert_eq!(doors.why(&ann, None).await["reason"], "grant");
    super::sql(doors.store(), format!("update spaces set status = 'archived' where id = '{}'", doors.house.space.0))
        .await;
    doors.doorkeeper.catalog_changed(&[]);
    assert_eq!(doors.why(&ann, None).await["reason"], "space_unpublished");
    assert_eq!(doors.why(&doors.admin, None).await["reason"], "staff");
}

#[actix_web::test]
async fn a_device_too_many_is_told_where_a_device_is_named_and_a_grant_is_what_opens() {
    let doors = Doors::open().await;
    let ann = doors.world.sign_in(ANN).await;
    let on = |device: &str| format!("/api/v1/experiences/{}/access?device={device}", doors.house.stage);
    assert_eq!(doors.ask("GET", &on("phone"), &ann, Value::Null).await.json()["reason"], "no_grant");
    let passes = format!("/api/v1/passes/{}/grants", doors.house.pass);
    let grant = doors.ask("POST", &passes, &doors.admin, json!({ "email": ANN })).await.json();
    assert_eq!(doors.why(&ann, None).await["reason"], "grant", "no device is named, so none is counted");
    assert_eq!(doors.ask("GET", &on("tv"), &ann, Value::Null).await.json()["reason"], "grant");
    assert_eq!(doors.ask("GET", &on(""), &ann, Value::Null).await.json()["reason"], "grant");
    let why = doors.ask("GET", &on("phone"), &ann, Value::Null).await.json();
    assert_eq!((&why["allowed"], &why["reason"], &why["grant"]), (&json!(false), &json!("device_limit"), &Value::Null));
    assert_eq!(why["lineage"]["grant_id"], grant["id"], "it says whose devices are counted");
    assert_eq!(doors.ask("GET", &on("phone"), &doors.admin, Value::Null).await.json()["reason"], "staff");
    assert_eq!(doors.ask("GET", &on("nobody-knows"), &ann, Value::Null).await.said(), "503 unavailable");
    assert_eq!(doors.ask("GET", &on("a%20b"), &ann, Value::Null).await.said(), "400 malformed");
}
