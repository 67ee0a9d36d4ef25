//! Webhooks as a receiver sees them, checked by the provider's own library.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use livekit_api::access_token::TokenVerifier;
use livekit_api::webhooks::WebhookReceiver;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::standins::{PATIENCE, Standins};

/// One delivery, as it came.
struct Delivery {
    authorization: String,
    content_type: String,
    body: String,
}

impl Delivery {
    fn told(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn name(&self) -> String {
        self.told()["event"].as_str().unwrap().to_owned()
    }

    fn id(&self) -> String {
        self.told()["id"].as_str().unwrap().to_owned()
    }
}

/// A receiver that answers with the planned statuses first, then 200.
struct Receiver {
    url: String,
    came: mpsc::UnboundedReceiver<Delivery>,
}

impl Receiver {
    fn start(planned: Vec<u16>) -> Self {
        let (send, came) = mpsc::unbounded_channel();
        let planned = Arc::new(Mutex::new(planned));
        let hook = move |request: HttpRequest, body: web::Bytes| {
            let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
            let delivery = Delivery {
                authorization: header("authorization"),
                content_type: header("content-type"),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let mut planned = planned.lock().unwrap();
            let status = if planned.is_empty() { 200 } else { planned.remove(0) };
            send.send(delivery).unwrap();
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).finish())
        };
        let server = HttpServer::new(move || App::new().route("/hooks/livekit", web::post().to(hook.clone())));
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/livekit", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, came }
    }

    async fn next(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.came.recv()).await.expect("a webhook was still missing").unwrap()
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < count {
            names.push(self.next().await.name());
        }
        names
    }
}

async fn show(standins: &Standins, receiver: &Receiver) {
    standins.post("/livekit/_webhook", json!({"url": receiver.url})).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "join", "via": "whip"})).await;
}

#[tokio::test]
async fn a_show_is_told_in_order_and_each_event_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let mut receiver = Receiver::start(vec![]);
    show(&standins, &receiver).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "publish", "kind": "camera"})).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "drop"})).await;
    let wanted = ["room_started", "participant_joined", "track_published", "track_unpublished", "participant_left"];
    let verifier = TokenVerifier::with_api_key(&standins.told("/livekit/key"), &standins.told("/livekit/secret"));
    let official = WebhookReceiver::new(verifier);
    for name in wanted {
        let delivery = receiver.next().await;
        assert_eq!(delivery.content_type, "application/webhook+json");
        assert!(!delivery.authorization.starts_with("Bearer"));
        let event = official.receive(&delivery.body, &delivery.authorization).unwrap();
        assert_eq!(event.event, name);
        assert!(official.receive(&delivery.body.replace(", ", ","), &delivery.authorization).is_err());
        if name == "participant_left" {
            assert_eq!(delivery.told()["participant"]["disconnectReason"], "CONNECTION_TIMEOUT");
        }
        if name.starts_with("track") {
            let keys: Vec<_> = delivery.told()["participant"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["identity", "sid"]);
        }
    }
}

#[tokio::test]
async fn a_refused_webhook_is_tried_again_with_the_same_id_and_signature_before_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(vec![500, 200, 400]);
    let standins = Standins::start(dir.path(), &["--livekit-webhook", &receiver.url]);
    show(&standins, &receiver).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "leave"})).await;
    let (first, again) = (receiver.next().await, receiver.next().await);
    assert_eq!((first.id(), &first.authorization), (again.id(), &again.authorization));
    assert_eq!(receiver.names(2).await, ["participant_joined", "participant_left"], "a 400 is not tried again");
}

#[tokio::test]
async fn webhooks_are_lost_doubled_and_turned_round_to_order() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let mut receiver = Receiver::start(vec![]);
    for (event, action) in [
        ("room_started", "lose_webhook"),
        ("participant_joined", "duplicate_webhook"),
        ("track_published", "reorder_webhooks"),
    ] {
        let order = json!({"provider": "livekit", "path": event, "action": action, "times": 1, "copies": 3});
        standins.post("/_faults", order).await;
    }
    show(&standins, &receiver).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "publish"})).await;
    let copies = [receiver.next().await, receiver.next().await, receiver.next().await];
    assert!(copies.iter().all(|copy| copy.name() == "participant_joined" && copy.id() == copies[0].id()));
    let sources = [receiver.next().await, receiver.next().await].map(|d| d.told()["track"]["source"].clone());
    assert_eq!(sources, [json!("MICROPHONE"), json!("CAMERA")]);
    let lost = standins.log("livekit").await.into_iter().find(|entry| entry["path"] == "room_started").unwrap();
    assert_eq!((&lost["detail"]["lost"], &lost["status"]), (&json!("ordered"), &Value::Null));
}

#[tokio::test]
async fn webhooks_never_leave_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    for url in ["https://127.0.0.1/hook", "http://example.com/hook", "http://127.0.0.1.example.com/", "nonsense"] {
        let (status, told) = standins.ask("POST", "/livekit/_webhook", Some(json!({"url": url}))).await;
        assert_eq!((status, &told["code"]), (422, &json!("not_loopback")), "{url}");
    }
}
