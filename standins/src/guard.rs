//! Keeps web pages of other sites away from the controls and the mailbox.
//!
//! A browser can be made to ask a loopback address for somebody else's page. Such a request names that page in `Origin`,
//! or, when a name was pointed at this machine, a `Host` that is not a loopback name. Both are refused; and a body must be
//! called JSON, which a plain form of another site cannot do without asking first.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN, TRANSFER_ENCODING};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use serde_json::json;

/// Why a request is kept out.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    ForeignHost,
    ForeignOrigin,
    NotJson,
}

/// The middleware of everything; it looks at controls and mailbox and lets the providers' own calls pass.
pub async fn controls(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // The path as routes see it, with `%5F` read as an underscore.
    let control = is_control(request.match_info().as_str());
    let judged = if control { judge(request.method(), request.headers()) } else { Ok(()) };
    match judged {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(Kept::ForeignHost) => {
            Ok(request.into_response(refuse(StatusCode::FORBIDDEN, "foreign_host", "Host must be a loopback name.")))
        }
        Err(Kept::ForeignOrigin) => Ok(request.into_response(refuse(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "Pages of other origins may not use the controls.",
        ))),
        Err(Kept::NotJson) => Ok(request.into_response(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "Send the body as application/json.",
        ))),
    }
}

/// A refusal as JSON: a stable code and a sentence.
pub fn refuse(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"code": code, "detail": detail}))
}

/// Controls have a part that begins with an underscore; letters are as private as they are.
fn is_control(path: &str) -> bool {
    path.contains("/_") || path == "/mail" || path.starts_with("/mail/")
}

fn judge(method: &Method, headers: &HeaderMap) -> Result<(), Kept> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Err(Kept::ForeignHost);
    }
    if text(ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
        return Err(Kept::ForeignOrigin);
    }
    let has_body = text(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
    let kind = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let must_be_json = method == Method::POST || has_body;
    if must_be_json && !kind.eq_ignore_ascii_case("application/json") { Err(Kept::NotJson) } else { Ok(()) }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_of_another_site_and_a_borrowed_name_are_kept_out() {
        let own = headers(&[(HOST, "127.0.0.1:4000"), (ORIGIN, "http://127.0.0.1:4000")]);
        assert_eq!(judge(&Method::GET, &own), Ok(()));
        let foreign = headers(&[(HOST, "127.0.0.1:4000"), (ORIGIN, "https://evil.example")]);
        assert_eq!(judge(&Method::GET, &foreign), Err(Kept::ForeignOrigin));
        let other_port = headers(&[(HOST, "127.0.0.1:4000"), (ORIGIN, "http://127.0.0.1:8080")]);
        assert_eq!(judge(&Method::GET, &other_port), Err(Kept::ForeignOrigin));
        let opaque = headers(&[(HOST, "localhost:4000"), (ORIGIN, "null")]);
        assert_eq!(judge(&Method::GET, &opaque), Err(Kept::ForeignOrigin));
        for host in ["evil.example:4000", "127.0.0.1.evil.example", ""] {
            let rebound: HeaderMap = [(HOST, HeaderValue::from_str(host).unwrap())].into_iter().collect();
            assert_eq!(judge(&Method::GET, &rebound), Err(Kept::ForeignHost), "{host}");
        }
        assert_eq!(judge(&Method::GET, &headers(&[(HOST, "[::1]:4000")])), Ok(()));
    }

    #[test]
    fn a_body_must_be_called_json() {
        let form = headers(&[(HOST, "localhost"), (CONTENT_TYPE, "text/plain"), (CONTENT_LENGTH, "2")]);
        assert_eq!(judge(&Method::POST, &form), Err(Kept::NotJson));
        assert_eq!(judge(&Method::POST, &headers(&[(HOST, "localhost")])), Err(Kept::NotJson));
        assert_eq!(judge(&Method::DELETE, &headers(&[(HOST, "localhost")])), Ok(()));
        let json = headers(&[(HOST, "localhost"), (CONTENT_TYPE, "application/json; charset=utf-8")]);
        assert_eq!(judge(&Method::POST, &json), Ok(()));
    }
}
