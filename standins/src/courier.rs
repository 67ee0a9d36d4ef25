//! Carries webhooks to their receivers in the manner of their provider: one queue for each address and line (a room, a
//! customer), tried again after pauses, harmed on request. What waits here is forgotten when this program dies; a provider
//! that owes it notes so itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::asked::{Asked, Log};
use crate::clock::{self, Clock};
use crate::faults::Harm;
use crate::limits;

/// How one provider delivers.
pub struct Manner {
    /// Its name in the log.
    pub provider: &'static str,
    /// What it calls itself.
    pub agent: &'static str,
    /// Pauses between the tries of one letter.
    pub pauses: &'static [Duration],
    /// Age at which a waiting letter is thrown away.
    pub age_max: Option<Duration>,
    /// Whether a line waits while its first letter is tried again, under one signature; otherwise each try is signed anew
    /// and the others go on.
    pub in_order: bool,
    /// Whether it is noted who has taken what.
    pub receipts: bool,
    /// What an answer means.
    pub judge: fn(u16) -> Verdict,
    /// The headers of a letter, with its signature. Takes the time in Unix seconds.
    pub seal: fn(i64, &Address, &[u8]) -> Headers,
}

/// Names and values.
pub type Headers = Vec<(&'static str, String)>;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It is not wanted.
    Refused,
    /// It is to be tried again.
    Again,
}

/// The carrier of one provider's webhooks.
pub struct Courier {
    manner: Manner,
    client: reqwest::Client,
    clock: Arc<Clock>,
    log: Arc<Log>,
    runtime: Handle,
    at_once: Semaphore,
    lines: Mutex<HashMap<Address, Line>>,
    taken: Mutex<Vec<Receipt>>,
}

/// Where a letter goes, and what stays in order there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The full address.
    pub url: String,
    /// What stays in order: a room, a customer.
    pub line: String,
    /// Names the receiver to its provider.
    pub receiver: String,
    /// What the signature is made with.
    pub secret: String,
}

/// Which letter a receiver has taken.
pub struct Receipt {
    /// The letter.
    pub letter: String,
    /// The receiver.
    pub receiver: String,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Letter>,
    held: Option<Letter>,
    walking: bool,
}

/// What is delivered.
#[derive(Clone)]
pub struct Letter {
    /// Names it in the log.
    pub id: String,
    /// What it is about.
    pub event: String,
    /// What is sent.
    pub body: Vec<u8>,
    since: Instant,
}

impl Letter {
    /// A letter written just now.
    pub fn new(id: String, event: String, body: Vec<u8>) -> Self {
        Self { id, event, body, since: clock::steady() }
    }
}

impl Courier {
    /// A carrier whose work runs on `runtime`.
    pub fn new(manner: Manner, clock: Arc<Clock>, log: Arc<Log>, runtime: Handle) -> anyhow::Result<Arc<Self>> {
        let client = reqwest::Client::builder()
            .timeout(limits::WEBHOOK_ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(manner.agent)
            .build()?;
        let at_once = Semaphore::new(limits::WEBHOOKS_AT_ONCE_MAX);
        let (lines, taken) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { manner, client, clock, log, runtime, at_once, lines, taken }))
    }

    /// Takes a letter for each of `addresses`; `harm` is what was ordered to happen to it.
    pub fn post(self: &Arc<Self>, addresses: Vec<Address>, letter: &Letter, harm: &Harm) {
        if harm.lose {
            self.tell(&letter.event, json!({"id": letter.id, "lost": "ordered"}), None);
            return;
        }
        for address in addresses {
            let mut lines = self.lines();
            let line = lines.entry(address.clone()).or_default();
            if let (Some(ms), None) = (harm.reorder_ms, &line.held) {
                line.held = Some(letter.clone());
                drop(lines);
                self.release_later(address, Duration::from_millis(ms));
                continue;
            }
            let copies = usize::try_from(harm.copies.max(1)).unwrap_or(1);
            let held = line.held.take();
            for letter in std::iter::repeat_n(letter.clone(), copies).chain(held) {
                if line.waiting.len() < limits::WEBHOOK_QUEUE_MAX {
                    line.waiting.push_back(letter);
                } else {
                    self.tell(&letter.event, json!({"id": letter.id, "url": address.url, "lost": "queue full"}), None);
                }
            }
            let idle = !std::mem::replace(&mut line.walking, true);
            drop(lines);
            if idle {
                self.runtime.spawn(Arc::clone(self).walk(address));
            }
        }
    }

    /// What receivers have taken since this was asked last.
    pub fn receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets a held letter go when no successor came to change places with.
    fn release_later(self: &Arc<Self>, address: Address, after: Duration) {
        let courier = Arc::clone(self);
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if courier.release(&address) {
                courier.walk(address).await;
            }
        });
    }

    /// Puts a held letter into its line; whether somebody must start walking it.
    fn release(&self, address: &Address) -> bool {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(address) else { return false };
        let Some(held) = line.held.take() else { return false };
        line.waiting.push_back(held);
        !std::mem::replace(&mut line.walking, true)
    }

    async fn walk(self: Arc<Self>, address: Address) {
        while let Some(letter) = self.next(&address) {
            let age = clock::steady().duration_since(letter.since);
            if self.manner.age_max.is_some_and(|max| age > max) {
                self.tell(&letter.event, json!({"id": letter.id, "url": address.url, "lost": "too old"}), None);
                continue;
            }
            let sealed = self.seal(&address, &letter);
            if self.attempt(&address, &letter, &sealed, 1).await {
                continue;
            }
            if self.manner.in_order {
                self.insist(&address, &letter, Some(sealed)).await;
            } else {
                let (courier, address) = (Arc::clone(&self), address.clone());
                self.runtime.spawn(async move { courier.insist(&address, &letter, None).await });
            }
        }
    }

    /// The next letter of a line; an empty line stops walking and is forgotten.
    fn next(&self, address: &Address) -> Option<Letter> {
        let mut lines = self.lines();
        let line = lines.get_mut(address)?;
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.walking = false;
            if line.held.is_none() {
                lines.remove(address);
            }
        }
        next
    }

    /// Tries again after each pause, with the first signature or with fresh ones.
    async fn insist(&self, address: &Address, letter: &Letter, sealed: Option<Headers>) {
        for (attempt, pause) in (2..).zip(self.manner.pauses) {
            tokio::time::sleep(*pause).await;
            let sealed = sealed.clone().unwrap_or_else(|| self.seal(address, letter));
            if self.attempt(address, letter, &sealed, attempt).await {
                return;
            }
        }
    }

    fn seal(&self, address: &Address, letter: &Letter) -> Headers {
        (self.manner.seal)(self.clock.now_ms() / 1_000, address, &letter.body)
    }

    /// Tries once; whether that is the end of it.
    async fn attempt(&self, address: &Address, letter: &Letter, sealed: &[(&str, String)], attempt: usize) -> bool {
        let Ok(_turn) = self.at_once.acquire().await else { return true };
        let request = self.client.post(&address.url).body(letter.body.clone());
        let request = sealed.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let status = match request.send().await {
            Ok(response) => Some(response.status().as_u16()),
            Err(error) => {
                tracing::debug!(%error, address.url, event = letter.event, "a webhook could not be sent");
                None
            }
        };
        let verdict = status.map_or(Verdict::Again, self.manner.judge);
        let mut detail = json!({"id": letter.id, "url": address.url, "try": attempt});
        match verdict {
            Verdict::Taken if self.manner.receipts => {
                let receipt = Receipt { letter: letter.id.clone(), receiver: address.receiver.clone() };
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
            }
            Verdict::Refused => detail["lost"] = json!("refused"),
            Verdict::Again if attempt > self.manner.pauses.len() => detail["lost"] = json!("no more tries"),
            Verdict::Taken | Verdict::Again => {}
        }
        self.tell(&letter.event, detail, status);
        verdict != Verdict::Again
    }

    fn tell(&self, event: &str, detail: serde_json::Value, status: Option<u16>) {
        self.log.add(Asked::webhook(self.clock.now_ms(), self.manner.provider, event, status, detail));
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Address, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
