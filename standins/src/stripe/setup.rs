//! Setup intents: a card is kept for later, and nothing is paid now.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::card::{Decline, Nature};
use super::form::{Fields, Metadata};
use super::intent::{Challenge, Manner, Outcome, Status, Ways, kept};
use super::method::{declined, spent};
use super::pay::By;
use super::payment::{FUTURES, manner, with_method};
use super::refusal::Refusal;

/// A card somebody wants to keep.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// When it was made.
    pub created: i64,
    /// For whom.
    pub customer: Option<String>,
    /// What the caller notes.
    pub description: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// Where it stands.
    pub status: Status,
    /// The card.
    pub method: Option<String>,
    /// Which ways to pay it takes.
    pub ways: Ways,
    /// `on_session` or `off_session`.
    pub usage: String,
    /// What a browser proves itself with.
    pub secret: String,
    /// Why the last try failed.
    pub error: Option<Value>,
    /// The subscription that waits for it.
    pub subscription: Option<String>,
}

impl Setup {
    /// As the provider shows it.
    pub fn shown(&self, id: &str, account: &Account) -> Value {
        let mut shown = json!({
            "id": id, "object": "setup_intent", "application": null, "cancellation_reason": self.status.canceled().1,
            "client_secret": self.secret, "created": self.created, "customer": self.customer,
            "description": self.description, "flow_directions": null, "last_setup_error": null, "latest_attempt": null,
            "livemode": false, "mandate": null, "metadata": self.metadata, "next_action": self.status.next_action(),
            "on_behalf_of": null, "payment_method": self.method, "payment_method_options": {"card": {
                "mandate_options": null, "network": null, "request_three_d_secure": "automatic",
            }},
            "single_use_mandate": null, "status": self.status.name(), "usage": self.usage,
        });
        self.ways.show(&mut shown);
        if let Some(error) = &self.error {
            shown["last_setup_error"] = with_method(error, account);
        }
        shown
    }
}

impl Turn<'_> {
    /// A setup intent that is there.
    pub fn setup(&self, id: &str) -> Result<&Setup, Refusal> {
        self.account.setups.get(id).ok_or_else(|| Refusal::missing("setupintent", id, "intent"))
    }

    fn alter_setup(&mut self, id: &str, alter: impl FnOnce(&mut Setup)) {
        self.account.setups.entry(id.to_owned()).and_modify(alter);
    }

    /// Puts a setup intent into the account.
    pub fn add_setup(&mut self, setup: Setup) -> Result<String, Refusal> {
        let id = self.id("seti_")?;
        let secret = crate::chance::id(&format!("{id}_secret_"));
        self.account.setups.insert(id.clone(), Setup { created: self.now, secret, ..setup });
        self.tell("setup_intent.created", &id);
        Ok(id)
    }

    /// `POST /setup_intents`.
    pub fn create_setup(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let mut setup = Setup { ways: Ways::read(&mut fields)?, ..Setup::default() };
        setup.usage = fields.word("usage", FUTURES)?.unwrap_or("off_session").to_owned();
        setup.customer = fields.text("customer")?;
        setup.description = fields.text("description")?;
        fields.metadata(&mut setup.metadata)?;
        fields.ignore(&["payment_method_options", "mandate_data", "use_stripe_sdk"]);
        let confirm = fields.flag("confirm")?.unwrap_or(false);
        let manner = manner(&mut fields)?;
        let method = self.method_of(&mut fields)?;
        fields.end()?;
        if let Some(customer) = &setup.customer {
            self.customer(customer, "customer")?;
        }
        if let Some(method) = &method {
            self.may_keep(method, &setup)?;
            setup.status = Status::RequiresConfirmation;
        }
        setup.method = method;
        if confirm {
            ready(&setup, &manner)?;
        }
        let id = self.add_setup(setup)?;
        if confirm {
            self.keep_card(&id, &manner)?;
        }
        Ok(self.shown(&id))
    }

    /// `POST /setup_intents/{id}`.
    pub fn update_setup(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let mut setup = self.setup(id)?.clone();
        fields.given("description")?.apply(&mut setup.description);
        fields.metadata(&mut setup.metadata)?;
        if let Some(customer) = fields.text("customer")? {
            self.customer(&customer, "customer")?;
            setup.customer = Some(customer);
        }
        if let Some(method) = self.method_of(&mut fields)? {
            self.may_keep(&method, &setup)?;
            (setup.method, setup.status) = (Some(method), Status::RequiresConfirmation);
        }
        fields.end()?;
        self.account.setups.insert(id.to_owned(), setup);
        Ok(self.shown(id))
    }

    /// `POST /setup_intents/{id}/confirm`.
    pub fn confirm_setup(&mut self, id: &str, mut fields: Fields, by: By) -> Result<Value, Refusal> {
        let mut setup = self.setup(id)?.clone();
        let mut manner = manner(&mut fields)?;
        manner.scripted = by == By::Publishable;
        fields.ignore(&["client_secret", "use_stripe_sdk", "mandate_data", "payment_method_options", "page"]);
        let method = self.method_of(&mut fields)?;
        fields.end()?;
        if !setup.status.may_confirm() {
            let message =
                format!("You cannot confirm this SetupIntent because it has a status of {}.", setup.status.name());
            return Err(self.unexpected_setup(id, message));
        }
        if let Some(method) = &method {
            self.may_keep(method, &setup)?;
        }
        setup.method = method.or(setup.method);
        ready(&setup, &manner).map_err(|refusal| refusal.with("setup_intent", self.shown(id)))?;
        self.account.setups.insert(id.to_owned(), setup);
        self.keep_card(id, &manner)?;
        Ok(self.shown(id))
    }

    fn may_keep(&self, method: &str, setup: &Setup) -> Result<(), Refusal> {
        let card = self.method(method, "payment_method")?;
        if card.customer.is_some() && card.customer != setup.customer {
            let message = "The payment method you provided has already been attached to a customer.";
            return Err(Refusal::invalid(message).param("payment_method"));
        }
        if card.spent { Err(spent()) } else { Ok(()) }
    }

    fn keep_card(&mut self, id: &str, manner: &Manner) -> Result<(), Refusal> {
        let method = self.setup(id)?.method.clone().unwrap_or_default();
        match kept(self.method(&method, "payment_method")?, manner) {
            Outcome::Pays => self.card_kept(id),
            Outcome::Declines(why) => self.card_not_kept(id, why),
            Outcome::Open => {
                self.alter_setup(id, |setup| setup.status = Status::Processing);
                Ok(())
            }
            Outcome::Asks => {
                let url = format!("{}/challenge/{id}", self.site);
                let return_url = manner.return_url.clone().filter(|_| !manner.scripted);
                self.alter_setup(id, |setup| {
                    setup.status = Status::RequiresAction(Challenge { url, return_url });
                    setup.error = None;
                });
                self.tell("setup_intent.requires_action", id);
                Ok(())
            }
        }
    }

    fn card_kept(&mut self, id: &str) -> Result<(), Refusal> {
        self.alter_setup(id, |setup| (setup.status, setup.error) = (Status::Succeeded, None));
        let setup = self.setup(id)?.clone();
        let method = setup.method.unwrap_or_default();
        self.account.methods.entry(method.clone()).and_modify(|card| card.set_up = true);
        if let Some(customer) = &setup.customer {
            // It was asked before whether the card is free.
            let _ = self.attach(&method, customer);
        }
        self.tell("setup_intent.succeeded", id);
        if let Some(subscription) = &setup.subscription {
            self.card_came(subscription, &method);
        }
        Ok(())
    }

    fn card_not_kept(&mut self, id: &str, why: Decline) -> Result<(), Refusal> {
        let method = self.setup(id)?.method.clone().unwrap_or_default();
        let (code, decline, message) = why.told();
        let error = json!({
            "type": "card_error", "code": code, "decline_code": decline, "message": message, "payment_method": method,
        });
        self.alter_setup(id, |setup| {
            setup.error = Some(error);
            (setup.status, setup.method) = (Status::RequiresPaymentMethod, None);
        });
        self.tell("setup_intent.setup_failed", id);
        let refusal = declined(why).with("setup_intent", self.shown(id));
        Err(refusal.with("payment_method", self.shown(&method)))
    }

    /// The holder answered the bank.
    pub fn answer_bank_about_setup(&mut self, id: &str, agrees: bool) -> Result<(), Refusal> {
        let setup = self.setup(id)?.clone();
        if !matches!(setup.status, Status::RequiresAction(_)) {
            return Err(self.unexpected_setup(id, "The bank asks nothing about this SetupIntent.".to_owned()));
        }
        let method = setup.method.unwrap_or_default();
        match self.method(&method, "payment_method")?.nature() {
            Nature::AsksThenDeclines(why) if agrees => {
                // The page of the bank is answered either way; the refusal stands in the intent.
                let _ = self.card_not_kept(id, why);
                Ok(())
            }
            _ if agrees => self.card_kept(id),
            _ => {
                let message = "We are unable to authenticate your payment method. Please choose a different payment method \
                               and try again.";
                let error = json!({
                    "type": "invalid_request_error", "code": "setup_intent_authentication_failure", "message": message,
                    "payment_method": method,
                });
                self.alter_setup(id, |setup| {
                    setup.error = Some(error);
                    (setup.status, setup.method) = (Status::RequiresPaymentMethod, None);
                });
                self.tell("setup_intent.setup_failed", id);
                Ok(())
            }
        }
    }

    /// `POST /setup_intents/{id}/cancel`.
    pub fn cancel_setup(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let reason = fields.word("cancellation_reason", &["abandoned", "requested_by_customer", "duplicate"])?;
        fields.end()?;
        let status = &self.setup(id)?.status;
        if !status.may_confirm() && *status != Status::Processing {
            let message = format!("You cannot cancel this SetupIntent because it has a status of {}.", status.name());
            return Err(self.unexpected_setup(id, message));
        }
        self.give_up_setup(id, reason);
        Ok(self.shown(id))
    }

    /// Gives a setup intent up.
    pub fn give_up_setup(&mut self, id: &str, reason: Option<&str>) {
        let at = self.now;
        self.alter_setup(id, |setup| setup.status = Status::Canceled { at, reason: reason.map(str::to_owned) });
        self.tell("setup_intent.canceled", id);
    }

    fn unexpected_setup(&self, id: &str, message: String) -> Refusal {
        let refusal = Refusal::invalid(message).code("setup_intent_unexpected_state");
        refusal.with("setup_intent", self.shown(id))
    }
}

fn ready(setup: &Setup, manner: &Manner) -> Result<(), Refusal> {
    if setup.method.is_none() {
        let message = "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent \
                       with a payment method and then confirm it again.";
        return Err(Refusal::invalid(message).code("setup_intent_unexpected_state"));
    }
    if setup.ways.automatic == Some(true) && manner.return_url.is_none() && !manner.scripted {
        let message = "This SetupIntent is configured to accept payment methods enabled in your Dashboard. Because some of \
                       these payment methods might redirect your customer off of your page, you must provide a \
                       `return_url`.";
        return Err(Refusal::invalid(message));
    }
    Ok(())
}
