//! The doorkeeper on tokio's paused clock, over a source of rights that tests change, slow down and take away.

mod outage;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, task::LocalSet};
use uuid::Uuid;

use super::{
    Doorkeeper, Eviction, RightsUnknown,
    core::{Ban, Grant, Opening, Opens, Reason, Rights, Source, Staff, Status},
    source::{Change, RightsSource},
};
use crate::{
    clock::{SharedClock, Timestamp, TokioClock},
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
    limits::{LOADS_BURST, OPENING_FRESH, RIGHTS_IDLE, RIGHTS_SWEEP_EVERY},
    store::StoreError,
    supervision::Here,
};

const BEGINS: Timestamp = Timestamp(1_795_262_400_000);
const TEAM: TeamId = TeamId(Uuid::from_u128(1));
const SPACE: SpaceId = SpaceId(Uuid::from_u128(11));
const STAGE: ExperienceId = ExperienceId(Uuid::from_u128(21));

fn person(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// What Postgres would hold, and what tests do to it.
#[derive(Default)]
struct Truth {
    rights: Mutex<HashMap<UserId, Rights>>,
    unpublished: AtomicBool,
    changes: Mutex<Vec<Change>>,
    away: AtomicBool,
    takes_ms: AtomicU64,
    queries: AtomicU64,
    numbers: AtomicI64,
}

impl Truth {
    fn hold(&self, user: UserId, grants: impl Into<Box<[Grant]>>) {
        self.rights.lock().unwrap().insert(user, Rights { grants: grants.into(), ..Rights::none(user) });
    }

    /// A change made by another node: only the log tells.
    fn log(&self, user: UserId) {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        self.changes.lock().unwrap().push(Change { number, user });
    }

    fn answer<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let truth = self.clone();
        self.queries.fetch_add(1, Ordering::SeqCst);
        async move {
            let value = read(&truth); // what is seen is of the moment in which the query began
            tokio::time::sleep(Duration::from_millis(truth.takes_ms.load(Ordering::SeqCst))).await;
            if truth.away.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("away".into()));
            }
            Ok(value)
        }
        .boxed()
    }
}

struct Port(Arc<Truth>);

impl RightsSource for Port {
    fn rights(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<Rights>, StoreError>> {
        self.0.answer(move |truth| {
            let all = truth.rights.lock().unwrap();
            users.into_iter().map(|user| all.get(&user).cloned().unwrap_or_else(|| Rights::none(user))).collect()
        })
    }

    fn openings(
        &self,
        experiences: Vec<ExperienceId>,
    ) -> BoxFuture<'static, Result<Vec<(ExperienceId, Opening)>, StoreError>> {
        self.0.answer(move |truth| {
            let space_published = !truth.unpublished.load(Ordering::SeqCst);
            let opening = Opening { team: TEAM, space: SPACE, space_published, experience: Some(STAGE) };
            experiences.into_iter().filter(|one| *one == STAGE).map(|one| (one, opening)).collect()
        })
    }

    fn changes(&self, _: Timestamp) -> BoxFuture<'static, Result<Vec<Change>, StoreError>> {
        self.0.answer(|truth| truth.changes.lock().unwrap().clone())
    }

    fn tidy(&self, _: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.answer(|_| ())
    }
}

/// Somebody who holds doors open, judges again when told, and writes down who was put out and when.
struct Inside {
    clock: SharedClock,
    inside: Mutex<HashSet<UserId>>,
    out: Mutex<Vec<(UserId, &'static str, Timestamp)>>,
    told: AtomicU64,
    published: Arc<Truth>,
}

impl Inside {
    fn out(&self, user: UserId, reason: &'static str) {
        if self.inside.lock().unwrap().remove(&user) {
            self.out.lock().unwrap().push((user, reason, self.clock.now()));
        }
    }
}

impl Eviction for Inside {
    fn rights_changed(&self, user: UserId, rights: Arc<Rights>) {
        self.told.fetch_add(1, Ordering::SeqCst);
        let space_published = !self.published.unpublished.load(Ordering::SeqCst);
        let opening = Opening { team: TEAM, space: SPACE, space_published, experience: Some(STAGE) };
        if let Reason::Refused(refusal) = super::core::judge(self.clock.now(), &rights, &opening).reason {
            self.out(user, refusal.word());
        }
    }

    fn rights_unknown(&self, user: UserId) {
        self.out(user, "rights_unknown");
    }

    fn is_inside(&self, user: UserId) -> bool {
        self.inside.lock().unwrap().contains(&user)
    }
}

struct Stage {
    truth: Arc<Truth>,
    clock: SharedClock,
    inside: Arc<Inside>,
    doorkeeper: Doorkeeper,
}

impl Stage {
    fn new() -> Self {
        let truth = Arc::new(Truth::default());
        truth.takes_ms.store(5, Ordering::SeqCst);
        let clock: SharedClock = Arc::new(TokioClock::starting_at(BEGINS));
        let inside = Arc::new(Inside {
            clock: clock.clone(),
            inside: Mutex::default(),
            out: Mutex::default(),
            told: AtomicU64::new(0),
            published: truth.clone(),
        });
        let source = Arc::new(Port(truth.clone()));
        let doorkeeper = Doorkeeper::new(source, clock.clone(), inside.clone(), Here::new(), Handle::current());
        Self { truth, clock, inside, doorkeeper }
    }

    /// Somebody goes in, if they may.
    async fn enter(&self, user: UserId) -> Result<&'static str, RightsUnknown> {
        let answer = self.doorkeeper.judge(user, STAGE).await?.expect("the stage exists");
        if answer.allowed {
            self.inside.inside.lock().unwrap().insert(user);
        }
        Ok(answer.reason.word())
    }

    fn out(&self) -> Vec<(UserId, &'static str, Timestamp)> {
        self.inside.out.lock().unwrap().clone()
    }
}

fn grant(number: u128) -> Grant {
    Grant {
        id: GrantId(Uuid::from_u128(100 + number)),
        space: SPACE,
        opens: Opens::Pass(PassId(Uuid::from_u128(31)), Arc::from([STAGE])),
        source: Source::Free,
        status: Status::Active,
        starts_at: Timestamp(0),
        expires_at: None,
        past_due_until: None,
    }
}

fn until(number: u128, at: Timestamp) -> Grant {
    Grant { expires_at: Some(at), ..grant(number) }
}

async fn run<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn survive_088_a_grant_that_expires_while_watching_closes_the_door_inside_a_second_and_never_early() {
    run(async {
        let stage = Stage::new();
        let mut ends = HashMap::new();
        for number in 0..2_000_u128 {
            let end = BEGINS.plus(Duration::from_millis(60_000 + u64::try_from(number * 7 % 1_000).unwrap()));
            stage.truth.hold(person(number), [until(number, end)]);
            ends.insert(person(number), end);
        }
        let entering = (0..2_000).map(|number| stage.enter(person(number)));
        let entered = futures_util::future::join_all(entering).await;
        assert!(entered.iter().all(|answer| *answer == Ok("grant")));
        pass(70_000).await;
        let out = stage.out();
        assert_eq!(out.len(), 2_000);
        for (user, reason, at) in out {
            let late = at.0 - ends[&user].0;
            assert!(reason == "expired" && (0..=1_000).contains(&late), "{user} {reason} {late} ms");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_088_a_renewal_before_the_end_never_interrupts() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [until(1, BEGINS.plus(Duration::from_secs(30)))]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        pass(29_900).await;
        stage.truth.hold(person(1), [until(1, BEGINS.plus(Duration::from_secs(60)))]);
        stage.doorkeeper.changed(&[person(1)]);
        pass(20_000).await;
        assert_eq!(stage.out(), []);
        pass(20_000).await;
        assert_eq!(stage.out().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_089_ten_thousand_who_expire_in_one_moment_are_all_told_within_two_seconds() {
    run(async {
        let stage = Stage::new();
        let end = BEGINS.plus(Duration::from_secs(30));
        for number in 0..10_000 {
            stage.truth.hold(person(number), [until(number, end)]);
        }
        futures_util::future::join_all((0..10_000).map(|number| stage.enter(person(number)))).await;
        assert_eq!(stage.inside.inside.lock().unwrap().len(), 10_000);
        pass(40_000).await;
        let out = stage.out();
        assert_eq!(out.len(), 10_000);
        assert!(out.iter().all(|(_, _, at)| (end.0..=end.0 + 2_000).contains(&at.0)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_090_a_better_grant_made_while_the_old_one_runs_out_keeps_the_door_open() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [until(1, BEGINS.plus(Duration::from_secs(10)))]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        pass(5_000).await;
        let vip = Grant { opens: Opens::Space, ..grant(2) };
        stage.truth.hold(person(1), [until(1, BEGINS.plus(Duration::from_secs(10))), vip.clone()]);
        stage.doorkeeper.changed(&[person(1)]);
        pass(100).await;
        let known = stage.doorkeeper.glance(person(1), STAGE).unwrap();
        assert_eq!((known.grant, known.expires_at), (Some(vip.id), None));
        pass(30_000).await;
        assert_eq!(stage.out(), []);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_091_one_of_two_grants_revoked_and_still_inside() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1), grant(2)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        stage.truth.hold(person(1), [Grant { status: Status::Revoked, ..grant(1) }, grant(2)]);
        stage.doorkeeper.changed(&[person(1)]);
        pass(5_000).await;
        assert_eq!(stage.out(), []);
        stage.truth.hold(person(1), [grant(1), grant(2)].map(|held| Grant { status: Status::Revoked, ..held }));
        stage.doorkeeper.changed(&[person(1)]);
        pass(1_000).await;
        assert_eq!(stage.out().len(), 1);
        assert_eq!(stage.out()[0].1, "revoked");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_092_an_experience_taken_out_of_a_pass_puts_its_viewers_out_unless_another_grant_covers_them() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        stage.truth.hold(person(2), [grant(2), Grant { opens: Opens::Experience(STAGE), ..grant(3) }]);
        assert_eq!((stage.enter(person(1)).await, stage.enter(person(2)).await), (Ok("grant"), Ok("grant")));
        let without = Opens::Pass(PassId(Uuid::from_u128(31)), Arc::from([]));
        stage.truth.hold(person(1), [Grant { opens: without.clone(), ..grant(1) }]);
        stage.truth.hold(
            person(2),
            [Grant { opens: without, ..grant(2) }, Grant { opens: Opens::Experience(STAGE), ..grant(3) }],
        );
        let changed_at = stage.clock.now();
        stage.doorkeeper.catalog_changed(&[person(1), person(2)]);
        pass(5_000).await;
        let out = stage.out();
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].0, out[0].1), (person(1), "not_included"));
        assert!(out[0].2.0 - changed_at.0 <= 1_000);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_095_a_ban_puts_out_within_a_second_and_a_ban_that_ends_lets_in_again() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        let over = stage.clock.now().plus(Duration::from_secs(60));
        let banned = Rights {
            grants: Box::new([grant(1)]),
            bans: Box::new([Ban { space: SPACE, until: Some(over) }]),
            ..Rights::none(person(1))
        };
        stage.truth.rights.lock().unwrap().insert(person(1), banned);
        let changed_at = stage.clock.now();
        stage.doorkeeper.changed(&[person(1)]);
        pass(1_000).await;
        assert_eq!(stage.out().len(), 1);
        assert!(stage.out()[0].1 == "banned" && stage.out()[0].2.0 - changed_at.0 <= 1_000);
        assert_eq!(stage.enter(person(1)).await, Ok("banned"));
        pass(60_000).await;
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_096_a_member_who_leaves_the_team_runs_nothing_from_then_on() {
    run(async {
        let stage = Stage::new();
        let staff = Staff { team: TEAM, enters: true, runs: true };
        let member = Rights { staff: Box::new([staff]), ..Rights::none(person(1)) };
        stage.truth.rights.lock().unwrap().insert(person(1), member);
        assert_eq!(stage.enter(person(1)).await, Ok("staff"));
        assert_eq!(stage.doorkeeper.runs(person(1), STAGE), Some(true));
        stage.truth.hold(person(1), []);
        stage.doorkeeper.changed(&[person(1)]);
        assert_eq!(stage.doorkeeper.runs(person(1), STAGE), None, "doubted at once");
        pass(100).await;
        assert_eq!(stage.doorkeeper.runs(person(1), STAGE), Some(false));
        assert_eq!(stage.out()[0].1, "no_grant");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_counts_from_the_moment_it_is_told_also_while_an_older_read_is_in_flight() {
    run(async {
        let stage = Stage::new();
        stage.truth.takes_ms.store(400, Ordering::SeqCst);
        stage.truth.hold(person(1), [grant(1)]);
        let (doorkeeper, one) = (stage.doorkeeper.clone(), person(1));
        let first = tokio::task::spawn_local(async move { doorkeeper.rights(one).await.unwrap() });
        pass(100).await; // the read has begun and saw the grant
        stage.truth.hold(person(1), []);
        stage.doorkeeper.changed(&[person(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("no_grant"));
        assert!(first.await.unwrap().grants.is_empty(), "who asked before is told the newer truth as well");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn five_thousand_who_return_cost_some_dozens_of_queries() {
    run(async {
        let stage = Stage::new();
        for number in 0..5_000 {
            stage.truth.hold(person(number), [grant(number)]);
        }
        let returning = (0..5_000_u64).map(|number| {
            let stage = &stage;
            async move {
                pass(number).await; // spread over five seconds
                stage.enter(person(u128::from(number))).await
            }
        });
        let all = futures_util::future::join_all(returning).await;
        assert!(all.iter().all(|answer| *answer == Ok("grant")));
        let queries = stage.doorkeeper.queries();
        assert!(queries <= 30, "{queries} queries");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_who_ask_wait_for_nobody() {
    run(async {
        let stage = Stage::new();
        let begun = stage.clock.monotonic();
        for number in 0..u128::from(LOADS_BURST) {
            let _ = stage.doorkeeper.rights(person(number)).await;
        }
        assert!(stage.clock.monotonic() - begun < Duration::from_millis(50));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_space_that_is_archived_puts_its_members_out_and_new_ones_are_refused_at_once() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        stage.truth.hold(person(2), [grant(2)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        stage.truth.unpublished.store(true, Ordering::SeqCst);
        stage.doorkeeper.catalog_changed(&[]);
        assert_eq!(stage.enter(person(2)).await, Ok("space_unpublished"));
        pass(500).await;
        assert_eq!(stage.out()[0].1, "space_unpublished");
        assert!(OPENING_FRESH > Duration::from_millis(500), "it was told, not found by age");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_actor_takes_no_right_and_the_next_end_is_still_kept() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [until(1, BEGINS.plus(Duration::from_secs(30)))]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        for _ in 0..20 {
            stage.doorkeeper.drill(person(1));
        }
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        pass(20_000).await;
        assert_eq!(stage.out(), []);
        pass(20_000).await;
        assert_eq!(stage.out()[0].1, "expired");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_for_a_while_is_forgotten_and_who_is_inside_never() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        stage.truth.hold(person(2), [grant(2)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        assert!(stage.doorkeeper.rights(person(2)).await.is_ok());
        tokio::time::sleep(RIGHTS_IDLE + RIGHTS_SWEEP_EVERY * 2).await;
        assert_eq!(stage.doorkeeper.people_known(), 1);
        assert_eq!(stage.doorkeeper.keeper.len(), 1);
        assert!(stage.doorkeeper.known(person(1)).is_ok());
        assert_eq!(stage.enter(person(2)).await, Ok("grant"), "and is read again when asked for");
    })
    .await;
}
