//! Signing in and out as a browser does it, by forms alone.

use actix_web::test::TestRequest;
use backstage::{
    limits::{CODE_DIGITS, LONG_CODE_DIGITS},
    web::auth::{BROWSER_COOKIE, SESSION_COOKIE},
};

use crate::support::{Answer, World};

const ANN: &str = "ann@example.com";

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn location(answer: &Answer) -> &str {
    answer.headers.get("location").unwrap().to_str().unwrap()
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let pattern = regex::Regex::new(&format!("name=\"{name}\" value=\"([^\"]*)\"")).unwrap();
    pattern.captures(page).unwrap_or_else(|| panic!("no field {name}"))[1].to_owned()
}

async fn ask(world: &World, email: &str, next: &str) -> Answer {
    world.call(TestRequest::post().uri("/login").set_form([("email", email), ("next", next)])).await
}

async fn bring(world: &World, page: &Answer, code: &str) -> Answer {
    let text = html(page);
    let form: Vec<(&str, String)> = ["email", "request", "next"].map(|name| (name, field(&text, name))).to_vec();
    let form: Vec<(&str, String)> = form.into_iter().chain([("code", code.to_owned())]).collect();
    let browser = page.cookie(BROWSER_COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
    let request =
        TestRequest::post().uri("/login/code").insert_header(("cookie", format!("{BROWSER_COOKIE}={browser}")));
    world.call(request.set_form(form)).await
}

#[actix_web::test]
async fn a_browser_signs_in_by_two_forms_and_lands_where_it_was_going() {
    let world = World::strict();
    let shown = world.call(TestRequest::get().uri("/login?next=/demo")).await;
    assert!(html(&shown).contains("Send the code"));
    let asked = ask(&world, ANN, "/demo").await;
    assert_eq!(asked.said(), "200");
    let code = world.outbox.code(ANN, 1).await;
    let wrong = bring(&world, &asked, "12").await;
    assert_eq!(wrong.said(), "422");
    assert!(html(&wrong).contains("Some digits are missing"));
    let entered = bring(&world, &asked, &code).await;
    assert_eq!((entered.said().as_str(), location(&entered)), ("303", "/demo"));
    let session = entered.cookie(SESSION_COOKIE).unwrap().value().to_owned();
    let with = |request: TestRequest| request.insert_header(("cookie", format!("{SESSION_COOKIE}={session}")));
    let devices = world.call(with(TestRequest::get().uri("/account/devices"))).await;
    assert!(html(&devices).contains("This one"));
    let bare = world.call(with(TestRequest::post().uri("/logout")).set_form([("a", "b")])).await;
    assert_eq!(bare.said(), "403 cross_site");
    let token = field(&html(&devices), "csrf");
    let left = world.call(with(TestRequest::post().uri("/logout")).set_form([("csrf", token)])).await;
    assert_eq!((left.said().as_str(), location(&left)), ("303", "/"));
    assert_eq!(left.cookie(SESSION_COOKIE).unwrap().value(), "");
    assert_eq!(world.call(with(TestRequest::get().uri("/account/devices"))).await.said(), "401 sign_in_needed");
}

#[actix_web::test]
async fn survive_147_signing_in_never_leads_to_another_site() {
    let world = World::open();
    for (count, evil) in
        ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"].iter().enumerate()
    {
        let asked = ask(&world, ANN, evil).await;
        let code = world.outbox.code(ANN, count + 1).await;
        assert_eq!(location(&bring(&world, &asked, &code).await), "/account/purchased_spaces", "{evil:?}");
    }
}

#[actix_web::test]
async fn a_wrong_address_and_a_wrong_code_are_told_on_the_page() {
    let world = World::strict();
    let wrong = ask(&world, "ann", "/").await;
    assert_eq!(wrong.said(), "422");
    assert!(html(&wrong).contains("not a whole address"));
    let asked = ask(&world, ANN, "/").await;
    let code: u32 = world.outbox.code(ANN, 1).await.parse().unwrap();
    let refused = bring(&world, &asked, &format!("{:06}", (code + 1) % 1_000_000)).await;
    assert_eq!(refused.said(), "401");
    assert!(html(&refused).contains("not the code we sent"));
}

#[actix_web::test]
async fn survive_119_while_guesses_fail_at_large_codes_are_long_and_honest_people_still_get_in() {
    let mut world = World::strict();
    world.proxies = 1;
    let early = ask(&world, "early@example.com", "/").await;
    let short = world.outbox.code("early@example.com", 1).await;
    for client in 0..20 {
        for _ in 0..26 {
            let body = serde_json::json!({ "email": "victim@example.com", "code": "123456" });
            let request = TestRequest::post().uri("/api/v1/auth/sessions");
            let request = request.insert_header(("x-forwarded-for", format!("10.0.0.{client}")));
            assert_eq!(world.call(request.set_json(body)).await.said(), "401 code_invalid");
        }
    }
    assert_eq!(bring(&world, &early, &short).await.said(), "401", "short codes do not count any more");
    let asked = ask(&world, ANN, "/").await;
    assert!(html(&asked).contains(&format!("data-code=\"{LONG_CODE_DIGITS}\"")));
    let long = world.outbox.code(ANN, 1).await;
    assert_eq!((short.len(), long.len()), (CODE_DIGITS as usize, LONG_CODE_DIGITS as usize));
    assert_eq!(bring(&world, &asked, &long).await.said(), "303");
}

#[actix_web::test]
async fn old_codes_and_answers_are_thrown_away_and_young_ones_stay() {
    let world = World::open();
    world.sign_in(ANN).await;
    assert_eq!(world.identity.tidy_up().await.unwrap(), 0);
    world.clock.advance(std::time::Duration::from_secs(2 * 24 * 3600));
    assert_eq!(world.identity.tidy_up().await.unwrap(), 1);
}
