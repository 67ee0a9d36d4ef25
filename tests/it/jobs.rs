//! The durable queue: done at least once, whatever dies meanwhile.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use backstage::{
    clock::Clock,
    entropy::{Ids, SystemEntropy},
    jobs::{Claimed, Failure, Handler, Jobs, NewJob, Queue, Runner, runner::Running},
    keys::KeyRing,
    store::{Store, StoreError},
};
use diesel_async::RunQueryDsl;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

use crate::support::{Database, TestClock, runtime};

const PATIENCE: Duration = Duration::from_secs(20);

type Outcomes = Arc<Mutex<Vec<Result<(), Failure>>>>;

/// Counts what it was given, and answers what it is told to.
#[derive(Clone)]
struct Counter {
    jobs: Jobs,
    seen: Arc<watch::Sender<Vec<String>>>,
    outcomes: Outcomes,
}

impl Handler for Counter {
    fn run<'h>(&'h self, job: &'h Claimed) -> BoxFuture<'h, Result<(), Failure>> {
        async move {
            let word: String = self.jobs.payload(job)?;
            self.seen.send_modify(|seen| seen.push(word));
            let outcome = self.outcomes.lock().unwrap().pop();
            if outcome == Some(Err(Failure::for_good("panic"))) {
                panic!("a handler that panics");
            }
            outcome.unwrap_or(Ok(()))
        }
        .boxed()
    }
}

struct Line {
    database: Database,
    clock: TestClock,
    counter: Counter,
}

impl Line {
    fn new() -> Self {
        let (database, clock) = (Database::fresh(), TestClock::new());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let entropy = Arc::new(SystemEntropy);
        let ids = Ids::new(shared.clone(), entropy.clone());
        let jobs = Jobs::new(ids, shared, KeyRing::new([7; 32]), entropy);
        let counter = Counter { jobs, seen: Arc::new(watch::Sender::new(vec![])), outcomes: Arc::default() };
        Self { database, clock, counter }
    }

    fn store(&self) -> &Store {
        &self.database.store
    }

    fn answers(&self, mut outcomes: Vec<Result<(), Failure>>) {
        outcomes.reverse();
        *self.counter.outcomes.lock().unwrap() = outcomes;
    }

    fn start(&self) -> Running {
        let runner = Runner::new(self.store().clone(), self.counter.jobs.clone());
        runner.with("count", self.counter.clone()).start(runtime().handle())
    }

    async fn enqueue(&self, job: NewJob) -> bool {
        let jobs = self.counter.jobs.clone();
        let written = self.store().transaction(move |connection| {
            async move { Ok::<_, StoreError>(jobs.enqueue(connection, job).await?.is_some()) }.boxed()
        });
        let written = written.await.unwrap();
        self.counter.jobs.poke();
        written
    }

    async fn seen(&self, count: usize) -> Vec<String> {
        let mut seen = self.counter.seen.subscribe();
        let enough = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() >= count)).await;
        enough.unwrap_or_else(|_| panic!("fewer than {count} runs: {:?}", self.counter.seen.borrow())).unwrap().clone()
    }

    async fn sql(&self, sql: &'static str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct One {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let asked = self.store().run(move |connection| {
            async move { Ok::<One, StoreError>(diesel::sql_query(sql).get_result(connection).await?) }.boxed()
        });
        asked.await.unwrap().n
    }

    async fn level(&self, sql: &'static str, wanted: i64) {
        let reached = tokio::time::timeout(PATIENCE, async {
            while self.sql(sql).await != wanted {
                tokio::task::yield_now().await;
            }
        });
        assert!(reached.await.is_ok(), "{sql} is {}, not {wanted}", self.sql(sql).await);
    }
}

const ALL: &str = "select count(*) as n from jobs";

fn job(word: &str) -> NewJob {
    NewJob::new(Queue::Upkeep, "count", &word).unwrap()
}

#[tokio::test]
async fn a_job_is_run_when_its_transaction_commits_and_is_gone_after() {
    let line = Line::new();
    let running = line.start();
    line.enqueue(job("a")).await;
    assert_eq!(line.seen(1).await, ["a"]);
    line.level(ALL, 0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_job_of_a_transaction_that_fails_never_was() {
    let line = Line::new();
    let jobs = line.counter.jobs.clone();
    let failed: Result<(), StoreError> = line
        .store()
        .transaction(move |connection| {
            async move {
                jobs.enqueue(connection, job("a")).await?;
                Err(StoreError::Corrupt { table: "jobs", why: "told to".into() })
            }
            .boxed()
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(line.sql(ALL).await, 0);
}

#[tokio::test]
async fn a_job_with_a_key_waits_once() {
    let line = Line::new();
    assert!(line.enqueue(job("a").once("k")).await);
    assert!(!line.enqueue(job("b").once("k")).await);
    assert_eq!(line.sql(ALL).await, 1);
}

#[tokio::test]
async fn a_job_waits_for_its_time() {
    let line = Line::new();
    let running = line.start();
    line.enqueue(job("later").at(line.clock.now().plus(Duration::from_secs(60)))).await;
    line.enqueue(job("now")).await;
    assert_eq!(line.seen(1).await, ["now"]);
    line.clock.advance(Duration::from_secs(60));
    assert_eq!(line.seen(2).await, ["now", "later"]);
    running.stop().await;
}

#[tokio::test]
async fn a_failing_job_is_tried_again_later_and_one_that_never_works_is_set_aside() {
    let line = Line::new();
    let running = line.start();
    line.answers(vec![Err(Failure::for_now("away")), Ok(()), Err(Failure::for_good("no"))]);
    line.enqueue(job("a")).await;
    line.level("select count(*) as n from jobs where error = 'away' and locked_until is null", 1).await;
    line.clock.advance(Duration::from_secs(1));
    assert_eq!(line.seen(2).await, ["a", "a"]);
    line.level(ALL, 0).await;
    line.enqueue(job("b")).await;
    line.level("select count(*) as n from jobs where failed_at is not null and error = 'no'", 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_job_alone() {
    let line = Line::new();
    let running = line.start();
    line.answers(vec![Err(Failure::for_good("panic"))]);
    line.enqueue(job("a")).await;
    line.level("select count(*) as n from jobs where error = 'the handler panicked'", 1).await;
    line.enqueue(job("b")).await;
    assert_eq!(line.seen(2).await, ["a", "b"]);
    running.stop().await;
}

#[tokio::test]
async fn a_job_whose_runner_was_killed_is_run_by_the_next() {
    let line = Line::new();
    line.enqueue(job("a")).await;
    // What a killed runner leaves behind: claimed, its lock over.
    line.sql("with claimed as (update jobs set tries = 1, locked_until = clock_timestamp() - interval '1 second' returning 1) select count(*) as n from claimed").await;
    let running = line.start();
    assert_eq!(line.seen(1).await, ["a"]);
    line.level(ALL, 0).await;
    running.stop().await;
}

#[tokio::test]
async fn two_runners_share_the_work_without_doing_any_twice() {
    let line = Line::new();
    for n in 0..60 {
        line.enqueue(job(&n.to_string())).await;
    }
    let (one, other) = (line.start(), line.start());
    let mut seen = line.seen(60).await;
    line.level(ALL, 0).await;
    one.stop().await;
    other.stop().await;
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), line.counter.seen.borrow().len()), (60, 60));
}
