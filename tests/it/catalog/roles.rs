//! Who may do what: every route of the catalogue, every role, two teams; and fields that are nobody's to send.

use actix_web::http::Method;
use backstage::{commerce, identity::core::role::Role, storefront};
use serde_json::{Value, json};
use utoipa_actix_web::AppExt;

use super::house::{House, Space};

struct Case {
    method: Method,
    path: &'static str,
    body: Option<Value>,
    edits: bool,
}

/// Every route that asks who somebody is. `{x}` stands for an id of the space that is asked about.
fn cases(n: usize) -> Vec<Case> {
    let read = |path| Case { method: Method::GET, path, body: None, edits: false };
    let edit = |method, path, body| Case { method, path, body: Some(body), edits: true };
    let gone = |path| Case { method: Method::DELETE, path, body: None, edits: true };
    vec![
        read("/api/v1/teams/{team}/spaces"),
        read("/api/v1/spaces/{space}"),
        read("/api/v1/spaces/{space}/experiences"),
        read("/api/v1/spaces/{space}/passes"),
        read("/api/v1/experiences/{experience}"),
        read("/api/v1/passes/{pass}"),
        read("/api/v1/passes/{pass}/prices"),
        read("/api/v1/spaces/{space}/prices"),
        read("/api/v1/experiences/{experience}/prices"),
        edit(Method::POST, "/api/v1/teams/{team}/spaces", json!({ "slug": format!("made-{n}"), "name": "Made" })),
        edit(
            Method::POST,
            "/api/v1/spaces/{space}/experiences",
            json!({ "kind": "live_stream", "slug": format!("made-{n}"), "name": "Made" }),
        ),
        edit(Method::POST, "/api/v1/spaces/{space}/passes", json!({ "slug": format!("made-{n}"), "name": "Made" })),
        edit(Method::POST, "/api/v1/passes/{pass}/prices", json!({ "kind": "free" })),
        edit(Method::POST, "/api/v1/spaces/{space}/prices", json!({ "kind": "free" })),
        edit(Method::POST, "/api/v1/experiences/{experience}/prices", json!({ "kind": "free" })),
        edit(Method::PATCH, "/api/v1/spaces/{space}", json!({ "tagline": "New" })),
        edit(Method::PATCH, "/api/v1/experiences/{experience}", json!({ "name": "New" })),
        edit(Method::PATCH, "/api/v1/passes/{pass}", json!({ "name": "New" })),
        edit(Method::PATCH, "/api/v1/prices/{price}", json!({ "active": true })),
        edit(Method::PUT, "/api/v1/passes/{pass}/experiences", json!({ "experience_ids": [] })),
        edit(Method::PUT, "/api/v1/spaces/{space}/experiences/order", json!({ "experience_ids": [] })),
        edit(Method::PUT, "/api/v1/spaces/{space}/passes/order", json!({ "pass_ids": [] })),
        gone("/api/v1/passes/{pass}"),
        gone("/api/v1/experiences/{experience}"),
        gone("/api/v1/spaces/{space}"),
    ]
}

fn filled(path: &str, team: &str, space: &Space) -> String {
    path.replace("{team}", team)
        .replace("{space}", &space.id)
        .replace("{experience}", &space.experience)
        .replace("{pass}", &space.pass)
        .replace("{price}", &space.price)
}

#[actix_web::test]
async fn survive_132_every_route_answers_every_role_by_the_table_and_strangers_as_if_nothing_were_there() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let stranger = house.person("stranger").await;
    let theirs = house.team(&stranger).await;
    house.space(&stranger, theirs, "theirs").await;
    let mut people = vec![(Some(owner), Some(Role::Owner)), (Some(stranger), None), (None, None)];
    for role in [Role::Admin, Role::Editor, Role::Analyst] {
        let person = house.person(role.word()).await;
        house.admit(team, &person, role).await;
        people.insert(1, (Some(person), Some(role)));
    }
    // who may least asks first, so that what is deleted at the end was there for everybody
    people.reverse();
    let nothing = Space {
        id: format!("spc_{}", "0".repeat(32)),
        experience: format!("exp_{}", "0".repeat(32)),
        pass: format!("pass_{}", "0".repeat(32)),
        price: format!("price_{}", "0".repeat(32)),
    };
    let no_team = format!("team_{}", "0".repeat(32));
    for (at, (person, role)) in people.iter().enumerate() {
        let deletes = *role == Some(Role::Owner);
        for case in cases(at) {
            if case.method == Method::DELETE && role.is_some_and(|role| role != Role::Analyst) && !deletes {
                continue;
            }
            let path = filled(case.path, &team.to_string(), &space);
            let answer = house.call(case.method.clone(), &path, person.as_ref(), case.body.clone()).await;
            let what = format!("{} {} by {role:?}: {}", case.method, case.path, answer.text);
            match (person, role, case.edits) {
                (None, _, _) => assert_eq!((answer.status, answer.code()), (401, "sign_in_needed"), "{what}"),
                (Some(_), None, _) => {
                    assert_eq!((answer.status, answer.code()), (404, "not_found"), "{what}");
                    let path = filled(case.path, &no_team, &nothing);
                    let absent = house.call(case.method.clone(), &path, person.as_ref(), case.body.clone()).await;
                    assert_eq!((absent.status, absent.text), (answer.status, answer.text), "{what}");
                }
                (Some(_), Some(Role::Analyst), true) => {
                    assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{what}");
                }
                (Some(_), Some(_), true) if answer.status == 422 => {
                    assert!(case.path.ends_with("/order"), "{what}"); // an empty list names nothing: judged, then refused
                }
                (Some(_), Some(_), _) => assert!((200..300).contains(&answer.status), "{what}"),
            }
        }
    }
}

#[test]
fn the_matrix_leaves_no_route_of_the_catalogue_out() {
    let (_, described) = actix_web::App::new()
        .into_utoipa_app()
        .configure(storefront::routes::register)
        .configure(commerce::routes::register)
        .split_for_parts();
    let described = serde_json::to_value(&described).unwrap();
    let blank = |path: &str| {
        let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    let tried: Vec<String> =
        cases(0).iter().map(|case| format!("{} {}", case.method.as_str().to_lowercase(), blank(case.path))).collect();
    let for_everybody = [
        "get /api/v1/spaces/{}/public",
        "get /api/v1/spaces/{}/passes/{}/public",
        "post /{}/{}/purchase",
        "post /{}/purchase",
        "get /api/v1/me/purchases",
        "get /api/v1/purchases/{}",
    ];
    let mut seen = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let route = format!("{method} {}", blank(path));
            assert!(tried.contains(&route) || for_everybody.contains(&route.as_str()), "{route} is in no matrix");
            seen += 1;
        }
    }
    assert_eq!(seen, tried.len() + for_everybody.len());
}

#[actix_web::test]
async fn survive_133_fields_that_are_not_theirs_to_send_are_refused_and_change_nothing() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let before = house.get(&format!("/api/v1/spaces/{}", space.id), Some(&owner)).await.text;
    let extra = [
        ("id", json!("x")),
        ("team_id", json!(team)),
        ("space_id", json!(space.id)),
        ("role", json!("owner")),
        ("position", json!(0)),
        ("sold", json!(0)),
        ("stock_left", json!(5)),
        ("created_at", json!("2026-01-01T00:00:00Z")),
        ("deleted_at", json!(null)),
        ("first_sold_at", json!(null)),
        ("platform_admin", json!(true)),
    ];
    for case in cases(9).into_iter().filter(|case| case.body.is_some()) {
        for (field, value) in &extra {
            let mut body = case.body.clone().unwrap();
            body[*field] = value.clone();
            let path = filled(case.path, &team.to_string(), &space);
            let answer = house.call(case.method.clone(), &path, Some(&owner), Some(body)).await;
            assert_eq!((answer.status, answer.code()), (422, "invalid"), "{} {} {field}", case.method, case.path);
        }
    }
    assert_eq!(house.get(&format!("/api/v1/spaces/{}", space.id), Some(&owner)).await.text, before);
    assert_eq!(house.count("spaces").await, 1);
    let body = json!({ "email": "a@b.example", "status": "completed" });
    let answer = house.call(Method::POST, "/ours/basic/purchase", None, Some(body)).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"));
    assert_eq!(house.count("access_grants").await, 0);
}

#[actix_web::test]
async fn privileged_acts_are_written_down_with_who_did_them() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    house.call(Method::DELETE, &format!("/api/v1/spaces/{}", space.id), Some(&owner), None).await;
    for act in ["space.created", "experience.created", "pass.created", "pass.experiences_set", "price.created"] {
        let of = format!("audit_log where action = '{act}' and actor = '{}' and team_id = '{}'", owner.id.0, team.0);
        assert_eq!(house.count(&of).await, 1, "{act}");
    }
    let subject = format!("audit_log where action = 'space.changed' and subject = '{}'", space.id);
    assert_eq!(house.count(&subject).await, 1);
}
