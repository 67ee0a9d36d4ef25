//! Everything one Stripe account holds here, and one turn of changing it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::catalog::{Coupon, Price, Product};
use super::charge::{Charge, Refund};
use super::customer::Customer;
use super::dispute::Dispute;
use super::endpoint::Endpoint;
use super::invoice::Invoice;
use super::method::Method;
use super::payment::Payment;
use super::refusal::Refusal;
use super::setup::Setup;
use super::subscription::Subscription;
use crate::courier::Receipt;
use crate::{chance, limits};

/// The objects, by id. An id carries the number of its making, so that the order of ids is the order of time.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Counts objects made.
    pub made: u64,
    /// Counts events told; what a journal holds beyond it was never answered and is forgotten.
    pub told: u64,
    /// Counts answers kept under idempotency keys, in the same way.
    pub answered: u64,
    /// The secret of the endpoint that the control registers.
    pub webhook_secret: String,
    /// What becomes of a subscription when the last retry failed.
    pub after_retries: AfterRetries,
    /// Those who pay.
    pub customers: BTreeMap<String, Customer>,
    /// Cards.
    pub methods: BTreeMap<String, Method>,
    /// Payment intents.
    pub payments: BTreeMap<String, Payment>,
    /// Setup intents.
    pub setups: BTreeMap<String, Setup>,
    /// Charges.
    pub charges: BTreeMap<String, Charge>,
    /// Refunds.
    pub refunds: BTreeMap<String, Refund>,
    /// Disputes.
    pub disputes: BTreeMap<String, Dispute>,
    /// Products.
    pub products: BTreeMap<String, Product>,
    /// Prices.
    pub prices: BTreeMap<String, Price>,
    /// Coupons.
    pub coupons: BTreeMap<String, Coupon>,
    /// Subscriptions.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Invoices.
    pub invoices: BTreeMap<String, Invoice>,
    /// Where webhooks go.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Events that some endpoints have not taken yet, with those endpoints.
    pub undelivered: BTreeMap<String, Undelivered>,
}

/// An event that is owed to somebody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Undelivered {
    /// The endpoints that have not taken it.
    pub receivers: Vec<String>,
    /// Whether it was ordered that it is never sent.
    pub lost: bool,
}

/// What an account is set to do when the last retry of a renewal failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterRetries {
    /// The subscription is canceled.
    #[default]
    Cancel,
    /// It is marked unpaid.
    Unpaid,
    /// It stays past due.
    PastDue,
}

/// Something that happened.
#[derive(Debug)]
pub struct News {
    /// When, in Unix seconds.
    pub at: i64,
    /// The event's type.
    pub kind: &'static str,
    /// The object as it was then.
    pub object: Value,
    /// What its changed fields were before, of an update.
    pub previous: Option<Value>,
}

/// One request, or one moment of time passing: the account, when it is, and what happened.
pub struct Turn<'a> {
    /// Unix seconds.
    pub now: i64,
    /// Where the bank's page is served.
    pub site: &'a str,
    /// The account.
    pub account: &'a mut Account,
    /// What happened, in order.
    pub news: Vec<News>,
}

impl Account {
    /// How many objects there are.
    pub fn size(&self) -> usize {
        self.customers.len()
            + self.methods.len()
            + self.payments.len()
            + self.setups.len()
            + self.charges.len()
            + self.refunds.len()
            + self.products.len()
            + self.prices.len()
            + self.subscriptions.len()
            + self.invoices.len()
            + self.endpoints.len()
    }

    /// Notes which endpoints have taken what.
    pub fn delivered(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            if let Some(owed) = self.undelivered.get_mut(&receipt.letter) {
                owed.receivers.retain(|receiver| *receiver != receipt.receiver);
                if owed.receivers.is_empty() {
                    self.undelivered.remove(&receipt.letter);
                }
            }
        }
    }

    /// How many endpoints have not taken an event.
    pub fn pending(&self, event: &str) -> usize {
        self.undelivered.get(event).map_or(0, |owed| owed.receivers.len())
    }

    /// An object as the provider shows it, found by its id alone.
    pub fn show(&self, id: &str) -> Option<Value> {
        let kind = id.split('_').next().unwrap_or_default();
        Some(match kind {
            "cus" => self.customers.get(id)?.shown(id),
            "pm" => self.methods.get(id)?.shown(id),
            "pi" => self.payments.get(id)?.shown(id, self),
            "seti" => self.setups.get(id)?.shown(id, self),
            "ch" => self.charges.get(id)?.shown(id, self),
            "re" => self.refunds.get(id)?.shown(id),
            "du" => self.disputes.get(id)?.shown(id),
            "price" => self.prices.get(id)?.shown(id),
            "sub" => self.subscriptions.get(id)?.shown(id, self),
            "in" => self.invoices.get(id)?.shown(id),
            "inpay" => self.invoice_payment(id)?,
            "we" => self.endpoints.get(id)?.shown(id),
            _ if self.products.contains_key(id) => self.products.get(id)?.shown(id),
            _ => self.coupons.get(id)?.shown(id),
        })
    }
}

impl Turn<'_> {
    /// A new id; its middle counts, so that ids sort by age.
    pub fn id(&mut self, prefix: &str) -> Result<String, Refusal> {
        if self.account.size() >= limits::STRIPE_OBJECTS_MAX {
            return Err(Refusal::too_many("This stand-in holds no more objects."));
        }
        Ok(self.id_of_part(prefix))
    }

    /// A new id of something that lives inside another object.
    pub fn id_of_part(&mut self, prefix: &str) -> String {
        self.account.made += 1;
        chance::id(&format!("{prefix}{:08X}", self.account.made))
    }

    /// Notes that something happened to an object.
    pub fn tell(&mut self, kind: &'static str, id: &str) {
        if let Some(object) = self.account.show(id) {
            self.news.push(News { at: self.now, kind, object, previous: None });
        }
    }

    /// Notes that an object changed from `before`; an unchanged one is not told of.
    pub fn tell_change(&mut self, kind: &'static str, id: &str, before: &Value) {
        let Some(object) = self.account.show(id) else { return };
        let previous = changed(before, &object);
        if previous.as_object().is_some_and(|fields| !fields.is_empty()) {
            self.news.push(News { at: self.now, kind, object, previous: Some(previous) });
        }
    }

    /// An object as it is now, to tell a change from later.
    pub fn before(&self, id: &str) -> Value {
        self.account.show(id).unwrap_or_default()
    }

    /// An object that must exist, as the answer to a request.
    pub fn shown(&self, id: &str) -> Value {
        self.account.show(id).unwrap_or_else(|| json!({"id": id}))
    }
}

/// The fields of `before` that are otherwise in `after`.
fn changed(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return json!({}) };
    let differs =
        |(name, value): (&String, &Value)| (after.get(name) != Some(value)).then(|| (name.clone(), value.clone()));
    let mut fields: Map<_, _> = before.iter().filter_map(differs).collect();
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        fields.insert(name.clone(), Value::Null);
    }
    Value::Object(fields)
}
