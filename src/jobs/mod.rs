//! Work that must happen although whoever ordered it may die: written in the caller's transaction, run until it succeeded.

pub mod runner;
mod store;

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

pub use runner::{Failure, Handler, Runner};
pub use store::Claimed;

use crate::{
    clock::{SharedClock, Timestamp},
    entropy::{Ids, SharedEntropy},
    ids::JobId,
    keys::{KeyRing, Purpose},
    store::{Connection, StoreError},
};

/// A line in which jobs of one sort wait, so that a slow sort does not hold up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Mail that goes out.
    Mail,
    /// What the engine does for itself.
    Upkeep,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Upkeep];

    /// The word in the database and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Upkeep => "upkeep",
        }
    }
}

/// A job to be written down.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its queue.
    pub queue: Queue,
    /// Which handler runs it.
    pub kind: &'static str,
    /// What the handler needs, as JSON; sealed before it reaches the database.
    pub payload: Vec<u8>,
    /// At most one job of a kind with this key waits at a time; the second is dropped.
    pub dedupe_key: Option<String>,
    /// Not before; `None` is at once.
    pub run_at: Option<Timestamp>,
}

impl NewJob {
    /// A job for the handler of `kind`, to be run at once.
    ///
    /// # Errors
    /// When `payload` cannot be written as JSON.
    pub fn new(queue: Queue, kind: &'static str, payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { queue, kind, payload: serde_json::to_vec(payload)?, dedupe_key: None, run_at: None })
    }

    /// At most one with this key waits at a time.
    #[must_use]
    pub fn once(mut self, dedupe_key: impl Into<String>) -> Self {
        self.dedupe_key = Some(dedupe_key.into());
        self
    }

    /// Not before `run_at`.
    #[must_use]
    pub fn at(mut self, run_at: Timestamp) -> Self {
        self.run_at = Some(run_at);
        self
    }
}

/// Writes jobs down and wakes who runs them. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    ids: Ids,
    clock: SharedClock,
    ring: KeyRing,
    entropy: SharedEntropy,
    poke: watch::Sender<u64>,
}

impl Jobs {
    /// Jobs sealed by `ring`.
    #[must_use]
    pub fn new(ids: Ids, clock: SharedClock, ring: KeyRing, entropy: SharedEntropy) -> Self {
        Self { ids, clock, ring, entropy, poke: watch::Sender::new(0) }
    }

    /// Writes `job` down in the caller's transaction. `None` when one with its key waits already. Call [`Jobs::poke`] after the
    /// commit; without it the job is found by the timer.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn enqueue(&self, connection: &mut Connection, job: NewJob) -> Result<Option<JobId>, StoreError> {
        let id: JobId = self.ids.fresh();
        let now = self.clock.now();
        let sealed = self.ring.seal(Purpose::JobPayload, self.entropy.as_ref(), &job.payload);
        let written = store::insert(connection, id, &job, &sealed, now).await?;
        Ok(written.then_some(id))
    }

    /// Tells the runners of this node that there may be work.
    pub fn poke(&self) {
        self.poke.send_modify(|pokes| *pokes = pokes.wrapping_add(1));
    }

    fn listen(&self) -> watch::Receiver<u64> {
        self.poke.subscribe()
    }

    /// What the payload of a claimed job says.
    ///
    /// # Errors
    /// When it was not sealed by us or is not what the handler expects.
    pub fn payload<T: DeserializeOwned>(&self, job: &Claimed) -> Result<T, Failure> {
        let clear = self.ring.open(Purpose::JobPayload, &job.payload).map_err(|e| Failure::for_good(e.to_string()))?;
        serde_json::from_slice(&clear).map_err(|e| Failure::for_good(format!("payload: {e}")))
    }
}
