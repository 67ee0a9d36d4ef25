//! Reads many keys in one query: the first at once, and under load one batch at a time, a fixed distance apart.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::oneshot};

use super::RightsUnknown;
use crate::{
    clock::SharedClock,
    limits::{LOAD_KEYS_MAX, LOAD_WAIT, LOADS_BURST, LOADS_EVERY, LOADS_WAITING_MAX},
    pace::{Bucket, Pace},
    store::StoreError,
};

type Fetch<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<(K, V)>, StoreError>> + Send + Sync;
type Answer<V> = Result<Option<V>, RightsUnknown>;

/// Loads values of one kind. Cheap to clone.
pub struct Loader<K, V>(Arc<Desk<K, V>>);

impl<K, V> Clone for Loader<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Desk<K, V> {
    what: &'static str,
    fetch: Box<Fetch<K, V>>,
    clock: SharedClock,
    runtime: Handle,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    waiting: HashMap<K, Vec<oneshot::Sender<Answer<V>>>>,
    at_work: bool,
    bucket: Bucket,
    queries: u64,
}

/// How fast queries follow each other.
const LOADS: Pace = Pace { every: LOADS_EVERY, burst: LOADS_BURST };

impl<K, V> Loader<K, V>
where
    K: Copy + Eq + Hash + Debug + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// A loader of `what` whose batches run on `runtime`.
    pub fn new(
        what: &'static str,
        clock: SharedClock,
        runtime: Handle,
        fetch: impl Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<(K, V)>, StoreError>> + Send + Sync + 'static,
    ) -> Self {
        let state = State { waiting: HashMap::new(), at_work: false, bucket: Bucket::default(), queries: 0 };
        Self(Arc::new(Desk { what, fetch: Box::new(fetch), clock, runtime, state: Mutex::new(state) }))
    }

    /// The value of `key` as it is after this call began: a batch in flight is never joined. `None` when there is none.
    pub async fn load(&self, key: K) -> Answer<V> {
        let answer = {
            let mut state = self.0.state();
            if state.waiting.len() >= LOADS_WAITING_MAX {
                return Err(RightsUnknown);
            }
            let (sender, answer) = oneshot::channel();
            state.waiting.entry(key).or_default().push(sender);
            if !std::mem::replace(&mut state.at_work, true) {
                self.0.runtime.spawn(work(self.0.clone()));
            }
            answer
        };
        match tokio::time::timeout(LOAD_WAIT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(RightsUnknown),
        }
    }

    /// Queries made since the start.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.0.state().queries
    }
}

impl<K, V> Desk<K, V> {
    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that nobody works any more, also when the work panicked; what waits then is started by the next who asks.
struct AtWork<K, V> {
    desk: Arc<Desk<K, V>>,
    said: bool,
}

impl<K, V> Drop for AtWork<K, V> {
    fn drop(&mut self) {
        if !self.said {
            self.desk.state().at_work = false;
        }
    }
}

/// Loads what waits, batch after batch, until nothing waits.
async fn work<K: Copy + Eq + Hash + Debug + Send + Sync + 'static, V: Clone + Send + 'static>(desk: Arc<Desk<K, V>>) {
    let mut at_work = AtWork { desk: desk.clone(), said: false };
    loop {
        let taken = desk.state().bucket.take(desk.clock.monotonic(), LOADS);
        if let Err(wait) = taken {
            tokio::time::sleep(wait).await;
            continue;
        }
        let mut batch: HashMap<K, Vec<oneshot::Sender<Answer<V>>>> = {
            let mut state = desk.state();
            state.queries += 1;
            let keys: Vec<K> = state.waiting.keys().take(LOAD_KEYS_MAX).copied().collect();
            keys.into_iter().filter_map(|key| state.waiting.remove_entry(&key)).collect()
        };
        let found = (desk.fetch)(batch.keys().copied().collect()).await;
        match found {
            Ok(found) => {
                for (key, value) in found {
                    answer(batch.remove(&key), &Ok(Some(value)));
                }
                batch.into_values().for_each(|waiting| answer(Some(waiting), &Ok(None)));
            }
            Err(fault) => {
                tracing::warn!(what = desk.what, error = &fault as &dyn std::error::Error, "rights cannot be read");
                batch.into_values().for_each(|waiting| answer(Some(waiting), &Err(RightsUnknown)));
            }
        }
        let mut state = desk.state();
        if state.waiting.is_empty() {
            state.at_work = false; // under the lock by which new ones come in
            at_work.said = true;
            return;
        }
    }
}

/// Gives everybody who waits the same answer; whoever asked may have gone away.
fn answer<V: Clone>(waiting: Option<Vec<oneshot::Sender<Answer<V>>>>, with: &Answer<V>) {
    for one in waiting.unwrap_or_default() {
        drop(one.send(with.clone()));
    }
}
