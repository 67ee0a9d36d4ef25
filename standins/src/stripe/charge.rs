//! Charges, and the refunds that take them back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::card::{Decline, Nature};
use super::form::{Fields, Metadata};
use super::method::Method;
use super::refusal::Refusal;
use crate::limits;

/// One try to take money.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Charge {
    /// When it was made.
    pub created: i64,
    /// The payment intent it belongs to.
    pub payment: String,
    /// In the smallest unit.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Who pays.
    pub customer: Option<String>,
    /// With which card.
    pub method: Option<String>,
    /// Taken over from the intent.
    pub metadata: Metadata,
    /// Taken over from the intent.
    pub description: Option<String>,
    /// How it went.
    pub standing: Standing,
    /// Whether the bank asked the holder.
    pub asked: bool,
    /// How much went back.
    pub refunded: i64,
    /// The dispute about it.
    pub dispute: Option<String>,
}

/// How a charge went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not known yet.
    #[default]
    Pending,
    /// The money came.
    Succeeded,
    /// The bank said no.
    Failed(Decline),
}

/// Money that goes back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Refund {
    /// When it was made.
    pub created: i64,
    /// Which charge it takes back.
    pub charge: String,
    /// The intent of that charge.
    pub payment: String,
    /// In the smallest unit.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Why, in the provider's words.
    pub reason: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// How it went.
    pub standing: Back,
    /// When it is decided, in Unix seconds, of one that is still open.
    pub due: Option<(i64, Back)>,
}

/// How a refund went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// Not known yet.
    #[default]
    Pending,
    /// The money is back.
    Succeeded,
    /// It could not be given back.
    Failed,
    /// It was called off.
    Canceled,
}

impl Charge {
    /// As the provider shows it.
    pub fn shown(&self, id: &str, account: &Account) -> Value {
        let card = self.method.as_ref().and_then(|method| account.methods.get(method));
        let (status, code, message) = match self.standing {
            Standing::Pending => ("pending", None, None),
            Standing::Succeeded => ("succeeded", None, None),
            Standing::Failed(why) => ("failed", Some(why.told().0), Some(why.told().2)),
        };
        let paid = self.standing == Standing::Succeeded;
        let receipt = format!("https://pay.stripe.com/receipts/payment/{id}");
        json!({
            "id": id, "object": "charge", "amount": self.amount, "amount_captured": if paid { self.amount } else { 0 },
            "amount_refunded": self.refunded, "application": null, "application_fee": null,
            "application_fee_amount": null, "balance_transaction": paid.then(|| format!("txn_{id}")),
            "billing_details": card.unwrap_or(&Method::default()).billing_details(),
            "calculated_statement_descriptor": "BACKSTAGE", "captured": paid, "created": self.created,
            "currency": self.currency, "customer": self.customer, "description": self.description,
            "disputed": self.dispute.is_some(), "failure_balance_transaction": null, "failure_code": code,
            "failure_message": message, "fraud_details": {}, "livemode": false, "metadata": self.metadata,
            "on_behalf_of": null, "outcome": self.outcome(), "paid": paid, "payment_intent": self.payment,
            "payment_method": self.method, "payment_method_details": card.map(|card| card.details(self.asked)),
            "radar_options": {}, "receipt_email": null, "receipt_number": null,
            "receipt_url": paid.then_some(receipt), "refunded": paid && self.refunded == self.amount, "review": null,
            "shipping": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": status, "transfer_data": null, "transfer_group": null,
        })
    }

    fn outcome(&self) -> Value {
        let (status, reason, seller, kind) = match self.standing {
            Standing::Pending => return Value::Null,
            Standing::Succeeded => ("approved_by_network", None, "Payment complete.", "authorized"),
            Standing::Failed(why) => (
                "declined_by_network",
                Some(why.told().1),
                "The bank did not return any further details with this decline.",
                "issuer_declined",
            ),
        };
        json!({
            "advice_code": null, "network_advice_code": null, "network_decline_code": null, "network_status": status,
            "reason": reason, "risk_level": "normal", "risk_score": 10, "seller_message": seller, "type": kind,
        })
    }
}

impl Refund {
    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        let status = match self.standing {
            Back::Pending => "pending",
            Back::Succeeded => "succeeded",
            Back::Failed => "failed",
            Back::Canceled => "canceled",
        };
        let mut shown = json!({
            "id": id, "object": "refund", "amount": self.amount, "balance_transaction": format!("txn_{id}"),
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "destination_details": {"type": "card", "card": {
                "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund",
            }},
            "metadata": self.metadata, "payment_intent": self.payment, "reason": self.reason, "receipt_number": null,
            "source_transfer_reversal": null, "status": status, "transfer_reversal": null,
        });
        if self.standing == Back::Failed {
            shown["failure_reason"] = json!("expired_or_canceled_card");
            shown["failure_balance_transaction"] = json!(format!("txn_{id}_failed"));
        }
        shown
    }
}

impl Turn<'_> {
    /// A charge that is there.
    pub fn charge_of(&self, id: &str, param: &str) -> Result<&Charge, Refusal> {
        self.account.charges.get(id).ok_or_else(|| Refusal::missing("charge", id, param))
    }

    /// Changes a charge in place.
    pub fn alter_charge(&mut self, id: &str, alter: impl FnOnce(&mut Charge)) {
        self.account.charges.entry(id.to_owned()).and_modify(alter);
    }

    /// `POST /charges/{id}`.
    pub fn update_charge(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut charge = self.charge_of(id, "id")?.clone();
        fields.given("description")?.apply(&mut charge.description);
        fields.metadata(&mut charge.metadata)?;
        fields.end()?;
        self.account.charges.insert(id.to_owned(), charge);
        self.tell_change("charge.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `POST /refunds`.
    pub fn create_refund(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let (charge, payment) = (fields.text("charge")?, fields.text("payment_intent")?);
        let amount = fields.whole("amount")?;
        let reason = fields.word("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
        let mut metadata = Metadata::new();
        fields.metadata(&mut metadata)?;
        fields.ignore(&["instructions_email", "reverse_transfer", "refund_application_fee"]);
        fields.end()?;
        let charge_id = match (charge, payment) {
            (Some(charge), _) => charge,
            (None, Some(payment)) => {
                let known = self.account.payments.get(&payment);
                let known = known.ok_or_else(|| Refusal::missing("payment_intent", &payment, "payment_intent"))?;
                known.charge.clone().ok_or_else(|| {
                    let message =
                        format!("This PaymentIntent ({payment}) does not have a successful charge to refund.");
                    Refusal::invalid(message).param("payment_intent")
                })?
            }
            (None, None) => {
                let message =
                    "One of the following params should be provided for this request: payment_intent or charge.";
                return Err(Refusal::invalid(message).early());
            }
        };
        let charge = self.charge_of(&charge_id, "charge")?.clone();
        let amount = self.refundable(&charge_id, &charge, amount)?;
        let id = self.refund(&charge_id, &charge, amount, reason, metadata)?;
        Ok(self.shown(&id))
    }

    /// How much of a charge is to go back, when it may.
    fn refundable(&self, id: &str, charge: &Charge, wanted: Option<i64>) -> Result<i64, Refusal> {
        if charge.standing != Standing::Succeeded {
            let message =
                format!("This PaymentIntent ({}) does not have a successful charge to refund.", charge.payment);
            return Err(Refusal::invalid(message).param("payment_intent"));
        }
        let left = charge.amount - charge.refunded;
        if left == 0 {
            let message = format!("Charge {id} has already been refunded.");
            return Err(Refusal::invalid(message).code("charge_already_refunded"));
        }
        if charge.dispute.as_ref().is_some_and(|dispute| self.holds_money(dispute)) {
            let message = format!("Charge {id} has been charged back; cannot issue a refund.");
            return Err(Refusal::invalid(message).code("charge_disputed"));
        }
        let amount = wanted.unwrap_or(left);
        if amount < 1 {
            let message = "This value must be greater than or equal to 1.";
            return Err(Refusal::invalid(message).code("parameter_invalid_integer").param("amount"));
        }
        if amount > left {
            let message = format!(
                "Refund amount ({amount} {}) is greater than unrefunded amount on charge ({left} {}).",
                charge.currency, charge.currency
            );
            return Err(Refusal::invalid(message).param("amount"));
        }
        Ok(amount)
    }

    fn refund(
        &mut self,
        charge_id: &str,
        charge: &Charge,
        amount: i64,
        reason: Option<&str>,
        metadata: Metadata,
    ) -> Result<String, Refusal> {
        let later = self.now + limits::STRIPE_REFUND_DECIDED_SECS;
        let nature = charge.method.as_ref().and_then(|method| self.account.methods.get(method));
        let (standing, due) = match nature.map(Method::nature) {
            Some(Nature::RefundsLater) => (Back::Pending, Some((later, Back::Succeeded))),
            Some(Nature::RefundFails) => (Back::Succeeded, Some((later, Back::Failed))),
            _ => (Back::Succeeded, None),
        };
        let refund = Refund {
            created: self.now,
            charge: charge_id.to_owned(),
            payment: charge.payment.clone(),
            amount,
            currency: charge.currency.clone(),
            reason: reason.map(str::to_owned),
            metadata,
            standing,
            due,
        };
        let id = self.id("re_")?;
        self.account.refunds.insert(id.clone(), refund);
        let before = self.before(charge_id);
        self.alter_charge(charge_id, |charge| charge.refunded += amount);
        self.tell("refund.created", &id);
        self.tell_change("charge.refunded", charge_id, &before);
        Ok(id)
    }

    /// `POST /refunds/{id}`.
    pub fn update_refund(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut refund = self.account.refunds.get(id).ok_or_else(|| Refusal::missing("refund", id, "id"))?.clone();
        fields.metadata(&mut refund.metadata)?;
        fields.end()?;
        self.account.refunds.insert(id.to_owned(), refund);
        self.tell_change("refund.updated", id, &before);
        Ok(self.shown(id))
    }

    /// An open refund is decided.
    pub fn decide_refund(&mut self, id: &str) {
        let before = self.before(id);
        let Some(refund) = self.account.refunds.get_mut(id) else { return };
        let Some((_, standing)) = refund.due.take() else { return };
        refund.standing = standing;
        let (charge, amount) = (refund.charge.clone(), refund.amount);
        if standing == Back::Failed {
            self.alter_charge(&charge, |charge| charge.refunded -= amount);
            self.tell("refund.failed", id);
        }
        self.tell_change("refund.updated", id, &before);
        self.tell_change("charge.refund.updated", id, &before);
    }
}
