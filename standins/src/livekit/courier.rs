//! Carries webhooks to their receivers as the real server does: one queue for each address and room, strictly one after
//! the other, tried at 0, 1, 3, 7 and 15 s, then lost. What waits is lost when this program dies, as it is there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livekit_protocol::WebhookEvent;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::json::webhook_body;
use super::token::{Key, sign_webhook};
use crate::asked::{Asked, Log};
use crate::clock::{self, Clock};
use crate::faults::Harm;
use crate::limits;

/// The carrier of all webhooks.
pub struct Courier {
    client: reqwest::Client,
    clock: Arc<Clock>,
    log: Arc<Log>,
    key: Key,
    runtime: Handle,
    lines: Mutex<HashMap<Address, Line>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Address {
    url: String,
    room: String,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Letter>,
    held: Option<Letter>,
    walking: bool,
}

#[derive(Clone)]
struct Letter {
    id: String,
    event: String,
    body: Vec<u8>,
    since: Instant,
}

/// What became of one try.
enum Outcome {
    Taken(u16),
    Refused(u16),
    Again(Option<u16>),
}

impl Courier {
    /// A carrier whose work runs on `runtime`.
    pub fn new(clock: Arc<Clock>, log: Arc<Log>, key: Key, runtime: Handle) -> anyhow::Result<Arc<Self>> {
        let client = reqwest::Client::builder()
            .timeout(limits::WEBHOOK_ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Go-http-client/1.1")
            .build()?;
        Ok(Arc::new(Self { client, clock, log, key, runtime, lines: Mutex::default() }))
    }

    /// Takes an event for each of `urls`; `harm` is what was ordered to happen to it.
    pub fn post(self: &Arc<Self>, urls: &[String], event: &WebhookEvent, harm: &Harm) {
        if harm.lose {
            self.tell(event.event.as_str(), json!({"id": event.id, "lost": "ordered"}), None);
            return;
        }
        let room = event.room.as_ref().map(|room| room.name.clone()).unwrap_or_default();
        let letter = Letter {
            id: event.id.clone(),
            event: event.event.clone(),
            body: webhook_body(event),
            since: clock::steady(),
        };
        for url in urls {
            let address = Address { url: url.clone(), room: room.clone() };
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
                    self.tell(&letter.event, json!({"id": letter.id, "url": url, "lost": "queue full"}), None);
                }
            }
            let idle = !std::mem::replace(&mut line.walking, true);
            drop(lines);
            if idle {
                self.runtime.spawn(Arc::clone(self).walk(address));
            }
        }
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
            if age > limits::WEBHOOK_AGE_MAX {
                self.tell(&letter.event, json!({"id": letter.id, "url": address.url, "lost": "too old"}), None);
            } else {
                self.deliver(&address.url, &letter).await;
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

    async fn deliver(&self, url: &str, letter: &Letter) {
        let signature = sign_webhook(self.clock.now_ms() / 1_000, &self.key, &letter.body);
        let mut pauses = limits::WEBHOOK_PAUSES.iter();
        for attempt in 1.. {
            let outcome = self.attempt(url, letter, &signature).await;
            let mut detail = json!({"id": letter.id, "url": url, "try": attempt});
            match outcome {
                Outcome::Taken(status) => return self.tell(&letter.event, detail, Some(status)),
                Outcome::Refused(status) => {
                    detail["lost"] = json!("refused");
                    return self.tell(&letter.event, detail, Some(status));
                }
                Outcome::Again(status) => {
                    let pause = pauses.next();
                    if pause.is_none() {
                        detail["lost"] = json!("no more tries");
                    }
                    self.tell(&letter.event, detail, status);
                    let Some(pause) = pause else { return };
                    tokio::time::sleep(*pause).await;
                }
            }
        }
    }

    async fn attempt(&self, url: &str, letter: &Letter, signature: &str) -> Outcome {
        let request = self
            .client
            .post(url)
            .header("Authorization", signature)
            .header("Content-Type", "application/webhook+json")
            .body(letter.body.clone());
        match request.send().await.map(|response| response.status().as_u16()) {
            Ok(status @ (429 | 500 | 502..=599)) => Outcome::Again(Some(status)),
            Ok(status @ 200..=299) => Outcome::Taken(status),
            Ok(status) => Outcome::Refused(status),
            Err(error) => {
                tracing::debug!(%error, url, event = letter.event, "a webhook could not be sent");
                Outcome::Again(None)
            }
        }
    }

    fn tell(&self, event: &str, detail: serde_json::Value, status: Option<u16>) {
        self.log.add(Asked::webhook(self.clock.now_ms(), event, status, detail));
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Address, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
