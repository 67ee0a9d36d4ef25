//! Keeps other sites from acting in the name of who is signed in here: every unsafe request that stands on the session cookie
//! must come from our own page and carry the token of that session. Bearer requests need neither; webhooks are signed.

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap},
    middleware::Next,
    web,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    entropy::{SharedEntropy, random_bytes},
    identity::{Authenticator, Credential},
    keys::{KeyRing, Purpose},
    limits::BODY_BYTES_MAX,
    web::{
        auth,
        problem::{Code, Problem},
    },
};

/// The header that carries the token.
pub const HEADER: &str = "x-csrf-token";
/// The form field that carries the token.
pub const FIELD: &str = "csrf";
const NONCE_BYTES: usize = 16;
const HOOKS: &str = "/hooks/";

/// Makes and checks the tokens. One for the node, as `web::Data`.
#[derive(Clone)]
pub struct Csrf {
    ring: KeyRing,
    entropy: SharedEntropy,
    /// `host[:port]` under which people know us, when it is configured.
    public: Option<String>,
}

impl Csrf {
    /// Tokens of `ring`. `public_url` is what people type; empty when the `Host` header says it.
    #[must_use]
    pub fn new(ring: KeyRing, entropy: SharedEntropy, public_url: &str) -> Self {
        Self { ring, entropy, public: authority(public_url).map(str::to_owned) }
    }

    /// A token for whoever holds this session cookie; each one looks different.
    #[must_use]
    pub fn token(&self, session: &str) -> String {
        let nonce = random_bytes::<NONCE_BYTES>(self.entropy.as_ref());
        let signature = self.ring.sign(Purpose::Csrf, &[session.as_bytes(), &nonce]);
        BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &signature].concat())
    }

    fn holds(&self, session: &str, token: &str) -> bool {
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((nonce, signature)) = bytes.split_first_chunk::<NONCE_BYTES>() else { return false };
        self.ring.verifies(Purpose::Csrf, &[session.as_bytes(), nonce], signature)
    }

    /// Whether nothing in the headers says that another site's page made this request.
    #[must_use]
    pub fn same_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return false;
        }
        let Some(origin) = text("origin") else { return true };
        authority(origin).is_some_and(|from| Some(from) == text("host") || Some(from) == self.public.as_deref())
    }
}

/// `host[:port]` of an `http(s)` address.
fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split('/').next().filter(|authority| !authority.is_empty())
}

/// The token for the forms and scripts of the page that is being written; empty for somebody who is not signed in.
#[derive(Clone, Debug)]
pub struct CsrfToken(pub String);

impl FromRequest for CsrfToken {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = || {
            let csrf = request.app_data::<web::Data<Csrf>>().ok_or(Code::Internal)?;
            Ok(Self(auth::cookie(request.headers(), auth::SESSION_COOKIE).map(|s| csrf.token(&s)).unwrap_or_default()))
        };
        std::future::ready(token())
    }
}

/// The middleware: `App::wrap(from_fn(csrf::guard))`. Covers every unsafe method of every path but webhooks.
///
/// # Errors
/// What the handler answers with; a refusal is an answer.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match judge(&mut request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_left_body),
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

async fn judge(request: &mut ServiceRequest) -> Result<(), Problem> {
    if request.method().is_safe() || request.path().starts_with(HOOKS) {
        return Ok(());
    }
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let csrf = request.app_data::<web::Data<Csrf>>().ok_or(Code::Internal)?.clone();
    if !csrf.same_origin(request.headers()) {
        return Err(Code::CrossSite.into());
    }
    let Some(session) = auth::cookie(request.headers(), auth::SESSION_COOKIE) else {
        // Two session cookies are an attempt at something; none is somebody who acts for nobody.
        return if request.cookie(auth::SESSION_COOKIE).is_some() { Err(Code::CrossSite.into()) } else { Ok(()) };
    };
    let given = match request.headers().get(HEADER) {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => form_field(request).await?,
    };
    if given.is_some_and(|token| csrf.holds(&session, &token)) || is_nobodys(request, session).await? {
        return Ok(());
    }
    Err(Code::CrossSite.into())
}

/// A cookie that opens nothing (any more) gives another site nothing to use, and must not keep its browser from signing in.
async fn is_nobodys(request: &ServiceRequest, session: String) -> Result<bool, Problem> {
    let Some(desk) = request.app_data::<web::Data<Authenticator>>().cloned() else { return Ok(false) };
    Ok(desk.authenticate(&Credential::Cookie(session)).await?.is_none())
}

/// The token in a form's body, which is put back for the handler.
async fn form_field(request: &mut ServiceRequest) -> Result<Option<String>, Problem> {
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Ok(None);
    }
    let body = match request.take_payload() {
        Payload::None => return Ok(None),
        payload => web::Payload::from_request(request.request(), &mut { payload })
            .await
            .map_err(|_| Code::Malformed)?
            .to_bytes_limited(BODY_BYTES_MAX)
            .await
            .map_err(|_| Code::TooLarge)?
            .map_err(|_| Code::Malformed)?,
    };
    let token = url::form_urlencoded::parse(&body).find(|(name, _)| name == FIELD).map(|(_, value)| value.into_owned());
    request.set_payload(body.into());
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::{
        App, HttpResponse,
        http::StatusCode,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service},
    };

    use super::*;
    use crate::entropy::SystemEntropy;

    fn csrf() -> Csrf {
        Csrf::new(KeyRing::new([1; 32]), Arc::new(SystemEntropy), "https://tickets.example/")
    }

    #[test]
    fn a_token_is_good_for_its_session_alone() {
        let token = csrf().token("bps_one");
        assert!(csrf().holds("bps_one", &token));
        assert!(!csrf().holds("bps_two", &token));
        for forged in ["", "AAAA", &token[1..]] {
            assert!(!csrf().holds("bps_one", forged), "{forged}");
        }
    }

    #[test]
    fn only_our_own_pages_count_as_the_same_origin() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let request = TestRequest::post().insert_header(("host", "127.0.0.1:8080"));
            let request = pairs.iter().fold(request, |request, pair| request.insert_header(*pair));
            csrf().same_origin(request.to_http_request().headers())
        };
        for good in ["http://127.0.0.1:8080", "https://tickets.example"] {
            assert!(from(&[("origin", good)]), "{good}");
        }
        for evil in ["null", "", "https://evil.example", "https://tickets.example.evil", "http://127.0.0.1:80801"] {
            assert!(!from(&[("origin", evil)]), "{evil}");
        }
        assert!(from(&[]));
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site"] {
            assert!(!from(&[("sec-fetch-site", site), ("origin", "http://127.0.0.1:8080")]), "{site}");
        }
    }

    async fn answer(request: TestRequest) -> StatusCode {
        let echo = |body: web::Bytes| async move { HttpResponse::Ok().body(body) };
        let app = App::new()
            .app_data(web::Data::new(csrf()))
            .wrap(from_fn(guard))
            .route("/change", web::post().to(echo))
            .route("/hooks/livekit", web::post().to(echo));
        let app = init_service(app).await;
        call_service(&app, request.insert_header(("host", "127.0.0.1:8080")).to_request()).await.status()
    }

    #[actix_web::test]
    async fn a_cookie_request_needs_its_token_in_the_header_or_in_the_form() {
        let post = || TestRequest::post().uri("/change").insert_header(("cookie", "__Host-backstage=bps_one"));
        let token = csrf().token("bps_one");
        assert_eq!(answer(post()).await, StatusCode::FORBIDDEN);
        assert_eq!(answer(post().insert_header((HEADER, token.clone()))).await, StatusCode::OK);
        assert_eq!(answer(post().set_form([("a", "b"), ("csrf", &token)])).await, StatusCode::OK);
        assert_eq!(answer(post().set_form([("a", "b")])).await, StatusCode::FORBIDDEN);
        let evil = post().insert_header((HEADER, token)).insert_header(("origin", "https://evil.example"));
        assert_eq!(answer(evil).await, StatusCode::FORBIDDEN);
    }

    #[actix_web::test]
    async fn bearer_requests_webhooks_and_strangers_need_no_token_but_strangers_need_our_origin() {
        let post = |uri| TestRequest::post().uri(uri);
        assert_eq!(answer(post("/change").insert_header(("authorization", "Bearer bps_one"))).await, StatusCode::OK);
        assert_eq!(
            answer(post("/hooks/livekit").insert_header(("origin", "https://evil.example"))).await,
            StatusCode::OK
        );
        assert_eq!(answer(post("/change")).await, StatusCode::OK);
        let evil = post("/change").insert_header(("origin", "https://evil.example"));
        assert_eq!(answer(evil).await, StatusCode::FORBIDDEN);
    }
}
