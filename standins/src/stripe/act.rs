//! `POST /stripe/_act`: plays what the provider's world does by itself: banks, holders, payments that fail.

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{AfterRetries, Turn};
use super::refusal::Refusal;

/// What is played.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// The holder disputes a charge.
    OpenDispute {
        /// The charge, or its payment intent.
        payment: String,
        /// Why, in the provider's words.
        #[serde(default = "fraudulent")]
        reason: String,
    },
    /// The bank decides a dispute.
    CloseDispute {
        /// The dispute, or its charge or payment intent.
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
    },
    /// A payment that is processing comes through.
    SucceedProcessing {
        /// The payment intent.
        payment: String,
    },
    /// A payment that is processing fails.
    FailProcessing {
        /// The payment intent.
        payment: String,
    },
    /// The holder answers the bank.
    AnswerBank {
        /// The payment intent or setup intent.
        intent: String,
        /// Whether the holder agrees.
        agrees: bool,
    },
    /// The next payments of a subscription fail.
    FailNextRenewal {
        /// The subscription.
        subscription: String,
        /// How many tries; 0 takes the order back.
        #[serde(default = "once")]
        times: u32,
    },
    /// What becomes of a subscription when the last retry failed.
    AfterRetries {
        /// The end.
        then: AfterRetries,
    },
}

fn fraudulent() -> String {
    "fraudulent".to_owned()
}

fn once() -> u32 {
    1
}

/// Plays an act; the object it is about, afterwards.
pub fn acted(turn: &mut Turn<'_>, act: &Act) -> Result<Value, Refusal> {
    let id = match act {
        Act::OpenDispute { payment, reason } => {
            let of = turn.account.payments.get(payment).and_then(|payment| payment.charge.clone());
            let charge = of.unwrap_or_else(|| payment.clone());
            turn.charge_of(&charge, "id")?;
            turn.open_dispute(&charge, reason)?
        }
        Act::CloseDispute { dispute, won } => {
            let about = |known: &super::dispute::Dispute| known.charge == *dispute || known.payment == *dispute;
            let known = turn.account.disputes.iter().find(|(_, known)| about(known)).map(|(id, _)| id.clone());
            let id = known.unwrap_or_else(|| dispute.clone());
            turn.close_dispute(&id, *won)?;
            id
        }
        Act::SucceedProcessing { payment } => turn.end_processing(payment, true).map(|()| payment.clone())?,
        Act::FailProcessing { payment } => turn.end_processing(payment, false).map(|()| payment.clone())?,
        Act::AnswerBank { intent, agrees } => {
            if intent.starts_with("seti_") {
                turn.answer_bank_about_setup(intent, *agrees)?;
            } else {
                turn.answer_bank(intent, *agrees)?;
            }
            intent.clone()
        }
        Act::FailNextRenewal { subscription, times } => {
            turn.subscription(subscription, "id")?;
            turn.alter_subscription(subscription, |subscription| subscription.fail_next = *times);
            subscription.clone()
        }
        Act::AfterRetries { then } => {
            turn.account.after_retries = *then;
            return Ok(json!({"after_retries": then}));
        }
    };
    Ok(turn.shown(&id))
}
