//! Panics of every kind, on tokio's paused clock.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::task::LocalSet;

use super::*;
use crate::clock::{Timestamp, TokioClock};

/// What outlives the actors: the row they are rebuilt from, and what shall go wrong.
#[derive(Default)]
struct World {
    saved: AtomicU64,
    born: AtomicU64,
    loads: AtomicU64,
    panics_at_birth: AtomicU64,
    panics_in_start: AtomicU64,
    panics_in_rebuild: AtomicU64,
    poison: Mutex<Vec<Poison>>,
}

fn due(count: &AtomicU64) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

struct Sum {
    supervision: Supervision<Self>,
    world: Arc<World>,
    sum: u64,
}

impl Actor for Sum {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        assert!(!due(&self.world.panics_in_start), "started");
        let _ = self.guarded(ctx, Cause::Start, &"load", Self::rebuild);
    }
}

impl Guarded for Sum {
    type Key = u32;
    const KIND: &'static str = "sum";
    fn supervision(&mut self) -> &mut Supervision<Self> {
        &mut self.supervision
    }
    fn rebuild(&mut self, _: &mut Context<Self>) {
        assert!(!due(&self.world.panics_in_rebuild), "rebuild");
        self.world.loads.fetch_add(1, Ordering::SeqCst);
        self.sum = self.world.saved.load(Ordering::SeqCst);
    }
    fn set_aside(&mut self, poison: &Poison, _: &mut Context<Self>) {
        self.world.poison.lock().unwrap().push(poison.clone());
    }
}

#[derive(Debug, Clone, Copy)]
enum Do {
    Add(u64),
    TearAndPanic(u64),
    CancelAndPanic,
    SpawnPanic,
    TimerPanic(Duration),
    SpawnSlowAdd(Duration),
    FetchAndAdd,
    Retire,
}

#[derive(Debug)]
struct Ask(Do, Reply<u64>);
impl Message for Ask {
    type Result = ();
}

impl Handler<Ask> for Sum {
    type Result = ();
    fn handle(&mut self, Ask(what, reply): Ask, ctx: &mut Self::Context) {
        let done = self.guarded(ctx, Cause::Message, &what, |actor, ctx| {
            match what {
                Do::Add(by) => {
                    actor.sum += by;
                    actor.world.saved.store(actor.sum, Ordering::SeqCst);
                }
                Do::TearAndPanic(by) => {
                    actor.sum = 999_999 + by;
                    panic!("torn");
                }
                Do::CancelAndPanic => {
                    actor.guarded_later(ctx, "kept", Duration::from_secs(60), |_, _| {});
                    let timer = actor.guarded_later(ctx, "cancelled", Duration::from_secs(60), |_, _| {});
                    ctx.cancel_future(timer);
                    panic!("with a cancelled timer in hand");
                }
                Do::SpawnPanic => {
                    actor.guarded_spawn(ctx, "fetch", async { panic!("in a future") }, |_, (), _| {});
                }
                Do::TimerPanic(wait) => {
                    actor.guarded_later(ctx, "tick", wait, |_, _| panic!("in a timer"));
                }
                Do::SpawnSlowAdd(wait) => {
                    actor.guarded_spawn(ctx, "slow", tokio::time::sleep(wait), |actor, (), _| actor.sum += 1_000);
                }
                Do::FetchAndAdd => {
                    actor.guarded_spawn(ctx, "fetch", async { 7 }, |actor, by, _| actor.sum += by);
                }
                Do::Retire => {
                    actor.supervision().retire();
                    ctx.stop();
                }
            }
            actor.sum
        });
        if let Ok(sum) = done {
            reply.send(sum);
        }
    }
}

fn keeper(world: &Arc<World>) -> Keeper<Sum> {
    let world = world.clone();
    Keeper::new(Here::new(), Arc::new(TokioClock::starting_at(Timestamp(0))), move |_, supervision| {
        world.born.fetch_add(1, Ordering::SeqCst);
        let sum = Sum { supervision, world: world.clone(), sum: 0 };
        assert!(!due(&world.panics_at_birth), "birth");
        sum
    })
}

async fn act(keeper: &Keeper<Sum>, what: Do) -> Result<u64, Unheard> {
    keeper.ask(1, |reply| Ask(what, reply)).await
}

async fn run<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

#[tokio::test(start_paused = true)]
async fn survive_001_a_panic_in_a_handler_costs_that_message_and_nothing_that_waits_behind_it() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::Add(5)).await, Ok(5));
        let (panicked, behind) = tokio::join!(act(&keeper, Do::TearAndPanic(1)), act(&keeper, Do::Add(2)));
        assert_eq!((panicked, behind), (Err(Unheard::Crashed), Ok(7)));
        assert_eq!((world.born.load(Ordering::SeqCst), world.loads.load(Ordering::SeqCst)), (1, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_spawned_future_or_a_timer_rebuilds_the_same_actor() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::Add(5)).await, Ok(5));
        assert_eq!(act(&keeper, Do::SpawnPanic).await, Ok(5));
        assert_eq!(act(&keeper, Do::TimerPanic(Duration::from_millis(20))).await, Ok(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(6));
        assert_eq!((world.born.load(Ordering::SeqCst), world.loads.load(Ordering::SeqCst)), (1, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_future_brings_from_before_a_rebuild_is_dropped() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::SpawnSlowAdd(Duration::from_secs(1))).await, Ok(0));
        assert_eq!(act(&keeper, Do::TearAndPanic(1)).await, Err(Unheard::Crashed));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(1));
        assert_eq!(act(&keeper, Do::SpawnSlowAdd(Duration::from_secs(1))).await, Ok(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(act(&keeper, Do::Add(0)).await, Ok(1_001), "and one from after it is not");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_002_a_poison_message_is_set_aside_with_its_payload_and_counted_and_the_others_go_on() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        for _ in 0..=RESTARTS_MAX {
            assert!(world.poison.lock().unwrap().is_empty(), "not before the budget is spent");
            assert_eq!(act(&keeper, Do::TearAndPanic(7)).await, Err(Unheard::Crashed));
        }
        let poison = world.poison.lock().unwrap().clone();
        assert_eq!(poison.len(), 1);
        assert_eq!((poison[0].payload.as_str(), poison[0].panic.as_str()), ("TearAndPanic(7)", "torn"));
        let counted = |line: &str| metrics.render().lines().any(|told| told == line);
        assert!(counted(r#"backstage_actor_degraded_total{actor="sum"} 1"#), "which alerts: {}", metrics.render());
        let loads = world.loads.load(Ordering::SeqCst);
        for _ in 0..100 {
            assert_eq!(act(&keeper, Do::TearAndPanic(7)).await, Err(Unheard::Crashed));
        }
        assert_eq!(world.loads.load(Ordering::SeqCst), loads, "it does not run any more");
        assert_eq!(act(&keeper, Do::Add(3)).await, Ok(3));
        tokio::time::sleep(POISON_REST).await;
        assert_eq!(act(&keeper, Do::TearAndPanic(7)).await, Err(Unheard::Crashed));
        assert_eq!(world.loads.load(Ordering::SeqCst), loads + 1, "after its rest it is tried again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_whose_own_work_was_set_aside_is_rebuilt_after_the_rest_and_does_not_wait_for_it_for_ever() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        for _ in 0..=RESTARTS_MAX {
            assert!(act(&keeper, Do::SpawnPanic).await.is_ok());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(world.poison.lock().unwrap().len(), 1);
        let loads = world.loads.load(Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(act(&keeper, Do::FetchAndAdd).await, Ok(0));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(act(&keeper, Do::SpawnPanic).await.is_ok());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(act(&keeper, Do::Add(0)).await, Ok(0), "it does not run, and the others go on");
        assert_eq!(world.loads.load(Ordering::SeqCst), loads);
        tokio::time::sleep(RESTART_WINDOW).await;
        assert_eq!(world.loads.load(Ordering::SeqCst), loads + 1, "once, however much was refused");
        assert_eq!(act(&keeper, Do::FetchAndAdd).await, Ok(0));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(act(&keeper, Do::Add(0)).await, Ok(7), "and it may run again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn panics_that_are_far_apart_never_degrade_an_actor() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        for _ in 0..20 {
            assert_eq!(act(&keeper, Do::TearAndPanic(7)).await, Err(Unheard::Crashed));
            tokio::time::sleep(RESTART_WINDOW / 4).await;
        }
        assert!(world.poison.lock().unwrap().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_dies_in_start_up_is_started_again_by_its_factory() {
    run(async {
        let world = Arc::new(World::default());
        world.saved.store(40, Ordering::SeqCst);
        world.panics_at_birth.store(1, Ordering::SeqCst);
        world.panics_in_start.store(1, Ordering::SeqCst);
        let keeper = keeper(&world);
        keeper.start(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(act(&keeper, Do::Add(2)).await, Ok(42));
        assert_eq!(world.born.load(Ordering::SeqCst), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_rebuild_ends_the_actor_and_the_keeper_starts_another() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::Add(5)).await, Ok(5));
        world.panics_in_rebuild.store(1, Ordering::SeqCst);
        assert_eq!(act(&keeper, Do::TearAndPanic(1)).await, Err(Unheard::Crashed));
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(6));
        assert_eq!(world.born.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_ends_with_a_cancelled_timer_in_hand_does_not_take_its_thread_along() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::Add(5)).await, Ok(5));
        world.panics_in_rebuild.store(1, Ordering::SeqCst);
        assert_eq!(act(&keeper, Do::CancelAndPanic).await, Err(Unheard::Crashed));
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(6));
        assert_eq!(world.born.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_003_an_actor_that_cannot_start_rests_and_is_tried_again_without_a_storm() {
    run(async {
        let world = Arc::new(World::default());
        world.panics_in_start.store(1_000, Ordering::SeqCst);
        let keeper = keeper(&world);
        keeper.start(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = world.born.load(Ordering::SeqCst);
        assert_eq!(begun, RESTARTS_MAX as u64 + 1);
        assert_eq!(act(&keeper, Do::Add(1)).await, Err(Unheard::Degraded));
        assert_eq!(world.born.load(Ordering::SeqCst), begun, "asking does not start it");
        world.panics_in_start.store(0, Ordering::SeqCst);
        tokio::time::sleep(RESTART_WINDOW).await;
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_retired_actor_is_forgotten_and_the_next_message_starts_another() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        assert_eq!(act(&keeper, Do::Add(5)).await, Ok(5));
        assert_eq!(act(&keeper, Do::Retire).await, Ok(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(keeper.is_empty());
        assert_eq!(act(&keeper, Do::Add(1)).await, Ok(6));
        assert_eq!(world.born.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn survive_005_a_full_mailbox_refuses_and_loses_nothing_it_took() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        keeper.start(1);
        let mut taken = 0;
        let mut answers = Vec::new();
        for _ in 0..2 * crate::limits::MAILBOX_MESSAGES_MAX {
            let (reply, answer) = tokio::sync::oneshot::channel();
            match keeper.tell(1, Ask(Do::Add(1), Reply(reply))) {
                Ok(()) => taken += 1,
                Err(unheard) => assert_eq!(unheard, Unheard::Busy),
            }
            answers.push(answer);
        }
        assert!((crate::limits::MAILBOX_MESSAGES_MAX..=crate::limits::MAILBOX_MESSAGES_MAX + 2).contains(&taken));
        assert_eq!(act(&keeper, Do::Add(0)).await, Err(Unheard::Busy));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(act(&keeper, Do::Add(0)).await, Ok(taken as u64));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_actors_of_other_keys_never_notice() {
    run(async {
        let world = Arc::new(World::default());
        let keeper = keeper(&world);
        keeper.ask(2, |reply| Ask(Do::Add(5), reply)).await.unwrap();
        for _ in 0..20 {
            let _ = act(&keeper, Do::TearAndPanic(1)).await;
        }
        assert_eq!(keeper.ask(2, |reply| Ask(Do::Add(1), reply)).await, Ok(6));
    })
    .await;
}

#[test]
fn a_payload_is_cut_between_characters() {
    let long = "é".repeat(POISON_BYTES_MAX);
    assert!(clipped(&long).len() <= POISON_BYTES_MAX);
}
