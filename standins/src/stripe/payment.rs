//! Payment intents: how they are made, changed and given up. What a card does to them is in `pay`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::form::{Fields, Metadata};
use super::intent::{Manner, Status, Ways};
use super::refusal::Refusal;
use crate::limits;

/// An amount somebody is to pay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Payment {
    /// When it was made.
    pub created: i64,
    /// In the smallest unit.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Who pays.
    pub customer: Option<String>,
    /// What the caller notes.
    pub description: Option<String>,
    /// Where a receipt goes.
    pub receipt_email: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// Where it stands.
    pub status: Status,
    /// The card.
    pub method: Option<String>,
    /// Which ways to pay it takes.
    pub ways: Ways,
    /// `on_session` or `off_session` when the card is to be kept.
    pub future: Option<String>,
    /// What a browser proves itself with.
    pub secret: String,
    /// The newest charge.
    pub charge: Option<String>,
    /// Why the last try failed.
    pub error: Option<Value>,
    /// The invoice it pays.
    pub invoice: Option<String>,
}

/// Currencies without a smaller unit.
const WITHOUT_CENTS: &[&str] =
    &["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Currencies with a thousandth.
const WITH_THOUSANDTHS: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];
/// Other currencies taken.
const WITH_CENTS: &[&str] = &[
    "aed", "aud", "brl", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "huf", "idr", "ils", "inr", "isk",
    "mxn", "myr", "nok", "nzd", "pln", "ron", "sek", "sgd", "thb", "try", "twd", "uah", "usd", "zar",
];

/// A currency the provider takes, in small letters.
pub fn currency(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let Some(currency) = fields.text("currency")?.map(|text| text.to_lowercase()) else { return Ok(None) };
    let known = [WITHOUT_CENTS, WITH_THOUSANDTHS, WITH_CENTS].iter().any(|list| list.contains(&currency.as_str()));
    if known {
        return Ok(Some(currency));
    }
    let message = format!("Invalid currency: {currency}. Stripe currently supports these currencies: usd, eur, gbp, …");
    Err(Refusal::invalid(message).param(&fields.name("currency")).early())
}

/// An amount as people read it: `19.99 USD`.
pub fn written(amount: i64, currency: &str) -> String {
    let places = match currency {
        whole if WITHOUT_CENTS.contains(&whole) => 0,
        fine if WITH_THOUSANDTHS.contains(&fine) => 3,
        _ => 2,
    };
    let unit = 10_i64.pow(places);
    let name = currency.to_uppercase();
    if places == 0 {
        return format!("{amount} {name}");
    }
    format!("{}.{:0width$} {name}", amount / unit, amount % unit, width = usize::try_from(places).unwrap_or(2))
}

/// Whether an amount may be charged in a currency.
fn chargeable(amount: i64, currency: &str, param: &str) -> Result<(), Refusal> {
    let least = if WITHOUT_CENTS.contains(&currency) { 50 } else { limits::STRIPE_AMOUNT_MIN };
    if amount < 1 {
        let refusal = Refusal::invalid("This value must be greater than or equal to 1.").early();
        return Err(refusal.code("parameter_invalid_integer").param(param));
    }
    if amount < least {
        let message = "Amount must be at least $0.50 usd";
        return Err(Refusal::invalid(message).code("amount_too_small").param(param).early());
    }
    if amount > limits::STRIPE_AMOUNT_MAX {
        let message = "Amount must be no more than $999,999.99";
        return Err(Refusal::invalid(message).code("amount_too_large").param(param).early());
    }
    if WITH_THOUSANDTHS.contains(&currency) && amount % 10 != 0 {
        let message = "Amounts in three-decimal currencies must have 0 as their last digit.";
        return Err(Refusal::invalid(message).code("invalid_charge_amount").param(param).early());
    }
    Ok(())
}

impl Payment {
    /// As the provider shows it.
    pub fn shown(&self, id: &str, account: &Account) -> Value {
        let (canceled_at, cancel_reason) = self.status.canceled();
        let paid = if self.status == Status::Succeeded { self.amount } else { 0 };
        let mut shown = json!({
            "id": id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_details": {"tip": {}}, "amount_received": paid, "application": null, "application_fee_amount": null,
            "canceled_at": canceled_at, "cancellation_reason": cancel_reason, "capture_method": "automatic_async",
            "client_secret": self.secret, "confirmation_method": "automatic", "created": self.created,
            "currency": self.currency, "customer": self.customer, "description": self.description,
            "last_payment_error": null, "latest_charge": self.charge, "livemode": false, "metadata": self.metadata,
            "next_action": self.status.next_action(), "on_behalf_of": null, "payment_method": self.method,
            "payment_method_options": {"card": {
                "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic",
            }},
            "processing": null, "receipt_email": self.receipt_email, "review": null,
            "setup_future_usage": self.future, "shipping": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": self.status.name(), "transfer_data": null,
            "transfer_group": null,
        });
        self.ways.show(&mut shown);
        if let Some(error) = &self.error {
            shown["last_payment_error"] = with_method(error, account);
        }
        shown
    }
}

/// An error kept without its card, with the card as it is now.
pub fn with_method(error: &Value, account: &Account) -> Value {
    let mut error = error.clone();
    if let Some(method) = error["payment_method"].as_str().and_then(|id| account.show(id)) {
        error["payment_method"] = method;
    }
    error
}

/// Whether a card is to be kept, and for what.
pub const FUTURES: &[&str] = &["off_session", "on_session"];

impl Turn<'_> {
    /// A payment intent that is there.
    pub fn payment(&self, id: &str) -> Result<&Payment, Refusal> {
        self.account.payments.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))
    }

    /// Changes a payment intent in place.
    pub fn alter_payment(&mut self, id: &str, alter: impl FnOnce(&mut Payment)) {
        self.account.payments.entry(id.to_owned()).and_modify(alter);
    }

    /// Puts a payment intent into the account.
    pub fn add_payment(&mut self, payment: Payment) -> Result<String, Refusal> {
        let id = self.id("pi_")?;
        let secret = crate::chance::id(&format!("{id}_secret_"));
        self.account.payments.insert(id.clone(), Payment { created: self.now, secret, ..payment });
        self.tell("payment_intent.created", &id);
        Ok(id)
    }

    /// `POST /payment_intents`.
    pub fn create_payment(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let amount = fields.whole("amount")?.ok_or_else(|| fields.absent("amount"))?;
        let currency = currency(&mut fields)?.ok_or_else(|| fields.absent("currency"))?;
        chargeable(amount, &currency, "amount")?;
        let mut payment = Payment { amount, currency, ways: Ways::read(&mut fields)?, ..Payment::default() };
        payment.customer = fields.text("customer")?;
        note(&mut payment, &mut fields)?;
        match fields.word("capture_method", &["automatic", "automatic_async", "manual"])? {
            Some("manual") => return Err(Refusal::not_played("capturing later")),
            _ => fields.ignore(&["confirmation_method", "statement_descriptor", "statement_descriptor_suffix"]),
        }
        fields.ignore(&["payment_method_options", "shipping", "mandate_data", "radar_options", "use_stripe_sdk"]);
        let confirm = fields.flag("confirm")?.unwrap_or(false);
        let manner = manner(&mut fields)?;
        if !confirm && (manner.away || manner.return_url.is_some() || manner.no_questions) {
            let message = "This parameter may only be used when confirm=true.";
            return Err(Refusal::invalid(message).early());
        }
        let method = self.method_of(&mut fields)?;
        fields.end()?;
        if let Some(customer) = &payment.customer {
            self.customer(customer, "customer")?;
        }
        if let Some(method) = &method {
            self.fits(method, &payment)?;
            payment.status = Status::RequiresConfirmation;
        }
        payment.method = method;
        if confirm {
            confirmable(&payment, &manner)?;
        }
        let id = self.add_payment(payment)?;
        if confirm {
            self.pay(&id, &manner)?;
        }
        Ok(self.shown(&id))
    }

    /// The card a request names or describes.
    pub fn method_of(&mut self, fields: &mut Fields) -> Result<Option<String>, Refusal> {
        if let Some(described) = fields.tree("payment_method_data")? {
            return self.method_from(described).map(Some);
        }
        fields.text("payment_method")?.map(|method| self.usable_method(&method)).transpose()
    }

    /// `POST /payment_intents/{id}`.
    pub fn update_payment(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let mut payment = self.payment(id)?.clone();
        let amount = fields.whole("amount")?;
        let currency = currency(&mut fields)?;
        let customer = fields.text("customer")?;
        let method = self.method_of(&mut fields)?;
        note(&mut payment, &mut fields)?;
        fields.ignore(&["payment_method_options", "shipping"]);
        fields.end()?;
        let money = amount.is_some() || currency.is_some() || customer.is_some() || method.is_some();
        if money && !payment.status.may_confirm() {
            let message = format!(
                "This PaymentIntent's amount, currency, customer or payment method could not be updated because it has a \
                 status of {}. You may only update it when it has one of the following statuses: requires_payment_method, \
                 requires_confirmation, requires_action.",
                payment.status.name()
            );
            return Err(self.unexpected(id, message));
        }
        payment.amount = amount.unwrap_or(payment.amount);
        payment.currency = currency.unwrap_or(payment.currency);
        chargeable(payment.amount, &payment.currency, "amount")?;
        if let Some(customer) = customer {
            self.customer(&customer, "customer")?;
            payment.customer = Some(customer);
        }
        if let Some(method) = method {
            self.fits(&method, &payment)?;
            (payment.method, payment.status) = (Some(method), Status::RequiresConfirmation);
        }
        self.account.payments.insert(id.to_owned(), payment);
        Ok(self.shown(id))
    }

    /// `POST /payment_intents/{id}/cancel`.
    pub fn cancel_payment(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let reasons = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
        let reason = fields.word("cancellation_reason", &reasons)?;
        fields.end()?;
        let payment = self.payment(id)?;
        if payment.invoice.is_some() {
            let message = "You cannot cancel a PaymentIntent that belongs to an invoice; void the invoice instead.";
            return Err(self.unexpected(id, message.to_owned()));
        }
        if !payment.status.may_confirm() && payment.status != Status::Processing {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the \
                 following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, \
                 requires_action, processing.",
                payment.status.name()
            );
            return Err(self.unexpected(id, message));
        }
        self.give_up_payment(id, reason);
        Ok(self.shown(id))
    }

    /// Gives a payment intent up.
    pub fn give_up_payment(&mut self, id: &str, reason: Option<&str>) {
        let at = self.now;
        self.alter_payment(id, |payment| {
            payment.status = Status::Canceled { at, reason: reason.map(str::to_owned) };
        });
        self.tell("payment_intent.canceled", id);
    }

    /// The refusal of what does not go in this state, with the intent.
    pub fn unexpected(&self, id: &str, message: String) -> Refusal {
        let refusal = Refusal::invalid(message).code("payment_intent_unexpected_state");
        refusal.with("payment_intent", self.shown(id))
    }
}

fn note(payment: &mut Payment, fields: &mut Fields) -> Result<(), Refusal> {
    fields.given("description")?.apply(&mut payment.description);
    fields.given("receipt_email")?.apply(&mut payment.receipt_email);
    fields.metadata(&mut payment.metadata)?;
    if fields.has("setup_future_usage") {
        payment.future = fields.word("setup_future_usage", FUTURES)?.map(str::to_owned);
    }
    Ok(())
}

/// How a confirmation is asked for.
pub fn manner(fields: &mut Fields) -> Result<Manner, Refusal> {
    Ok(Manner {
        away: fields.flag("off_session")?.unwrap_or(false),
        no_questions: fields.flag("error_on_requires_action")?.unwrap_or(false),
        return_url: fields.text("return_url")?,
        scripted: false,
    })
}

/// Whether a payment intent may be confirmed in this manner.
pub fn confirmable(payment: &Payment, manner: &Manner) -> Result<(), Refusal> {
    if payment.method.is_none() {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update \
                       the PaymentIntent with a payment method and then confirm it again, or confirm it again directly \
                       with a payment method or ConfirmationToken.";
        return Err(Refusal::invalid(message).code("payment_intent_unexpected_state"));
    }
    if payment.ways.automatic == Some(true) && manner.return_url.is_none() && !manner.scripted {
        let message = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some \
                       of these payment methods might redirect your customer off of your page, you must provide a \
                       `return_url`. If you don't want to accept redirect-based payment methods, set \
                       `automatic_payment_methods[enabled]` to `true` and \
                       `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment \
                       Intents.";
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_in_the_unit_people_pay_in() {
        let table =
            [(1_999, "usd", "19.99 USD"), (5, "eur", "0.05 EUR"), (500, "jpy", "500 JPY"), (1_230, "kwd", "1.230 KWD")];
        for (amount, currency, text) in table {
            assert_eq!(written(amount, currency), text);
        }
    }
}
