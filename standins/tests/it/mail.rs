//! Letters handed in by a real mail client.

use lettre::message::MultiPart;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport, Message, Tokio1Executor};
use serde_json::json;

use crate::standins::Standins;

fn post_office(standins: &Standins) -> AsyncSmtpTransport<Tokio1Executor> {
    let smtp = standins.told("/smtp");
    let (host, port) = smtp.split_once(':').unwrap();
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port.parse().unwrap()).build()
}

fn letter(to: &str, code: &str) -> Message {
    Message::builder()
        .from("Backstage <hello@demo.test>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject("Your sign-in code · schön")
        .multipart(MultiPart::alternative_plain_html(
            format!("Your code is {code}.\n.\nA line that is a dot."),
            format!("<p>Your code is <b>{code}</b>.</p>"),
        ))
        .unwrap()
}

#[tokio::test]
async fn a_letter_of_a_real_client_is_read_as_json_and_on_the_page_and_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut standins = Standins::start(dir.path(), &[]);
    let post = post_office(&standins);
    post.send(letter("mia@demo.test", "048216")).await.unwrap();
    post.send(letter("leo@demo.test", "731900")).await.unwrap();
    assert_eq!(standins.end(nix::sys::signal::Signal::SIGKILL), None);

    let standins = Standins::start(dir.path(), &[]);
    let (_, all) = standins.ask("GET", "/mail/messages", None).await;
    let to: Vec<_> = all.as_array().unwrap().iter().map(|letter| letter["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["leo@demo.test", "mia@demo.test"], "newest first");
    let (_, mine) = standins.ask("GET", "/mail/messages?to=Mia@demo.test", None).await;
    assert_eq!(mine.as_array().unwrap().len(), 1);
    assert_eq!(mine[0]["subject"], "Your sign-in code · schön");
    assert_eq!(mine[0]["text"].as_str().unwrap().trim_end(), "Your code is 048216.\n.\nA line that is a dot.");
    assert!(mine[0]["html"].as_str().unwrap().contains("<b>048216</b>"));
    let (_, page) = standins.ask("GET", "/mail", None).await;
    let page = page.as_str().unwrap();
    assert!(page.contains(r#"<div class="code">731900</div>"#) && page.contains("viewport"));
}

#[tokio::test]
async fn letters_are_refused_and_their_answers_lost_to_order() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let post = post_office(&standins);
    standins.post("/_faults", json!({"provider": "mail", "action": "fail", "times": 1})).await;
    let refused = post.send(letter("mia@demo.test", "111111")).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert_eq!(standins.ask("GET", "/mail/messages", None).await.1, json!([]));

    let order = json!({"provider": "mail", "method": "RCPT", "action": "fail", "status": 550, "times": 1});
    standins.post("/_faults", order).await;
    let refused = post.send(letter("mia@demo.test", "222222")).await.unwrap_err();
    assert!(refused.is_permanent(), "{refused}");

    standins.post("/_faults", json!({"provider": "mail", "action": "drop_response", "times": 1})).await;
    assert!(post.send(letter("mia@demo.test", "333333")).await.is_err(), "delivered, and nobody said so");
    let (_, letters) = standins.ask("GET", "/mail/messages?to=mia@demo.test", None).await;
    assert_eq!(letters.as_array().unwrap().len(), 1);
    post.send(letter("mia@demo.test", "444444")).await.unwrap();
}
