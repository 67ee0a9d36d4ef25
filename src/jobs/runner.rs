//! Runs jobs: claims what is due, hands it to the handler of its kind, and settles it; wakes by poke and by timer.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use super::{
    Jobs, Queue,
    store::{self, After, Claimed},
};
use crate::{
    clock::Timestamp,
    limits::{JOB_BACKOFF, JOB_IDLE_LOOK, JOB_TIME_MAX, JOBS_AT_ONCE},
    store::{Store, StoreError},
};

/// Why a try did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong; no secret, for a person to read.
    pub error: String,
    /// Whether trying again may help.
    pub retryable: bool,
}

impl Failure {
    /// The world failed; trying again may help.
    #[must_use]
    pub fn for_now(error: impl Into<String>) -> Self {
        Self { error: error.into(), retryable: true }
    }

    /// It will never work.
    #[must_use]
    pub fn for_good(error: impl Into<String>) -> Self {
        Self { error: error.into(), retryable: false }
    }
}

impl From<StoreError> for Failure {
    fn from(fault: StoreError) -> Self {
        Self::for_now(fault.to_string())
    }
}

/// Does one kind of job. May be called twice for the same job after a crash, so it must be repeatable.
pub trait Handler: Send + Sync + 'static {
    /// Does `job`.
    fn run<'h>(&'h self, job: &'h Claimed) -> BoxFuture<'h, Result<(), Failure>>;
}

/// Runs the jobs of every queue on one node.
pub struct Runner {
    store: Store,
    jobs: Jobs,
    handlers: HashMap<&'static str, Arc<dyn Handler>>,
}

/// A runner that was started; dropping it leaves the jobs in hand to the next one.
pub struct Running {
    stop: watch::Sender<bool>,
    lines: JoinSet<()>,
}

impl Running {
    /// Takes no further job and waits for those in hand.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.lines.join_next().await.is_some() {}
    }
}

impl Runner {
    /// A runner without handlers.
    #[must_use]
    pub fn new(store: Store, jobs: Jobs) -> Self {
        Self { store, jobs, handlers: HashMap::new() }
    }

    /// Jobs of `kind` are done by `handler`.
    #[must_use]
    pub fn with(mut self, kind: &'static str, handler: impl Handler) -> Self {
        self.handlers.insert(kind, Arc::new(handler));
        self
    }

    /// Starts a line for each queue on `runtime`.
    #[must_use]
    pub fn start(self, runtime: &Handle) -> Running {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(self);
        let mut lines = JoinSet::new();
        for queue in Queue::ALL {
            let line = Line { runner: shared.clone(), queue, places: Arc::new(Semaphore::new(JOBS_AT_ONCE)) };
            lines.spawn_on(line.run(stopped.clone()), runtime);
        }
        Running { stop, lines }
    }

    async fn do_one(&self, queue: Queue, job: Claimed) {
        let started = self.jobs.clock.monotonic();
        let outcome = match self.handlers.get(job.kind.as_str()) {
            Some(handler) => {
                let guarded = AssertUnwindSafe(handler.run(&job)).catch_unwind();
                match tokio::time::timeout(JOB_TIME_MAX, guarded).await {
                    Ok(Ok(done)) => done,
                    Ok(Err(_)) => Err(Failure::for_now("the handler panicked")),
                    Err(_) => Err(Failure::for_now("the handler took too long")),
                }
            }
            // An older node beside a newer one may not know a kind yet.
            None => Err(Failure::for_now(format!("nobody here handles {}", job.kind))),
        };
        let took = self.jobs.clock.monotonic().saturating_sub(started);
        let after = judge(self.jobs.clock.now(), job.tries, &outcome);
        tracing::debug!(queue = queue.word(), kind = job.kind, job = %job.id(), tries = job.tries, ?took, ?after, "job");
        if let After::Failed { error, .. } = &after {
            tracing::error!(kind = job.kind, job = %job.id(), error, "a job was given up");
        }
        let settled = self
            .store
            .run(move |connection| async move { store::settle(connection, &job, &after).await }.boxed())
            .await;
        if let Err(fault) = settled {
            // Its lock runs out and it is done again; handlers are repeatable.
            tracing::warn!(error = &fault as &dyn std::error::Error, "a job could not be settled");
        }
    }
}

/// What becomes of a job after its try number `tries` ended at `now`.
fn judge(now: Timestamp, tries: i16, outcome: &Result<(), Failure>) -> After {
    let Err(failure) = outcome else { return After::Done };
    let wait = usize::try_from(tries).ok().and_then(|tries| JOB_BACKOFF.get(tries.saturating_sub(1)));
    match wait {
        Some(wait) if failure.retryable => After::Again { at: now.plus(*wait), error: failure.error.clone() },
        _ => After::Failed { at: now, error: failure.error.clone() },
    }
}

struct Line {
    runner: Arc<Runner>,
    queue: Queue,
    places: Arc<Semaphore>,
}

impl Line {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut in_hand = JoinSet::new();
        let mut woken = self.runner.jobs.listen();
        while !*stopped.borrow() {
            let took = self.take(&mut in_hand, &stopped).await;
            while in_hand.try_join_next().is_some() {}
            if took {
                continue;
            }
            tokio::select! {
                _ = woken.changed() => {}
                () = self.next_due() => {}
                _ = in_hand.join_next(), if !in_hand.is_empty() => {}
                _ = stopped.changed() => break,
            }
        }
        while in_hand.join_next().await.is_some() {}
    }

    /// Takes what is due and fits; whether there was anything.
    async fn take(&self, in_hand: &mut JoinSet<()>, stopped: &watch::Receiver<bool>) -> bool {
        let Ok(first) = self.places.clone().acquire_owned().await else { return false };
        if *stopped.borrow() {
            return false;
        }
        let mut places: Vec<OwnedSemaphorePermit> = vec![first];
        while let Ok(place) = self.places.clone().try_acquire_owned() {
            places.push(place);
        }
        let (queue, now, most) = (self.queue, self.runner.jobs.clock.now(), places.len());
        let claimed = self
            .runner
            .store
            .run(move |connection| async move { store::claim(connection, queue, now, most).await }.boxed())
            .await;
        let claimed = claimed.unwrap_or_else(|fault: StoreError| {
            tracing::warn!(error = &fault as &dyn std::error::Error, "jobs cannot be claimed just now");
            vec![]
        });
        let any = !claimed.is_empty();
        for (job, place) in claimed.into_iter().zip(places) {
            let runner = self.runner.clone();
            in_hand.spawn(async move {
                runner.do_one(queue, job).await;
                drop(place);
            });
        }
        any
    }

    /// Until the next job is due, or long enough to look for jobs whose runner died.
    async fn next_due(&self) {
        let queue = self.queue;
        let due = self
            .runner
            .store
            .run(move |connection| async move { store::next_due(connection, queue).await }.boxed())
            .await;
        match due {
            Ok::<_, StoreError>(Some(at)) => tokio::select! {
                () = self.runner.jobs.clock.sleep_until(at) => {}
                () = tokio::time::sleep(JOB_IDLE_LOOK) => {}
            },
            Ok(None) | Err(_) => tokio::time::sleep(JOB_IDLE_LOOK).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_tried_again_by_the_table_and_then_set_aside() {
        let now = Timestamp(0);
        let failed = Err(Failure::for_now("away"));
        for (tries, wait) in (1_i16..).zip(JOB_BACKOFF) {
            let again = After::Again { at: now.plus(wait), error: "away".into() };
            assert_eq!(judge(now, tries, &failed), again);
        }
        let last = i16::try_from(JOB_BACKOFF.len()).unwrap() + 1;
        assert_eq!(judge(now, last, &failed), After::Failed { at: now, error: "away".into() });
    }

    #[test]
    fn what_will_never_work_is_set_aside_at_once() {
        let after = judge(Timestamp(0), 1, &Err(Failure::for_good("no such address")));
        assert_eq!(after, After::Failed { at: Timestamp(0), error: "no such address".into() });
    }
}
