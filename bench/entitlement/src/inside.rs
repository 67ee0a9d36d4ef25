//! Answers in process, on one thread: the judge alone, and the doorkeeper's answer from memory with all it counts.

use std::{collections::HashMap, hint::black_box, sync::Arc, time::Duration};

use backstage::{
    access::{
        Doorkeeper, Eviction,
        core::{Opening, Rights, judge},
        source::{Change, RightsSource},
    },
    clock::{Clock, SharedClock, Timestamp},
    ids::{ExperienceId, UserId},
    store::StoreError,
    supervision::Here,
    telemetry::metric::Watch,
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, task::LocalSet};

use crate::dataset::{self, NOW, Question, collector, question};

const ROUNDS: usize = 5;
const ASKED: u64 = 200_000;
/// Calls timed together, so that the stopwatch is not what is measured.
const BATCH: usize = 16;

/// Prints the table.
pub fn run(users: u32) -> anyhow::Result<()> {
    println!(
        "| in process, one thread | data | µs an answer, median round (least–most) | p99 of batches of {BATCH}, µs |"
    );
    println!("|---|---|---|---|");
    let floor: Vec<u32> = (0..200_000).collect();
    measure("nothing but the loop", "", &floor, |number| {
        black_box(number);
    });
    for count in [3, 50] {
        let (rights, opening) = collector(count);
        let asked: Vec<Opening> = vec![opening; 20_000];
        measure("the judge", &format!("{count} grants of one space"), &asked, |opening| {
            assert!(judge(NOW, black_box(&rights), opening).allowed);
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, doorkeeper(users))
}

async fn doorkeeper(users: u32) -> anyhow::Result<()> {
    let known =
        Arc::new(Known { ticked: dataset::ticked(), of: (0..users).map(|user| (dataset::id(user), user)).collect() });
    let clock: SharedClock = Arc::new(Still(Watch::start()));
    let doorkeeper = Doorkeeper::new(known, clock, Arc::new(Nobody), Here::new(), Handle::current());
    for user in 0..users {
        // in portions: a real herd is spread as well, and each waits at most some seconds
        if user % 2_000 == 0 {
            let portion = (user..(user + 2_000).min(users)).map(|user| doorkeeper.rights(dataset::id(user)));
            anyhow::ensure!(
                futures_util::future::join_all(portion).await.iter().all(Result::is_ok),
                "rights were not read"
            );
        }
    }
    for experience in dataset::experiences().collect::<Vec<_>>().chunks(500) {
        let portion = experience.iter().map(|experience| doorkeeper.opening(*experience));
        anyhow::ensure!(
            futures_util::future::join_all(portion).await.iter().all(Result::is_ok),
            "openings were not read"
        );
    }
    let questions: Vec<Question> = (0..ASKED).map(|number| question(number, users)).collect();
    let scale = format!("{users} people × 3 grants, every answer checked");
    measure("the map of rights, read", &scale, &questions, |question| {
        black_box(doorkeeper.known(question.user).is_ok());
    });
    measure("the doorkeeper from memory: rights, opening, judge, metrics", &scale, &questions, |question| {
        let answer = doorkeeper.glance(question.user, question.experience);
        assert_eq!(answer.map(|answer| answer.allowed), Some(question.answer));
    });
    Ok(())
}

fn measure<T>(name: &str, scale: &str, items: &[T], mut work: impl FnMut(&T)) {
    let mut rounds: Vec<(f64, f64)> = (0..=ROUNDS)
        .map(|_| {
            let mut batches: Vec<Duration> = Vec::with_capacity(items.len() / BATCH + 1);
            for batch in items.chunks(BATCH) {
                let watch = Watch::start();
                batch.iter().for_each(&mut work);
                batches.push(watch.elapsed());
            }
            let all: Duration = batches.iter().sum();
            batches.sort_unstable();
            let p99 = batches[batches.len() * 99 / 100];
            (all.as_secs_f64() * 1e6 / items.len() as f64, p99.as_secs_f64() * 1e6 / BATCH as f64)
        })
        .skip(1)
        .collect();
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (median, p99) = rounds[ROUNDS / 2];
    println!("| {name} | {scale} | {median:.3} ({:.3}–{:.3}) | {p99:.3} |", rounds[0].0, rounds[ROUNDS - 1].0);
}

/// A wall clock that stands still, so that every answer has one right value; durations go on.
struct Still(Watch);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }
}

struct Nobody;

impl Eviction for Nobody {
    fn rights_changed(&self, _: UserId, _: Arc<Rights>) {}
    fn rights_unknown(&self, _: UserId) {}
    fn is_inside(&self, _: UserId) -> bool {
        false
    }
}

/// The truth, without a database.
struct Known {
    ticked: HashMap<u32, Arc<[ExperienceId]>>,
    of: HashMap<UserId, u32>,
}

impl RightsSource for Known {
    fn rights(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<Rights>, StoreError>> {
        let read = users.iter().filter_map(|user| Some(dataset::rights(*self.of.get(user)?, &self.ticked))).collect();
        std::future::ready(Ok(read)).boxed()
    }

    fn openings(
        &self,
        experiences: Vec<ExperienceId>,
    ) -> BoxFuture<'static, Result<Vec<(ExperienceId, Opening)>, StoreError>> {
        std::future::ready(Ok(experiences.into_iter().map(|one| (one, dataset::opening(one))).collect())).boxed()
    }

    fn changes(&self, _: Timestamp) -> BoxFuture<'static, Result<Vec<Change>, StoreError>> {
        std::future::ready(Ok(vec![])).boxed()
    }

    fn tidy(&self, _: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}
