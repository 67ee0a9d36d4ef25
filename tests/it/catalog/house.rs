//! A house for the tests of the catalogue: its database, people of every role, and the routes in process.

use std::sync::{Arc, Mutex};

use actix_web::{
    App,
    http::Method,
    test::{self, TestRequest},
    web,
};
use backstage::{
    clock::{SharedClock, SystemClock},
    commerce::{self, JoinThrottle},
    config::LimitProfile,
    entropy::{Ids, SharedEntropy, SystemEntropy},
    identity::{
        Authenticator,
        authenticator::token_hash,
        core::{address::Address, role::Role},
        store::{members, users},
        teams,
    },
    ids::{ExperienceId, TeamId, UserId},
    keys::KeyRing,
    store::StoreError,
    storefront::{self, Catalog, HoldersChanged, Watching},
    web::{
        client_address::TrustedProxies,
        csrf::Csrf,
        idempotency::{InFlight, Replays},
        json,
        page::Pages,
    },
};
use diesel_async::RunQueryDsl;
use futures_util::FutureExt;
use serde_json::{Value, json};
use utoipa_actix_web::AppExt;
use uuid::Uuid;

use crate::support::{Database, runtime};

/// Writes down whose rights were said to have changed.
#[derive(Default)]
pub struct Told(Mutex<Vec<UserId>>, Mutex<Vec<ExperienceId>>);

impl Told {
    /// Who was told of since the last look.
    pub fn take(&self) -> Vec<UserId> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Whose settings were said to have changed since the last look.
    pub fn take_settings(&self) -> Vec<ExperienceId> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

impl HoldersChanged for Told {
    fn changed(&self, users: &[UserId]) {
        self.0.lock().unwrap().extend(users);
    }

    fn settings_changed(&self, experience: ExperienceId) {
        self.1.lock().unwrap().push(experience);
    }
}

impl Watching for Told {
    fn watching(&self, _: ExperienceId) -> u64 {
        7
    }
}

/// Somebody who is signed in by a token.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub body: Value,
    pub location: Option<String>,
}

impl Answer {
    /// The problem's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The id of what came back.
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }
}

pub struct House {
    pub database: Database,
    pub clock: SharedClock,
    pub ring: KeyRing,
    pub ids: Ids,
    pub told: Arc<Told>,
    pub catalog: Catalog,
    pub profile: LimitProfile,
    authenticator: Authenticator,
}

impl House {
    pub fn open() -> Self {
        let database = Database::fresh();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let ring = KeyRing::new([7; 32]);
        let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy));
        let told = Arc::<Told>::default();
        let store = database.store.clone();
        let catalog = Catalog {
            store: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            holders: told.clone(),
            watching: told.clone(),
        };
        let authenticator = Authenticator::new(store, ring.clone(), clock.clone(), runtime().handle().clone());
        Self { database, clock, ring, ids, told, catalog, profile: LimitProfile::Open, authenticator }
    }

    /// Somebody new who holds an API token.
    pub async fn person(&self, name: &str) -> Person {
        let (id, now, email) = (self.ids.fresh::<UserId>(), self.clock.now(), format!("{name}@house.test"));
        let token = format!("bpt_{}", id.0.simple());
        let hash = token_hash(&self.ring, &token).to_vec();
        let address = Address::parse(&email).unwrap();
        let made: Result<UserId, StoreError> = self
            .database
            .store
            .run(move |connection| {
                async move {
                    let user = users::find_or_insert(connection, id, &address, now).await?.id();
                    diesel::sql_query(
                        "insert into api_tokens (id, user_id, token_hash, name, scopes, created_at)
                         values (gen_random_uuid(), $1, $2, 'test', '{all}', now())",
                    )
                    .bind::<diesel::sql_types::Uuid, _>(user.0)
                    .bind::<diesel::sql_types::Binary, _>(hash)
                    .execute(connection)
                    .await?;
                    Ok(user)
                }
                .boxed()
            })
            .await;
        Person { id: made.unwrap(), email, token }
    }

    /// A team of this owner.
    pub async fn team(&self, owner: &Person) -> TeamId {
        let (id, membership, now, owner) = (self.ids.fresh(), self.ids.fresh(), self.clock.now(), owner.id);
        let made: Result<_, StoreError> = self
            .database
            .store
            .transaction(move |connection| {
                async move { teams::insert(connection, id, "A Team", (membership, owner), now).await }.boxed()
            })
            .await;
        made.unwrap().id()
    }

    pub async fn admit(&self, team: TeamId, person: &Person, role: Role) {
        let (id, now, user) = (self.ids.fresh(), self.clock.now(), person.id);
        let made: Result<(), StoreError> = self
            .database
            .store
            .run(move |connection| members::insert(connection, id, team, user, role, now).boxed())
            .await;
        made.unwrap();
    }

    /// Runs a statement of the test's own.
    pub async fn sql(&self, text: &str) -> usize {
        self.try_sql(text).await.unwrap()
    }

    /// Runs a statement that the database may refuse.
    pub async fn try_sql(&self, text: &str) -> Result<usize, StoreError> {
        let text = text.to_owned();
        let store = &self.database.store;
        store.run(move |connection| async move { Ok(diesel::sql_query(text).execute(connection).await?) }.boxed()).await
    }

    /// Counts rows.
    pub async fn count(&self, from: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let text = format!("select count(*) as n from {from}");
        let done: Result<Count, StoreError> = self
            .database
            .store
            .run(move |connection| async move { Ok(diesel::sql_query(text).get_result(connection).await?) }.boxed())
            .await;
        done.unwrap().n
    }

    /// Sends a request with JSON, or without a body.
    pub async fn call(&self, method: Method, path: &str, who: Option<&Person>, body: Option<Value>) -> Answer {
        let request = TestRequest::default().method(method).uri(path);
        let request = match body {
            Some(body) => request.set_json(body),
            None => request,
        };
        self.send(request, who).await
    }

    pub async fn get(&self, path: &str, who: Option<&Person>) -> Answer {
        self.call(Method::GET, path, who, None).await
    }

    pub async fn post(&self, path: &str, who: &Person, body: Value) -> Answer {
        self.call(Method::POST, path, Some(who), Some(body)).await
    }

    pub async fn patch(&self, path: &str, who: &Person, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(who), Some(body)).await
    }

    /// Sends a form of a page.
    pub async fn form(&self, path: &str, who: Option<&Person>, fields: &[(&str, &str)]) -> Answer {
        self.send(TestRequest::post().uri(path).set_form(fields), who).await
    }

    pub async fn put(&self, path: &str, who: &Person, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(who), Some(body)).await
    }

    pub async fn send(&self, request: TestRequest, who: Option<&Person>) -> Answer {
        let entropy: SharedEntropy = Arc::new(SystemEntropy);
        let replays = Replays {
            store: self.database.store.clone(),
            ring: self.ring.clone(),
            entropy: entropy.clone(),
            clock: self.clock.clone(),
            in_flight: InFlight::default(),
        };
        let (app, _) = App::new()
            .app_data(web::Data::new(self.authenticator.clone()))
            .app_data(web::Data::new(self.catalog.clone()))
            .app_data(web::Data::new(JoinThrottle::new(self.profile)))
            .app_data(web::Data::new(replays))
            .app_data(web::Data::new(Csrf::new(self.ring.clone(), entropy, "")))
            .app_data(web::Data::new(Pages { bundle: None, banner: None }))
            .app_data(web::Data::new(TrustedProxies(0)))
            .configure(json::configure)
            .into_utoipa_app()
            .configure(storefront::routes::register)
            .configure(commerce::routes::register)
            .split_for_parts();
        let app = test::init_service(app.configure(storefront::pages::register)).await;
        let request = match who {
            Some(who) => request.insert_header(("authorization", format!("Bearer {}", who.token))),
            None => request,
        };
        let answer = test::call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        let text = String::from_utf8(test::read_body(answer).await.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, text, body, location }
    }

    /// A published space with one experience and a free pass that opens it.
    pub async fn space(&self, owner: &Person, team: TeamId, slug: &str) -> Space {
        let body = json!({ "slug": slug, "name": "A Space", "status": "published" });
        let made = self.post(&format!("/api/v1/teams/{team}/spaces"), owner, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.id();
        let stage = json!({ "kind": "live_stream", "slug": "stage", "name": "The Stage" });
        let experience = self.post(&format!("/api/v1/spaces/{id}/experiences"), owner, stage).await.id();
        let pass = json!({ "slug": "basic", "name": "Basic", "internal_name": "canary-internal" });
        let pass = self.post(&format!("/api/v1/spaces/{id}/passes"), owner, pass).await.id();
        let opens = json!({ "experience_ids": [experience] });
        assert_eq!(self.put(&format!("/api/v1/passes/{pass}/experiences"), owner, opens).await.status, 200);
        let price = json!({ "kind": "free", "access_days": 7 });
        let price = self.post(&format!("/api/v1/passes/{pass}/prices"), owner, price).await.id();
        self.told.take();
        Space { id, experience, pass, price }
    }
}

#[derive(Clone, Debug)]
pub struct Space {
    pub id: String,
    pub experience: String,
    pub pass: String,
    pub price: String,
}

/// A UUID behind a prefix, as the database has it.
pub fn uuid(id: &str) -> Uuid {
    Uuid::parse_str(id.rsplit('_').next().unwrap()).unwrap()
}
