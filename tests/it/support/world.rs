//! The engine's routes in process, over a database of its own, with a clock and a mail server of the test's.

use std::sync::{Arc, Mutex};

use actix_web::{
    App,
    body::to_bytes,
    cookie::Cookie,
    http::{StatusCode, header::HeaderMap},
    middleware::from_fn,
    test::{TestRequest, call_service, init_service},
    web,
};
use backstage::{
    clock::Clock,
    config::LimitProfile,
    entropy::{Ids, SharedEntropy, SystemEntropy},
    identity::{self, Authenticator, Basis, Consequence, Identity, sign_in::Throttle},
    ids::{LoginId, TokenId, UserId},
    jobs::{Jobs, Runner, runner::Running},
    keys::KeyRing,
    notify::{SIGN_IN_CODE, SignInMail},
    web::{
        auth,
        client_address::TrustedProxies,
        csrf,
        idempotency::{InFlight, Replays},
        json,
        page::Pages,
    },
};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

use super::{Database, Outbox, TestClock, runtime};

/// What identity told those whose doors are open.
#[derive(Clone, Default)]
pub struct Consequences {
    /// Sessions that ended.
    pub logins: Arc<Mutex<Vec<LoginId>>>,
    /// API tokens that ended.
    pub tokens: Arc<Mutex<Vec<TokenId>>>,
    /// People whose rights changed.
    pub users: Arc<Mutex<Vec<UserId>>>,
}

impl Consequence for Consequences {
    fn ended(&self, basis: Basis) {
        match basis {
            Basis::Login(login) => self.logins.lock().unwrap().push(login),
            Basis::Token(token) => self.tokens.lock().unwrap().push(token),
        }
    }

    fn rights_changed(&self, user: UserId) {
        self.users.lock().unwrap().push(user);
    }
}

type Routes = Arc<dyn Fn(&mut ServiceConfig)>;

/// Everything a route needs.
pub struct World {
    /// Its database.
    pub database: Database,
    /// Its time.
    pub clock: TestClock,
    /// Its letters.
    pub outbox: Outbox,
    /// What followed from changes of identity.
    pub consequences: Consequences,
    /// Identity, for calls beside HTTP.
    pub identity: Identity,
    /// Tokens against other sites.
    pub csrf: csrf::Csrf,
    /// How many proxies are trusted.
    pub proxies: usize,
    routes: Vec<Routes>,
    _mail: Running,
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// Their session's token.
    pub token: String,
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and problem code, as in `401 code_invalid`; the status alone when there is no problem.
    pub fn said(&self) -> String {
        match self.json()["code"].as_str() {
            Some(code) => format!("{} {code}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        }
    }

    /// The cookie of this name that is set.
    pub fn cookie(&self, name: &str) -> Option<Cookie<'static>> {
        let lines = self.headers.get_all("set-cookie").filter_map(|line| line.to_str().ok());
        lines.filter_map(|line| Cookie::parse(line.to_owned()).ok()).find(|cookie| cookie.name() == name)
    }
}

impl World {
    /// A world with strict limits.
    pub fn strict() -> Self {
        Self::new(LimitProfile::Strict)
    }

    /// A world with open limits.
    pub fn open() -> Self {
        Self::new(LimitProfile::Open)
    }

    fn new(profile: LimitProfile) -> Self {
        let (database, clock, outbox) = (Database::fresh(), TestClock::new(), Outbox::new());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let entropy: SharedEntropy = Arc::new(SystemEntropy);
        let ring = KeyRing::new([7; 32]);
        let ids = Ids::new(shared.clone(), entropy.clone());
        let jobs = Jobs::new(ids.clone(), shared.clone(), ring.clone(), entropy.clone());
        let store = database.store.clone();
        let handle = runtime().handle();
        let authenticator = Authenticator::new(store.clone(), ring.clone(), shared.clone(), handle.clone());
        let consequences = Consequences::default();
        let mail = SignInMail { post: Arc::new(outbox.clone()), jobs: jobs.clone(), clock: shared.clone() };
        let running = Runner::new(store.clone(), jobs.clone()).with(SIGN_IN_CODE, mail).start(handle);
        let csrf = csrf::Csrf::new(ring.clone(), entropy.clone(), "");
        let identity = Identity {
            store,
            clock: shared,
            ids,
            entropy,
            ring,
            jobs,
            authenticator,
            throttle: Arc::new(Throttle::new(profile)),
            consequence: Arc::new(consequences.clone()),
        };
        let routes: Vec<Routes> = vec![Arc::new(identity::routes::configure)];
        Self { database, clock, outbox, consequences, identity, csrf, proxies: 0, routes, _mail: running }
    }

    /// Adds routes, and what they need as `app_data`.
    pub fn with(mut self, routes: impl Fn(&mut ServiceConfig) + 'static) -> Self {
        self.routes.push(Arc::new(routes));
        self
    }

    /// What answers requests with an `Idempotency-Key`.
    pub fn replays(&self) -> Replays {
        Replays {
            store: self.identity.store.clone(),
            ring: self.identity.ring.clone(),
            entropy: self.identity.entropy.clone(),
            clock: self.identity.clock.clone(),
            in_flight: InFlight::default(),
        }
    }

    fn configure(&self, app: &mut ServiceConfig) {
        app.map(|app| {
            app.configure(json::configure)
                .app_data(web::Data::new(self.identity.clone()))
                .app_data(web::Data::new(self.identity.authenticator.clone()))
                .app_data(web::Data::new(self.csrf.clone()))
                .app_data(web::Data::new(TrustedProxies(self.proxies)))
                .app_data(web::Data::new(self.replays()))
                .app_data(web::Data::new(Pages { bundle: None, banner: None }))
                .configure(identity::pages::register)
        });
        for routes in &self.routes {
            routes(app);
        }
    }

    /// The description of every route.
    pub fn openapi(&self) -> utoipa::openapi::OpenApi {
        App::new().into_utoipa_app().configure(|app| self.configure(app)).split_for_parts().1
    }

    /// Sends a request through the whole application.
    pub async fn call(&self, request: TestRequest) -> Answer {
        let app =
            App::new().wrap(from_fn(csrf::guard)).into_utoipa_app().configure(|app| self.configure(app)).into_app();
        let app = init_service(app).await;
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().map(|body| body.to_vec()).unwrap_or_default();
        Answer { status, headers, body }
    }

    /// A request with a JSON body in the name of `person`.
    pub async fn json(&self, method: &str, path: &str, person: Option<&Person>, body: serde_json::Value) -> Answer {
        let request = TestRequest::with_uri(path).method(method.parse().unwrap());
        let request = match person {
            Some(person) => request.insert_header(("authorization", format!("Bearer {}", person.token))),
            None => request,
        };
        self.call(if body.is_null() { request } else { request.set_json(body) }).await
    }

    /// Signs somebody in by the code in their mail.
    pub async fn sign_in(&self, email: &str) -> Person {
        let had = self.outbox.letters().iter().filter(|letter| letter.to == email).count();
        let asked = self.json("POST", "/api/v1/auth/codes", None, serde_json::json!({ "email": email })).await;
        assert_eq!(asked.said(), "202");
        let code = self.outbox.code(email, had + 1).await;
        let brought = serde_json::json!({ "email": email, "code": code, "request": asked.json()["request"] });
        let entered = self.json("POST", "/api/v1/auth/sessions", None, brought).await;
        assert_eq!(entered.said(), "201");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Person { id: text(&entered.json()["user"]["id"]), token: text(&entered.json()["token"]) }
    }

    /// The headers of a request that stands on the session cookie, with its token against other sites.
    pub fn by_cookie(&self, request: TestRequest, person: &Person) -> TestRequest {
        request
            .insert_header(("cookie", format!("{}={}", auth::SESSION_COOKIE, person.token)))
            .insert_header((csrf::HEADER, self.csrf.token(&person.token)))
    }
}
