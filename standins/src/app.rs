//! What all routes share, put together once.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;

use crate::asked::Log;
use crate::clock::Clock;
use crate::courier::{Courier, Letter};
use crate::faults::{Call, Harm};
use crate::journal::Journal;
use crate::keep::{Change, Keep, State};
use crate::limits;
use crate::livekit::json::webhook_body;
use crate::livekit::media::{Events, Media};
use crate::livekit::token::Key;
use crate::livekit::webhook;
use crate::mail::mailbox::Mailbox;
use crate::stripe::account::Turn;
use crate::stripe::desk::{Asking, Desk};

/// Everything the routes need.
pub struct App {
    /// The state with its file.
    pub keep: Keep,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// What was asked.
    pub log: Arc<Log>,
    /// Letters that came.
    pub mailbox: Mailbox,
    /// The media server's key.
    pub key: Key,
    /// What surrounds Stripe's account.
    pub stripe: Desk,
    /// Base URL of the HTTP listener.
    pub http: String,
    /// Address of the SMTP listener.
    pub smtp: String,
    courier: Arc<Courier>,
    wake: Notify,
}

impl App {
    /// Opens what is kept in `dir`.
    pub fn open(dir: &Path, keep: Keep, key: Key, http: String, smtp: String) -> anyhow::Result<Self> {
        let clock = Arc::new(Clock::new(keep.read(|state| state.offset_ms)));
        let journal = Journal::open(dir.join("log.jsonl"), limits::LOG_MAX).context("the log cannot be opened")?;
        let log = Arc::new(Log::new(journal));
        let letters =
            Journal::open(dir.join("mail.jsonl"), limits::MAIL_MAX).context("the letters cannot be opened")?;
        let runtime = tokio::runtime::Handle::current();
        let courier = Courier::new(webhook::manner(), Arc::clone(&clock), Arc::clone(&log), runtime)?;
        let mailbox = Mailbox::new(letters);
        let stripe = keep.read(|state| Desk::open(dir, &state.stripe, &clock, &log, &http))?;
        Ok(Self { keep, clock, log, mailbox, key, stripe, http, smtp, courier, wake: Notify::new() })
    }

    /// Changes the media server; what happened is sent in the same order in which it happened.
    pub fn stage<R>(&self, play: impl FnOnce(i64, &mut Media, &mut Events) -> R) -> (R, Change) {
        let done = self.keep.change(|state| {
            let mut events = Vec::new();
            let result = play(self.clock.now_ms(), &mut state.media, &mut events);
            self.send(state, &events);
            result
        });
        self.wake.notify_one();
        done
    }

    fn send(&self, state: &mut State, events: &Events) {
        for event in events {
            let name = event.event.as_str();
            let harm = state.faults.judge(Call { provider: "livekit", method: name, path: name, webhook: true });
            let room = event.room.as_ref().map(|room| room.name.clone()).unwrap_or_default();
            let letter = Letter::new(event.id.clone(), event.event.clone(), webhook_body(event));
            self.courier.post(webhook::addresses(state.media.urls(), &room, &self.key), &letter, &harm);
        }
    }

    /// Changes Stripe's account, after everything that was due there by itself; what happened is sent once it is written.
    pub fn trade<R>(self: &Arc<Self>, asking: Option<&Asking>, deal: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Change) {
        let ((result, parcels), change) = self.keep.change(|state| {
            let now = self.clock.now_ms() / 1_000;
            let mut turn = Turn { now, site: &self.stripe.site, account: &mut state.stripe, news: vec![] };
            turn.advance(now);
            let due = std::mem::take(&mut turn.news);
            let result = deal(&mut turn);
            let news = turn.news;
            let mut parcels = self.stripe.note(&mut state.stripe, &mut state.faults, due, None);
            parcels.extend(self.stripe.note(&mut state.stripe, &mut state.faults, news, asking));
            (result, parcels)
        });
        if !parcels.is_empty() {
            let app = Arc::clone(self);
            tokio::spawn(async move {
                app.keep.settled(change).await;
                app.stripe.send(parcels);
            });
        }
        self.wake.notify_one();
        (result, change)
    }

    /// Sends again what Stripe's endpoints had not taken when this program ended.
    pub fn resend(&self) {
        let owed = self.keep.read(|state| self.stripe.owed(&state.stripe));
        self.stripe.send(owed);
    }

    /// What was ordered to happen to a call.
    pub fn harm(&self, call: Call<'_>) -> Harm {
        if self.keep.read(|state| state.faults.is_empty()) {
            return Harm::default();
        }
        self.keep.change(|state| state.faults.judge(call)).0
    }

    /// Lets happen what is due by now.
    pub fn advance(self: &Arc<Self>) -> Change {
        let ((), change) = self.stage(|now_ms, media, events| media.advance(now_ms, &self.key, events));
        let now = self.clock.now_ms() / 1_000;
        let due = self.keep.read(|state| state.stripe.next_due().is_some_and(|(at, _)| at <= now));
        if due { self.trade(None, |_| ()).1 } else { change }
    }

    /// Plays what happens by itself, exactly when it is due; never ends.
    pub async fn play_on(self: Arc<Self>) {
        let mut moved = self.clock.follow();
        loop {
            let now_ms = self.clock.now_ms();
            let due_ms = self.keep.read(|state| {
                let stripe = state.stripe.next_due().map(|(at, _)| at.saturating_mul(1_000));
                state.media.next_due_ms().into_iter().chain(stripe).min()
            });
            if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
                self.advance();
                continue;
            }
            self.note_receipts();
            let wait = due_ms.and_then(|due_ms| u64::try_from(due_ms - now_ms).ok());
            let wait = wait.map_or(limits::TICK_MAX, std::time::Duration::from_millis).min(limits::TICK_MAX);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                _ = moved.changed() => {}
            }
        }
    }

    fn note_receipts(&self) {
        let receipts = self.stripe.courier.receipts();
        if !receipts.is_empty() {
            self.keep.change(|state| state.stripe.delivered(&receipts));
        }
    }
}
