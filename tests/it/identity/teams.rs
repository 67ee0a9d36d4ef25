//! Teams through their routes: what each role may, and what keeps an owner.

use serde_json::{Value, json};

use crate::support::{Person, World};

struct Cast {
    world: World,
    team: String,
    owner: Person,
    admin: Person,
    editor: Person,
    analyst: Person,
    stranger: Person,
}

async fn cast() -> Cast {
    let world = World::open();
    let owner = world.sign_in("owner@example.com").await;
    let made = world.json("POST", "/api/v1/teams", Some(&owner), json!({ "name": "Demo Studio" })).await;
    assert_eq!(made.said(), "201");
    let team = made.json()["id"].as_str().unwrap().to_owned();
    for role in ["admin", "editor", "analyst"] {
        let wanted = json!({ "email": format!("{role}@example.com"), "role": role });
        let path = format!("/api/v1/teams/{team}/members");
        assert_eq!(world.json("POST", &path, Some(&owner), wanted).await.said(), "201");
    }
    let admin = world.sign_in("admin@example.com").await;
    let editor = world.sign_in("editor@example.com").await;
    let analyst = world.sign_in("analyst@example.com").await;
    let stranger = world.sign_in("stranger@example.com").await;
    Cast { world, team, owner, admin, editor, analyst, stranger }
}

impl Cast {
    async fn try_as(&self, person: &Person, method: &str, rest: &str, body: Value) -> String {
        self.world.json(method, &format!("/api/v1/teams/{}{rest}", self.team), Some(person), body).await.said()
    }

    async fn membership(&self, email: &str) -> String {
        let path = format!("/api/v1/teams/{}/members", self.team);
        let listed = self.world.json("GET", &path, Some(&self.owner), Value::Null).await.json();
        let found = listed["items"].as_array().unwrap().iter().find(|m| m["user"]["email"] == email).cloned();
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

#[actix_web::test]
async fn survive_138_each_role_does_what_the_table_says_and_a_stranger_sees_nothing() {
    let cast = cast().await;
    let people = [&cast.owner, &cast.admin, &cast.editor, &cast.analyst, &cast.stranger];
    let ben = json!({ "email": "ben@example.com", "role": "owner" });
    let table: [(&str, &str, Value, [&str; 5]); 4] = [
        ("GET", "", Value::Null, ["200", "200", "200", "200", "404 not_found"]),
        ("GET", "/members", Value::Null, ["200", "200", "200", "200", "404 not_found"]),
        ("PATCH", "", json!({ "name": "N" }), ["200", "200", "403 forbidden", "403 forbidden", "404 not_found"]),
        ("POST", "/members", ben, ["201", "403 forbidden", "403 forbidden", "403 forbidden", "404 not_found"]),
    ];
    for (method, rest, body, expected) in table {
        for (person, said) in people.iter().zip(expected).rev() {
            assert_eq!(cast.try_as(person, method, rest, body.clone()).await, said, "{method} {rest} {}", person.id);
        }
    }
}

#[actix_web::test]
async fn an_admin_cannot_touch_an_owner_and_the_last_owner_stays() {
    let cast = cast().await;
    let (owner, editor) = (cast.membership("owner@example.com").await, cast.membership("editor@example.com").await);
    let at = |id: &str| format!("/members/{id}");
    assert_eq!(cast.try_as(&cast.admin, "DELETE", &at(&owner), Value::Null).await, "403 forbidden");
    let demoted = json!({ "role": "editor" });
    assert_eq!(cast.try_as(&cast.admin, "PATCH", &at(&owner), demoted.clone()).await, "403 forbidden");
    assert_eq!(cast.try_as(&cast.owner, "PATCH", &at(&owner), demoted).await, "409 last_owner");
    assert_eq!(cast.try_as(&cast.owner, "DELETE", &at(&owner), Value::Null).await, "409 last_owner");
    assert_eq!(cast.try_as(&cast.admin, "PATCH", &at(&editor), json!({ "role": "owner" })).await, "403 forbidden");
    assert_eq!(cast.try_as(&cast.admin, "PATCH", &at(&editor), json!({ "role": "analyst" })).await, "200");
    assert_eq!(cast.try_as(&cast.admin, "PATCH", &at(&editor), json!({ "role": "king" })).await, "422 invalid");
    assert_eq!(cast.try_as(&cast.editor, "DELETE", &at(&editor), Value::Null).await, "204", "may leave");
    assert_eq!(cast.try_as(&cast.editor, "GET", "", Value::Null).await, "404 not_found", "and is a stranger then");
    let again = json!({ "email": "editor@example.com", "role": "editor" });
    assert_eq!(cast.try_as(&cast.owner, "POST", "/members", again.clone()).await, "201");
    assert_eq!(cast.try_as(&cast.owner, "POST", "/members", again).await, "409 already_member");
}

#[actix_web::test]
async fn every_change_of_a_member_is_told_to_rights_and_written_down() {
    let cast = cast().await;
    let editor = cast.membership("editor@example.com").await;
    let path = format!("/members/{editor}");
    assert_eq!(cast.try_as(&cast.owner, "PATCH", &path, json!({ "role": "analyst" })).await, "200");
    assert_eq!(cast.try_as(&cast.owner, "DELETE", &path, Value::Null).await, "204");
    let told = cast.world.consequences.users.lock().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told.iter().filter(|user| **user == cast.editor.id).count(), 3);
    let team = cast.team.parse().unwrap();
    let acts =
        cast.world.database.store.run(move |connection| {
            Box::pin(async move { backstage::identity::audit::list(connection, team, 100).await })
        });
    let acts: Vec<String> = acts.await.unwrap().into_iter().map(|entry| entry.action).collect();
    assert_eq!(
        acts,
        ["member.removed", "member.role_changed", "member.added", "member.added", "member.added", "team.created"]
    );
}

#[actix_web::test]
async fn survive_133_fields_nobody_may_set_are_refused() {
    let cast = cast().await;
    for body in [json!({ "name": "N", "id": "team_x" }), json!({ "name": "N", "role": "owner" }), json!({ "name": "" })]
    {
        assert_eq!(cast.try_as(&cast.owner, "PATCH", "", body.clone()).await, "422 invalid", "{body}");
    }
}

#[actix_web::test]
async fn the_studio_stands_in_the_menu_of_those_who_belong_to_a_team_and_of_nobody_else() {
    let cast = cast().await;
    let menu = async |person: &Person| {
        let page = cast.world.json("GET", "/account/devices", Some(person), Value::Null).await;
        assert_eq!(page.said(), "200");
        String::from_utf8(page.body).unwrap().contains("href=\"/studio\"")
    };
    for member in [&cast.owner, &cast.admin, &cast.editor, &cast.analyst] {
        assert!(menu(member).await);
    }
    assert!(!menu(&cast.stranger).await);

    // at once, although who somebody is was just looked up
    let wanted = json!({ "email": "stranger@example.com", "role": "analyst" });
    assert_eq!(cast.try_as(&cast.owner, "POST", "/members", wanted).await, "201");
    assert!(menu(&cast.stranger).await);
    let membership = cast.membership("stranger@example.com").await;
    assert_eq!(cast.try_as(&cast.owner, "DELETE", &format!("/members/{membership}"), Value::Null).await, "204");
    assert!(!menu(&cast.stranger).await);

    let own = cast.world.json("POST", "/api/v1/teams", Some(&cast.stranger), json!({ "name": "My own" })).await;
    assert_eq!(own.said(), "201");
    assert!(menu(&cast.stranger).await);
}

#[actix_web::test]
async fn the_page_of_a_team_offers_each_role_what_the_table_lets_it_do_and_strangers_see_none() {
    let cast = cast().await;
    let page = async |person: &Person| {
        let shown = cast.world.json("GET", &format!("/studio/teams/{}", cast.team), Some(person), Value::Null).await;
        (shown.said(), String::from_utf8(shown.body).unwrap())
    };
    assert_eq!(page(&cast.stranger).await.0, "404 not_found");
    let adds = format!("POST /api/v1/teams/{}/members", cast.team);
    let touches = async |person: &Person, email: &str, deed: &str| {
        let member = cast.membership(email).await;
        page(person).await.1.contains(&format!("{deed} /api/v1/teams/{}/members/{member}\"", cast.team))
    };
    for (person, own, may) in [
        (&cast.owner, "owner@example.com", true),
        (&cast.admin, "admin@example.com", true),
        (&cast.editor, "editor@example.com", false),
        (&cast.analyst, "analyst@example.com", false),
    ] {
        let (said, text) = page(person).await;
        assert_eq!(said, "200", "{own}");
        assert_eq!(text.contains(&adds), may, "{own}");
        assert_eq!(touches(person, "editor@example.com", "PATCH").await, may, "{own}");
        assert!(!touches(person, "owner@example.com", "PATCH").await, "{own}");
        assert_eq!(
            touches(person, own, "DELETE").await,
            own != "owner@example.com",
            "all but the last owner may leave"
        );
        assert!(!touches(person, own, "PATCH").await, "{own}");
    }
    assert!(page(&cast.owner).await.1.contains("<option value=\"owner\""));
    assert!(!page(&cast.admin).await.1.contains("<option value=\"owner\""), "an admin makes nobody an owner");
}
