//! Every route that changes something, tried from another site; the list is made from the routes themselves.

use actix_web::test::TestRequest;
use serde_json::json;

use crate::support::World;

/// Method and path of every unsafe operation, with ids of nothing in place of parameters.
fn unsafe_routes(world: &World) -> Vec<(String, String)> {
    let api = serde_json::to_value(world.openapi()).unwrap();
    let parameter = regex::Regex::new(r"\{[^}]+\}").unwrap();
    let mut found = vec![];
    for (path, operations) in api["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|method| *method != "get") {
            found.push((method.to_uppercase(), parameter.replace_all(path, "x").into_owned()));
        }
    }
    found
}

#[actix_web::test]
async fn survive_128_every_unsafe_route_refuses_a_session_cookie_without_its_token_or_from_another_site() {
    let world = World::open();
    let routes = unsafe_routes(&world);
    assert!(routes.len() >= 11, "{routes:?}");
    for (method, path) in routes {
        // Anew for each route, since some of them end sessions.
        let ann = world.sign_in("ann@example.com").await;
        let request = || TestRequest::with_uri(&path).method(method.parse().unwrap()).set_json(json!({}));
        let bare = request().insert_header(("cookie", format!("__Host-backstage={}", ann.token)));
        assert_eq!(world.call(bare).await.said(), "403 cross_site", "{method} {path} without a token");
        let evil = world.by_cookie(request(), &ann).insert_header(("origin", "https://evil.example"));
        assert_eq!(world.call(evil).await.said(), "403 cross_site", "{method} {path} from another site");
        let whole = world.call(world.by_cookie(request(), &ann)).await;
        assert_ne!(whole.said(), "403 cross_site", "{method} {path} from our own page");
    }
}

#[actix_web::test]
async fn survive_128_reading_changes_nothing() {
    let world = World::open();
    let ann = world.sign_in("ann@example.com").await;
    let dump = || {
        let told =
            std::process::Command::new("pg_dump").args(["--data-only", "--inserts", &world.database.url]).output();
        // The keys that guard a dump against injection differ each time.
        let text = String::from_utf8(told.unwrap().stdout).unwrap();
        text.lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
    };
    let before = dump();
    let api = serde_json::to_value(world.openapi()).unwrap();
    for (path, operations) in api["paths"].as_object().unwrap() {
        if operations.get("get").is_some() {
            world.json("GET", path, Some(&ann), serde_json::Value::Null).await;
        }
    }
    assert_eq!(dump(), before);
}
