//! What a buyer's browser loads: the script that stands for Stripe.js, the card form in a frame, the bank's page.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::intent::Status;
use super::payment::written;
use crate::app::App;

/// Adds the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/stripe/v3/stripe.js", web::get().to(async || script(include_str!("../../web/stripe.js"))))
        .route("/stripe/v3/frame.js", web::get().to(async || script(include_str!("../../web/frame.js"))))
        .route("/stripe/v3/challenge.js", web::get().to(async || script(include_str!("../../web/challenge.js"))))
        .route("/stripe/v3/frame", web::get().to(frame))
        .route("/stripe/challenge/{intent}", web::get().to(challenge));
}

#[derive(Template)]
#[template(path = "stripe_frame.html")]
struct Frame;

#[derive(Template)]
#[template(path = "stripe_challenge.html")]
struct Challenge {
    intent: String,
    /// What is to be paid, of a payment.
    amount: Option<String>,
    /// Where the holder goes afterwards; empty: the script that opened the page goes on.
    return_url: String,
    kind: &'static str,
    secret: String,
    /// Whether there is anything to answer.
    open: bool,
}

fn script(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-cache"))
        .content_type("text/javascript; charset=utf-8")
        .body(text)
}

async fn frame() -> HttpResponse {
    page(&Frame)
}

async fn challenge(app: web::Data<App>, intent: web::Path<String>) -> HttpResponse {
    let intent = intent.into_inner();
    let found = app.keep.read(|state| {
        let payment = state.stripe.payments.get(&intent).map(|payment| {
            let amount = Some(written(payment.amount, &payment.currency));
            (payment.status.clone(), payment.secret.clone(), amount, "payment_intent")
        });
        let setup = || {
            let setup = state.stripe.setups.get(&intent)?;
            Some((setup.status.clone(), setup.secret.clone(), None, "setup_intent"))
        };
        payment.or_else(setup)
    });
    let Some((status, secret, amount, kind)) = found else {
        return HttpResponse::NotFound().body("The bank knows nothing of this.");
    };
    let asks = if let Status::RequiresAction(asks) = status { Some(asks) } else { None };
    let open = asks.is_some();
    let return_url = asks.and_then(|asks| asks.return_url).unwrap_or_default();
    page(&Challenge { intent, amount, return_url, kind, secret, open })
}

fn page(page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponse::Ok()
            .insert_header(("Cache-Control", "no-store"))
            .insert_header((
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'",
            ))
            .content_type("text/html; charset=utf-8")
            .body(html),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
