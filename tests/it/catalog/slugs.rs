//! Slugs: what may be one, who keeps one, and where an old one leads.

use std::{collections::BTreeSet, fs, path::Path};

use actix_web::http::Method;
use backstage::storefront::core::slug::RESERVED;
use futures_util::future::join_all;
use serde_json::json;

use super::house::House;

/// First segments of every address that stands literally in a route of the sources.
fn first_segments(folder: &Path, found: &mut BTreeSet<String>) {
    let address =
        regex::Regex::new(r#"(?:get|post|put|patch|delete|route|resource|scope)\(\s*"/([a-zA-Z0-9._-]+)[/"{]"#);
    let address = address.unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            first_segments(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_stem().is_some_and(|name| name != "tests")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            found.extend(address.captures_iter(code).map(|hit| hit[1].to_owned()));
        }
    }
}

#[test]
fn survive_157_no_route_has_a_first_segment_that_a_space_could_take() {
    let mut found = BTreeSet::new();
    first_segments(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    assert!(found.contains("api") && found.contains("studio") && found.contains("m"), "{found:?}");
    for segment in found {
        let could_be_a_slug = segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(!could_be_a_slug || RESERVED.contains(&segment.as_str()), "/{segment} is a route, but not reserved");
    }
}

#[actix_web::test]
async fn survive_157_a_reserved_name_is_refused_at_creation_and_at_renaming() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let paths = [format!("/api/v1/teams/{team}/spaces"), format!("/api/v1/spaces/{}", space.id)];
    for name in ["@", "m", "account", "api", "healthz", "metrics", ".well-known", "robots.txt", "studio", "admin"] {
        let body = json!({ "slug": name, "name": "A" });
        let made = house.post(&paths[0], &owner, body.clone()).await;
        assert_eq!((made.status, made.code()), (422, "invalid"), "{name}");
        assert!(made.body["fields"]["slug"].is_string(), "{made:?}");
        assert_eq!(house.patch(&paths[1], &owner, body).await.status, 422, "{name}");
    }
}

#[actix_web::test]
async fn survive_158_159_other_forms_of_a_name_are_no_second_name_and_lead_to_it() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    house.space(&owner, team, "demo").await;
    let path = format!("/api/v1/teams/{team}/spaces");
    let forms = [
        "Demo",
        "DEMO",
        "demo.",
        "demo ",
        " demo",
        "de\u{301}mo",
        "d\u{435}mo",
        "\u{ff44}emo",
        "demo\u{200b}",
        "%64emo",
    ];
    for form in forms {
        let made = house.post(&path, &owner, json!({ "slug": form, "name": "A" })).await;
        assert_eq!(made.status, 422, "{form:?} {made:?}");
    }
    let taken = house.post(&path, &owner, json!({ "slug": "demo", "name": "A" })).await;
    assert_eq!((taken.status, taken.code()), (409, "slug_taken"));
    for form in ["/Demo", "/DEMO", "/demo.", "/demo%20", "/%64EMO", "/%EF%BD%84emo"] {
        let answer = house.get(form, None).await;
        assert_eq!((answer.status, answer.location.as_deref()), (308, Some("/demo")), "{form}");
    }
    assert_eq!(house.get("/Demo?pass=basic", None).await.location.as_deref(), Some("/demo?pass=basic"));
    for form in ["/d%D0%B5mo", "/demo%E2%80%8B", "/%2564emo", "/..%2fdemo", "/demo%00"] {
        assert_eq!(house.get(form, None).await.status, 404, "{form}");
    }
    assert_eq!(house.get("/demo", None).await.status, 200);
}

#[actix_web::test]
async fn survive_160_a_slug_that_was_given_up_leads_to_its_space_and_goes_to_nobody_else() {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "first").await;
    let path = format!("/api/v1/spaces/{}", space.id);
    assert_eq!(house.patch(&path, &owner, json!({ "slug": "second" })).await.status, 200);
    let moved = house.get("/first/basic", None).await;
    assert_eq!((moved.status, moved.location.as_deref()), (308, Some("/second/basic")));
    let public = house.get("/api/v1/spaces/first/public", None).await;
    assert_eq!((public.status, &public.body["space"]["slug"]), (200, &json!("second")));

    let stranger = house.person("stranger").await;
    let theirs = house.team(&stranger).await;
    let claim = json!({ "slug": "first", "name": "A" });
    let claimed = house.post(&format!("/api/v1/teams/{theirs}/spaces"), &stranger, claim.clone()).await;
    assert_eq!((claimed.status, claimed.code()), (409, "slug_taken"));
    let other = house.space(&stranger, theirs, "other").await;
    let renamed = house.patch(&format!("/api/v1/spaces/{}", other.id), &stranger, claim).await;
    assert_eq!((renamed.status, renamed.code()), (409, "slug_taken"));
    // a purchase under the old name reaches the same space
    let bought = house.post("/first/basic/purchase", &stranger, json!({})).await;
    assert_eq!(bought.status, 201, "{bought:?}");
    assert_eq!(bought.body["next"]["url"], "/account/purchased_spaces/second/experiences/stage");

    assert_eq!(house.patch(&path, &owner, json!({ "slug": "first" })).await.status, 200, "back to its own old name");
    assert_eq!(house.get("/second", None).await.location.as_deref(), Some("/first"));
    assert_eq!(house.get("/first", None).await.status, 200);
}

#[actix_web::test]
async fn survive_161_of_two_who_claim_one_slug_at_once_one_gets_it() {
    let house = House::open();
    let (one, other) = (house.person("one").await, house.person("other").await);
    let (ours, theirs) = (house.team(&one).await, house.team(&other).await);
    for trial in 0..50 {
        let body = json!({ "slug": format!("wanted-{trial}"), "name": "A" });
        let paths = [format!("/api/v1/teams/{ours}/spaces"), format!("/api/v1/teams/{theirs}/spaces")];
        let both = [house.post(&paths[0], &one, body.clone()), house.post(&paths[1], &other, body)];
        let mut answers: Vec<(u16, String)> =
            join_all(both).await.iter().map(|answer| (answer.status, answer.code().to_owned())).collect();
        answers.sort();
        assert_eq!(answers, [(201, String::new()), (409, "slug_taken".to_owned())], "trial {trial}");
    }
    assert_eq!(house.count("spaces").await, 50);
}

#[actix_web::test]
async fn survive_160_a_slug_is_never_caught_while_it_is_being_given_up() {
    let house = House::open();
    let (one, other) = (house.person("one").await, house.person("other").await);
    let (ours, theirs) = (house.team(&one).await, house.team(&other).await);
    let space = house.space(&one, ours, "name-0").await;
    for trial in 0..30 {
        let (old, new) = (format!("name-{trial}"), format!("name-{}", trial + 1));
        let (space, claim) = (format!("/api/v1/spaces/{}", space.id), format!("/api/v1/teams/{theirs}/spaces"));
        let rename = house.call(Method::PATCH, &space, Some(&one), Some(json!({ "slug": new })));
        let claim = house.post(&claim, &other, json!({ "slug": old, "name": "A" }));
        let (renamed, claimed) = futures_util::join!(rename, claim);
        assert_eq!((renamed.status, claimed.status, claimed.code()), (200, 409, "slug_taken"), "trial {trial}");
    }
}
