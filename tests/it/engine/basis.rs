//! Sockets end with what they were opened on: a session, an API token, or a ticket given out on one of them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Engine, Socket, run, until_asked};

const MEMBER: &str = "member@demo.test";

async fn by_ticket(engine: &Engine, experience: &str, ticket: &str) -> Result<Socket, (u16, Value)> {
    let offer = format!("backstage.v1, ticket.{ticket}");
    engine.socket(&format!("/api/v1/experiences/{experience}/live"), &[("sec-websocket-protocol", offer)]).await
}

async fn ticket(engine: &Engine, experience: &str, token: &str) -> String {
    let path = format!("/api/v1/experiences/{experience}/live-token");
    let (status, ticket) = engine.post(&path, token, json!({})).await;
    assert_eq!(status, StatusCode::OK, "{ticket}");
    ticket["token"].as_str().unwrap().to_owned()
}

/// Signs in with the code that arrives in the stand-ins' mailbox; the session's token.
pub async fn sign_in(engine: &Engine, email: &str) -> String {
    let (status, asked) = engine.post("/api/v1/auth/codes", "", json!({"email": email})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let code = until_asked("the mail with the code", || async {
        let url = format!("{}/mail/messages?to={email}", engine.standins);
        let mails: Value = engine.client.get(url).send().await.unwrap().json().await.unwrap();
        let text = mails[0]["text"].as_str()?;
        text.split(|letter: char| !letter.is_ascii_digit()).find(|word| word.len() == 6).map(str::to_owned)
    })
    .await;
    let brought = json!({"email": email, "code": code, "request": asked["request"]});
    let (status, entered) = engine.post("/api/v1/auth/sessions", "", brought).await;
    assert_eq!(status, StatusCode::CREATED, "{entered}");
    entered["token"].as_str().unwrap().to_owned()
}

async fn inside(socket: Result<Socket, (u16, Value)>) -> Socket {
    let mut socket = socket.unwrap();
    socket.next("welcome", |frame| frame["t"] == "welcome").await;
    socket
}

#[test]
fn survive_095_a_token_that_is_revoked_closes_its_sockets_and_those_of_its_tickets_and_no_others() {
    run(async {
        let engine = Engine::start().await;
        let experience = engine.experience().await;
        let (doomed, other) = (engine.token(MEMBER), engine.token(MEMBER));
        let (_, tokens) = engine.get("/api/v1/tokens", &doomed).await;
        // the newest comes first, and `doomed` was made before `other`
        let id = tokens["items"][1]["id"].as_str().unwrap();
        let given = ticket(&engine, &experience, &doomed).await;
        let direct = inside(engine.try_watch(&experience, &doomed).await).await;
        let by_ticket_of_it = inside(by_ticket(&engine, &experience, &given).await).await;
        let mut stays = inside(engine.try_watch(&experience, &other).await).await;

        let (status, _) = engine.call(Method::DELETE, &format!("/api/v1/tokens/{id}"), &other, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let a_second = Duration::from_secs(1);
        assert_eq!(direct.closed_after(a_second).await, 4001);
        assert_eq!(by_ticket_of_it.closed_after(a_second).await, 4001);
        assert_eq!(engine.try_watch(&experience, &doomed).await.err().unwrap().0, 401);
        assert_eq!(by_ticket(&engine, &experience, &given).await.err().unwrap().0, 401, "a ticket does not outlive it");
        stays.say(json!({"t": "react", "e": "❤️"})).await;
        stays.next("reactions", |frame| frame["t"] == "reactions").await;
    });
}

#[test]
fn survive_095_signing_out_closes_every_socket_of_the_session_within_a_second() {
    run(async {
        let engine = Engine::start().await;
        let experience = engine.experience().await;
        let session = sign_in(&engine, MEMBER).await;
        let given = ticket(&engine, &experience, &session).await;
        let live = format!("/api/v1/experiences/{experience}/live");
        let cookie = [("cookie", format!("__Host-backstage={session}")), ("origin", engine.http.clone())];
        let tabs = [
            inside(engine.socket(&live, &cookie).await).await,
            inside(engine.try_watch(&experience, &session).await).await,
            inside(by_ticket(&engine, &experience, &given).await).await,
        ];
        let (status, _) = engine.call(Method::DELETE, "/api/v1/auth/sessions", &session, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        for tab in tabs {
            assert_eq!(tab.closed_after(Duration::from_secs(1)).await, 4001);
        }
        assert_eq!(engine.get("/api/v1/me", &session).await.0, StatusCode::UNAUTHORIZED, "the session is unusable");
        assert_eq!(engine.socket(&live, &cookie).await.err().unwrap().0, 401);
        assert_eq!(by_ticket(&engine, &experience, &given).await.err().unwrap().0, 401);
    });
}

#[test]
fn survive_095_a_token_that_runs_out_takes_its_sockets_with_it() {
    run(async {
        let engine = Engine::start().await;
        let experience = engine.experience().await;
        let short = engine.token_of(MEMBER, &["--ttl-secs", "3600"]);
        let mut first = inside(engine.try_watch(&experience, &short).await).await;
        let ticket = ticket(&engine, &experience, &short).await;
        let second = inside(by_ticket(&engine, &experience, &ticket).await).await;
        engine.order("/_clock", json!({"advance_secs": 3500})).await;
        first.say(json!({"t": "react", "e": "❤️"})).await;
        first.next("reactions", |frame| frame["t"] == "reactions").await;
        engine.order("/_clock", json!({"advance_secs": 101})).await;
        assert_eq!(first.closed().await, 4001);
        assert_eq!(second.closed().await, 4001);
        assert_eq!(engine.try_watch(&experience, &short).await.err().unwrap().0, 401);
    });
}
