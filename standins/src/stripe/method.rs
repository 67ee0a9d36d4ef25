//! Payment methods: cards only, ready-made by their documented names or typed as numbers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::Turn;
use super::card::{self, Decline, Nature};
use super::form::{Fields, Metadata};
use super::refusal::Refusal;

/// A card somebody may pay with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Method {
    /// When it was made.
    pub created: i64,
    /// The card's number; never shown.
    pub number: String,
    /// Last month.
    pub exp_month: i64,
    /// Last year.
    pub exp_year: i64,
    /// Whom it belongs to.
    pub customer: Option<String>,
    /// Whether it was used or taken away without belonging to anybody, which makes it useless.
    pub spent: bool,
    /// Whether the bank has agreed to later payments.
    pub set_up: bool,
    /// What the holder gave: name, address for letters, telephone, address.
    pub billing: Map<String, Value>,
    /// Whether it may be offered to its owner again.
    pub redisplay: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
}

impl Method {
    /// What the card does.
    pub fn nature(&self) -> Nature {
        card::by_number(&self.number).map_or(Nature::Pays, |card| card.nature)
    }

    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        let brand = card::brand(&self.number);
        json!({
            "id": id, "object": "payment_method", "type": "card", "created": self.created, "livemode": false,
            "customer": self.customer, "metadata": self.metadata, "billing_details": self.billing_details(),
            "allow_redisplay": self.redisplay.as_deref().unwrap_or("unspecified"),
            "card": {
                "brand": brand, "display_brand": brand, "country": "US", "exp_month": self.exp_month,
                "exp_year": self.exp_year, "fingerprint": card::fingerprint(&self.number), "funding": "credit",
                "generated_from": null, "last4": self.last4(),
                "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
                "networks": {"available": [brand], "preferred": null}, "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": true}, "wallet": null,
            },
        })
    }

    /// Who holds the card, with every field.
    pub fn billing_details(&self) -> Value {
        let mut full = json!({"address": {
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        }, "email": null, "name": null, "phone": null, "tax_id": null});
        for (name, value) in &self.billing {
            if let (Value::Object(address), Value::Object(given)) = (&mut full[name], value) {
                address.extend(given.clone());
            } else {
                full[name] = value.clone();
            }
        }
        full
    }

    /// What a charge keeps of it.
    pub fn details(&self, asked: bool) -> Value {
        let brand = card::brand(&self.number);
        let secure = json!({
            "authentication_flow": "challenge", "electronic_commerce_indicator": "05", "exemption_indicator": null,
            "result": "authenticated", "result_reason": null, "transaction_id": null, "version": "2.2.0",
        });
        json!({"type": "card", "card": {
            "brand": brand, "country": "US", "exp_month": self.exp_month, "exp_year": self.exp_year,
            "fingerprint": card::fingerprint(&self.number), "funding": "credit", "last4": self.last4(),
            "network": brand, "mandate": null, "installments": null, "wallet": null,
            "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
            "three_d_secure": if asked { secure } else { Value::Null },
        }})
    }

    fn last4(&self) -> &str {
        self.number.get(self.number.len().saturating_sub(4)..).unwrap_or_default()
    }

    fn fill(&mut self, fields: &mut Fields) -> Result<(), Refusal> {
        fields.metadata(&mut self.metadata)?;
        if let Some(given) = fields.word("allow_redisplay", &["always", "limited", "unspecified"])? {
            self.redisplay = Some(given.to_owned());
        }
        if let Some(mut billing) = fields.tree("billing_details")? {
            for name in ["email", "name", "phone", "tax_id"] {
                if let Some(value) = billing.text(name)? {
                    self.billing.insert(name.to_owned(), json!(value));
                }
            }
            if let Some(mut address) = billing.tree("address")? {
                let mut given = Map::new();
                for name in ["city", "country", "line1", "line2", "postal_code", "state"] {
                    if let Some(value) = address.text(name)? {
                        given.insert(name.to_owned(), json!(value));
                    }
                }
                address.end()?;
                self.billing.insert("address".to_owned(), Value::Object(given));
            }
            billing.end()?;
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// A payment method that is there.
    pub fn method(&self, id: &str, param: &str) -> Result<&Method, Refusal> {
        self.account.methods.get(id).ok_or_else(|| Refusal::missing("PaymentMethod", id, param))
    }

    /// The id of a payment method to use: a documented name makes a new one, as at the provider.
    pub fn usable_method(&mut self, id: &str) -> Result<String, Refusal> {
        if let Some(card) = card::by_token(id) {
            return self.make_method(Method { number: card.number.to_owned(), ..Method::default() });
        }
        self.method(id, "payment_method").map(|_| id.to_owned())
    }

    /// A payment method that must belong to `customer`.
    pub fn own_method(&mut self, id: &str, customer: &str) -> Result<String, Refusal> {
        let owner = self.method(id, "payment_method")?.customer.clone();
        if owner.as_deref() == Some(customer) {
            return Ok(id.to_owned());
        }
        Err(Refusal::invalid(format!(
            "The customer does not have a payment method with the ID {id}. The payment method must be attached to the \
             customer."
        ))
        .code("resource_missing")
        .param("payment_method"))
    }

    fn make_method(&mut self, mut method: Method) -> Result<String, Refusal> {
        method.created = self.now;
        if method.exp_year == 0 {
            (method.exp_month, method.exp_year) = (12, year(self.now) + 1);
        }
        let id = self.id("pm_")?;
        self.account.methods.insert(id.clone(), method);
        Ok(id)
    }

    /// The fields of a payment method, typed or named, into a new one.
    pub fn method_from(&mut self, mut fields: Fields) -> Result<String, Refusal> {
        fields.word("type", &["card"])?.ok_or_else(|| fields.absent("type"))?;
        let mut card = fields.tree("card")?.ok_or_else(|| fields.absent("card"))?;
        let mut method = Method::default();
        method.fill(&mut fields)?;
        fields.ignore(&["radar_options", "guid", "muid", "sid", "payment_user_agent", "referrer", "time_on_page"]);
        fields.end()?;
        if let Some(token) = card.text("token")? {
            let known = card::by_token(&token).ok_or_else(|| Refusal::missing("token", &token, "card[token]"))?;
            known.number.clone_into(&mut method.number);
        } else {
            method.number = card.needed("number")?.replace([' ', '-'], "");
            if !card::is_sound(&method.number) {
                let refusal = Refusal::card("Your card number is incorrect.").code("incorrect_number");
                return Err(refusal.param("number"));
            }
            if card::by_number(&method.number).is_none() {
                let message = "Your card was declined. Your request was in test mode, but used a non test card. For a \
                               list of valid test cards, visit: https://stripe.com/docs/testing.";
                return Err(Refusal::card(message).code("card_declined").decline("test_mode_live_card"));
            }
            let month = card.whole("exp_month")?.ok_or_else(|| card.absent("exp_month"))?;
            let year_given = card.whole("exp_year")?.ok_or_else(|| card.absent("exp_year"))?;
            let full = if year_given < 100 { year_given + 2_000 } else { year_given };
            if !(1..=12).contains(&month) {
                let refusal = Refusal::card("Your card's expiration month is invalid.").code("invalid_expiry_month");
                return Err(refusal.param("exp_month"));
            }
            if full < year(self.now) || full > year(self.now) + 50 {
                let refusal = Refusal::card("Your card's expiration year is invalid.").code("invalid_expiry_year");
                return Err(refusal.param("exp_year"));
            }
            (method.exp_month, method.exp_year) = (month, full);
            card.ignore(&["cvc", "networks"]);
        }
        card.end()?;
        self.make_method(method)
    }

    /// `POST /payment_methods`.
    pub fn create_method(&mut self, fields: Fields) -> Result<Value, Refusal> {
        let id = self.method_from(fields)?;
        Ok(self.shown(&id))
    }

    /// `POST /payment_methods/{id}`.
    pub fn update_method(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut method = self.method(id, "id")?.clone();
        if method.customer.is_none() {
            let message = "You must save this PaymentMethod to a customer before you can update it.";
            return Err(Refusal::invalid(message));
        }
        method.fill(&mut fields)?;
        fields.end()?;
        self.account.methods.insert(id.to_owned(), method);
        self.tell_change("payment_method.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `POST /payment_methods/{id}/attach`.
    pub fn attach_method(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let customer = fields.needed("customer")?;
        fields.end()?;
        self.customer(&customer, "customer")?;
        let id = self.attach(id, &customer)?;
        Ok(self.shown(&id))
    }

    /// Gives a card to a customer. The bank is asked, so a card that declines cannot be kept.
    pub fn attach(&mut self, id: &str, customer: &str) -> Result<String, Refusal> {
        let id = self.usable_method(id)?;
        let method = self.method(&id, "payment_method")?;
        if method.customer.as_deref() == Some(customer) {
            return Ok(id);
        }
        if method.customer.is_some() {
            return Err(Refusal::invalid("The payment method you provided has already been attached to a customer."));
        }
        if method.spent {
            return Err(spent());
        }
        if let Nature::Declines(why) = method.nature() {
            return Err(declined(why));
        }
        self.account.methods.entry(id.clone()).and_modify(|method| method.customer = Some(customer.to_owned()));
        self.tell("payment_method.attached", &id);
        Ok(id)
    }

    /// `POST /payment_methods/{id}/detach`.
    pub fn detach_method(&mut self, id: &str, fields: Fields) -> Result<Value, Refusal> {
        fields.end()?;
        let before = self.before(id);
        if self.method(id, "id")?.customer.is_none() {
            let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
            return Err(Refusal::invalid(message));
        }
        self.account.methods.entry(id.to_owned()).and_modify(|method| {
            (method.customer, method.spent) = (None, true);
        });
        for owner in self.account.customers.values_mut().filter(|owner| owner.default_method.as_deref() == Some(id)) {
            owner.default_method = None;
        }
        let of = |default: &Option<String>| default.as_deref() == Some(id);
        for paying in self.account.subscriptions.values_mut().filter(|paying| of(&paying.default_method)) {
            paying.default_method = None;
        }
        self.tell_change("payment_method.detached", id, &before);
        Ok(self.shown(id))
    }
}

/// The refusal of a card that was used up.
pub fn spent() -> Refusal {
    Refusal::invalid(
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a \
         connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use \
         a PaymentMethod multiple times, you must attach it to a Customer first.",
    )
}

/// The error of a card the bank refuses.
pub fn declined(why: Decline) -> Refusal {
    let (code, decline, message) = why.told();
    Refusal::card(message).code(code).decline(decline)
}

fn year(now: i64) -> i64 {
    use chrono::Datelike as _;
    chrono::DateTime::from_timestamp(now, 0).map_or(1970, |at| i64::from(at.year()))
}
