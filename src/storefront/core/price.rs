//! A price: which kinds can be sold, and what they may say.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, words},
    refusal::Refusal,
};
use crate::{
    clock::Timestamp,
    ids::{PassId, PriceId},
    limits::ACCESS_DAYS_MAX,
};

/// The currency of a price that names none.
const CURRENCY: &str = "usd";

words! {
    /// How a price is paid.
    PriceKind {
        /// Not at all.
        Free = "free",
    }
}

/// What a price says; never changes once it was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceFields {
    /// How it is paid.
    pub kind: PriceKind,
    /// In minor units.
    pub amount_minor: i64,
    /// Three small letters.
    pub currency: String,
    /// How long the access lasts, in days; for good when absent.
    pub access_days: Option<i32>,
}

/// A price of a pass.
#[derive(Clone, Debug)]
pub struct Price {
    /// Which.
    pub id: PriceId,
    /// Of which pass.
    pub pass: PassId,
    /// What it says.
    pub fields: PriceFields,
    /// Whether it is offered.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A price somebody wants to offer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// `free`; others cannot be sold yet.
    pub kind: Option<String>,
    /// In minor units; 0 or absent for a free price.
    pub amount: Option<i64>,
    /// Three small letters; `usd` when absent.
    pub currency: Option<String>,
    /// For recurring prices only.
    pub interval: Option<String>,
    /// For recurring prices only, in minor units.
    pub initial_fee: Option<i64>,
    /// For recurring prices only.
    pub trial_days: Option<i64>,
    /// How long the access lasts, 1 to 3650 days; for good when absent.
    pub access_days: Option<i64>,
    /// For one-time prices only.
    pub instalments: Option<i64>,
}

impl NewPrice {
    /// The price, when it is of a kind that can be sold.
    ///
    /// # Errors
    /// [`Refusal::PriceKindUnsupported`], or every wrong field.
    pub fn judged(self) -> Result<PriceFields, Refusal> {
        let mut check = Check::new();
        match self.kind.as_deref() {
            Some("one_time" | "recurring") => return Err(Refusal::PriceKindUnsupported),
            Some("free") => {}
            Some(_) => check.wrong("kind", "Choose one of free, one_time, recurring."),
            None => check.wrong("kind", "This is needed."),
        }
        if self.amount.is_some_and(|amount| amount != 0) {
            check.wrong("amount", "A free price costs nothing.");
        }
        let paid_only = [
            ("interval", self.interval.is_some()),
            ("initial_fee", self.initial_fee.is_some()),
            ("trial_days", self.trial_days.is_some()),
            ("instalments", self.instalments.is_some()),
        ];
        for (field, _) in paid_only.iter().filter(|(_, given)| *given) {
            check.wrong(field, "A free price has none.");
        }
        let currency = self.currency.unwrap_or_else(|| CURRENCY.to_owned());
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
            check.wrong("currency", "Write the three small letters of a currency, such as usd.");
        }
        let access_days = self.access_days.map(|days| check.number("access_days", days, (1, ACCESS_DAYS_MAX)));
        check
            .done(PriceFields { kind: PriceKind::Free, amount_minor: 0, currency, access_days })
            .map_err(Refusal::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(body: &str) -> Result<PriceFields, Refusal> {
        serde_json::from_str::<NewPrice>(body).unwrap().judged()
    }

    #[test]
    fn a_free_price_costs_nothing_and_may_end() {
        let price = judged(r#"{"kind":"free","access_days":7}"#).unwrap();
        assert_eq!((price.amount_minor, price.access_days, price.currency.as_str()), (0, Some(7), "usd"));
        assert_eq!(judged(r#"{"kind":"free","amount":0,"currency":"eur"}"#).unwrap().access_days, None);
    }

    #[test]
    fn paid_kinds_are_refused_by_name() {
        for kind in ["one_time", "recurring"] {
            let body = format!(r#"{{"kind":"{kind}","amount":1000,"currency":"usd"}}"#);
            assert_eq!(judged(&body), Err(Refusal::PriceKindUnsupported), "{kind}");
        }
    }

    #[test]
    fn a_free_price_with_money_in_it_is_told_where() {
        let body = r#"{"kind":"free","amount":5,"trial_days":7,"access_days":0,"currency":"USD"}"#;
        let Err(Refusal::Wrong(wrong)) = judged(body) else { panic!("taken") };
        let fields: Vec<_> = wrong.iter().map(|w| w.field).collect();
        assert_eq!(fields, ["amount", "trial_days", "currency", "access_days"]);
        assert!(matches!(judged("{}"), Err(Refusal::Wrong(_))));
    }
}
