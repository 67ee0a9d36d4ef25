//! Who may enter, against a real Postgres: what the statements read and keep, and what the routes answer.

mod routes;
mod store;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use actix_web::web;
use backstage::{
    access::{self, Doorkeeper, Eviction, PgRights, Seats, core::Rights},
    ids::{ExperienceId, PassId, SpaceId, TeamId, UserId},
    store::{Store, StoreError},
    supervision::Here,
};
use diesel_async::SimpleAsyncConnection;
use futures_util::{FutureExt, future::LocalBoxFuture};
use uuid::Uuid;

use crate::support::{Person, World, runtime};

/// Writes down who was to be judged again; everybody counts as inside.
#[derive(Default)]
struct Told(Mutex<Vec<UserId>>);

impl Eviction for Told {
    fn rights_changed(&self, user: UserId, _: Arc<Rights>) {
        self.0.lock().unwrap().push(user);
    }
    fn rights_unknown(&self, _: UserId) {}
    fn is_inside(&self, _: UserId) -> bool {
        true
    }
}

/// Everybody watches on the device `tv` alone, and may do so on one device.
struct OneTelevision;

impl Seats for OneTelevision {
    fn has_room(&self, _: UserId, _: ExperienceId, device: String) -> LocalBoxFuture<'static, Option<bool>> {
        async move { (device != "nobody-knows").then_some(device == "tv") }.boxed_local()
    }
}

/// A fresh id, different in each call of this run.
fn id<T: From<Uuid>>() -> T {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    T::from(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(NUMBER.fetch_add(1, Ordering::Relaxed)),
    ))
}

async fn sql(store: &Store, text: String) {
    let done: Result<(), StoreError> =
        store.run(move |connection| async move { Ok(connection.batch_execute(&text).await?) }.boxed()).await;
    done.unwrap();
}

/// A team with a published space, an experience in it, and a pass that opens the experience.
#[derive(Clone, Copy)]
struct House {
    team: TeamId,
    space: SpaceId,
    stage: ExperienceId,
    pass: PassId,
}

impl House {
    async fn build(store: &Store) -> Self {
        let house = Self { team: id(), space: id(), stage: id(), pass: id() };
        let (team, space, stage, pass) = (house.team.0, house.space.0, house.stage.0, house.pass.0);
        let slug = space.simple();
        sql(
            store,
            format!(
                "insert into teams (id, name, created_at) values ('{team}', 'Demo', '2026-01-01');
                 insert into spaces (id, team_id, slug, name, status, created_at)
                 values ('{space}', '{team}', 's{slug}', 'Space', 'published', '2026-01-01');
                 insert into experiences (id, space_id, slug, name, kind, position, created_at)
                 values ('{stage}', '{space}', 'stage', 'Stage', 'live_stream', 0, '2026-01-01');
                 insert into access_passes (id, space_id, slug, name, position, created_at)
                 values ('{pass}', '{space}', 'vip', 'VIP', 0, '2026-01-01');
                 insert into access_pass_experiences (pass_id, experience_id, space_id) values ('{pass}', '{stage}', '{space}')"
            ),
        )
        .await;
        house
    }

    async fn employ(&self, store: &Store, user: UserId, role: &str) {
        let (member, team, user) = (id::<Uuid>(), self.team.0, user.0);
        sql(
            store,
            format!(
                "insert into memberships (id, team_id, user_id, role, joined_at)
                 values ('{member}', '{team}', '{user}', '{role}', '2026-01-01')"
            ),
        )
        .await;
    }

    async fn tick(&self, store: &Store, ticked: bool) {
        let (space, stage, pass) = (self.space.0, self.stage.0, self.pass.0);
        let text = if ticked {
            format!(
                "insert into access_pass_experiences (pass_id, experience_id, space_id) values ('{pass}', '{stage}', '{space}')"
            )
        } else {
            format!("delete from access_pass_experiences where pass_id = '{pass}'")
        };
        sql(store, text).await;
    }
}

async fn someone(store: &Store, email: &str) -> UserId {
    let user: UserId = id();
    let uuid = user.0;
    sql(
        store,
        format!("insert into users (id, email, email_norm, created_at) values ('{uuid}', '{email}', '{email}', '2026-01-01')"),
    )
    .await;
    user
}

/// A world with the routes of access, and the doorkeeper behind them.
struct Doors {
    world: World,
    doorkeeper: Doorkeeper,
    told: Arc<Told>,
    house: House,
    admin: Person,
}

impl Doors {
    async fn open() -> Self {
        let world = World::open();
        let store = world.database.store.clone();
        let told = Arc::new(Told::default());
        let source = Arc::new(PgRights::new(store.clone()));
        let clock = world.identity.clock.clone();
        let doorkeeper = Doorkeeper::new(source, clock, told.clone(), Here::new(), runtime().handle().clone());
        let house = House::build(&store).await;
        let behind = doorkeeper.clone();
        let world = world.with(move |app| {
            let seats: Arc<dyn Seats> = Arc::new(OneTelevision);
            app.map(|app| app.app_data(web::Data::new(behind.clone())).app_data(web::Data::from(seats)));
            access::routes::register(app);
        });
        let admin = world.sign_in("admin@example.com").await;
        house.employ(&store, admin.id.parse().unwrap(), "admin").await;
        doorkeeper.changed(&[admin.id.parse().unwrap()]);
        Self { world, doorkeeper, told, house, admin }
    }

    fn store(&self) -> &Store {
        &self.world.database.store
    }

    async fn ask(&self, method: &str, path: &str, by: &Person, body: serde_json::Value) -> crate::support::Answer {
        self.world.json(method, path, Some(by), body).await
    }

    /// What `GET …/access` says to `by`, about `user` where one is named.
    async fn why(&self, by: &Person, user: Option<&str>) -> serde_json::Value {
        let about = user.map(|user| format!("?user={user}")).unwrap_or_default();
        let path = format!("/api/v1/experiences/{}/access{about}", self.house.stage);
        self.ask("GET", &path, by, serde_json::Value::Null).await.json()
    }
}
