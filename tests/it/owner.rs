//! Who owns a live experience, over a real Postgres: two nodes, their leases, and rows that a stale owner cannot change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use backstage::{
    clock::{Clock, SharedClock, SystemClock},
    identity::Basis,
    ids::{BroadcastId, ExperienceId, UserId, ViewerId},
    live::{
        core::broadcast::Event,
        directory::Directory,
        experience_actor::{ExperienceActor, Ports},
        lease::Leases,
        ledger::{Claim, Ledger},
        media::{MediaFault, MediaServer, Participant, RoomSid, StillBarred},
        order::{CommandFault, NewBroadcast},
        rights::{LiveRights, Right},
        seating::Seating,
        store::PgLedger,
    },
    socket::{
        codes::CloseCode,
        hub::{Hub, Publication, Reason, ShardId},
    },
    store::{Store, StoreError},
    supervision::{Here, Keeper},
};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::SimpleAsyncConnection;
use futures_util::{FutureExt, future::BoxFuture};
use metrics_exporter_prometheus::PrometheusBuilder;
use uuid::Uuid;

use crate::support::Database;

/// How long anything may take before a test says what was still missing.
const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// A media server on which everything is fine and nobody is.
struct NobodyThere;

impl MediaServer for NobodyThere {
    fn open_room(&self, _: &str) -> BoxFuture<'static, Result<RoomSid, MediaFault>> {
        async { Ok(RoomSid("RM_1".to_owned())) }.boxed()
    }
    fn close_room(&self, _: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        async { Ok(()) }.boxed()
    }
    fn rooms(&self) -> BoxFuture<'static, Result<Vec<String>, MediaFault>> {
        async { Ok(vec![]) }.boxed()
    }
    fn participants(&self, _: &str) -> BoxFuture<'static, Result<Vec<Participant>, MediaFault>> {
        async { Ok(vec![]) }.boxed()
    }
    fn remove(&self, _: &str, _: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        async { Ok(()) }.boxed()
    }

    fn keep_out(&self, _: &str, _: &str, _: StillBarred) {}
}

struct Everybody;

impl LiveRights for Everybody {
    fn may_watch(&self, _: UserId, _: ExperienceId) -> Right {
        Right::Yes { staff: false }
    }
    fn may_run(&self, _: UserId, _: ExperienceId) -> Right {
        Right::Yes { staff: true }
    }
    fn learn(&self, _: UserId, _: ExperienceId) -> BoxFuture<'static, bool> {
        async { true }.boxed()
    }
}

/// Sockets of which only two things are of interest: how much they are told, and how often they are closed.
#[derive(Default)]
struct Counted {
    told: AtomicUsize,
    closed: AtomicUsize,
}

impl Hub for Counted {
    fn publish(&self, _: ExperienceId, _: Publication) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }
    fn publish_to(&self, _: ShardId, _: ExperienceId, _: Publication) {}
    fn close_experience(&self, _: ExperienceId, code: CloseCode, _: Reason) {
        assert_eq!(code, CloseCode::GoingAway);
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
    fn close_user(&self, _: UserId, _: Option<ExperienceId>, _: CloseCode, _: Reason) {}
    fn close_basis(&self, _: Basis, _: CloseCode, _: Reason) {}
    fn close_session(&self, _: ViewerId, _: CloseCode, _: Reason) {}
    fn drain(&self, _: Duration) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

/// One node over the database.
struct Node {
    ledger: PgLedger,
    leases: Leases,
    directory: Directory,
    hub: Arc<Counted>,
}

impl Node {
    fn start(store: &Store, name: &str) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let ledger = PgLedger::new(store.clone(), clock.clone(), name.to_owned(), HOUR, HOUR);
        let (leases, hub) = (Leases::new(clock.clone()), Arc::<Counted>::default());
        let ports = Arc::new(Ports {
            clock: clock.clone(),
            ledger: Arc::new(ledger.clone()),
            media: Arc::new(NobodyThere),
            hub: hub.clone(),
            rights: Arc::new(Everybody),
            seating: Seating::default(),
            leases: leases.clone(),
            media_url: String::new(),
        });
        let given = ports.clone();
        let keeper =
            Keeper::new(Here::new(), clock, move |_, supervision| ExperienceActor::new(supervision, given.clone()));
        Self { ledger, leases, directory: Directory::new(keeper, &ports), hub }
    }

    async fn announce(&self, house: &House, id: u128) -> Result<BroadcastId, CommandFault> {
        let id = BroadcastId(Uuid::from_u128(id));
        let wanted = NewBroadcast { id, by: house.creator, title: None, scheduled_at: None, record: false };
        self.directory.create(house.stage, wanted).await.map(|_| id)
    }
}

/// A space with one live experience, and somebody who runs it.
struct House {
    store: Store,
    stage: ExperienceId,
    creator: UserId,
}

impl House {
    async fn build() -> Self {
        let Database { store, .. } = Database::fresh();
        let (stage, creator) = (ExperienceId(Uuid::from_u128(3)), UserId(Uuid::from_u128(4)));
        let house = Self { store, stage, creator };
        let (team, space) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (stage, creator) = (house.stage.0, house.creator.0);
        house
            .sql(format!(
                "insert into users (id, email, email_norm, created_at)
                 values ('{creator}', 'c@x.test', 'c@x.test', '2026-01-01');
                 insert into teams (id, name, created_at) values ('{team}', 'Demo', '2026-01-01');
                 insert into spaces (id, team_id, slug, name, status, created_at)
                 values ('{space}', '{team}', 's1', 'Space', 'published', '2026-01-01');
                 insert into experiences (id, space_id, slug, name, kind, position, created_at)
                 values ('{stage}', '{space}', 'stage', 'Stage', 'live_stream', 0, '2026-01-01')"
            ))
            .await;
        house
    }

    async fn sql(&self, text: String) {
        let done: Result<(), StoreError> =
            self.store.run(move |connection| async move { Ok(connection.batch_execute(&text).await?) }.boxed()).await;
        done.unwrap();
    }

    async fn number(&self, text: &'static str) -> i64 {
        use diesel_async::RunQueryDsl as _; // its `load` would hide that of a counter
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let found: Result<Row, StoreError> = self
            .store
            .run(move |connection| async move { Ok(diesel::sql_query(text).get_result(connection).await?) }.boxed())
            .await;
        found.unwrap().number
    }

    /// Somebody else takes the lease, as a node does that found it run out.
    async fn take_away(&self) {
        self.sql(
            "update leases set node = 'another', epoch = epoch + 1, until = now() + interval '1 hour';
             update broadcasts set epoch = epoch + 1 where ended_at is null"
                .to_owned(),
        )
        .await;
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what} is still missing"));
}

#[actix_web::test]
async fn survive_013_of_two_nodes_that_announce_and_go_live_at_once_one_does_and_the_other_is_told_to_come_back() {
    let house = House::build().await;
    for trial in 0..30 {
        let nodes = [Node::start(&house.store, "n1"), Node::start(&house.store, "n2")];
        let made = tokio::join!(nodes[0].announce(&house, 100 + 2 * trial), nodes[1].announce(&house, 101 + 2 * trial));
        let (id, owner) = match made {
            (Ok(id), Err(CommandFault::Restarting)) => (id, 0),
            (Err(CommandFault::Restarting), Ok(id)) => (id, 1),
            other => panic!("trial {trial}: {other:?}"),
        };
        let live = |node: &Node| {
            let directory = node.directory.clone();
            async move { directory.command(ExperienceId(Uuid::from_u128(3)), id, Event::GoLive).await }
        };
        let went = tokio::join!(live(&nodes[0]), live(&nodes[1]));
        assert_eq!((went.0.is_ok(), went.1.is_ok()), (owner == 0, owner == 1));
        assert_eq!(house.number("select count(*) as number from broadcasts where state = 'live'").await, 1);
        assert_eq!(
            house.number("select count(*) as number from broadcast_events where event ->> 'to' = 'live'").await,
            i64::try_from(trial).unwrap() + 1
        );
        let ended = nodes[owner].directory.command(house.stage, id, Event::End).await;
        assert_eq!(ended.unwrap().broadcast.unwrap().stage.name(), "ended");
        // the next trial begins with nobody's lease
        house.sql("update leases set until = now() - interval '1 second'".to_owned()).await;
    }
}

#[actix_web::test]
async fn survive_014_a_replaced_owner_changes_no_row_is_counted_and_is_gone_within_a_second() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    let house = House::build().await;
    let node = Node::start(&house.store, "n1");
    let id = node.announce(&house, 100).await.unwrap();
    node.directory.command(house.stage, id, Event::GoLive).await.unwrap();
    let version = "select version as number from broadcasts";
    let journal = "select count(*) as number from broadcast_events";
    let before = (house.number(version).await, house.number(journal).await);
    house.take_away().await;

    let refused = node.directory.command(house.stage, id, Event::End).await;
    assert!(matches!(refused, Err(CommandFault::Restarting)), "{refused:?}");
    let told = node.hub.told.load(Ordering::SeqCst);
    let clock = SystemClock::new();
    assert!(node.leases.renew(&node.ledger).await.unwrap().is_empty(), "it thinks of itself as owner no more");
    until("the end of the actor", || !node.directory.on_duty(house.stage)).await;
    let took = clock.monotonic();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert_eq!((house.number(version).await, house.number(journal).await), before);
    assert_eq!(node.hub.told.load(Ordering::SeqCst), told, "and says nothing more");
    assert_eq!(node.hub.closed.load(Ordering::SeqCst), 1, "its sockets are told to come back");
    assert!(metrics.render().contains("backstage_lease_epoch_refusals_total 1"), "{}", metrics.render());

    // whoever asks it again learns that it is another's, and nothing is taken back
    let again = node.directory.command(house.stage, id, Event::End).await;
    assert!(matches!(again, Err(CommandFault::Restarting)), "{again:?}");
    assert_eq!(house.number("select count(*) as number from leases where node = 'another'").await, 1);
}

#[actix_web::test]
async fn survive_014_a_lease_is_given_to_its_own_node_at_once_and_to_another_when_it_has_run_out() {
    let house = House::build().await;
    let [one, two] = ["n1", "n2"].map(|name| Node::start(&house.store, name).ledger);
    let epoch = |claim: Claim| match claim {
        Claim::Ours(activation) => activation.epoch,
        other => panic!("{other:?}"),
    };
    assert_eq!(epoch(one.activate(house.stage).await.unwrap()), 1);
    assert_eq!(two.activate(house.stage).await.unwrap(), Claim::Elsewhere);
    assert_eq!(epoch(one.activate(house.stage).await.unwrap()), 2, "a node that starts again");
    assert_eq!(one.renew(vec![(house.stage, 2)]).await.unwrap(), [(house.stage, 2)]);
    assert_eq!(
        one.renew(vec![(house.stage, 1)]).await.unwrap(),
        [(house.stage, 2)],
        "and the earlier epoch is not among them"
    );
    assert_eq!(two.renew(vec![(house.stage, 2)]).await.unwrap(), []);

    house.sql("update leases set until = now() - interval '1 second'".to_owned()).await;
    assert_eq!(epoch(two.activate(house.stage).await.unwrap()), 3);
    assert_eq!(one.renew(vec![(house.stage, 2)]).await.unwrap(), []);
    let nowhere = ExperienceId(Uuid::from_u128(99));
    assert_eq!(one.activate(nowhere).await.unwrap(), Claim::NoSuchExperience);
}

#[actix_web::test]
async fn an_open_broadcast_is_for_its_owner_to_take_up_and_for_everybody_once_the_lease_has_run_out() {
    let house = House::build().await;
    let [one, two] = ["n1", "n2"].map(|name| Node::start(&house.store, name));
    assert_eq!(one.ledger.ownerless().await.unwrap(), [], "nothing is open");
    one.announce(&house, 100).await.unwrap();
    assert_eq!(one.ledger.ownerless().await.unwrap(), [house.stage]);
    assert_eq!(two.ledger.ownerless().await.unwrap(), []);
    house.sql("update leases set until = now() - interval '1 second'".to_owned()).await;
    assert_eq!(two.ledger.ownerless().await.unwrap(), [house.stage]);
    house.sql("delete from leases".to_owned()).await;
    assert_eq!(two.ledger.ownerless().await.unwrap(), [house.stage]);
}

#[actix_web::test]
async fn survive_003_a_row_that_cannot_be_understood_is_answered_at_once_and_asked_for_seldom() {
    let house = House::build().await;
    Node::start(&house.store, "n1").announce(&house, 100).await.unwrap();
    house.sql(r#"update broadcasts set facts = '{"state": "nonsense"}'"#.to_owned()).await;
    let node = Node::start(&house.store, "n1");
    let epoch = "select epoch as number from leases";
    let before = house.number(epoch).await;
    let clock = SystemClock::new();
    for _ in 0..50 {
        let began = clock.monotonic();
        let asked = node.directory.describe(house.stage).await;
        assert!(matches!(asked, Err(CommandFault::Restarting)), "which is a 503: {asked:?}");
        assert!(clock.monotonic() - began < Duration::from_secs(1));
    }
    assert_eq!(house.number(epoch).await, before + 1, "one look, however many ask");
}
