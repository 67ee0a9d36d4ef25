//! Identity over HTTP: signing in, sessions, the person, API tokens.

pub mod teams;

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, post, web};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Identity, Signed,
    account::FreshToken,
    core::{
        address::{self, Address},
        login_code,
        scope::{Scope, Scopes},
    },
    sign_in::{Attempt, SignedIn},
    store::{
        api_tokens::{self, Token},
        sessions::Session,
        users::User,
    },
};
use crate::{
    clock::Timestamp,
    ids::{CodeRequestId, LoginId, TeamId, TokenId, UserId},
    limits::{BROWSER_REMEMBERED, NAME_CHARS_MAX},
    store::Denied,
    web::{
        auth::{self, BROWSER_COOKIE},
        client_address::ClientAddress,
        idempotency::{Idempotency, Replays, Reply},
        list::List,
        problem::{Code, Problem},
    },
};

/// Adds these routes and those of teams to the application and to its description.
pub fn configure(app: &mut ServiceConfig) {
    app.service(ask_for_code)
        .service(sign_in)
        .service(list_sessions)
        .service(end_session)
        .service(end_all_sessions)
        .service(who_asks)
        .service(list_tokens)
        .service(make_token)
        .service(end_token);
    teams::configure(app);
}

impl From<address::Refusal> for Problem {
    fn from(refusal: address::Refusal) -> Self {
        let detail = match refusal {
            address::Refusal::TooLong => "The address is longer than mail allows.",
            address::Refusal::ControlCharacter | address::Refusal::NotAnAddress => "This is not an e-mail address.",
        };
        Self::wrong("email", detail)
    }
}

impl From<login_code::Refusal> for Problem {
    fn from(refusal: login_code::Refusal) -> Self {
        match refusal {
            login_code::Refusal::CodeInvalid => Code::CodeInvalid.into(),
            login_code::Refusal::TooMany { again_in } => Self::new(Code::TooManyRequests).retry_after(again_in),
        }
    }
}

impl From<api_tokens::Refusal> for Problem {
    fn from(refusal: api_tokens::Refusal) -> Self {
        match refusal {
            api_tokens::Refusal::TooMany => Code::LimitReached.into(),
        }
    }
}

/// A name as people give it: trimmed, not empty, one line.
///
/// # Errors
/// 422 when it is none.
pub fn checked_name(given: &str) -> Result<String, Problem> {
    let name = given.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
    if fits {
        return Ok(name.to_owned());
    }
    Err(Problem::wrong("name", "A name has 1 to 120 characters on one line."))
}

/// Tokens, sessions and members are not for tokens of less than everything.
pub(super) fn needs_all(signed: &Signed) -> Result<(), Problem> {
    if signed.covers(Scope::All) { Ok(()) } else { Err(Code::ScopeMissing.into()) }
}

/// Who wants a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhoAsks {
    /// The address that it is mailed to.
    email: String,
}

/// A code was asked for.
#[derive(Serialize, ToSchema)]
struct CodeAsked {
    /// The request, to be given back with the code by clients without cookies.
    #[schema(value_type = String)]
    request: CodeRequestId,
}

/// Mails a sign-in code. The answer is the same whether the address is known or not, and whether a limit holds the mail back.
#[utoipa::path(tag = "Signing in", request_body = WhoAsks,
    responses((status = 202, description = "Asked; a code is mailed if the limits allow", body = CodeAsked),
        (status = 422, description = "`invalid`: not an address")))]
#[post("/api/v1/auth/codes")]
async fn ask_for_code(
    request: HttpRequest,
    identity: web::Data<Identity>,
    client: ClientAddress,
    body: web::Json<WhoAsks>,
) -> Result<HttpResponse, Problem> {
    let address = Address::parse(&body.email)?;
    let browser = auth::cookie(request.headers(), BROWSER_COOKIE);
    let asked = identity.ask_for_code(address, browser, client).await?;
    let cookie = auth::make_cookie(BROWSER_COOKIE, asked.browser, BROWSER_REMEMBERED);
    Ok(HttpResponse::Accepted().cookie(cookie).json(CodeAsked { request: asked.request }))
}

/// A code that comes back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeTyped {
    /// The address it was mailed to.
    email: String,
    /// The code.
    code: String,
    /// The request it came from; browsers have their cookie instead.
    #[schema(value_type = Option<String>)]
    request: Option<String>,
}

/// A person, as they see themselves.
#[derive(Serialize, ToSchema)]
struct UserShown {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: Option<String>,
}

impl From<&User> for UserShown {
    fn from(user: &User) -> Self {
        Self { id: user.id(), email: user.email.clone(), name: user.name.clone() }
    }
}

/// A session that has just begun.
#[derive(Serialize, ToSchema)]
struct SessionBegun {
    user: UserShown,
    /// Good as the cookie and behind `Authorization: Bearer`.
    token: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// What the request says about itself, for signing in; shared with the page.
pub(super) async fn attempt(
    request: &HttpRequest,
    identity: &Identity,
    client: ClientAddress,
    (email, code, asked): (&str, &str, Option<&str>),
) -> Result<Attempt, Problem> {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let session_before = match auth::credential(request.headers()) {
        Some(credential) => identity.authenticator.authenticate(&credential).await?.and_then(|signed| signed.login),
        None => None,
    };
    Ok(Attempt {
        address: Address::parse(email)?,
        code: code.to_owned(),
        // A request that is none of ours fits no code; it is told like any wrong code.
        request: asked.and_then(|text| text.parse().ok()),
        browser: auth::cookie(request.headers(), BROWSER_COOKIE),
        session_before,
        client,
        user_agent: text(header::USER_AGENT),
    })
}

/// Begins a session for who brings the right code in the browser, or with the request, that asked for it.
#[utoipa::path(tag = "Signing in", request_body = CodeTyped,
    responses((status = 201, description = "Signed in; the cookie is set too", body = SessionBegun),
        (status = 401, description = "`code_invalid`"), (status = 429, description = "`too_many_requests`")))]
#[post("/api/v1/auth/sessions")]
async fn sign_in(
    request: HttpRequest,
    identity: web::Data<Identity>,
    client: ClientAddress,
    body: web::Json<CodeTyped>,
) -> Result<HttpResponse, Problem> {
    let brought = (body.email.as_str(), body.code.as_str(), body.request.as_deref());
    let attempt = attempt(&request, &identity, client, brought).await?;
    let SignedIn { user, token, expires_at, .. } = identity.sign_in(attempt).await?;
    Ok(HttpResponse::Created()
        .cookie(auth::session_cookie(&token))
        .cookie(auth::without_cookie(BROWSER_COOKIE))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SessionBegun { user: UserShown::from(&user), token, expires_at }))
}

/// A signed-in browser.
#[derive(Serialize, ToSchema)]
struct SessionShown {
    #[schema(value_type = String)]
    id: LoginId,
    device: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionShown {
    fn of(session: Session, asking: Option<LoginId>) -> Self {
        Self {
            id: session.id(),
            created_at: session.created_at(),
            seen_at: session.seen_at(),
            expires_at: session.expires_at(),
            current: Some(session.id()) == asking,
            device: session.device,
        }
    }
}

/// Where this person is signed in.
#[utoipa::path(tag = "Signing in", responses((status = 200, body = List<SessionShown>)))]
#[get("/api/v1/auth/sessions")]
async fn list_sessions(identity: web::Data<Identity>, signed: Signed) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let sessions = identity.sessions(signed.user).await?;
    let items = sessions.into_iter().map(|session| SessionShown::of(session, signed.login)).collect();
    Ok(HttpResponse::Ok().json(List::<SessionShown>::whole(items)))
}

/// Ends one of this person's sessions; its sockets close.
#[utoipa::path(tag = "Signing in", params(("id" = String, Path)),
    responses((status = 204, description = "Ended"), (status = 404, description = "No such session of this person")))]
#[delete("/api/v1/auth/sessions/{id}")]
async fn end_session(
    identity: web::Data<Identity>,
    signed: Signed,
    id: web::Path<LoginId>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    if !identity.end_session(signed.user, *id).await? {
        return Err(Code::NotFound.into());
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all of this person's sessions, the asking one too.
#[utoipa::path(tag = "Signing in", responses((status = 204, description = "Ended")))]
#[delete("/api/v1/auth/sessions")]
async fn end_all_sessions(identity: web::Data<Identity>, signed: Signed) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    identity.end_all_sessions(signed.user).await?;
    Ok(HttpResponse::NoContent().cookie(auth::without_cookie(auth::SESSION_COOKIE)).finish())
}

/// A team of this person.
#[derive(Serialize, ToSchema)]
struct MyTeam {
    #[schema(value_type = String)]
    id: TeamId,
    name: String,
    #[schema(value_type = String)]
    role: super::core::role::Role,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: Option<String>,
    locale: String,
    time_zone: String,
    platform_admin: bool,
    teams: Vec<MyTeam>,
}

/// Who asks, and the teams they belong to.
#[utoipa::path(tag = "Me", responses((status = 200, body = Me), (status = 401, description = "`sign_in_needed`")))]
#[get("/api/v1/me")]
async fn who_asks(identity: web::Data<Identity>, signed: Signed) -> Result<HttpResponse, Problem> {
    let (user, teams) = identity.myself(signed.user).await?.ok_or(Code::SignInNeeded)?;
    let teams = teams.into_iter().map(|team| MyTeam { id: team.id, name: team.name, role: team.role }).collect();
    let id = user.id();
    let User { email, name, locale, time_zone, platform_admin, .. } = user;
    Ok(HttpResponse::Ok().json(Me { id, email, name, locale, time_zone, platform_admin, teams }))
}

/// An API token; its text is shown when it is made and never again.
#[derive(Serialize, ToSchema)]
struct TokenShown {
    #[schema(value_type = String)]
    id: TokenId,
    name: String,
    scopes: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<Token> for TokenShown {
    fn from(token: Token) -> Self {
        let (id, created_at, expires_at) = (token.id(), token.created_at(), token.expires_at());
        Self { id, name: token.name, scopes: token.scopes, created_at, expires_at, token: None }
    }
}

impl From<FreshToken> for TokenShown {
    fn from(fresh: FreshToken) -> Self {
        let FreshToken { id, token, name, scopes, created_at, expires_at } = fresh;
        Self { id, name, scopes: scopes.words(), created_at, expires_at, token: Some(token) }
    }
}

/// The API tokens of this person, without their text.
#[utoipa::path(tag = "Tokens", responses((status = 200, body = List<TokenShown>)))]
#[get("/api/v1/tokens")]
async fn list_tokens(identity: web::Data<Identity>, signed: Signed) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let tokens = identity.api_tokens(signed.user).await?;
    Ok(HttpResponse::Ok().json(List::<TokenShown>::whole(tokens.into_iter().map(Into::into).collect())))
}

/// A token that is wanted.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenWanted {
    /// What its owner calls it.
    name: Option<String>,
    /// What it may be used for: all, read, write, live. None means all.
    #[serde(default)]
    scopes: Vec<String>,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The same as a span, in seconds.
    ttl_secs: Option<u32>,
}

impl TokenWanted {
    fn ends(&self, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let span = self.ttl_secs.map(|secs| now.plus(std::time::Duration::from_secs(secs.into())));
        match (self.expires_at, span) {
            (Some(_), Some(_)) => Err(Problem::wrong("ttl_secs", "Give expires_at or ttl_secs, not both.")),
            (Some(at), None) | (None, Some(at)) if at <= now => {
                Err(Problem::wrong("expires_at", "The token would have ended already."))
            }
            (at, span) => Ok(at.or(span)),
        }
    }
}

/// Makes an API token. Its text is in this answer alone.
#[utoipa::path(tag = "Tokens", request_body = TokenWanted,
    responses((status = 201, body = TokenShown), (status = 409, description = "`limit_reached`")))]
#[post("/api/v1/tokens")]
async fn make_token(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    body: web::Json<TokenWanted>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let name = checked_name(body.name.as_deref().unwrap_or("token"))?;
    let scopes = body.scopes.iter().map(|word| word.parse::<Scope>()).collect::<Result<Vec<_>, _>>();
    let scopes = scopes.map_err(|e| Problem::wrong("scopes", e.to_string()))?;
    let expires_at = body.ends(identity.clock.now())?;
    let (me, user) = (identity.clone(), signed.user);
    once.once(&replays, &signed, &*body, move |connection| {
        async move {
            let whose = (Some(user), user);
            let made = me.make_api_token(connection, whose, name, Scopes::new(scopes), expires_at).await?;
            Ok::<_, Denied<api_tokens::Refusal>>(Reply::created(&TokenShown::from(made)))
        }
        .boxed()
    })
    .await
}

/// Ends an API token.
#[utoipa::path(tag = "Tokens", params(("id" = String, Path)),
    responses((status = 204, description = "Ended"), (status = 404, description = "No such token of this person")))]
#[delete("/api/v1/tokens/{id}")]
async fn end_token(
    identity: web::Data<Identity>,
    signed: Signed,
    id: web::Path<TokenId>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    if !identity.end_api_token(&signed, *id).await? {
        return Err(Code::NotFound.into());
    }
    Ok(HttpResponse::NoContent().finish())
}
