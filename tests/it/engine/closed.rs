//! What somebody reads in front of a closed door, and that old addresses lead to the door of today.

use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::{Value, json};

use super::{Engine, run};

const ROOM: &str = "/account/purchased_spaces/demo/experiences/main-stage";

impl Engine {
    /// A page as a browser would get it, without following it elsewhere: status, where it leads, text.
    async fn page(&self, path: &str, token: &str) -> (StatusCode, Option<String>, String) {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let asked = client.get(format!("{}{path}", self.http)).bearer_auth(token).header("accept", "text/html");
        let answer = asked.send().await.unwrap();
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), location, answer.text().await.unwrap())
    }

    /// The reason of the closed door at `path`, and the page.
    async fn shut(&self, path: &str, token: &str) -> (String, String) {
        let (status, _, text) = self.page(path, token).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let reason = text.split("data-shut=\"").nth(1).and_then(|rest| rest.split('"').next());
        (reason.unwrap_or("open").to_owned(), text)
    }

    async fn space(&self) -> (String, Value) {
        let (_, public) = self.get("/api/v1/spaces/demo/public", "").await;
        (public["space"]["id"].as_str().unwrap().to_owned(), public)
    }
}

#[test]
fn a_closed_door_says_when_it_closed_by_whose_words_and_what_stays_open() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member, visitor] =
            ["creator", "member", "visitor"].map(|name| engine.token(&format!("{name}@demo.test")));
        let (space, _) = engine.space().await;
        let lounge = json!({ "kind": "live_stream", "slug": "lounge", "name": "The Lounge" });
        let (status, lounge) = engine.post(&format!("/api/v1/spaces/{space}/experiences"), &creator, lounge).await;
        assert_eq!(status, StatusCode::CREATED, "{lounge}");

        let (reason, text) = engine.shut(ROOM, &visitor).await;
        assert_eq!(reason, "no_grant");
        assert!(!text.contains("Still open for you"));
        let direct = json!({ "email": "visitor@demo.test", "experience_id": lounge["id"] });
        let (status, grant) = engine.post(&format!("/api/v1/spaces/{space}/grants"), &creator, direct).await;
        assert_eq!(status, StatusCode::CREATED, "{grant}");
        let (reason, text) = engine.shut(ROOM, &visitor).await;
        assert_eq!(reason, "not_included");
        assert!(text.contains("Still open for you") && text.contains("/experiences/lounge\">The Lounge</a>"), "{text}");

        let until = tomorrow(&engine).await;
        let ban = json!({ "email": "visitor@demo.test", "reason": "Told the ending twice", "until": until });
        let (status, banned) = engine.post(&format!("/api/v1/spaces/{space}/bans"), &creator, ban).await;
        assert_eq!(status, StatusCode::CREATED, "{banned}");
        let (reason, text) = engine.shut(ROOM, &visitor).await;
        assert_eq!(reason, "banned");
        assert!(text.contains("Told the ending twice") && text.contains(&format!("datetime=\"{until}\"")), "{text}");
        assert!(!text.contains("Still open for you"), "a ban closes every door of the space");

        let (_, grants) = engine.get("/api/v1/me/grants", &member).await;
        let vip = grants["items"][0]["id"].as_str().unwrap();
        let gone = engine.call(Method::DELETE, &format!("/api/v1/grants/{vip}"), &creator, None).await;
        assert!(gone.0.is_success());
        let (reason, text) = engine.shut(ROOM, &member).await;
        assert_eq!(reason, "revoked");
        let heading = text.split("id=\"door-h\">").nth(1).unwrap().split("</h2>").next().unwrap();
        assert!(heading.starts_with("The team took your VIP back on <time datetime=\"20"), "{heading}");
    });
}

/// A day after now, as the engine writes moments.
async fn tomorrow(engine: &Engine) -> String {
    let creator = engine.token("creator@demo.test");
    let (_, access) = engine.get(&format!("/api/v1/experiences/{}/access", engine.experience().await), &creator).await;
    let now = chrono::DateTime::parse_from_rfc3339(access["checked_at"].as_str().unwrap()).unwrap();
    (now.to_utc() + chrono::TimeDelta::days(1)).format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

#[test]
fn survive_160_names_that_were_given_up_lead_to_the_page_of_today_in_one_step() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member] = ["creator", "member"].map(|name| engine.token(&format!("{name}@demo.test")));
        let (space, public) = engine.space().await;
        let experience = engine.experience().await;
        let basic = public["passes"].as_array().unwrap().iter().find(|pass| pass["slug"] == "basic").unwrap();
        let (basic, price) = (basic["id"].as_str().unwrap(), basic["prices"][0]["id"].clone());
        for (path, slug) in [
            (format!("/api/v1/experiences/{experience}"), "big-stage"),
            (format!("/api/v1/passes/{basic}"), "starter"),
            (format!("/api/v1/spaces/{space}"), "house"),
        ] {
            let (status, said) = engine.call(Method::PATCH, &path, &creator, Some(json!({ "slug": slug }))).await;
            assert_eq!(status, StatusCode::OK, "{said}");
        }
        let room = "/account/purchased_spaces/house/experiences/big-stage";
        let studio = "/studio/house/experiences/big-stage";
        for (old, status, now) in [
            (ROOM, 308, room),
            ("/account/purchased_spaces/demo/experiences/big-stage", 308, room),
            ("/account/purchased_spaces/House/experiences/Main-Stage", 308, room),
            (
                "/account/purchased_spaces/demo/experiences/main-stage/stream?x=1",
                308,
                "/account/purchased_spaces/house/experiences/big-stage/stream?x=1",
            ),
            ("/account/purchased_spaces/demo", 308, "/account/purchased_spaces/house"),
            ("/demo", 308, "/house"),
            ("/demo/basic", 308, "/house/starter"),
            ("/house/basic", 308, "/house/starter"),
            ("/m/demo", 302, room),
            ("/m/demo/main-stage", 302, room),
            ("/studio/demo/experiences/main-stage", 308, studio),
            ("/studio/demo/experiences/main-stage/settings", 308, "/studio/house/experiences/big-stage/settings"),
        ] {
            let (said, location, _) = engine.page(old, &creator).await;
            assert_eq!((said.as_u16(), location.as_deref()), (status, Some(now)), "{old}");
            assert_eq!(engine.page(now, &creator).await.0, StatusCode::OK, "{now}");
        }
        assert_eq!(engine.shut(room, &member).await.0, "open");
        for never in ["/m/demo/never", "/house/never", "/account/purchased_spaces/demo/experiences/never"] {
            assert_eq!(engine.page(never, &creator).await.0, StatusCode::NOT_FOUND, "{never}");
        }
        let (status, told) = engine.get("/api/v1/spaces/demo/passes/basic/public", "").await;
        assert_eq!((status, &told["pass"]["slug"]), (StatusCode::OK, &json!("starter")));
        let visitor = engine.token("visitor@demo.test");
        let (status, joined) = engine.post("/demo/basic/purchase", &visitor, json!({ "price_id": price })).await;
        assert_eq!(status, StatusCode::CREATED, "{joined}");

        // whoever takes the name up has it; what had it once keeps its own
        let taken = json!({ "kind": "live_stream", "slug": "main-stage", "name": "The Small One" });
        let (status, said) = engine.post(&format!("/api/v1/spaces/{space}/experiences"), &creator, taken).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
        let (_, text) = engine.shut("/account/purchased_spaces/house/experiences/main-stage", &creator).await;
        assert!(text.contains("The Small One"));
    });
}

#[test]
fn the_device_that_is_one_too_many_is_told_so_by_the_answer_and_by_the_page() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member] = ["creator", "member"].map(|name| engine.token(&format!("{name}@demo.test")));
        let experience = engine.experience().await;
        let one = json!({ "device_limit": 1 });
        let changed =
            engine.call(Method::PATCH, &format!("/api/v1/experiences/{experience}"), &creator, Some(one)).await;
        assert_eq!(changed.0, StatusCode::OK, "{}", changed.1);
        let live = format!("/api/v1/experiences/{experience}/live");
        let bearer = [("authorization", format!("Bearer {member}"))];
        let mut seat = engine.socket(&format!("{live}?device=tv"), &bearer).await.unwrap();
        seat.next("welcome", |frame| frame["t"] == "welcome").await;

        let access = async |who: &str, device: &str| {
            let (status, said) = engine.get(&format!("/api/v1/experiences/{experience}/access{device}"), who).await;
            assert_eq!(status, StatusCode::OK, "{said}");
            said["reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(access(&member, "?device=phone").await, "device_limit");
        let refused = engine.socket(&format!("{live}?device=phone"), &bearer).await.err().unwrap();
        assert_eq!((refused.0, &refused.1["code"]), (403, &json!("device_limit")), "the door says the same");
        assert_eq!(access(&member, "?device=tv").await, "grant");
        assert_eq!(access(&member, "").await, "grant");
        assert_eq!(access(&creator, "?device=phone").await, "staff");

        assert_eq!(engine.shut(ROOM, &member).await.0, "open");
        let (reason, text) = engine.shut(&format!("{ROOM}?device=phone"), &member).await;
        assert_eq!(reason, "device_limit");
        assert!(text.contains("already watching on 1 device"), "{text}");
        assert_eq!(engine.shut(&format!("{ROOM}?device=tv"), &member).await.0, "open");
    });
}
