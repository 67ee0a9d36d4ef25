//! The API over HTTP: keys, versions, idempotency, answers; and the controls of this stand-in.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, middleware, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::act::{Act, acted};
use super::command::Command;
use super::desk::{Answer, Asking};
use super::endpoint::Endpoint;
use super::form::{Fields, parse};
use super::look::Look;
use super::pay::By;
use super::refusal::Refusal;
use super::{API_VERSION, browser};
use crate::app::App;
use crate::gate::{self, Told};
use crate::guard::refuse;
use crate::livekit::routes::is_local;
use crate::{chance, limits};

/// Adds the calls and the pages.
pub fn calls(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/stripe/v1").wrap(middleware::from_fn(gate::stripe)).default_service(web::route().to(call)),
        )
        .configure(browser::routes);
}

/// Adds the controls.
pub fn controls(config: &mut web::ServiceConfig) {
    config.route("/stripe/_act", web::post().to(act)).service(
        web::resource("/stripe/_webhook")
            .route(web::get().to(webhooks))
            .route(web::post().to(add_webhook))
            .route(web::delete().to(remove_webhook)),
    );
}

/// A call on its way through.
struct Ask<'a> {
    app: &'a Arc<App>,
    method: &'a str,
    path: &'a str,
    form: String,
    by: By,
    asking: Asking,
}

async fn call(app: web::Data<App>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let asking = Asking { id: chance::id("req_"), key: None };
    let version = header(request.headers(), "stripe-version").unwrap_or(API_VERSION).to_owned();
    let told = read(&app, &request, &body, asking.clone());
    let (status, body, replayed) = match told {
        Ok(ask) => {
            request.extensions_mut().insert(Told(ask.told()));
            ask.answer().await
        }
        Err(refusal) => (refusal.status, refusal.body(), false),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(("Request-Id", asking.id)).insert_header(("Stripe-Version", version));
    response.insert_header(("Cache-Control", "no-cache, no-store"));
    if let Some(key) = header(request.headers(), "idempotency-key") {
        response.insert_header(("Idempotency-Key", key));
    }
    if replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    response.content_type("application/json").body(serde_json::to_vec_pretty(&body).unwrap_or_default())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn read<'a>(app: &'a Arc<App>, request: &'a HttpRequest, body: &[u8], mut asking: Asking) -> Result<Ask<'a>, Refusal> {
    let by = judge_key(request.headers())?;
    if let Some(version) = header(request.headers(), "stripe-version").filter(|version| !is_version(version)) {
        return Err(Refusal::invalid(format!("Invalid Stripe API version: {version}")).early());
    }
    asking.key = header(request.headers(), "idempotency-key").filter(|key| !key.is_empty()).map(str::to_owned);
    if asking.key.as_ref().is_some_and(|key| key.len() > limits::STRIPE_KEY_MAX) {
        return Err(Refusal::key_reused("Idempotency keys may have up to 255 letters."));
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::invalid("Invalid request body").early())?;
    let form = [request.query_string(), text].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
    let path = request.path();
    let path = path.strip_prefix("/stripe/v1").unwrap_or(path);
    Ok(Ask { app, method: request.method().as_str(), path, form: form.join("&"), by, asking })
}

/// A dated version such as `2026-09-30.endive`.
fn is_version(version: &str) -> bool {
    let date = version.split('.').next().unwrap_or_default();
    date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// Who calls: any test key is good.
fn judge_key(headers: &HeaderMap) -> Result<By, Refusal> {
    let given = header(headers, AUTHORIZATION.as_str()).unwrap_or_default();
    let key = match given.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
            pair.unwrap_or_default().split(':').next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    if key.is_empty() {
        return Err(Refusal::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
             auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        ));
    }
    let named = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    if named("sk_test_") || named("rk_test_") {
        return Ok(By::Secret);
    }
    if named("pk_test_") {
        return Ok(By::Publishable);
    }
    let shown: String = key.chars().take(8).collect();
    Err(Refusal::unauthorized(format!("Invalid API Key provided: {shown}****")))
}

impl Ask<'_> {
    /// What the log keeps: the parameters, without what is secret.
    fn told(&self) -> Value {
        let mut told = parse(&self.form).unwrap_or_default();
        hide(&mut told);
        told
    }

    async fn answer(&self) -> (u16, Value, bool) {
        let answered = if self.method == "GET" { self.look() } else { self.change().await };
        answered.unwrap_or_else(|refusal| (refusal.status, refusal.body(), false))
    }

    fn fields(&self) -> Result<Fields, Refusal> {
        parse(&self.form).map(Fields::of)
    }

    /// A browser may do little, and only to an intent whose secret it knows.
    fn judge_browser(&self) -> Result<(), Refusal> {
        if self.by == By::Secret {
            return Ok(());
        }
        let steps: Vec<&str> = self.path.trim_start_matches('/').split('/').collect();
        let id = match (self.method, steps.as_slice()) {
            ("GET", ["payment_intents" | "setup_intents", id])
            | ("POST", ["payment_intents" | "setup_intents", id, "confirm"]) => *id,
            _ => {
                let message = "This API call cannot be made with a publishable API key. Please use a secret API key. You can \
                               find a list of your API keys at https://dashboard.stripe.com/account/apikeys.";
                let mut refusal = Refusal::invalid(message).code("secret_key_required").early();
                refusal.status = 403;
                return Err(refusal);
            }
        };
        let secret = self.fields()?.needed("client_secret")?;
        let known = self.app.keep.read(|state| {
            let payment = state.stripe.payments.get(id).map(|payment| payment.secret.clone());
            payment.or_else(|| state.stripe.setups.get(id).map(|setup| setup.secret.clone()))
        });
        if known.as_deref() == Some(&secret) { Ok(()) } else { Err(Refusal::missing("intent", id, "intent")) }
    }

    fn look(&self) -> Result<(u16, Value, bool), Refusal> {
        self.judge_browser()?;
        let fields = self.fields()?;
        let shown = self.app.keep.read(|state| {
            let look = Look { account: &state.stripe, desk: &self.app.stripe };
            look.answer(self.path, fields)
        })?;
        Ok((200, shown, false))
    }

    async fn change(&self) -> Result<(u16, Value, bool), Refusal> {
        self.judge_browser()?;
        let desk = &self.app.stripe;
        let key = self.asking.key.as_deref().filter(|_| self.method == "POST");
        let held = key.map(|key| desk.hold(key).ok_or_else(Refusal::key_in_use)).transpose()?;
        let asked = self.print();
        if let Some(answer) = key.and_then(|key| desk.answer(self.app.clock.now_ms() / 1_000, key)) {
            if answer.asked == asked {
                return Ok((answer.status, answer.body, true));
            }
            return Err(Refusal::key_reused(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
                 using a key other than '{}' if you meant to execute a different request.",
                answer.key
            )));
        }
        let fields = self.fields()?;
        let (told, change) = self.app.trade(Some(&self.asking), |turn| {
            let command = Command { method: self.method, path: self.path, fields, by: self.by };
            let done = turn.carry_out(command);
            let early = done.as_ref().is_err_and(|refusal| refusal.early);
            let (status, body) = match done {
                Ok(body) => (200, body),
                Err(refusal) => (refusal.status, refusal.body()),
            };
            if let Some(key) = key.filter(|_| !early) {
                let answer = Answer {
                    number: 0,
                    at: turn.now,
                    key: key.to_owned(),
                    asked: asked.clone(),
                    status,
                    body: body.clone(),
                };
                desk.keep_answer(turn.account, answer);
            }
            (status, body, false)
        });
        self.app.keep.settled(change).await;
        drop(held);
        Ok(told)
    }

    /// A hash of what is asked, to know a repetition from something else.
    fn print(&self) -> String {
        let asked = format!("{} {} {}", self.method, self.path, self.form);
        Sha256::digest(asked).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn hide(told: &mut Value) {
    match told {
        Value::Object(fields) => {
            for (name, value) in fields {
                if ["client_secret", "number", "cvc"].contains(&name.as_str()) {
                    *value = json!("…");
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

async fn act(app: web::Data<App>, act: web::Json<Act>) -> HttpResponse {
    let (done, change) = app.trade(None, |turn| acted(turn, &act));
    app.keep.settled(change).await;
    match done {
        Ok(shown) => HttpResponse::Ok().json(shown),
        Err(refusal) => {
            let told = refusal.body();
            let text = |name: &str| told["error"][name].as_str().unwrap_or_default().to_owned();
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let code = if text("code").is_empty() { "refused".to_owned() } else { text("code") };
            refuse(status, &code, &text("message"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receiver {
    url: String,
}

#[derive(Deserialize)]
struct WhichReceiver {
    url: Option<String>,
}

async fn webhooks(app: web::Data<App>) -> HttpResponse {
    let urls = app.keep.read(|state| state.stripe.own_urls());
    HttpResponse::Ok().json(json!({"urls": urls}))
}

async fn add_webhook(app: web::Data<App>, receiver: web::Json<Receiver>) -> HttpResponse {
    let url = receiver.into_inner().url;
    if !is_local(&url) {
        let detail = "Webhooks go to http addresses of this machine only.";
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "not_loopback", detail);
    }
    let (added, change) = app.trade(None, |turn| {
        if turn.account.own_urls().contains(&url) {
            return Ok(());
        }
        let secret = turn.account.webhook_secret.clone();
        let endpoint =
            Endpoint { created: turn.now, url, events: vec!["*".to_owned()], secret, own: true, ..Endpoint::default() };
        turn.add_endpoint(endpoint).map(|_| ())
    });
    app.keep.settled(change).await;
    match added {
        Ok(()) => webhooks(app).await,
        Err(_) => refuse(StatusCode::CONFLICT, "too_many_endpoints", "No more webhook endpoints fit."),
    }
}

async fn remove_webhook(app: web::Data<App>, which: web::Query<WhichReceiver>) -> HttpResponse {
    let ((), change) = app.trade(None, |turn| {
        let stays = |endpoint: &Endpoint| !endpoint.own || which.url.as_ref().is_some_and(|url| *url != endpoint.url);
        turn.account.endpoints.retain(|_, endpoint| stays(endpoint));
    });
    app.keep.settled(change).await;
    webhooks(app).await
}
