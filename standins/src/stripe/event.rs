//! Events: what happened, as it is told to endpoints and kept for those who ask.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::API_VERSION;

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Counts the account's events.
    pub number: u64,
    /// Names it.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// When, in Unix seconds.
    pub created: i64,
    /// The object as it was then.
    pub object: Value,
    /// What its changed fields were before, of an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
    /// The request that brought it about.
    pub request: Option<String>,
    /// The idempotency key of that request.
    pub key: Option<String>,
}

impl Event {
    /// As the provider shows it, while `pending` endpoints have not taken it.
    pub fn shown(&self, pending: usize) -> Value {
        let mut shown = json!({
            "id": self.id, "object": "event", "api_version": API_VERSION, "created": self.created,
            "data": {"object": self.object}, "livemode": false, "pending_webhooks": pending,
            "request": {"id": self.request, "idempotency_key": self.key}, "type": self.kind,
        });
        if let Some(previous) = &self.previous {
            shown["data"]["previous_attributes"] = previous.clone();
        }
        shown
    }

    /// Whether it is of one of these types; `invoice.*` names a whole family.
    pub fn is_of(&self, kinds: &[String]) -> bool {
        kinds.iter().any(|kind| {
            let family = kind.strip_suffix('*').is_some_and(|family| self.kind.starts_with(family));
            family || *kind == self.kind
        })
    }
}
