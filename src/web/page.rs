//! What every page is given round it, and the page instead of a problem for those who read HTML.

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web,
};
use askama::Template;
use futures_util::FutureExt;

use super::{
    csrf::CsrfToken,
    view::{
        error::ErrorPage,
        layout::{Bundle, Layout, Section, Theme},
        parts::{Person, initials_of},
    },
};
use crate::{
    identity::Signed,
    web::{
        auth::{self, MaybeSigned},
        problem::{Code, Problem},
    },
};

/// What all pages share.
#[derive(Clone)]
pub struct Pages {
    /// The browser bundle, where it was built.
    pub bundle: Option<Arc<Bundle>>,
    /// A sentence above everything, such as that no picture can be seen.
    pub banner: Option<String>,
}

impl Pages {
    /// The layout round a page.
    pub fn layout(&self, request: &HttpRequest, signed: Option<&Signed>, title: &str, section: Section) -> Layout {
        let theme = match auth::cookie(request.headers(), "theme").as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            Some(_) | None => Theme::Device,
        };
        Layout {
            title: title.to_owned(),
            csrf: CsrfToken::extract(request)
                .now_or_never()
                .and_then(Result::ok)
                .map(|token| token.0)
                .unwrap_or_default(),
            signed_in: signed.map(person),
            theme,
            bundle: self.bundle.clone(),
            notices: vec![],
            section,
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            banner: self.banner.clone(),
        }
    }
}

fn person(signed: &Signed) -> Person {
    let name = signed.email.split('@').next().unwrap_or_default().to_owned();
    Person { initials: initials_of(&name), name, email: signed.email.to_string(), creator: signed.sees_studio }
}

/// Leads elsewhere.
#[must_use]
pub fn see(status: StatusCode, location: &str) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::LOCATION, location)).finish()
}

/// The same address with the names of today; an old or differently written one leads there once and for all.
#[must_use]
pub fn moved(request: &HttpRequest, now: &str) -> Option<HttpResponse> {
    if request.path() == now {
        return None;
    }
    let query = request.query_string();
    let to = if query.is_empty() { now.to_owned() } else { format!("{now}?{query}") };
    Some(see(StatusCode::PERMANENT_REDIRECT, &to))
}

/// A page as an answer; nobody keeps a copy of what was made for one reader.
///
/// # Errors
/// When it cannot be written, which is our mistake.
pub fn page(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let body = page.render().map_err(|fault| {
        tracing::error!(%fault, "a page could not be written");
        Code::Internal
    })?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body))
}

/// Puts a page in the place of a problem when a browser asked for a page.
pub async fn errors_as_pages<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let reads_html = request.method() == Method::GET
        && !request.path().starts_with("/api/")
        && request
            .headers()
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    if !reads_html {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    // Nobody may hold a copy of the request while it is routed: the router writes into it.
    let answer = next.call(request).await?.map_into_left_body();
    let status = answer.status();
    let is_problem = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    if status.as_u16() < 400 || !is_problem {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let retry_after = answer.headers().get(header::RETRY_AFTER).cloned();
    drop(answer);
    let page = page_for(&request, status).await;
    let mut answer = HttpResponse::build(status);
    if let Some(wait) = retry_after {
        answer.insert_header((header::RETRY_AFTER, wait));
    }
    if status == StatusCode::UNAUTHORIZED {
        let next = request.uri().path();
        let to = format!("/login?next={}", url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>());
        let answer = HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish();
        return Ok(ServiceResponse::new(request, answer).map_into_right_body());
    }
    let answer = answer.content_type("text/html; charset=utf-8").body(page);
    Ok(ServiceResponse::new(request, answer).map_into_right_body())
}

async fn page_for(request: &HttpRequest, status: StatusCode) -> String {
    let Some(pages) = request.app_data::<web::Data<Pages>>() else { return status.to_string() };
    let signed = MaybeSigned::extract(request).await.ok().and_then(|signed| signed.0);
    let layout = pages.layout(request, signed.as_ref(), "", Section::Elsewhere);
    let page = match status {
        StatusCode::NOT_FOUND => ErrorPage::not_found(layout),
        StatusCode::FORBIDDEN => ErrorPage::forbidden(layout),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ErrorPage::unavailable(layout),
        _ => ErrorPage::fault(layout),
    };
    page.render().unwrap_or_else(|_| status.to_string())
}
