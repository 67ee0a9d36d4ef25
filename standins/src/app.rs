//! What all routes share, put together once.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;

use crate::asked::Log;
use crate::clock::Clock;
use crate::faults::{Call, Harm};
use crate::journal::Journal;
use crate::keep::{Change, Keep, State};
use crate::limits;
use crate::livekit::courier::Courier;
use crate::livekit::media::{Events, Media};
use crate::livekit::token::Key;
use crate::mail::mailbox::Mailbox;

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
        let courier = Courier::new(Arc::clone(&clock), Arc::clone(&log), key.clone(), runtime)?;
        let mailbox = Mailbox::new(letters);
        Ok(Self { keep, clock, log, mailbox, key, http, smtp, courier, wake: Notify::new() })
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
            self.courier.post(state.media.urls(), event, &harm);
        }
    }

    /// What was ordered to happen to a call.
    pub fn harm(&self, call: Call<'_>) -> Harm {
        if self.keep.read(|state| state.faults.is_empty()) {
            return Harm::default();
        }
        self.keep.change(|state| state.faults.judge(call)).0
    }

    /// Lets happen what is due by now.
    pub fn advance(&self) -> Change {
        self.stage(|now_ms, media, events| media.advance(now_ms, &self.key, events)).1
    }

    /// Plays what happens by itself, exactly when it is due; never ends.
    pub async fn play_on(&self) {
        let mut moved = self.clock.follow();
        loop {
            let now_ms = self.clock.now_ms();
            let due_ms = self.keep.read(|state| state.media.next_due_ms());
            if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
                self.advance();
                continue;
            }
            let wait = due_ms.and_then(|due_ms| u64::try_from(due_ms - now_ms).ok());
            let wait = wait.map_or(limits::TICK_MAX, std::time::Duration::from_millis).min(limits::TICK_MAX);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                _ = moved.changed() => {}
            }
        }
    }
}
