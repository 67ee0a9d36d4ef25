//! What surrounds the account: the events told, the answers kept under idempotency keys, and the carrier of webhooks.
//!
//! Events and answers are too many for the state file, so they stand in journals. Their numbers stand in the account: what a
//! journal holds beyond them belongs to a change that died before it was written, and is forgotten at the next start.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Account, News, Undelivered};
use super::endpoint::{self, address};
use super::event::Event;
use crate::asked::Log;
use crate::clock::Clock;
use crate::courier::{Address, Courier, Letter};
use crate::faults::{Call, Faults, Harm};
use crate::journal::Journal;
use crate::{chance, limits};

/// An answer under the key it was asked with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Counts the account's answers.
    pub number: u64,
    /// When, in Unix seconds.
    pub at: i64,
    /// The key.
    pub key: String,
    /// Method, path and parameters, as a hash.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A webhook on its way.
pub struct Parcel {
    addresses: Vec<Address>,
    letter: Letter,
    harm: Harm,
}

/// Which request something is done for.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// Names the request.
    pub id: String,
    /// Its idempotency key.
    pub key: Option<String>,
}

/// What surrounds the account.
pub struct Desk {
    /// The carrier of webhooks.
    pub courier: Arc<Courier>,
    /// Where pages are served.
    pub site: String,
    events: Mutex<Journal<Event>>,
    answers: Mutex<Journal<Answer>>,
    under_way: Mutex<HashSet<String>>,
}

/// A key that is held until this is dropped.
pub struct Held<'a> {
    desk: &'a Desk,
    key: String,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(&self.desk.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Opens the journals in `dir` as far as the account knows of them.
    pub fn open(dir: &Path, account: &Account, clock: &Arc<Clock>, log: &Arc<Log>, http: &str) -> anyhow::Result<Self> {
        let mut events = Journal::<Event>::open(dir.join("stripe-events.jsonl"), limits::STRIPE_EVENTS_MAX)?;
        events.retain(|event| event.number <= account.told)?;
        let mut answers = Journal::<Answer>::open(dir.join("stripe-answers.jsonl"), limits::STRIPE_ANSWERS_MAX)?;
        answers.retain(|answer| answer.number <= account.answered)?;
        let runtime = tokio::runtime::Handle::current();
        let courier = Courier::new(endpoint::manner(), Arc::clone(clock), Arc::clone(log), runtime)?;
        Ok(Self {
            courier,
            site: format!("{http}/stripe"),
            events: Mutex::new(events),
            answers: Mutex::new(answers),
            under_way: Mutex::default(),
        })
    }

    /// Writes down what happened, and what goes out because of it.
    pub fn note(
        &self,
        account: &mut Account,
        faults: &mut Faults,
        news: Vec<News>,
        asking: Option<&Asking>,
    ) -> Vec<Parcel> {
        let mut parcels = vec![];
        for News { at, kind, object, previous } in news {
            account.told += 1;
            let event = Event {
                number: account.told,
                id: chance::id(&format!("evt_{:08X}", account.told)),
                kind: kind.to_owned(),
                created: at,
                object,
                previous,
                request: asking.map(|asking| asking.id.clone()),
                key: asking.and_then(|asking| asking.key.clone()),
            };
            let wanting: Vec<_> = account.endpoints.iter().filter(|(_, endpoint)| endpoint.wants(kind)).collect();
            let harm = faults.judge(Call { provider: "stripe", method: kind, path: kind, webhook: true });
            let addresses: Vec<_> =
                wanting.into_iter().map(|(id, endpoint)| address(id, endpoint, &event.object)).collect();
            if !addresses.is_empty() {
                let receivers = addresses.iter().map(|address| address.receiver.clone()).collect();
                account.undelivered.insert(event.id.clone(), Undelivered { receivers, lost: harm.lose });
                while account.undelivered.len() > limits::STRIPE_UNDELIVERED_MAX {
                    account.undelivered.pop_first();
                }
                parcels.push(Parcel { letter: letter(&event, addresses.len()), addresses, harm });
            }
            lock(&self.events).push(event);
        }
        parcels
    }

    /// Sends what was noted.
    pub fn send(&self, parcels: Vec<Parcel>) {
        for Parcel { addresses, letter, harm } in parcels {
            self.courier.post(addresses, &letter, &harm);
        }
    }

    /// What endpoints had not taken when this program ended is sent again, as it is at the provider.
    pub fn owed(&self, account: &Account) -> Vec<Parcel> {
        let events = lock(&self.events);
        let owed = |event: &Event| {
            let owed = account.undelivered.get(&event.id).filter(|owed| !owed.lost)?;
            let endpoints = owed.receivers.iter().filter_map(|id| account.endpoints.get_key_value(id));
            let addresses: Vec<_> = endpoints.map(|(id, endpoint)| address(id, endpoint, &event.object)).collect();
            Some(Parcel { letter: letter(event, addresses.len()), addresses, harm: Harm::default() })
        };
        events.entries().iter().filter_map(owed).collect()
    }

    /// The events that `wanted` takes, newest first.
    pub fn events(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        lock(&self.events).entries().iter().rev().filter(|event| wanted(event)).cloned().collect()
    }

    /// The answer under a key that is still kept.
    pub fn answer(&self, now: i64, key: &str) -> Option<Answer> {
        let answers = lock(&self.answers);
        let fresh = |answer: &&Answer| answer.key == key && now - answer.at < limits::STRIPE_ANSWER_SECS;
        answers.entries().iter().rev().find(fresh).cloned()
    }

    /// Keeps an answer under its key.
    pub fn keep_answer(&self, account: &mut Account, mut answer: Answer) {
        account.answered += 1;
        answer.number = account.answered;
        lock(&self.answers).push(answer);
    }

    /// Holds a key, unless somebody else does.
    pub fn hold(&self, key: &str) -> Option<Held<'_>> {
        lock(&self.under_way).insert(key.to_owned()).then(|| Held { desk: self, key: key.to_owned() })
    }
}

fn letter(event: &Event, pending: usize) -> Letter {
    // The provider's own bodies are indented, so that a receiver that writes the body anew before hashing it is found out.
    let body = serde_json::to_vec_pretty(&event.shown(pending)).expect("an event is plain JSON");
    Letter::new(event.id.clone(), event.kind.clone(), body)
}
