//! What a card does to a payment intent: paid, refused, asked about, or open.

use serde_json::{Value, json};

use super::account::Turn;
use super::card::{Decline, Nature};
use super::charge::{Charge, Standing};
use super::form::Fields;
use super::intent::{Challenge, Manner, Outcome, Status, charged};
use super::method::{declined, spent};
use super::payment::{FUTURES, Payment, confirmable, manner};
use super::refusal::Refusal;

/// Who asks for a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The seller's server.
    Secret,
    /// The buyer's browser.
    Publishable,
}

impl Turn<'_> {
    /// `POST /payment_intents/{id}/confirm`.
    pub fn confirm_payment(&mut self, id: &str, mut fields: Fields, by: By) -> Result<Value, Refusal> {
        let mut payment = self.payment(id)?.clone();
        let mut manner = manner(&mut fields)?;
        manner.scripted = by == By::Publishable;
        if by == By::Publishable {
            agrees(&payment, &mut fields)?;
        }
        fields.ignore(&["client_secret", "use_stripe_sdk", "mandate_data", "payment_method_options", "shipping"]);
        fields.ignore(&["receipt_email", "radar_options"]);
        if let Some(future) = fields.word("setup_future_usage", FUTURES)? {
            payment.future = Some(future.to_owned());
        }
        let method = self.method_of(&mut fields)?;
        fields.end()?;
        if !payment.status.may_confirm() {
            let message = match &payment.status {
                Status::Succeeded => {
                    "You cannot confirm this PaymentIntent because it has already succeeded after being \
                                      previously confirmed."
                        .to_owned()
                }
                other => format!("You cannot confirm this PaymentIntent because it has a status of {}.", other.name()),
            };
            return Err(self.unexpected(id, message));
        }
        if let Some(method) = &method {
            self.fits(method, &payment)?;
        }
        payment.method = method.or(payment.method);
        confirmable(&payment, &manner).map_err(|refusal| refusal.with("payment_intent", self.shown(id)))?;
        self.account.payments.insert(id.to_owned(), payment);
        self.pay(id, &manner)?;
        Ok(self.shown(id))
    }

    /// Whether a card may pay this.
    pub fn fits(&self, method: &str, payment: &Payment) -> Result<(), Refusal> {
        let card = self.method(method, "payment_method")?;
        if !payment.ways.take_cards() {
            let message =
                format!("The PaymentMethod provided (card) is not allowed for this PaymentIntent ({method}).");
            return Err(Refusal::invalid(message).param("payment_method"));
        }
        match (&card.customer, &payment.customer) {
            (Some(owner), Some(payer)) if owner == payer => Ok(()),
            (Some(owner), Some(_)) => Err(Refusal::invalid(format!(
                "The PaymentMethod you provided ({method}) belongs to the Customer {owner}, who is another one. Please use \
                 this PaymentMethod with the Customer that it belongs to instead."
            ))
            .param("payment_method")),
            (Some(owner), None) => Err(Refusal::invalid(format!(
                "The PaymentMethod {method} belongs to the Customer {owner}. Please include the Customer in the `customer` \
                 parameter on the PaymentIntent."
            ))
            .param("payment_method")),
            (None, _) if card.spent => Err(spent()),
            (None, _) => Ok(()),
        }
    }

    /// Lets the card of a payment intent answer.
    pub fn pay(&mut self, id: &str, manner: &Manner) -> Result<(), Refusal> {
        let Some(method) = self.payment(id)?.method.clone() else { return Ok(()) };
        let outcome = charged(self.method(&method, "payment_method")?, manner);
        self.settle(id, outcome, manner)
    }

    /// Brings the answer of the card about.
    pub fn settle(&mut self, id: &str, outcome: Outcome, manner: &Manner) -> Result<(), Refusal> {
        match outcome {
            Outcome::Pays => self.succeed(id, false),
            Outcome::Declines(why) => self.fail(id, why),
            Outcome::Asks => {
                let url = format!("{}/challenge/{id}", self.site);
                let return_url = manner.return_url.clone().filter(|_| !manner.scripted);
                self.alter_payment(id, |payment| {
                    payment.status = Status::RequiresAction(Challenge { url, return_url });
                    payment.error = None;
                });
                self.tell("payment_intent.requires_action", id);
                Ok(())
            }
            Outcome::Open => {
                let charge = self.charge(id, Standing::Pending, false)?;
                self.alter_payment(id, |payment| (payment.status, payment.error) = (Status::Processing, None));
                self.tell("charge.pending", &charge);
                self.tell("payment_intent.processing", id);
                Ok(())
            }
        }
    }

    /// The money came.
    fn succeed(&mut self, id: &str, asked: bool) -> Result<(), Refusal> {
        let charge = self.charge(id, Standing::Succeeded, asked)?;
        self.alter_payment(id, |payment| (payment.status, payment.error) = (Status::Succeeded, None));
        let payment = self.payment(id)?.clone();
        let method = payment.method.clone().unwrap_or_default();
        let keep = payment.customer.as_ref().filter(|_| payment.future.is_some());
        if let Some(customer) = keep {
            let off_session = payment.future.as_deref() == Some("off_session");
            self.account.methods.entry(method.clone()).and_modify(|method| method.set_up |= off_session);
            // A card that has paid can be kept; one that another customer kept meanwhile stays theirs.
            let _ = self.attach(&method, customer);
        } else if self.account.methods.get(&method).is_some_and(|method| method.customer.is_none()) {
            self.account.methods.entry(method.clone()).and_modify(|method| method.spent = true);
        }
        self.tell("charge.succeeded", &charge);
        self.tell("payment_intent.succeeded", id);
        if let Some(invoice) = &payment.invoice {
            self.invoice_paid_by(invoice, id)?;
        }
        if let Some(Nature::Disputed(reason)) = self.account.methods.get(&method).map(super::method::Method::nature) {
            self.open_dispute(&charge, reason)?;
        }
        Ok(())
    }

    /// The bank said no.
    fn fail(&mut self, id: &str, why: Decline) -> Result<(), Refusal> {
        let charge = self.charge(id, Standing::Failed(why), false)?;
        let payment = self.payment(id)?.clone();
        let method = payment.method.clone().unwrap_or_default();
        let (code, decline, message) = why.told();
        let error = json!({
            "type": "card_error", "code": code, "decline_code": decline, "message": message, "charge": charge,
            "doc_url": format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")),
            "payment_method": method,
        });
        self.alter_payment(id, |payment| {
            payment.error = Some(error);
            (payment.status, payment.method) = (Status::RequiresPaymentMethod, None);
        });
        self.tell("charge.failed", &charge);
        self.tell("payment_intent.payment_failed", id);
        if let Some(invoice) = &payment.invoice {
            self.invoice_not_paid(invoice)?;
        }
        let refusal = declined(why).with("charge", json!(charge)).with("payment_intent", self.shown(id));
        Err(refusal.with("payment_method", self.shown(&method)))
    }

    /// Notes a try to take the money, or how an open one ended.
    fn charge(&mut self, id: &str, standing: Standing, asked: bool) -> Result<String, Refusal> {
        let payment = self.payment(id)?.clone();
        if let Some(open) = payment.charge.clone()
            && let Some(charge) = self.account.charges.get_mut(&open)
            && charge.standing == Standing::Pending
        {
            charge.standing = standing;
            return Ok(open);
        }
        let charge = Charge {
            created: self.now,
            payment: id.to_owned(),
            amount: payment.amount,
            currency: payment.currency,
            customer: payment.customer,
            method: payment.method,
            metadata: payment.metadata,
            description: payment.description,
            standing,
            asked,
            ..Charge::default()
        };
        let charge_id = self.id("ch_")?;
        self.account.charges.insert(charge_id.clone(), charge);
        self.alter_payment(id, |payment| payment.charge = Some(charge_id.clone()));
        Ok(charge_id)
    }

    /// The holder answered the bank.
    pub fn answer_bank(&mut self, id: &str, agrees: bool) -> Result<(), Refusal> {
        let payment = self.payment(id)?.clone();
        if !matches!(payment.status, Status::RequiresAction(_)) {
            return Err(self.unexpected(id, "The bank asks nothing about this PaymentIntent.".to_owned()));
        }
        let method = payment.method.unwrap_or_default();
        if !agrees {
            let message = "We are unable to authenticate your payment method. Please choose a different payment method and \
                           try again.";
            let error = json!({
                "type": "invalid_request_error", "code": "payment_intent_authentication_failure", "message": message,
                "payment_method": method,
            });
            self.alter_payment(id, |payment| {
                payment.error = Some(error);
                (payment.status, payment.method) = (Status::RequiresPaymentMethod, None);
            });
            self.tell("payment_intent.payment_failed", id);
            return payment.invoice.map_or(Ok(()), |invoice| self.invoice_not_paid(&invoice));
        }
        let nature = self.method(&method, "payment_method")?.nature();
        if let Nature::AsksThenDeclines(why) = nature {
            // The page of the bank is answered either way; the refusal stands in the intent.
            let _ = self.fail(id, why);
            return Ok(());
        }
        self.succeed(id, true)
    }

    /// An open outcome becomes known.
    pub fn end_processing(&mut self, id: &str, pays: bool) -> Result<(), Refusal> {
        let payment = self.payment(id)?.clone();
        if payment.status != Status::Processing {
            return Err(self.unexpected(id, "This PaymentIntent is not processing.".to_owned()));
        }
        if pays {
            return self.succeed(id, false);
        }
        let _ = self.fail(id, Decline::Generic);
        Ok(())
    }
}

/// Compares what the page was opened with against the intent, as the provider does.
fn agrees(payment: &Payment, fields: &mut Fields) -> Result<(), Refusal> {
    let Some(mut page) = fields.tree("page")? else { return Ok(()) };
    let amount = page.whole("amount")?;
    let currency = page.text("currency")?;
    let future = page.text("setup_future_usage")?;
    let mode = page.text("mode")?;
    page.end()?;
    if mode.is_none() {
        return Ok(());
    }
    let wrong = |what: &str| {
        let message = format!(
            "The {what} of the Elements options does not match the {what} of the PaymentIntent. Please pass the same value \
             to both."
        );
        Err(Refusal::invalid(message).code("payment_intent_unexpected_state").param(what))
    };
    if mode.as_deref() == Some("setup") {
        return wrong("mode");
    }
    if amount.is_some_and(|amount| amount != payment.amount) {
        return wrong("amount");
    }
    if currency.is_some_and(|currency| currency != payment.currency) {
        return wrong("currency");
    }
    // A subscription's first payment keeps the card by itself.
    if mode.as_deref() == Some("payment") && future != payment.future {
        return wrong("setup_future_usage");
    }
    Ok(())
}
