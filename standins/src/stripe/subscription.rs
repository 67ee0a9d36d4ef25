//! Subscriptions: what they are and how they are shown.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::calendar::Rhythm;
use super::form::Metadata;
use super::intent::Ways;
use super::invoice::Line;
use super::refusal::Refusal;
use super::setup::Setup;

/// Somebody pays again and again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// When it was made.
    pub created: i64,
    /// Who pays.
    pub customer: String,
    /// Three small letters.
    pub currency: String,
    /// Where it stands.
    pub status: Status,
    /// What is paid for.
    pub items: Vec<Item>,
    /// What periods are counted from.
    pub anchor: i64,
    /// The period that is paid for.
    pub period: (i64, i64),
    /// First and last moment of the trial.
    pub trial: Option<(i64, i64)>,
    /// What happens when a trial ends and there is no card: `create_invoice`, `cancel` or `pause`.
    pub without_card: String,
    /// Whether the end of the trial was announced.
    pub end_announced: bool,
    /// The card.
    pub default_method: Option<String>,
    /// Whether the first card that pays becomes the one above.
    pub save_method: bool,
    /// Why nothing is collected, and until when.
    pub pause: Option<Pause>,
    /// Whether it ends with the period.
    pub ends_with_period: bool,
    /// When it ends.
    pub cancel_at: Option<i64>,
    /// When somebody said that it shall end.
    pub canceled_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Why it ended or shall end: reason, comment, feedback.
    pub farewell: [Option<String>; 3],
    /// What is taken off.
    pub discounts: Vec<Discount>,
    /// The newest invoice.
    pub latest_invoice: Option<String>,
    /// The setup intent that asks for a card.
    pub pending_setup: Option<String>,
    /// What the next invoice carries besides.
    pub pending_lines: Vec<Line>,
    /// How many of the next payments are ordered to fail.
    pub fail_next: u32,
    /// What the caller notes.
    pub description: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The first invoice waits to be paid.
    #[default]
    Incomplete,
    /// It waited too long.
    IncompleteExpired,
    /// Free for a while.
    Trialing,
    /// Paid.
    Active,
    /// A payment failed and is tried again.
    PastDue,
    /// Over.
    Canceled,
    /// All tries failed; invoices stay drafts.
    Unpaid,
    /// The trial ended without a card.
    Paused,
}

/// What is paid for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// Names it.
    pub id: String,
    /// When it was added.
    pub created: i64,
    /// At which price.
    pub price: String,
    /// How many.
    pub quantity: i64,
    /// What the caller attaches.
    pub metadata: Metadata,
}

/// Why nothing is collected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pause {
    /// `keep_as_draft`, `mark_uncollectible` or `void`.
    pub behavior: String,
    /// When it is collected again.
    pub resumes_at: Option<i64>,
}

/// A coupon in use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Discount {
    /// Names it.
    pub id: String,
    /// The coupon.
    pub coupon: String,
    /// Since when.
    pub start: i64,
    /// Until when.
    pub end: Option<i64>,
}

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked.
    Asked,
    /// Its last payment failed.
    NotPaid,
}

impl Status {
    /// The provider's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
        }
    }

    /// Whether nothing ever happens to it again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

impl Discount {
    /// As the provider shows it.
    pub fn shown(&self, subscription: &str, customer: &str) -> Value {
        json!({
            "id": self.id, "object": "discount", "checkout_session": null, "customer": customer, "end": self.end,
            "invoice": null, "invoice_item": null, "promotion_code": null,
            "source": {"type": "coupon", "coupon": self.coupon}, "start": self.start, "subscription": subscription,
            "subscription_item": null,
        })
    }
}

impl Subscription {
    /// As the provider shows it.
    pub fn shown(&self, id: &str, account: &Account) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| self.item_shown(id, item, account)).collect();
        let [reason, comment, feedback] = &self.farewell;
        let mut shown = json!({
            "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": self.anchor, "billing_cycle_anchor_config": null,
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
            "billing_schedules": [], "billing_thresholds": null, "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.ends_with_period, "canceled_at": self.canceled_at,
            "cancellation_details": {"comment": comment, "feedback": feedback, "reason": reason},
            "collection_method": "charge_automatically", "created": self.created, "currency": self.currency,
            "customer": self.customer, "days_until_due": null, "default_payment_method": self.default_method,
            "default_source": null, "default_tax_rates": [], "description": self.description,
            "discounts": self.discounts.iter().map(|discount| &discount.id).collect::<Vec<_>>(),
            "ended_at": self.ended_at,
            "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
            "items": {"object": "list", "data": items, "has_more": false, "total_count": items.len(),
                "url": format!("/v1/subscription_items?subscription={id}")},
            "latest_invoice": self.latest_invoice, "livemode": false, "metadata": self.metadata,
            "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
            "payment_settings": {"payment_method_options": null, "payment_method_types": null,
                "save_default_payment_method": if self.save_method { "on_subscription" } else { "off" }},
            "pending_invoice_item_interval": null, "pending_setup_intent": self.pending_setup, "pending_update": null,
            "schedule": null, "start_date": self.created, "status": self.status.name(), "test_clock": null,
            "transfer_data": null, "trial_end": self.trial.map(|(_, end)| end),
            "trial_settings": {"end_behavior": {"missing_payment_method": self.without_card}},
            "trial_start": self.trial.map(|(start, _)| start),
        });
        if let Some(pause) = &self.pause {
            shown["pause_collection"] = json!({"behavior": pause.behavior, "resumes_at": pause.resumes_at});
        }
        shown
    }

    fn item_shown(&self, id: &str, item: &Item, account: &Account) -> Value {
        let price = account.prices.get(&item.price);
        json!({
            "id": item.id, "object": "subscription_item", "billing_thresholds": null, "created": item.created,
            "current_period_end": self.period.1, "current_period_start": self.period.0, "discounts": [],
            "metadata": item.metadata, "plan": price.map(|price| price.plan(&item.price)),
            "price": price.map(|price| price.shown(&item.price)), "quantity": item.quantity, "subscription": id,
            "tax_rates": [],
        })
    }

    /// The rhythm all its items share.
    pub fn rhythm(&self, account: &Account) -> Rhythm {
        let price = self.items.first().and_then(|item| account.prices.get(&item.price));
        price.and_then(|price| price.rhythm).unwrap_or_default()
    }
}

impl Turn<'_> {
    /// A subscription that is there.
    pub fn subscription(&self, id: &str, param: &str) -> Result<&Subscription, Refusal> {
        self.account.subscriptions.get(id).ok_or_else(|| Refusal::missing("subscription", id, param))
    }

    /// Changes a subscription in place.
    pub fn alter_subscription(&mut self, id: &str, alter: impl FnOnce(&mut Subscription)) {
        self.account.subscriptions.entry(id.to_owned()).and_modify(alter);
    }

    /// The card that pays a subscription.
    pub fn card_for(&self, subscription: &Subscription) -> Option<String> {
        let owner = self.account.customers.get(&subscription.customer);
        subscription.default_method.clone().or_else(|| owner.and_then(|owner| owner.default_method.clone()))
    }

    /// Nothing is paid yet, so a card is asked for by a setup intent.
    pub fn ask_for_card(&mut self, id: &str) -> Result<(), Refusal> {
        let subscription = self.subscription(id, "id")?;
        let setup = Setup {
            customer: Some(subscription.customer.clone()),
            usage: "off_session".to_owned(),
            ways: Ways { automatic: None, named: None, left_out: None, configuration: None },
            subscription: Some(id.to_owned()),
            ..Setup::default()
        };
        let setup = self.add_setup(setup)?;
        self.alter_subscription(id, |subscription| subscription.pending_setup = Some(setup));
        Ok(())
    }

    /// The card a subscription has asked for is there.
    pub fn card_came(&mut self, id: &str, method: &str) {
        let before = self.before(id);
        self.alter_subscription(id, |subscription| {
            subscription.pending_setup = None;
            if subscription.save_method {
                subscription.default_method = Some(method.to_owned());
            }
        });
        self.tell_change("customer.subscription.updated", id, &before);
    }
}

/// Where a subscription stands when nothing is owed.
pub fn after_payment(subscription: &Subscription) -> Status {
    if subscription.trial.is_some_and(|(_, end)| end >= subscription.period.1) {
        Status::Trialing
    } else {
        Status::Active
    }
}
