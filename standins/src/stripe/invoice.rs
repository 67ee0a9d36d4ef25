//! Invoices of subscriptions: their lines, their payment, and what they do to the subscription.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::customer::prefix;
use super::form::{Fields, Metadata};
use super::intent::{Manner, Status as Intent};
use super::payment::Payment;
use super::refusal::Refusal;
use super::subscription::{Discount, Subscription};

/// What is owed for a period.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Invoice {
    /// When it was made.
    pub created: i64,
    /// Who owes it.
    pub customer: String,
    /// For which subscription.
    pub subscription: Option<String>,
    /// What was attached to the subscription then.
    pub subscription_metadata: Metadata,
    /// Three small letters.
    pub currency: String,
    /// Why it was made, in the provider's words.
    pub reason: String,
    /// Where it stands.
    pub state: State,
    /// What it is for.
    pub lines: Vec<Line>,
    /// What the lines make.
    pub subtotal: i64,
    /// What is owed.
    pub total: i64,
    /// What each discount takes off.
    pub off: Vec<(String, i64)>,
    /// The payment intent that pays it.
    pub payment: Option<String>,
    /// Names the link between the two.
    pub payment_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt: Option<i64>,
    /// When the draft is closed.
    pub finalize_at: Option<i64>,
    /// Whether it goes on by itself.
    pub auto_advance: bool,
    /// Its number.
    pub number: Option<String>,
    /// Whether it was paid somewhere else.
    pub elsewhere: bool,
    /// When it was finalized, paid, voided, written off.
    pub at: [Option<i64>; 4],
    /// What the caller attaches.
    pub metadata: Metadata,
}

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// May still change.
    #[default]
    Draft,
    /// Owed.
    Open,
    /// Paid, or nothing to pay.
    Paid,
    /// Taken back.
    Void,
    /// Written off.
    Uncollectible,
}

/// One line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Names it.
    pub id: String,
    /// In the smallest unit; below zero for what is given back.
    pub amount: i64,
    /// How many.
    pub quantity: i64,
    /// At which price.
    pub price: String,
    /// Of which product.
    pub product: String,
    /// The subscription's item; absent of what is paid once.
    pub item: Option<String>,
    /// Whether it makes up for a change within a period.
    pub proration: bool,
    /// For which time.
    pub period: (i64, i64),
}

/// The lines of a period.
pub fn lines_of(subscription: &Subscription, account: &Account, period: (i64, i64), free: bool) -> Vec<Line> {
    let line = |item: &super::subscription::Item| {
        let price = account.prices.get(&item.price);
        let amount = price.map_or(0, |price| price.amount.saturating_mul(item.quantity));
        Line {
            amount: if free { 0 } else { amount },
            quantity: item.quantity,
            price: item.price.clone(),
            product: price.map(|price| price.product.clone()).unwrap_or_default(),
            item: Some(item.id.clone()),
            period,
            ..Line::default()
        }
    };
    subscription.items.iter().map(line).collect()
}

/// What lines make, what is owed, and what each discount takes off.
pub fn total(lines: &[Line], discounts: &[Discount], account: &Account, now: i64) -> (i64, i64, Vec<(String, i64)>) {
    let subtotal: i64 = lines.iter().map(|line| line.amount).sum();
    let mut left = subtotal.max(0);
    let mut off = vec![];
    for discount in discounts.iter().filter(|discount| discount.end.is_none_or(|end| end > now)) {
        let amount = account.coupons.get(&discount.coupon).map_or(0, |coupon| coupon.off(left));
        off.push((discount.id.clone(), amount));
        left -= amount;
    }
    (subtotal, left, off)
}

impl Line {
    fn shown(&self, invoice: &str, subscription: Option<&str>, currency: &str) -> Value {
        let parent = match &self.item {
            Some(item) => json!({"type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": self.proration, "proration_details": {"credited_items": null},
                "subscription": subscription, "subscription_item": item,
            }}),
            None => json!({"type": "invoice_item_details", "subscription_item_details": null, "invoice_item_details": {
                "invoice_item": self.id.replacen("il_", "ii_", 1), "proration": false,
                "proration_details": {"credited_items": null}, "subscription": subscription,
            }}),
        };
        json!({
            "id": self.id, "object": "line_item", "amount": self.amount, "currency": currency, "description": null,
            "discount_amounts": [], "discountable": !self.proration, "discounts": [], "invoice": invoice,
            "livemode": false, "metadata": {}, "parent": parent,
            "period": {"start": self.period.0, "end": self.period.1}, "pretax_credit_amounts": [],
            "pricing": {"type": "price_details", "unit_amount_decimal": null,
                "price_details": {"price": self.price, "product": self.product}},
            "quantity": self.quantity, "subscription": subscription, "subtotal": self.amount, "taxes": [],
        })
    }
}

impl Invoice {
    /// As the provider shows it, without what it shows on request only.
    pub fn shown(&self, id: &str) -> Value {
        let subscription = self.subscription.as_deref();
        let lines: Vec<Value> = self.lines.iter().map(|line| line.shown(id, subscription, &self.currency)).collect();
        let paid = if self.state == State::Paid && !self.elsewhere { self.total } else { 0 };
        let remaining = if self.state == State::Paid { 0 } else { self.total };
        let period = self.lines.first().map_or((self.created, self.created), |line| line.period);
        let off: Vec<Value> =
            self.off.iter().map(|(discount, amount)| json!({"discount": discount, "amount": amount})).collect();
        let [finalized, paid_at, voided, written_off] = self.at;
        let parent = subscription.map(|subscription| {
            json!({"type": "subscription_details", "quote_details": null, "subscription_details": {
                "subscription": subscription, "metadata": self.subscription_metadata,
            }})
        });
        json!({
            "id": id, "object": "invoice", "account_country": "US", "account_name": "Backstage", "account_tax_ids": null,
            "amount_due": self.total, "amount_overpaid": 0, "amount_paid": paid, "amount_paid_off_stripe": 0,
            "amount_remaining": remaining, "amount_shipping": 0, "application": null, "attempt_count": self.attempts,
            "attempted": self.attempts > 0 || self.state == State::Paid, "auto_advance": self.auto_advance
                && matches!(self.state, State::Draft | State::Open),
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null,
                "status": null},
            "automatically_finalizes_at": self.finalize_at, "billing_reason": self.reason,
            "collection_method": "charge_automatically", "created": self.created, "currency": self.currency,
            "custom_fields": null, "customer": self.customer, "customer_address": null, "customer_email": null,
            "customer_name": null, "customer_phone": null, "customer_shipping": null, "customer_tax_exempt": "none",
            "customer_tax_ids": [], "default_payment_method": null, "default_source": null, "default_tax_rates": [],
            "description": null, "discounts": self.off.iter().map(|(discount, _)| discount).collect::<Vec<_>>(),
            "due_date": null, "effective_at": finalized, "ending_balance": finalized.map(|_| 0), "footer": null,
            "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null, "issuer": {"type": "self"},
            "last_finalization_error": null, "latest_revision": null, "lines": {"object": "list", "data": lines,
                "has_more": false, "total_count": lines.len(), "url": format!("/v1/invoices/{id}/lines")},
            "livemode": false, "metadata": self.metadata, "next_payment_attempt": self.next_attempt,
            "number": self.number, "on_behalf_of": null, "parent": parent, "payment_settings": {
                "default_mandate": null, "payment_method_options": null, "payment_method_types": null},
            "period_end": period.1, "period_start": period.0, "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null,
            "shipping_details": null, "starting_balance": 0, "statement_descriptor": null,
            "status": self.state.name(), "status_transitions": {"finalized_at": finalized,
                "marked_uncollectible_at": written_off, "paid_at": paid_at, "voided_at": voided},
            "subtotal": self.subtotal, "subtotal_excluding_tax": self.subtotal, "test_clock": null,
            "total": self.total, "total_discount_amounts": off, "total_excluding_tax": self.total,
            "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": null,
        })
    }
}

impl State {
    /// The provider's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

impl Account {
    /// The link between an invoice and its payment intent.
    pub fn invoice_payment(&self, id: &str) -> Option<Value> {
        let (invoice_id, invoice) = self.invoices.iter().find(|(_, invoice)| invoice.payment_id == id)?;
        let payment = invoice.payment.as_ref()?;
        let paid = invoice.state == State::Paid;
        let canceled = matches!(invoice.state, State::Void | State::Uncollectible);
        Some(json!({
            "id": id, "object": "invoice_payment", "amount_paid": paid.then_some(invoice.total),
            "amount_requested": invoice.total, "created": invoice.at[0], "currency": invoice.currency,
            "invoice": invoice_id, "is_default": true, "livemode": false,
            "payment": {"type": "payment_intent", "payment_intent": payment},
            "status": if paid { "paid" } else if canceled { "canceled" } else { "open" },
            "status_transitions": {"canceled_at": invoice.at[2], "paid_at": invoice.at[1]},
        }))
    }

    /// What an invoice shows on request only.
    pub fn invoice_extra(&self, id: &str, name: &str) -> Option<Value> {
        let invoice = self.invoices.get(id)?;
        match name {
            "confirmation_secret" => {
                let secret = invoice.payment.as_ref().and_then(|payment| self.payments.get(payment));
                let open = secret.filter(|_| invoice.state == State::Open);
                let told = |payment: &Payment| json!({"client_secret": payment.secret, "type": "payment_intent"});
                Some(open.map_or(Value::Null, told))
            }
            "payments" => {
                let payments: Vec<Value> = self.invoice_payment(&invoice.payment_id).into_iter().collect();
                let url = format!("/v1/invoice_payments?invoice={id}");
                Some(json!({"object": "list", "data": payments, "has_more": false, "url": url}))
            }
            _ => None,
        }
    }
}

impl Turn<'_> {
    /// An invoice that is there.
    pub fn invoice(&self, id: &str) -> Result<&Invoice, Refusal> {
        self.account.invoices.get(id).ok_or_else(|| Refusal::missing("invoice", id, "id"))
    }

    /// Changes an invoice in place.
    pub fn alter_invoice(&mut self, id: &str, alter: impl FnOnce(&mut Invoice)) {
        self.account.invoices.entry(id.to_owned()).and_modify(alter);
    }

    /// A draft becomes what is owed; what costs nothing is paid.
    pub fn finalize(&mut self, id: &str) -> Result<(), Refusal> {
        let invoice = self.invoice(id)?.clone();
        let owner = self.account.customers.entry(invoice.customer.clone()).or_default();
        owner.invoices += 1;
        let number = format!("{}-{:04}", prefix(&invoice.customer), owner.invoices);
        let now = self.now;
        if invoice.total == 0 {
            self.alter_invoice(id, |invoice| {
                (invoice.state, invoice.number, invoice.finalize_at) = (State::Open, Some(number), None);
                invoice.at[0] = Some(now);
            });
            self.tell("invoice.finalized", id);
            return self.mark_paid(id);
        }
        let paying = invoice.subscription.as_ref().and_then(|id| self.account.subscriptions.get(id)).cloned();
        let card = paying.as_ref().and_then(|paying| self.card_for(paying));
        let first = invoice.reason == "subscription_create";
        let save = paying.as_ref().is_some_and(|paying| paying.save_method);
        let payment = Payment {
            amount: invoice.total,
            currency: invoice.currency,
            customer: Some(invoice.customer),
            description: Some(if first { "Subscription creation" } else { "Subscription update" }.to_owned()),
            status: if card.is_some() { Intent::RequiresConfirmation } else { Intent::RequiresPaymentMethod },
            method: card,
            future: (first || save).then(|| "off_session".to_owned()),
            invoice: Some(id.to_owned()),
            ..Payment::default()
        };
        let payment = self.add_payment(payment)?;
        self.alter_invoice(id, |invoice| {
            (invoice.state, invoice.number, invoice.finalize_at) = (State::Open, Some(number), None);
            invoice.payment = Some(payment);
            invoice.at[0] = Some(now);
        });
        self.tell("invoice.finalized", id);
        Ok(())
    }

    /// Tries to take the money by the card of the subscription.
    pub fn collect(&mut self, id: &str) -> Result<(), Refusal> {
        let invoice = self.invoice(id)?.clone();
        let (State::Open, Some(payment)) = (invoice.state, invoice.payment) else { return Ok(()) };
        let paying = invoice.subscription.as_ref().and_then(|id| self.account.subscriptions.get(id)).cloned();
        let card = paying.as_ref().and_then(|paying| self.card_for(paying));
        let Some(card) = card else {
            self.invoice_not_paid(id)?;
            let message = "Cannot charge a customer that has no active card";
            return Err(Refusal::card(message).code("missing"));
        };
        self.alter_payment(&payment, |payment| payment.method = Some(card));
        let ordered = paying.is_some_and(|paying| paying.fail_next > 0);
        if ordered {
            let subscription = invoice.subscription.unwrap_or_default();
            self.alter_subscription(&subscription, |subscription| subscription.fail_next -= 1);
            let no_money = super::intent::Outcome::Declines(super::card::Decline::InsufficientFunds);
            return self.settle(&payment, no_money, &Manner::default());
        }
        self.pay(&payment, &Manner { scripted: true, ..Manner::default() })?;
        if matches!(self.payment(&payment)?.status, Intent::RequiresAction(_)) {
            self.tell("invoice.payment_action_required", id);
            self.invoice_not_paid(id)?;
            let message = "Your card was declined. This transaction requires authentication.";
            return Err(Refusal::card(message).code("subscription_payment_intent_requires_action"));
        }
        Ok(())
    }

    /// Its payment intent succeeded.
    pub fn invoice_paid_by(&mut self, id: &str, payment: &str) -> Result<(), Refusal> {
        let card = self.payment(payment)?.method.clone();
        let subscription = self.invoice(id)?.subscription.clone();
        if let Some(subscription) = subscription {
            self.alter_subscription(&subscription, |subscription| {
                if subscription.save_method && subscription.default_method.is_none() {
                    subscription.default_method = card;
                }
            });
        }
        self.alter_invoice(id, |invoice| invoice.attempts += 1);
        self.mark_paid(id)
    }

    /// Nothing is owed any more.
    pub fn mark_paid(&mut self, id: &str) -> Result<(), Refusal> {
        let now = self.now;
        self.alter_invoice(id, |invoice| {
            (invoice.state, invoice.next_attempt) = (State::Paid, None);
            invoice.at[1] = Some(now);
        });
        let invoice = self.invoice(id)?.clone();
        self.tell("invoice_payment.paid", &invoice.payment_id);
        self.tell("invoice.paid", id);
        self.tell("invoice.payment_succeeded", id);
        if let Some(subscription) = &invoice.subscription {
            self.owed_nothing(subscription);
        }
        Ok(())
    }

    /// `POST /invoices/{id}`.
    pub fn update_invoice(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut invoice = self.invoice(id)?.clone();
        fields.metadata(&mut invoice.metadata)?;
        invoice.auto_advance = fields.flag("auto_advance")?.unwrap_or(invoice.auto_advance);
        fields.end()?;
        self.account.invoices.insert(id.to_owned(), invoice);
        self.tell_change("invoice.updated", id, &before);
        Ok(self.shown(id))
    }
}
