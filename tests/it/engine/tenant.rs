//! Every route of the document, tried on what belongs to another team: by strangers, by those whose role is too small, from other
//! sites, and with fields that are nobody's to send. The routes come from the document, so that a new one is tried by itself.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Engine, announce, run};

/// What everybody may ask of a published space, and how it answers a stranger.
const OPEN: [(&str, u16); 6] = [
    ("GET /api/v1/experiences/{id}/access", 200),
    ("POST /api/v1/experiences/{id}/live-token", 403),
    ("GET /api/v1/experiences/{id}/live", 426),
    ("GET /api/v1/experiences/{id}/studio", 426),
    ("GET /api/v1/spaces/{slug}/public", 200),
    ("GET /api/v1/spaces/{slug}/passes/{pass_slug}/public", 200),
];
/// Joining is open to everybody; other tests have it.
const JOIN: [&str; 2] = ["POST /{space}/{pass}/purchase", "POST /{space}/purchase"];

/// One operation of the document.
struct Operation {
    name: String,
    method: Method,
    path: String,
    /// A body that its schema allows.
    body: Option<Value>,
    /// The names its schema knows.
    known: Vec<String>,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(backstage::app::openapi()).unwrap();
    let mut found = vec![];
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let schema = resolved(&document, schema);
            let body = (!schema.is_null()).then(|| sample(&document, path, schema));
            let known = schema["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
            found.push(Operation { name: format!("{method} {path}"), method, path: path.clone(), body, known });
        }
    }
    assert!(found.len() > 60, "{} operations", found.len());
    found
}

fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// What the schema requires, in words that the rules allow.
fn sample(document: &Value, path: &str, schema: &Value) -> Value {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let named: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
    let mut body = Map::new();
    for (name, kind) in schema["properties"].as_object().unwrap() {
        // what makes a new thing is required by its rules, not by a schema that it shares with changes
        let by_rule = matches!(name.as_str(), "kind" | "slug" | "name") && path.ends_with('s');
        if named.contains(&name.as_str()) || by_rule {
            body.insert(name.clone(), word(path, name, resolved(document, kind)));
        }
    }
    body.into()
}

fn word(path: &str, name: &str, schema: &Value) -> Value {
    match (name, schema["type"].as_str().unwrap_or("string")) {
        ("email", _) => json!("somebody@else.test"),
        ("slug", _) => json!("a-slug"),
        ("role", _) => json!("editor"),
        ("kind", _) => json!(if path.ends_with("/prices") { "free" } else { "live_stream" }),
        ("code", _) => json!("000000"),
        (_, "array") => json!([]),
        (_, "boolean") => json!(true),
        (_, "integer") => json!(1),
        _ => json!("A name"),
    }
}

/// What the demo's team has, by the segment of a path that an id stands behind.
async fn belongings(engine: &Engine, creator: &str) -> BTreeMap<&'static str, String> {
    let first = |of: &Value| of["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{of}")).to_owned();
    let (_, me) = engine.get("/api/v1/me", creator).await;
    let team = me["teams"][0]["id"].as_str().unwrap().to_owned();
    let list = |path: String| async move { first(&engine.get(&path, creator).await.1) };
    let space = list(format!("/api/v1/teams/{team}/spaces")).await;
    let pass = list(format!("/api/v1/spaces/{space}/passes")).await;
    let (experience, broadcast) = announce(engine, creator, json!({})).await;
    let (_, bought) = engine.post("/demo/basic/purchase", creator, json!({})).await;
    BTreeMap::from([
        ("purchases", bought["purchase"]["id"].as_str().unwrap_or_else(|| panic!("{bought}")).to_owned()),
        ("members", list(format!("/api/v1/teams/{team}/members")).await),
        ("grants", list(format!("/api/v1/teams/{team}/grants")).await),
        ("prices", list(format!("/api/v1/passes/{pass}/prices")).await),
        ("tokens", list("/api/v1/tokens".to_owned()).await),
        ("sessions", format!("ses_{}", "1".repeat(32))),
        ("teams", team),
        ("spaces", space),
        ("passes", pass),
        ("experiences", experience),
        ("broadcasts", broadcast),
    ])
}

/// The path with ids in place of its parameters.
fn filled(path: &str, id: impl Fn(&str) -> String) -> String {
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    for at in 1..segments.len() {
        segments[at] = match segments[at].as_str() {
            "{slug}" | "{space}" => "demo".to_owned(),
            "{pass_slug}" | "{pass}" => "basic".to_owned(),
            parameter if parameter.starts_with('{') => id(&segments[at - 1]),
            _ => continue,
        };
    }
    segments.join("/")
}

/// An id of the same kind that nothing has.
fn nothing(of: &str) -> String {
    format!("{}_{}", of.split_once('_').unwrap().0, "0".repeat(32))
}

#[test]
fn survive_132_what_belongs_to_another_team_answers_strangers_as_if_it_were_not_there() {
    run(async {
        let engine = Engine::start().await;
        let (creator, stranger) = (engine.token("creator@demo.test"), engine.token("stranger@else.test"));
        let theirs = belongings(&engine, &creator).await;
        for Operation { name, method, path, body, .. } in operations() {
            if !path.contains('{') || JOIN.contains(&name.as_str()) {
                continue;
            }
            let there = filled(&path, |of| theirs[of].clone());
            let (status, answer) = engine.call(method.clone(), &there, &stranger, body.clone()).await;
            if let Some((_, open)) = OPEN.iter().find(|(open, _)| *open == name) {
                assert_eq!(status.as_u16(), *open, "{name}: {answer}");
                continue;
            }
            assert_eq!((status.as_u16(), &answer["code"]), (404, &json!("not_found")), "{name}: {answer}");
            let elsewhere = filled(&path, |of| nothing(&theirs[of]));
            let absent = engine.call(method, &elsewhere, &stranger, body).await;
            assert_eq!(absent, (status, answer), "{name} tells what is there");
        }
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{}", theirs["broadcasts"]), &creator).await;
        assert_eq!(now["state"], "scheduled", "nothing was changed");
    });
}

#[test]
fn survive_138_a_role_that_only_looks_changes_nothing() {
    run(async {
        let engine = Engine::start().await;
        let (creator, analyst) = (engine.token("creator@demo.test"), engine.token("analyst@demo.test"));
        let theirs = belongings(&engine, &creator).await;
        let members = format!("/api/v1/teams/{}/members", theirs["teams"]);
        engine.post(&members, &creator, json!({"email": "analyst@demo.test", "role": "analyst"})).await;
        // the list comes by time: the owner of the team is first
        let own = ["tokens", "sessions"];
        for Operation { name, method, path, body, .. } in operations() {
            let others = path.contains('{') && !own.iter().any(|mine| path.contains(mine));
            if method == Method::GET || !others || JOIN.contains(&name.as_str()) || name.ends_with("/live-token") {
                continue;
            }
            let (status, answer) = engine.call(method, &filled(&path, |of| theirs[of].clone()), &analyst, body).await;
            assert_eq!((status.as_u16(), &answer["code"]), (403, &json!("forbidden")), "{name}: {answer}");
        }
    });
}

#[test]
fn survive_128_no_route_acts_for_a_session_cookie_from_another_site_or_without_its_token() {
    run(async {
        let engine = Engine::start().await;
        let session = super::basis::sign_in(&engine, "creator@demo.test").await;
        let cookie = format!("__Host-backstage={session}");
        let mut tried = 0;
        for Operation { name, method, path, body, .. } in operations() {
            if method == Method::GET {
                continue;
            }
            let path = filled(&path, |_| "x".to_owned());
            for origin in ["https://evil.example", "null", engine.http.as_str()] {
                let request = engine.client.request(method.clone(), format!("{}{path}", engine.http));
                let request = request.header("cookie", &cookie).header("origin", origin);
                let request = match &body {
                    Some(body) => request.json(body),
                    None => request,
                };
                let (status, _, answer) = engine.send(request, "date").await;
                assert_eq!((status.as_u16(), &answer["code"]), (403, &json!("cross_site")), "{name} from {origin}");
                tried += 1;
            }
        }
        assert!(tried > 100, "{tried}");
        assert_eq!(engine.get("/api/v1/me", &session).await.0.as_u16(), 200, "the session is still good");
    });
}

#[test]
fn survive_133_fields_that_are_nobodys_to_send_are_refused_by_every_route() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let theirs = belongings(&engine, &creator).await;
        let planted = json!({
            "team_id": theirs["teams"], "role": "owner", "price": 1, "amount": 1, "sold": 0, "platform_admin": true,
            "id": theirs["spaces"], "user_id": theirs["spaces"], "created_at": "2020-01-01T00:00:00Z",
        });
        let mut tried = 0;
        for Operation { name, method, path, body, known } in operations() {
            let Some(body) = body else { continue };
            for (field, value) in planted.as_object().unwrap().iter().filter(|(field, _)| !known.contains(field)) {
                let mut body = body.clone();
                body[field] = value.clone();
                let there = filled(&path, |of| theirs[of].clone());
                let (status, answer) = engine.call(method.clone(), &there, &creator, Some(body)).await;
                let refused = matches!(status.as_u16(), 400 | 422);
                assert!(refused, "{name} took {field}: {status} {answer}");
                tried += 1;
            }
        }
        assert!(tried > 100, "{tried}");
    });
}
