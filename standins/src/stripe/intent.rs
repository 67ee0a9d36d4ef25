//! What payment intents and setup intents have in common: their states, and which ways to pay they take.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::card::{Decline, Nature};
use super::form::Fields;
use super::method::Method;
use super::refusal::Refusal;

/// Where an intent stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a card.
    #[default]
    RequiresPaymentMethod,
    /// Has a card and waits for the word.
    RequiresConfirmation,
    /// The bank asks the holder.
    RequiresAction(Challenge),
    /// The outcome is open.
    Processing,
    /// Done.
    Succeeded,
    /// Given up.
    Canceled {
        /// When.
        at: i64,
        /// Why, in the provider's words.
        reason: Option<String>,
    },
}

/// What the bank asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The bank's page.
    pub url: String,
    /// Where the holder goes afterwards; absent: the provider's script shows the page by itself.
    pub return_url: Option<String>,
}

impl Status {
    /// The provider's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction(_) => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled { .. } => "canceled",
        }
    }

    /// `next_action` as the provider shows it.
    pub fn next_action(&self) -> Value {
        match self {
            Self::RequiresAction(Challenge { url, return_url: Some(back) }) => {
                json!({"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": url}})
            }
            Self::RequiresAction(Challenge { url, return_url: None }) => {
                json!({"type": "use_stripe_sdk", "use_stripe_sdk": {
                    "type": "three_d_secure_redirect", "stripe_js": url, "source": "",
                }})
            }
            _ => Value::Null,
        }
    }

    /// Whether the intent may still be confirmed.
    pub fn may_confirm(&self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresConfirmation | Self::RequiresAction(_))
    }

    /// When and why it was given up.
    pub fn canceled(&self) -> (Option<i64>, Option<&str>) {
        match self {
            Self::Canceled { at, reason } => (Some(*at), reason.as_deref()),
            _ => (None, None),
        }
    }
}

/// Which ways to pay an intent takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ways {
    /// Those the account has switched on; whether ones that lead away are among them.
    pub automatic: Option<bool>,
    /// Those named one by one.
    pub named: Option<Vec<String>>,
    /// Those left out.
    pub left_out: Option<Vec<String>>,
    /// The configuration that says it.
    pub configuration: Option<String>,
}

impl Ways {
    /// Reads what was asked for; nothing asked for means what the account has switched on.
    pub fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let mut ways = Self {
            automatic: None,
            named: fields.texts("allowed_payment_method_types")?.or(fields.texts("payment_method_types")?),
            left_out: fields.texts("excluded_payment_method_types")?,
            configuration: fields.text("payment_method_configuration")?,
        };
        if let Some(mut automatic) = fields.tree("automatic_payment_methods")? {
            let enabled = automatic.flag("enabled")?.ok_or_else(|| automatic.absent("enabled"))?;
            let redirects = automatic.word("allow_redirects", &["always", "never"])?.unwrap_or("always");
            automatic.end()?;
            if enabled && ways.named.is_some() {
                let message = "You may only specify one of these parameters: automatic_payment_methods, \
                               payment_method_types.";
                return Err(Refusal::invalid(message).early());
            }
            ways.automatic = enabled.then_some(redirects == "always");
        }
        if ways.named.is_none() && ways.automatic.is_none() {
            ways.automatic = Some(true);
        }
        if ways.types().is_empty() {
            let message = "No valid payment method types for this Payment Intent. Please ensure that you have activated \
                           payment methods compatible with your chosen currency in your dashboard or specify valid \
                           types.";
            return Err(Refusal::invalid(message).param("payment_method_types"));
        }
        Ok(ways)
    }

    /// The names of the ways; cards are all this stand-in has switched on.
    pub fn types(&self) -> Vec<String> {
        let all = self.named.clone().unwrap_or_else(|| vec!["card".to_owned()]);
        let out = |way: &String| self.left_out.as_ref().is_some_and(|left_out| left_out.contains(way));
        all.into_iter().filter(|way| !out(way)).collect()
    }

    /// Whether cards are among them.
    pub fn take_cards(&self) -> bool {
        self.types().iter().any(|way| way == "card")
    }

    /// Puts the fields into an intent.
    pub fn show(&self, intent: &mut Value) {
        intent["payment_method_types"] = json!(self.types());
        intent["allowed_payment_method_types"] = json!(self.named);
        intent["excluded_payment_method_types"] = json!(self.left_out);
        intent["automatic_payment_methods"] = self.automatic.map_or(
            Value::Null,
            |away| json!({"enabled": true, "allow_redirects": if away { "always" } else { "never" }}),
        );
        intent["payment_method_configuration_details"] =
            self.configuration.as_ref().map_or(Value::Null, |id| json!({"id": id, "parent": null}));
    }
}

/// How somebody asks for an outcome.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Whether the holder is away.
    pub away: bool,
    /// Whether a question of the bank is to count as a refusal.
    pub no_questions: bool,
    /// Where the holder goes after the bank's page.
    pub return_url: Option<String>,
    /// Whether the provider's script asks, which shows the bank's page by itself.
    pub scripted: bool,
}

/// What a card answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes.
    Pays,
    /// No.
    Declines(Decline),
    /// The holder is to be asked.
    Asks,
    /// Not known yet.
    Open,
}

/// What a card answers when it is to pay.
pub fn charged(method: &Method, manner: &Manner) -> Outcome {
    match method.nature() {
        Nature::Pays | Nature::Disputed(_) | Nature::RefundsLater | Nature::RefundFails => Outcome::Pays,
        Nature::Declines(why) => Outcome::Declines(why),
        Nature::DeclinesOnceKept => Outcome::Declines(Decline::Generic),
        Nature::StaysProcessing => Outcome::Open,
        Nature::AsksUntilSetUp if method.set_up => Outcome::Pays,
        Nature::AsksAlways | Nature::AsksThenDeclines(_) | Nature::AsksUntilSetUp => asked(manner),
    }
}

/// What a card answers when it is to be kept for later.
pub fn kept(method: &Method, manner: &Manner) -> Outcome {
    match method.nature() {
        Nature::Declines(why) => Outcome::Declines(why),
        Nature::AsksAlways | Nature::AsksThenDeclines(_) | Nature::AsksUntilSetUp => asked(manner),
        Nature::StaysProcessing => Outcome::Open,
        _ => Outcome::Pays,
    }
}

fn asked(manner: &Manner) -> Outcome {
    if manner.away || manner.no_questions { Outcome::Declines(Decline::AuthenticationRequired) } else { Outcome::Asks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::card::by_token;

    fn method(token: &str, set_up: bool) -> Method {
        Method { number: by_token(token).unwrap().number.to_owned(), set_up, ..Method::default() }
    }

    #[test]
    fn each_test_card_answers_a_charge_as_documented() {
        let no_money = Outcome::Declines(Decline::InsufficientFunds);
        let must_ask = Outcome::Declines(Decline::AuthenticationRequired);
        let table = [
            ("pm_card_visa", false, Outcome::Pays, Outcome::Pays),
            ("pm_card_createDispute", false, Outcome::Pays, Outcome::Pays),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", false, no_money, no_money),
            (
                "pm_card_chargeCustomerFail",
                false,
                Outcome::Declines(Decline::Generic),
                Outcome::Declines(Decline::Generic),
            ),
            ("pm_card_authenticationRequired", true, Outcome::Asks, must_ask),
            ("pm_card_authenticationRequiredOnSetup", false, Outcome::Asks, must_ask),
            ("pm_card_authenticationRequiredOnSetup", true, Outcome::Pays, Outcome::Pays),
            ("pm_card_processing", false, Outcome::Open, Outcome::Open),
        ];
        let away = Manner { away: true, ..Manner::default() };
        for (token, set_up, present, absent) in table {
            assert_eq!(charged(&method(token, set_up), &Manner::default()), present, "{token}");
            assert_eq!(charged(&method(token, set_up), &away), absent, "{token}, nobody there");
        }
        assert_eq!(kept(&method("pm_card_chargeCustomerFail", false), &Manner::default()), Outcome::Pays);
        assert_eq!(kept(&method("pm_card_authenticationRequiredOnSetup", false), &Manner::default()), Outcome::Asks);
    }
}
