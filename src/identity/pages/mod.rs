//! Signing in and out in a browser, the list of devices, and the page of a team.

mod team;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use askama::Template;
use serde::Deserialize;

use super::{
    Identity, Signed,
    core::{address::Address, login_code, next_path},
    routes,
    store::sessions::Session,
};
use crate::{
    ids::LoginId,
    limits::BROWSER_REMEMBERED,
    store::{Denied, StoreError},
    web::{
        auth::{self, BROWSER_COOKIE, MaybeSigned, SESSION_COOKIE},
        client_address::ClientAddress,
        page::Pages,
        problem::{Code, Problem},
        view::{
            layout::Section,
            member::{DevicesPage, SessionRow},
            sign_in::{SignInError, SignInPage, SignInStep},
        },
    },
};

/// Where codes arrive when nothing real is configured, as `web::Data`.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(pub Option<String>);

/// Registers the pages.
pub fn register(app: &mut web::ServiceConfig) {
    app.route("/login", web::get().to(show_login))
        .route("/login", web::post().to(ask_for_code))
        .route("/login/code", web::post().to(bring_code))
        .route("/logout", web::post().to(log_out))
        .route("/account/devices", web::get().to(devices));
    team::register(app);
}

/// What the page shows beside what all pages show.
struct Shown {
    step: SignInStep,
    email: String,
    next: String,
    error: Option<SignInError>,
}

fn page(request: &HttpRequest, shown: Shown, status: StatusCode) -> Result<HttpResponse, Problem> {
    let pages = request.app_data::<web::Data<Pages>>().ok_or(Code::Internal)?;
    let Shown { step, email, next, error } = shown;
    let mailbox = request.app_data::<web::Data<Mailbox>>().and_then(|mailbox| mailbox.0.clone());
    let layout = pages.layout(request, None, "Sign in", Section::Elsewhere);
    let page = SignInPage { layout, step, email, next, going_to: None, error, mailbox };
    let html = page.render().map_err(|_| Code::Internal)?;
    let mut answer = HttpResponse::build(status);
    Ok(answer.insert_header((header::CACHE_CONTROL, "no-store")).content_type("text/html; charset=utf-8").body(html))
}

fn see_other(path: String) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn show_login(
    request: HttpRequest,
    signed: MaybeSigned,
    query: web::Query<Next>,
) -> Result<HttpResponse, Problem> {
    let next = next_path::checked(&query.next);
    if signed.0.is_some() {
        return Ok(see_other(next));
    }
    page(&request, Shown { step: SignInStep::Email, email: String::new(), next, error: None }, StatusCode::OK)
}

#[derive(Deserialize)]
struct AddressForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    next: String,
}

async fn ask_for_code(
    request: HttpRequest,
    identity: web::Data<Identity>,
    client: ClientAddress,
    form: web::Form<AddressForm>,
) -> Result<HttpResponse, Problem> {
    let AddressForm { email, next } = form.into_inner();
    let next = next_path::checked(&next);
    let again = |error, email: String, next| Shown { step: SignInStep::Email, email, next, error: Some(error) };
    let Ok(address) = Address::parse(&email) else {
        return page(&request, again(SignInError::EmailInvalid, email, next), StatusCode::UNPROCESSABLE_ENTITY);
    };
    let browser = auth::cookie(request.headers(), BROWSER_COOKIE);
    match identity.ask_for_code(address, browser, client).await {
        Ok(asked) => {
            let digits = identity.throttle.code_digits(identity.clock.now());
            let step = SignInStep::Code { request: asked.request.to_string(), digits };
            let mut answer = page(&request, Shown { step, email, next, error: None }, StatusCode::OK)?;
            let cookie = auth::make_cookie(BROWSER_COOKIE, asked.browser, BROWSER_REMEMBERED);
            answer.add_cookie(&cookie).map_err(|_| Code::Internal)?;
            Ok(answer)
        }
        Err(fault) => {
            let status = Problem::from(fault).code.status();
            page(&request, again(SignInError::Unavailable, email, next), status)
        }
    }
}

#[derive(Deserialize)]
struct CodeForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    request: String,
    #[serde(default)]
    next: String,
}

/// What is told to a person whose code did not open the door.
fn told(denied: Denied<login_code::Refusal>) -> (SignInError, StatusCode) {
    let error = match &denied {
        Denied::Refused(login_code::Refusal::CodeInvalid) => SignInError::CodeWrong { tries_left: None },
        Denied::Refused(login_code::Refusal::TooMany { .. }) => SignInError::TooManyTries,
        Denied::Fault(_) => SignInError::Unavailable,
    };
    (error, Problem::from(denied).code.status())
}

async fn bring_code(
    request: HttpRequest,
    identity: web::Data<Identity>,
    client: ClientAddress,
    form: web::Form<CodeForm>,
) -> Result<HttpResponse, Problem> {
    let CodeForm { email, code, request: asked, next } = form.into_inner();
    let next = next_path::checked(&next);
    let attempt = routes::attempt(&request, &identity, client, (&email, &code, Some(&asked))).await?;
    let (error, status) = match identity.sign_in(attempt).await {
        Ok(entered) => {
            let mut answer = see_other(next);
            for cookie in [auth::session_cookie(&entered.token), auth::without_cookie(BROWSER_COOKIE)] {
                answer.add_cookie(&cookie).map_err(|_| Code::Internal)?;
            }
            return Ok(answer);
        }
        Err(_) if login_code::Code::typed(&code).is_none() => {
            (SignInError::CodeIncomplete, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Err(denied) => told(denied),
    };
    let step = SignInStep::Code { request: asked, digits: identity.throttle.code_digits(identity.clock.now()) };
    page(&request, Shown { step, email, next, error: Some(error) }, status)
}

async fn log_out(identity: web::Data<Identity>, signed: MaybeSigned) -> Result<HttpResponse, Problem> {
    if let Some((user, login)) = signed.0.and_then(|signed| Some((signed.user, signed.login?))) {
        identity.end_session(user, login).await?;
    }
    let mut answer = see_other("/".to_owned());
    answer.add_cookie(&auth::without_cookie(SESSION_COOKIE)).map_err(|_| Code::Internal)?;
    Ok(answer)
}

fn row(session: &Session, asking: Option<LoginId>) -> SessionRow {
    SessionRow {
        id: session.id().to_string(),
        device: session.device.clone().unwrap_or_default(),
        since: session.created_at().into(),
        seen: session.seen_at().into(),
        here: Some(session.id()) == asking,
    }
}

async fn devices(
    request: HttpRequest,
    identity: web::Data<Identity>,
    pages: web::Data<Pages>,
    signed: Signed,
) -> Result<DevicesPage, Problem> {
    let sessions = identity.sessions(signed.user).await.map_err(|fault: StoreError| Problem::from(fault))?;
    let (here, others): (Vec<SessionRow>, Vec<SessionRow>) =
        sessions.iter().map(|session| row(session, signed.login)).partition(|row| row.here);
    let layout = pages.layout(&request, Some(&signed), "Devices", Section::Account);
    Ok(DevicesPage { layout, sessions: here.into_iter().chain(others).collect() })
}
