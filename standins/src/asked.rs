//! What was asked of the stand-ins and what they sent by themselves, oldest first.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::rfc3339;
use crate::journal::Journal;
use crate::limits;

/// One entry of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// RFC 3339, on the stand-ins' clock.
    pub at: String,
    /// `livekit`, `stripe`, `mail`, or the first part of a path nobody serves.
    pub provider: String,
    /// HTTP method, `SMTP`, or `webhook` for what was sent.
    pub method: String,
    /// Path, or the webhook's event.
    pub path: String,
    /// What was answered; of a webhook, what the receiver answered; `null` when nothing was.
    pub status: Option<u16>,
    /// The request as JSON, or what became of the webhook. Passwords and tokens are never in it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

impl Asked {
    /// An entry about a webhook.
    pub fn webhook(now_ms: i64, provider: &str, event: &str, status: Option<u16>, detail: Value) -> Self {
        Self {
            at: rfc3339(now_ms),
            provider: provider.to_owned(),
            method: "webhook".to_owned(),
            path: event.to_owned(),
            status,
            detail,
        }
    }
}

/// The log.
pub struct Log(Mutex<Journal<Asked>>);

impl Log {
    /// A log kept in `journal`.
    pub fn new(journal: Journal<Asked>) -> Self {
        Self(Mutex::new(journal))
    }

    /// Adds an entry; a request too large to keep is left out.
    pub fn add(&self, mut asked: Asked) {
        if asked.detail.to_string().len() > limits::LOG_BODY_BYTES_MAX {
            asked.detail = Value::String("too large to keep".to_owned());
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }

    /// The entries of a provider, or all, oldest first.
    pub fn of(&self, provider: Option<&str>) -> Vec<Asked> {
        let journal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |asked: &&Asked| provider.is_none_or(|provider| asked.provider == provider);
        journal.entries().iter().filter(wanted).cloned().collect()
    }
}
