//! The mailbox in a browser, and as JSON for tests.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::mailbox::{Letter, code_in};
use crate::app::App;
use crate::limits;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/mail", web::get().to(page)).route("/mail/messages", web::get().to(messages));
}

#[derive(Deserialize)]
struct Of {
    to: Option<String>,
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Page {
    to: Option<String>,
    letters: Vec<Shown>,
}

struct Shown {
    letter: Letter,
    code: Option<String>,
    day: String,
    time: String,
}

impl From<Letter> for Shown {
    fn from(letter: Letter) -> Self {
        let code = code_in(&letter.text).or_else(|| code_in(&letter.subject)).map(str::to_owned);
        let (day, time) = letter.at.split_once('T').unwrap_or_default();
        let (day, time) = (day.to_owned(), time.chars().take(8).collect());
        Self { letter, code, day, time }
    }
}

async fn page(app: web::Data<App>, of: web::Query<Of>) -> HttpResponse {
    let to = of.into_inner().to.filter(|to| !to.trim().is_empty());
    let letters = app.mailbox.newest(to.as_deref().map(str::trim), limits::MAIL_PAGE_MAX);
    let page = Page { to, letters: letters.into_iter().map(Shown::from).collect() };
    match page.render() {
        Ok(html) => HttpResponse::Ok()
            .insert_header(("Cache-Control", "no-store"))
            .insert_header((
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
            ))
            .content_type("text/html; charset=utf-8")
            .body(html),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn messages(app: web::Data<App>, of: web::Query<Of>) -> HttpResponse {
    HttpResponse::Ok().json(app.mailbox.newest(of.to.as_deref(), limits::MAIL_MAX))
}
