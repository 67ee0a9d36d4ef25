//! Stripe's calls and webhooks from outside: what survives, what is harmed to order, who is kept out.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::standins::{PATIENCE, Standins, until};

const PAYMENT: &str = "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true\
                       &automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never";

/// Asks the API with a form, an idempotency key and a bearer key.
async fn ask_as(standins: &Standins, bearer: &str, path: &str, form: &str, key: Option<&str>) -> (u16, Value) {
    let url = standins.url(&format!("/stripe/v1/{path}"));
    let request = if form == "GET" { standins.http.get(url) } else { standins.http.post(url).body(form.to_owned()) };
    let request = request.bearer_auth(bearer).header("Content-Type", "application/x-www-form-urlencoded");
    let request = if let Some(key) = key { request.header("Idempotency-Key", key) } else { request };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn ask(standins: &Standins, path: &str, form: &str) -> (u16, Value) {
    ask_as(standins, "sk_test_it", path, form, None).await
}

async fn post(standins: &Standins, path: &str, form: &str) -> Value {
    let (status, told) = ask(standins, path, form).await;
    assert_eq!(status, 200, "{path}: {told}");
    told
}

/// A receiver that answers with the planned statuses first, then 200.
struct Receiver {
    url: String,
    came: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Receiver {
    fn start(planned: Vec<u16>) -> Self {
        let (send, came) = mpsc::unbounded_channel();
        let planned = Arc::new(Mutex::new(planned));
        let hook = move |request: HttpRequest, body: web::Bytes| {
            let signature = request.headers().get("stripe-signature").unwrap().to_str().unwrap().to_owned();
            let mut planned = planned.lock().unwrap();
            let status = if planned.is_empty() { 200 } else { planned.remove(0) };
            send.send((signature, serde_json::from_slice(&body).unwrap())).unwrap();
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).finish())
        };
        let server = HttpServer::new(move || App::new().route("/hooks/stripe", web::post().to(hook.clone())));
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/stripe", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, came }
    }

    async fn next(&mut self) -> (String, Value) {
        tokio::time::timeout(PATIENCE, self.came.recv()).await.expect("a webhook was still missing").unwrap()
    }

    async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.len() < count {
            kinds.push(self.next().await.1["type"].as_str().unwrap().to_owned());
        }
        kinds
    }
}

#[tokio::test]
async fn what_stripe_holds_survives_a_kill_and_webhooks_are_owed_still() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Standins::start(dir.path(), &["--stripe-webhook-secret", "whsec_known"]);
    first.post("/stripe/_webhook", json!({"url": "http://127.0.0.1:9/hooks/stripe"})).await;
    let (_, paid) = ask_as(&first, "sk_test_it", "payment_intents", PAYMENT, Some("one")).await;
    assert_eq!(paid["status"], "succeeded");
    assert_eq!(first.end(Signal::SIGKILL), None);

    let mut receiver = Receiver::start(vec![]);
    let second = Standins::start(dir.path(), &[]);
    assert_eq!(second.told("/stripe/webhook_secret"), "whsec_known");
    let (_, again) = ask_as(&second, "sk_test_it", "payment_intents", PAYMENT, Some("one")).await;
    assert_eq!(again, paid, "the same answer under the same key");
    let (_, other) = ask_as(&second, "sk_test_it", "payment_intents", "amount=1&currency=usd", Some("one")).await;
    assert_eq!(other["error"]["type"], "idempotency_error");
    assert_eq!(post(&second, "events?delivery_success=false", "GET").await["data"].as_array().unwrap().len(), 3);

    let endpoint = post(&second, "webhook_endpoints", "GET").await["data"][0]["id"].as_str().unwrap().to_owned();
    post(&second, &format!("webhook_endpoints/{endpoint}"), &format!("url={}", receiver.url)).await;
    let mut second = second;
    assert_eq!(second.end(Signal::SIGKILL), None);
    let third = Standins::start(dir.path(), &[]);
    let mut kinds = receiver.kinds(3).await;
    kinds.sort();
    assert_eq!(kinds, ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]);
    until("the deliveries to be noted", async || {
        let open = post(&third, "events?delivery_success=false", "GET").await;
        open["data"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn webhooks_are_lost_doubled_swapped_and_tried_again_to_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut standins = Standins::start(dir.path(), &[]);
    let mut receiver = Receiver::start(vec![500]);
    standins.post("/stripe/_webhook", json!({"url": receiver.url})).await;
    post(&standins, "customers", "name=A").await;
    let ((first, once), (second, twice)) = (receiver.next().await, receiver.next().await);
    assert_eq!((&once["id"], &once["type"]), (&twice["id"], &json!("customer.created")));
    assert!(first.starts_with("t=") && second.starts_with("t=") && first != second, "each try has its own signature");

    let fault = async |action: &str, method: &str| {
        let order = json!({"provider": "stripe", "action": action, "method": method, "times": 1});
        standins.post("/_faults", order).await;
    };
    fault("lose_webhook", "charge.succeeded").await;
    fault("duplicate_webhook", "payment_intent.succeeded").await;
    fault("reorder_webhooks", "payment_intent.created").await;
    post(&standins, "payment_intents", PAYMENT).await;
    let wanted = ["payment_intent.succeeded", "payment_intent.succeeded", "payment_intent.created"];
    assert_eq!(receiver.kinds(3).await, wanted);
    let log = standins.log("stripe").await;
    assert!(log.iter().any(|entry| entry["path"] == "charge.succeeded" && entry["detail"]["lost"] == "ordered"));

    until("the deliveries to be noted", async || {
        let open = post(&standins, "events?delivery_success=false", "GET").await;
        (open["data"].as_array().unwrap().len() == 1 && open["data"][0]["type"] == "charge.succeeded").then_some(())
    })
    .await;
    // Its answer says that everything before it is in the file as well.
    standins.post("/stripe/_act", json!({"act": "after_retries", "then": "cancel"})).await;
    assert_eq!(standins.end(Signal::SIGKILL), None);
    let again = Standins::start(dir.path(), &[]);
    post(&again, "customers", "name=B").await;
    assert_eq!(receiver.kinds(1).await, ["customer.created"], "what is lost stays lost");
}

#[tokio::test]
async fn a_call_fails_or_loses_its_answer_to_order_and_its_key_still_makes_one_payment() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let order = |action: &str, status: u16| json!({"provider": "stripe", "path": "payment_intents", "action": action, "status": status, "times": 1});
    standins.post("/_faults", order("fail", 429)).await;
    let (status, told) = ask_as(&standins, "sk_test_it", "payment_intents", PAYMENT, Some("k")).await;
    assert_eq!((status, &told["error"]["code"]), (429, &json!("rate_limit")));
    standins.post("/_faults", order("drop_response", 500)).await;
    let url = standins.url("/stripe/v1/payment_intents");
    let lost = standins.http.post(url).bearer_auth("sk_test_it").header("Idempotency-Key", "k").body(PAYMENT);
    assert!(lost.send().await.is_err(), "the connection ends without an answer");
    let (_, told) = ask_as(&standins, "sk_test_it", "payment_intents", PAYMENT, Some("k")).await;
    assert_eq!(told["status"], "succeeded");
    assert_eq!(post(&standins, "payment_intents", "GET").await["data"].as_array().unwrap().len(), 1);
    let declined = PAYMENT.replace("pm_card_visa", "pm_card_visa_chargeDeclined");
    let first = ask_as(&standins, "sk_test_it", "payment_intents", &declined, Some("no")).await;
    assert_eq!(
        (first.0, &first),
        (402, &ask_as(&standins, "sk_test_it", "payment_intents", &declined, Some("no")).await)
    );
}

#[tokio::test]
async fn a_browser_sees_only_the_intent_whose_secret_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let made = post(&standins, "payment_intents", "amount=1000&currency=usd").await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let browser = async |path: String, form: &str| ask_as(&standins, "pk_test_it", &path, form, None).await;
    assert_eq!(browser("payment_intents".to_owned(), "GET").await.0, 403);
    assert_eq!(browser(format!("payment_intents/{id}?client_secret=guessed"), "GET").await.0, 404);
    assert_eq!(browser(format!("payment_intents/{id}?client_secret={secret}"), "GET").await.1["id"], id);
    let card = "payment_method_data[type]=card&payment_method_data[card][number]=4242424242424242\
                &payment_method_data[card][exp_month]=12&payment_method_data[card][exp_year]=40";
    let confirm = async |page: &str| {
        browser(format!("payment_intents/{id}/confirm"), &format!("client_secret={secret}&{card}&{page}")).await
    };
    let table = [
        ("page[mode]=payment&page[amount]=900", "amount"),
        ("page[mode]=setup", "mode"),
        ("page[mode]=payment&page[currency]=eur", "currency"),
        ("page[mode]=payment&page[setup_future_usage]=off_session", "setup_future_usage"),
    ];
    for (page, param) in table {
        let (status, told) = confirm(page).await;
        assert_eq!((status, &told["error"]["param"]), (400, &json!(param)), "{page}");
    }
    let (_, told) = confirm("page[mode]=payment&page[amount]=1000&page[currency]=usd").await;
    assert_eq!(told["status"], "succeeded");
    let log = standins.log("stripe").await;
    assert!(!json!(log).to_string().contains("4242424242424242"), "a card's number is not in the log");
}

#[tokio::test]
async fn the_controls_of_stripe_are_closed_to_other_sites() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let act = |origin: &str| {
        let act = json!({"act": "after_retries", "then": "unpaid"});
        standins.http.post(standins.url("/stripe/_act")).header("Origin", origin).json(&act)
    };
    assert_eq!(act("https://evil.example").send().await.unwrap().status(), 403);
    assert_eq!(act(&standins.told("/http")).send().await.unwrap().status(), 200);
    let (status, told) = standins.ask("POST", "/stripe/_act", Some(json!({"act": "rob_the_bank"}))).await;
    assert_eq!((status, &told["code"]), (422, &json!("not_understood")));
    let (status, told) = standins.ask("POST", "/stripe/_webhook", Some(json!({"url": "https://evil.example"}))).await;
    assert_eq!((status, &told["code"]), (422, &json!("not_loopback")));
    let (status, told) = ask(&standins, "topups", "GET").await;
    assert_eq!((status, &told["error"]["type"]), (404, &json!("invalid_request_error")));
    assert_eq!(standins.log("stripe").await.last().unwrap()["status"], 404);
}
