//! A refusal as Stripe words it: type, code, message, parameter, and the object it is about.

use serde_json::{Map, Value, json};

/// An error on its way to the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Whether nothing was begun: such an answer is not kept under an idempotency key.
    pub early: bool,
    fields: Map<String, Value>,
}

impl Refusal {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("type".to_owned(), json!(kind));
        fields.insert("message".to_owned(), Value::String(message.into()));
        Self { status, early: false, fields }
    }

    /// A request that is not right.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A card that did not pay.
    pub fn card(message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message)
    }

    /// No key, or one nobody knows.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self { early: true, ..Self::new(401, "invalid_request_error", message) }
    }

    /// The key of an earlier request with other parameters.
    pub fn key_reused(message: impl Into<String>) -> Self {
        Self { early: true, ..Self::new(400, "idempotency_error", message) }
    }

    /// The key of a request that is under way.
    pub fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key (that probably means you \
                       submitted twice, and the other request is still going through).";
        Self { early: true, ..Self::new(409, "idempotency_error", message) }.code("idempotency_key_in_use")
    }

    /// More than this stand-in holds, told as the provider tells of too many requests.
    pub fn too_many(message: impl Into<String>) -> Self {
        Self { early: true, ..Self::new(429, "invalid_request_error", message) }.code("rate_limit")
    }

    /// An object that does not exist.
    pub fn missing(what: &str, id: &str, param: &str) -> Self {
        let mut refusal = Self::invalid(format!("No such {what}: '{id}'")).code("resource_missing").param(param);
        if param == "id" || param == "intent" {
            refusal.status = 404;
        }
        refusal
    }

    /// A path nobody serves.
    pub fn unknown_route(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. If \
             you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. \
             Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self { status: 404, early: true, ..Self::invalid(message) }
    }

    /// Something the provider can do and this stand-in cannot: said loudly, never played wrongly.
    pub fn not_played(what: &str) -> Self {
        Self { early: true, ..Self::invalid(format!("This stand-in does not play {what}.")) }.code("not_played")
    }

    /// The error a planned fault stands for.
    pub fn planned(status: u16) -> Self {
        let refusal = match status {
            429 => Self::too_many("Too many requests hit the API too quickly."),
            402 => Self::card("Your card was declined.").code("card_declined").decline("generic_decline"),
            409 => Self::key_in_use(),
            401 => Self::unauthorized("Invalid API Key provided."),
            400..=499 => Self::new(status, "invalid_request_error", "ordered to fail"),
            _ => Self::new(status, "api_error", "An unknown error occurred"),
        };
        Self { status, ..refusal }
    }

    /// With a code.
    pub fn code(self, code: &str) -> Self {
        self.with("code", json!(code))
    }

    /// With the parameter it is about.
    pub fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// With why the bank said no.
    pub fn decline(self, code: &str) -> Self {
        self.with("decline_code", json!(code))
    }

    /// With the object it is about, or anything else.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Told before anything was begun.
    pub fn early(self) -> Self {
        Self { early: true, ..self }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({"error": self.fields})
    }
}
