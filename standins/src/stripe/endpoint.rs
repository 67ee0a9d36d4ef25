//! Where webhooks go, and how they are signed.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::API_VERSION;
use super::account::{Account, Turn};
use super::form::{Fields, Metadata};
use super::refusal::Refusal;
use crate::courier::{Address, Manner, Verdict};
use crate::livekit::routes::is_local;
use crate::{chance, limits};

/// A receiver of webhooks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// When it was made.
    pub created: i64,
    /// Its address.
    pub url: String,
    /// The events it wants; `*` for all.
    pub events: Vec<String>,
    /// What signatures are made with.
    pub secret: String,
    /// Whether it gets anything.
    pub disabled: bool,
    /// What the caller notes.
    pub description: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// Whether the control of this stand-in made it, with the account's own secret.
    pub own: bool,
}

impl Endpoint {
    /// As the provider shows it; the secret is shown once, when it is made.
    pub fn shown(&self, id: &str) -> Value {
        json!({
            "id": id, "object": "webhook_endpoint", "api_version": API_VERSION, "application": null,
            "created": self.created, "description": self.description, "enabled_events": self.events, "livemode": false,
            "metadata": self.metadata, "status": if self.disabled { "disabled" } else { "enabled" }, "url": self.url,
        })
    }

    /// Whether it wants an event of this type.
    pub fn wants(&self, kind: &str) -> bool {
        !self.disabled && self.events.iter().any(|wanted| wanted == "*" || wanted == kind)
    }
}

impl Account {
    /// The endpoints the control made.
    pub fn own_urls(&self) -> Vec<String> {
        self.endpoints.values().filter(|endpoint| endpoint.own).map(|endpoint| endpoint.url.clone()).collect()
    }
}

impl Turn<'_> {
    /// `POST /webhook_endpoints`.
    pub fn create_endpoint(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let url = fields.needed("url")?;
        let events = fields.texts("enabled_events")?.ok_or_else(|| fields.absent("enabled_events"))?;
        if let Some(version) = fields.text("api_version")?.filter(|version| version != API_VERSION) {
            return Err(Refusal::not_played(&format!("webhooks of the version {version}, only of {API_VERSION}")));
        }
        let mut endpoint = Endpoint { created: self.now, url, events, secret: secret(), ..Endpoint::default() };
        fields.given("description")?.apply(&mut endpoint.description);
        fields.metadata(&mut endpoint.metadata)?;
        if fields.flag("connect")?.unwrap_or(false) {
            return Err(Refusal::not_played("events of connected accounts"));
        }
        fields.end()?;
        let secret = endpoint.secret.clone();
        let id = self.add_endpoint(endpoint)?;
        let mut shown = self.shown(&id);
        shown["secret"] = json!(secret);
        Ok(shown)
    }

    /// Puts an endpoint into the account.
    pub fn add_endpoint(&mut self, endpoint: Endpoint) -> Result<String, Refusal> {
        if !is_local(&endpoint.url) {
            let message = "Invalid URL: webhooks of this stand-in go to http addresses of this machine only.";
            return Err(Refusal::invalid(message).code("url_invalid").param("url"));
        }
        if self.account.endpoints.len() >= limits::STRIPE_ENDPOINTS_MAX {
            return Err(Refusal::invalid("You have reached the maximum of 16 test webhook endpoints."));
        }
        let id = self.id("we_")?;
        self.account.endpoints.insert(id.clone(), endpoint);
        Ok(id)
    }

    /// `POST /webhook_endpoints/{id}`.
    pub fn update_endpoint(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let known = self.account.endpoints.get(id);
        let mut endpoint = known.ok_or_else(|| Refusal::missing("webhook endpoint", id, "id"))?.clone();
        endpoint.url = fields.text("url")?.unwrap_or(endpoint.url);
        endpoint.events = fields.texts("enabled_events")?.unwrap_or(endpoint.events);
        endpoint.disabled = fields.flag("disabled")?.unwrap_or(endpoint.disabled);
        fields.given("description")?.apply(&mut endpoint.description);
        fields.metadata(&mut endpoint.metadata)?;
        fields.end()?;
        if !is_local(&endpoint.url) {
            return Err(Refusal::invalid("Invalid URL").code("url_invalid").param("url"));
        }
        self.account.endpoints.insert(id.to_owned(), endpoint);
        Ok(self.shown(id))
    }

    /// `DELETE /webhook_endpoints/{id}`.
    pub fn delete_endpoint(&mut self, id: &str) -> Result<Value, Refusal> {
        self.account.endpoints.remove(id).ok_or_else(|| Refusal::missing("webhook endpoint", id, "id"))?;
        Ok(json!({"id": id, "object": "webhook_endpoint", "deleted": true}))
    }
}

/// A new secret of an endpoint.
pub fn secret() -> String {
    format!("whsec_{}", chance::secret())
}

/// The manner of Stripe: no order between customers, each try signed anew, tried again until somebody says 2xx.
pub fn manner() -> Manner {
    Manner {
        provider: "stripe",
        agent: "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        pauses: &limits::STRIPE_WEBHOOK_PAUSES,
        age_max: None,
        in_order: false,
        receipts: true,
        judge: |status| if (200..300).contains(&status) { Verdict::Taken } else { Verdict::Again },
        seal: |now_secs, address, body| {
            vec![
                ("Stripe-Signature", sign(now_secs, &address.secret, body)),
                ("Content-Type", "application/json; charset=utf-8".to_owned()),
            ]
        },
    }
}

/// The value of `Stripe-Signature`.
pub fn sign(now_secs: i64, secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{now_secs}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now_secs},v1={hex}")
}

/// Where an event about `object` goes: what belongs to one customer stays in order.
pub fn address(id: &str, endpoint: &Endpoint, object: &Value) -> Address {
    let line = ["customer", "payment_intent", "id"].iter().find_map(|name| object[*name].as_str());
    Address {
        url: endpoint.url.clone(),
        line: line.unwrap_or_default().to_owned(),
        receiver: id.to_owned(),
        secret: endpoint.secret.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the official Python library: `hmac.new(secret, f"{t}.{body}", sha256)` of `stripe.WebhookSignature`.
    #[test]
    fn a_signature_is_the_one_the_official_library_computes() {
        let table = [
            (
                1_795_265_384,
                "whsec_test",
                r#"{"id":"evt_1"}"#,
                "84baa32209b39e52f80c6c887fc8986ccc6cd3ce058427785fcf9ebb8a76a946",
            ),
            (0, "whsec_ü", "", "b6b665c7dc11e31e2d7de2bd469a2e55c18f1feba3fdd830f567d23ea24f847c"),
        ];
        for (now, secret, body, hex) in table {
            assert_eq!(sign(now, secret, body.as_bytes()), format!("t={now},v1={hex}"));
        }
    }
}
