//! The documented test cards: what each number does when it is charged, set up, disputed or refunded.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a card does when it is to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Pays.
    Pays,
    /// The bank says no.
    Declines(Decline),
    /// Can be kept for a customer, and then the bank says no.
    DeclinesOnceKept,
    /// The bank asks the holder every time.
    AsksAlways,
    /// The bank asks the holder every time, and then says no.
    AsksThenDeclines(Decline),
    /// The bank asks until the card was set up for later.
    AsksUntilSetUp,
    /// Pays, and the holder disputes it at once.
    Disputed(&'static str),
    /// The outcome stays open until it is ordered.
    StaysProcessing,
    /// Pays; a refund takes its time.
    RefundsLater,
    /// Pays; a refund fails later.
    RefundFails,
}

/// Why a bank says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    /// No reason.
    Generic,
    /// Not enough money.
    InsufficientFunds,
    /// Reported lost.
    LostCard,
    /// Reported stolen.
    StolenCard,
    /// Taken for fraud.
    Fraudulent,
    /// Too old.
    Expired,
    /// The security code is wrong.
    IncorrectCvc,
    /// Something went wrong on the way.
    ProcessingError,
    /// The bank wants to ask and nobody is there.
    AuthenticationRequired,
}

impl Decline {
    /// `code`, `decline_code`, `message`.
    pub fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Generic => ("card_declined", "generic_decline", "Your card was declined."),
            Self::InsufficientFunds => ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
            Self::LostCard => ("card_declined", "lost_card", "Your card was declined."),
            Self::StolenCard => ("card_declined", "stolen_card", "Your card was declined."),
            Self::Fraudulent => ("card_declined", "fraudulent", "Your card was declined."),
            Self::Expired => ("expired_card", "expired_card", "Your card has expired."),
            Self::IncorrectCvc => ("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
            Self::ProcessingError => (
                "processing_error",
                "processing_error",
                "An error occurred while processing your card. Try again in a little bit.",
            ),
            Self::AuthenticationRequired => (
                "authentication_required",
                "authentication_required",
                "Your card was declined. This transaction requires authentication.",
            ),
        }
    }
}

/// A test card.
#[derive(Debug)]
pub struct Card {
    /// The name it has as a ready-made payment method.
    pub token: &'static str,
    /// Its number.
    pub number: &'static str,
    /// What it does.
    pub nature: Nature,
}

const fn card(token: &'static str, number: &'static str, nature: Nature) -> Card {
    Card { token, number, nature }
}

/// All of them. The first of a number names what a typed number does.
pub const CARDS: &[Card] = &[
    card("pm_card_visa", "4242424242424242", Nature::Pays),
    card("pm_card_visa_debit", "4000056655665556", Nature::Pays),
    card("pm_card_mastercard", "5555555555554444", Nature::Pays),
    card("pm_card_mastercard_debit", "5200828282828210", Nature::Pays),
    card("pm_card_amex", "378282246310005", Nature::Pays),
    card("pm_card_visa_chargeDeclined", "4000000000000002", Nature::Declines(Decline::Generic)),
    card("pm_card_chargeDeclined", "4000000000000002", Nature::Declines(Decline::Generic)),
    card(
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        Nature::Declines(Decline::InsufficientFunds),
    ),
    card("pm_card_chargeDeclinedInsufficientFunds", "4000000000009995", Nature::Declines(Decline::InsufficientFunds)),
    card("pm_card_visa_chargeDeclinedLostCard", "4000000000009987", Nature::Declines(Decline::LostCard)),
    card("pm_card_visa_chargeDeclinedStolenCard", "4000000000009979", Nature::Declines(Decline::StolenCard)),
    card("pm_card_chargeDeclinedFraudulent", "4100000000000019", Nature::Declines(Decline::Fraudulent)),
    card("pm_card_chargeDeclinedExpiredCard", "4000000000000069", Nature::Declines(Decline::Expired)),
    card("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", Nature::Declines(Decline::IncorrectCvc)),
    card("pm_card_chargeDeclinedProcessingError", "4000000000000119", Nature::Declines(Decline::ProcessingError)),
    card("pm_card_chargeCustomerFail", "4000000000000341", Nature::DeclinesOnceKept),
    card("pm_card_authenticationRequired", "4000002760003184", Nature::AsksAlways),
    card("pm_card_threeDSecure2Required", "4000000000003220", Nature::AsksAlways),
    card("pm_card_authenticationRequiredOnSetup", "4000002500003155", Nature::AsksUntilSetUp),
    card(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        Nature::AsksThenDeclines(Decline::InsufficientFunds),
    ),
    card("pm_card_createDispute", "4000000000000259", Nature::Disputed("fraudulent")),
    card("pm_card_createDisputeProductNotReceived", "4000000000002685", Nature::Disputed("product_not_received")),
    card("pm_card_pendingRefund", "4000000000007726", Nature::RefundsLater),
    card("pm_card_refundFail", "4000000000005126", Nature::RefundFails),
    // Not one of the provider's: there only bank debits stay open, whose forms this stand-in does not play.
    card("pm_card_processing", "4000000000001000", Nature::StaysProcessing),
    // Pays like any other; the script in the browser then never comes back to the page that asked.
    card("pm_card_pageLost", "4000000000001018", Nature::Pays),
];

/// A card by its ready-made name (`pm_card_visa`, `tok_visa`).
pub fn by_token(token: &str) -> Option<&'static Card> {
    let bare = token.strip_prefix("pm_card_").or_else(|| token.strip_prefix("tok_"))?;
    CARDS.iter().find(|card| card.token.strip_prefix("pm_card_") == Some(bare))
}

/// A card by its number.
pub fn by_number(number: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.number == number)
}

/// The brand a number belongs to.
pub fn brand(number: &str) -> &'static str {
    match number.as_bytes() {
        [b'3', b'4' | b'7', ..] => "amex",
        [b'5', ..] => "mastercard",
        [b'6', ..] => "discover",
        _ => "visa",
    }
}

/// Sixteen letters that are the same for the same number, whoever uses it.
pub fn fingerprint(number: &str) -> String {
    Sha256::digest(number.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the last digit is the one the others ask for.
pub fn is_sound(number: &str) -> bool {
    let digit = |(place, byte): (usize, u8)| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && (12..=19).contains(&number.len());
    digits && number.bytes().rev().enumerate().map(digit).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_card_has_a_sound_number_and_its_own_name() {
        for (at, card) in CARDS.iter().enumerate() {
            assert!(is_sound(card.number), "{}", card.number);
            assert!(CARDS[at + 1..].iter().all(|other| other.token != card.token), "{}", card.token);
            assert_eq!(by_token(card.token).unwrap().number, card.number);
        }
        assert_eq!(by_token("tok_visa").unwrap().number, "4242424242424242");
        assert!(!is_sound("4242424242424241"));
    }
}
