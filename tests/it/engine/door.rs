//! Who is let in, who is not, and who is put out.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Engine, go_live, run, until_asked};

#[test]
fn survive_115_a_socket_is_judged_before_it_is_upgraded() {
    run(async {
        let engine = Engine::start().await;
        let (member, visitor) = (engine.token("member@demo.test"), engine.token("visitor@demo.test"));
        let live = format!("/api/v1/experiences/{}/live", engine.experience().await);
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        let refused = |who: &'static str, answer: Result<super::Socket, (u16, serde_json::Value)>| {
            let (status, body) = answer.err().unwrap_or_else(|| panic!("{who} was let in"));
            (status, body["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(refused("nobody", engine.socket(&live, &[]).await), (401, "sign_in_needed".into()));
        let forged = engine.socket(&live, &[("authorization", "Bearer bpt_forged".into())]).await;
        assert_eq!(refused("a forged token", forged), (401, "sign_in_needed".into()));
        assert_eq!(refused("a visitor", engine.socket(&live, &[bearer(&visitor)]).await), (403, "no_grant".into()));
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
            let foreign = engine.socket(&live, &[bearer(&member), ("origin", origin.into())]).await;
            assert_eq!(refused(origin, foreign), (403, "cross_site".into()));
        }
        let unknown = format!("/api/v1/experiences/exp_{}/live", "0".repeat(32));
        assert_eq!(refused("elsewhere", engine.socket(&unknown, &[bearer(&member)]).await).0, 404);
        let studio = live.replace("/live", "/studio");
        assert_eq!(refused("a member", engine.socket(&studio, &[bearer(&member)]).await).0, 404);
        let own = engine.socket(&live, &[bearer(&member), ("origin", engine.http.clone())]).await;
        assert!(own.is_ok(), "our own page is let in");
    });
}

#[test]
fn survive_112_a_forged_resume_gets_a_fresh_place_and_a_true_one_gets_what_it_missed() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, _) = go_live(&engine, &creator).await;
        let live = format!("/api/v1/experiences/{experience}/live");
        let mut first = engine.watch(&experience, &member).await;
        let welcome = first.next("welcome", |frame| frame["t"] == "welcome").await;
        let snapshot = first.next("snapshot", |frame| frame["t"] == "snapshot").await;
        let (session, secret) = (welcome["session"].as_str().unwrap(), welcome["resume"].as_str().unwrap());
        let claim = |secret: &str| {
            let seen = format!("{}.{}", snapshot["epoch"], snapshot["offset"]);
            ("sec-websocket-protocol", format!("backstage.v1, resume.{session}.{secret}.{seen}"))
        };
        let bearer = ("authorization", format!("Bearer {member}"));
        drop(first);
        let mut back = engine.socket(&live, &[bearer.clone(), claim(secret)]).await.unwrap();
        let welcome = back.next("welcome", |frame| frame["t"] == "welcome").await;
        assert_eq!((&welcome["recovered"], welcome["session"].as_str()), (&json!(true), Some(session)));
        let mut forged = engine.socket(&live, &[bearer, claim(&"A".repeat(secret.len()))]).await.unwrap();
        let welcome = forged.next("welcome", |frame| frame["t"] == "welcome").await;
        assert_eq!(welcome["recovered"], false);
        assert_ne!(welcome["session"].as_str(), Some(session));
    });
}

#[test]
fn whoever_loses_the_right_is_out_of_the_socket_and_of_the_room() {
    run(async {
        let engine = Engine::start().await;
        let (creator, visitor) = (engine.token("creator@demo.test"), engine.token("visitor@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let (_, public) = engine.get("/api/v1/spaces/demo/public", "").await;
        let passes = public["passes"].as_array().unwrap();
        let vip = passes.iter().find(|pass| pass["slug"] == "vip").unwrap()["id"].as_str().unwrap();
        let comp = json!({"email": "visitor@demo.test"});
        let (status, grant) = engine.post(&format!("/api/v1/passes/{vip}/grants"), &creator, comp).await;
        assert_eq!(status, StatusCode::CREATED, "{grant}");

        let mut viewer = engine.watch(&experience, &visitor).await;
        let token = viewer.next("token", |frame| frame["t"] == "token").await;
        engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
        let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
        assert!(engine.call(Method::DELETE, &path, &creator, None).await.0.is_success());
        let bye = viewer.next("bye", |frame| frame["t"] == "bye").await;
        assert_eq!((&bye["code"], &bye["reason"]), (&json!(4003), &json!("revoked")));
        assert_eq!(viewer.closed().await, 4003);

        // an old token opens the room again; whoever has no right is put out again on the join
        engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
        let rooms = engine.rooms();
        until_asked("the visitor to be out", || async {
            let people = rooms.list_participants(&broadcast).await.unwrap();
            (people.len() == 1).then_some(())
        })
        .await;
        let (_, access) = engine.get(&format!("/api/v1/experiences/{experience}/access"), &visitor).await;
        assert_eq!((&access["allowed"], &access["reason"]), (&json!(false), &json!("revoked")));
    });
}

#[test]
fn survive_049_whoever_was_put_out_is_out_again_before_the_media_server_says_a_word() {
    run(async {
        let engine = Engine::start().await;
        let (creator, visitor) = (engine.token("creator@demo.test"), engine.token("visitor@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let (_, public) = engine.get("/api/v1/spaces/demo/public", "").await;
        let passes = public["passes"].as_array().unwrap();
        let vip = passes.iter().find(|pass| pass["slug"] == "vip").unwrap()["id"].as_str().unwrap();
        let comp = json!({"email": "visitor@demo.test"});
        let (_, grant) = engine.post(&format!("/api/v1/passes/{vip}/grants"), &creator, comp.clone()).await;
        let mut viewer = engine.watch(&experience, &visitor).await;
        let token = viewer.next("token", |frame| frame["t"] == "token").await;
        // gone from our sockets, and not yet in the room: only the token is left
        drop(viewer);
        engine.order("/_faults", json!({"provider": "livekit", "action": "lose_webhook"})).await;
        let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
        assert!(engine.call(Method::DELETE, &path, &creator, None).await.0.is_success());
        let rooms = engine.rooms();
        let alone = || async { (rooms.list_participants(&broadcast).await.unwrap().len() == 1).then_some(()) };
        for _ in 0..5 {
            engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
            // the list is read every second at most: who is out sooner was not found by it
            let out = until_asked("the visitor to be out", alone);
            tokio::time::timeout(std::time::Duration::from_millis(700), out).await.expect("still in");
        }
        engine.post(&format!("/api/v1/passes/{vip}/grants"), &creator, comp).await;
        let mut viewer = engine.watch(&experience, &visitor).await;
        let token = viewer.next("token", |frame| frame["t"] == "token").await;
        engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
        let lists = engine.calls("ListParticipants").await;
        until_asked("some lists", || async { (engine.calls("ListParticipants").await > lists + 2).then_some(()) })
            .await;
        let inside = rooms.list_participants(&broadcast).await.unwrap();
        assert_eq!(inside.len(), 2, "who has a right again stays");
    });
}

#[test]
fn survive_041_a_webhook_that_is_not_signed_changes_nothing() {
    run(async {
        let engine = Engine::start().await;
        for authorization in ["", "Bearer x", "eyJhbGciOiJub25lIn0.e30."] {
            let request = engine.client.post(format!("{}/hooks/livekit", engine.http));
            let request =
                request.header("authorization", authorization).body(r#"{"event":"room_finished","id":"EV_1"}"#);
            assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{authorization}");
        }
    });
}

#[test]
fn survive_134_a_valid_session_opens_no_socket_of_another_team_and_is_told_nothing_of_it() {
    run(async {
        let engine = Engine::start().await;
        let (creator, stranger) = (engine.token("creator@demo.test"), engine.token("stranger@else.test"));
        let (experience, _) = go_live(&engine, &creator).await;
        let bearer = [("authorization", format!("Bearer {stranger}"))];
        let refused = |path: String| {
            let (engine, bearer) = (&engine, &bearer);
            async move { engine.socket(&path, bearer).await.err().expect("somebody was let in") }
        };
        let of = |experience: &str, kind: &str| format!("/api/v1/experiences/{experience}/{kind}");
        let nowhere = format!("exp_{}", "0".repeat(32));
        let (status, body) = refused(of(&experience, "live")).await;
        assert_eq!((status, &body["code"]), (403, &json!("no_grant")), "a published space may be known");
        let studio = refused(of(&experience, "studio")).await;
        assert_eq!(studio, refused(of(&nowhere, "studio")).await, "a studio is not there for strangers");
        assert_eq!(studio.0, 404);
        assert_eq!(refused(of(&nowhere, "live")).await.0, 404);
        // with a resume that belongs to somebody else it is the same
        let mut own = engine.watch(&experience, &creator).await;
        let welcome = own.next("welcome", |frame| frame["t"] == "welcome").await;
        let (session, secret) = (welcome["session"].as_str().unwrap(), welcome["resume"].as_str().unwrap());
        let stolen = ("sec-websocket-protocol", format!("backstage.v1, resume.{session}.{secret}.1.1"));
        let answer = engine.socket(&of(&experience, "live"), &[bearer[0].clone(), stolen]).await;
        assert_eq!(answer.err().unwrap().0, 403);
    });
}

#[test]
fn survive_139_a_studio_that_is_open_ends_with_the_role_that_opened_it() {
    run(async {
        let engine = Engine::start().await;
        let (creator, editor) = (engine.token("creator@demo.test"), engine.token("editor@else.test"));
        let (_, me) = engine.get("/api/v1/me", &creator).await;
        let members = format!("/api/v1/teams/{}/members", me["teams"][0]["id"].as_str().unwrap());
        let wanted = json!({"email": "editor@else.test", "role": "editor"});
        let (status, member) = engine.post(&members, &creator, wanted).await;
        assert_eq!(status, StatusCode::CREATED, "{member}");
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let path = format!("/api/v1/experiences/{experience}/studio");
        let bearer = [("authorization", format!("Bearer {editor}"))];
        let mut studio = engine.socket(&path, &bearer).await.unwrap();
        studio.state("live").await;
        let member = format!("{members}/{}", member["id"].as_str().unwrap());
        let (status, _) = engine.call(Method::PATCH, &member, &creator, Some(json!({"role": "analyst"}))).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(studio.closed_after(std::time::Duration::from_secs(1)).await, 4003);
        let (status, body) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &editor, json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
        assert_eq!(engine.socket(&path, &bearer).await.err().unwrap().0, 404);
    });
}

#[test]
fn survive_127_150_no_answer_may_be_framed_guessed_at_or_carry_an_open_cookie() {
    run(async {
        let engine = Engine::start().await;
        let paths = [
            "/",
            "/login",
            "/demo",
            "/demo/basic",
            "/nowhere/at/all",
            "/api/v1/me",
            "/api/v1/spaces/demo/public",
            "/api/openapi.json",
            "/api/docs/",
            "/health/ready",
            "/metrics",
            "/assets/none.js",
            "/hooks/livekit",
        ];
        for path in paths {
            let answer = engine.client.get(format!("{}{path}", engine.http)).send().await.unwrap();
            let header = |name: &str| {
                let value = answer.headers().get(name).unwrap_or_else(|| panic!("{path} lacks {name}"));
                value.to_str().unwrap().to_owned()
            };
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        }
        let asked = engine.client.post(format!("{}/api/v1/auth/codes", engine.http));
        let (_, cookie, _) = engine.send(asked.json(&json!({"email": "member@demo.test"})), "set-cookie").await;
        let cookie = cookie.unwrap();
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(flag), "{flag} is missing in {cookie}");
        }
    });
}
