//! Who is asking: the session cookie or a bearer token, as extractors for handlers.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    cookie::{Cookie, SameSite, time},
    dev::Payload,
    http::header::{self, HeaderMap},
    web,
};

use crate::{
    identity::{
        Authenticator, Credential, Signed,
        core::{role, scope::Scope, session},
    },
    web::problem::{Code, Problem},
};

/// The cookie of a signed-in browser.
pub const SESSION_COOKIE: &str = "__Host-backstage";
/// The cookie of a browser that asked for a sign-in code.
pub const BROWSER_COOKIE: &str = "__Host-backstage-browser";

/// Somebody, or nobody. A bearer token that is no good is refused all the same, since its owner believes otherwise.
#[derive(Clone, Debug)]
pub struct MaybeSigned(pub Option<Signed>);

/// What the request shows to say who is asking. A bearer token counts before the cookie.
#[must_use]
pub fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| Credential::Bearer(token.trim().to_owned()));
    }
    cookie(headers, SESSION_COOKIE).map(Credential::Cookie)
}

/// The value of a cookie, read from the headers alone. The same name twice is nobody's.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers
        .get_all(header::COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned());
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// Whether the request stands on a cookie that the browser sends by itself, and not on a bearer token.
#[must_use]
pub fn stands_on_a_cookie(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::AUTHORIZATION) && cookie(headers, SESSION_COOKIE).is_some()
}

/// A cookie of ours: this host only, encrypted transport only (browsers count loopback as such), no script, not from other sites'
/// requests.
#[must_use]
pub fn make_cookie(name: &'static str, value: String, lasts: std::time::Duration) -> Cookie<'static> {
    let lasts = time::Duration::seconds(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX));
    Cookie::build(name, value).path("/").secure(true).http_only(true).same_site(SameSite::Lax).max_age(lasts).finish()
}

/// The session cookie that carries `token`.
#[must_use]
pub fn session_cookie(token: &str) -> Cookie<'static> {
    make_cookie(SESSION_COOKIE, token.to_owned(), session::cookie_lasts())
}

/// Takes a cookie of ours away again.
#[must_use]
pub fn without_cookie(name: &'static str) -> Cookie<'static> {
    make_cookie(name, String::new(), std::time::Duration::ZERO)
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

async fn asker(request: HttpRequest) -> Result<Option<Signed>, Problem> {
    let Some(credential) = credential(request.headers()) else {
        // A header that cannot be understood must not fall back to nobody in silence.
        return if request.headers().contains_key(header::AUTHORIZATION) {
            Err(Code::SignInNeeded.into())
        } else {
            Ok(None)
        };
    };
    let desk = request.app_data::<web::Data<Authenticator>>().ok_or(Code::Internal)?;
    let signed = desk.authenticate(&credential).await?;
    match (signed, credential) {
        (Some(signed), _) => {
            let wanted = if request.method().is_safe() { Scope::Read } else { Scope::Write };
            if signed.covers(wanted) { Ok(Some(signed)) } else { Err(Code::ScopeMissing.into()) }
        }
        (None, Credential::Cookie(_)) => Ok(None),
        (None, Credential::Bearer(_)) => Err(Code::SignInNeeded.into()),
    }
}

impl FromRequest for MaybeSigned {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { asker(request).await.map(Self) })
    }
}

impl FromRequest for Signed {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { asker(request).await?.ok_or_else(|| Code::SignInNeeded.into()) })
    }
}

impl From<role::Refusal> for Problem {
    fn from(refusal: role::Refusal) -> Self {
        match refusal {
            role::Refusal::Unseen => Code::NotFound.into(),
            role::Refusal::NotPermitted => Code::Forbidden.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn shown(headers: &[(&'static str, &'static str)]) -> Option<Credential> {
        let request = headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header));
        credential(request.to_http_request().headers())
    }

    #[test]
    fn a_bearer_token_counts_before_the_cookie() {
        let bearer = Some(Credential::Bearer("bps_a".into()));
        assert_eq!(shown(&[("cookie", "__Host-backstage=bps_b"), ("authorization", "Bearer bps_a")]), bearer);
        assert_eq!(shown(&[("cookie", "__Host-backstage=bps_b"), ("authorization", "Basic eDp5")]), None);
    }

    #[test]
    fn a_cookie_given_twice_is_nobodys() {
        let good = Some(Credential::Cookie("bps_b".into()));
        assert_eq!(shown(&[("cookie", "theme=dark; __Host-backstage=bps_b")]), good);
        assert_eq!(shown(&[("cookie", "__Host-backstage=bps_a; __Host-backstage=bps_b")]), None);
    }
}
