//! A price: what it costs, how it is paid, and how long the access lasts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, words},
    refusal::Refusal,
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, PriceId, SpaceId},
    limits::{ACCESS_DAYS_MAX, AMOUNT_MAX, AMOUNT_MIN, INSTALMENTS_MAX, TRIAL_DAYS_MAX},
    money::{Currency, Money},
};

/// The currency of a price that names none.
const CURRENCY: &str = "usd";

words! {
    /// How a price is paid.
    PriceKind {
        /// Not at all.
        Free = "free",
        /// Once, or in monthly instalments until it is paid.
        OneTime = "one_time",
        /// Again and again, until somebody ends it.
        Recurring = "recurring",
    }
}

words! {
    /// How often a recurring price is paid.
    Interval {
        /// Every month.
        Month = "month",
        /// Every year.
        Year = "year",
    }
}

/// What a price says; never changes once it was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceFields {
    /// How it is paid.
    pub kind: PriceKind,
    /// What it costs: once, or each interval; nothing when it is free.
    pub amount: Money,
    /// How long the access lasts, in days; for good, or as long as it is paid, when absent.
    pub access_days: Option<i32>,
    /// How often it is paid; of a recurring price, and always there.
    pub interval: Option<Interval>,
    /// What the first payment costs besides, in minor units; of a recurring price.
    pub initial_fee: i64,
    /// Days before the first payment; of a recurring price.
    pub trial_days: i16,
    /// In how many monthly parts it is paid, 1 for at once; of a one-time price.
    pub instalments: i16,
}

/// What a price sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PriceOf {
    /// A pass.
    Pass(PassId),
    /// A whole space, without a pass.
    Space(SpaceId),
    /// One experience, without a pass.
    Experience(ExperienceId),
}

/// A price of something.
#[derive(Clone, Debug)]
pub struct Price {
    /// Which.
    pub id: PriceId,
    /// Of what.
    pub of: PriceOf,
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
    /// `free`, `one_time` or `recurring`.
    pub kind: Option<String>,
    /// In minor units; 0 or absent for a free price.
    pub amount: Option<i64>,
    /// Three small letters; `usd` when absent.
    pub currency: Option<String>,
    /// `month` or `year`; needed for a recurring price, and for no other.
    pub interval: Option<String>,
    /// For recurring prices only, in minor units: paid once, with the first payment.
    pub initial_fee: Option<i64>,
    /// For recurring prices only: 0 to 730 days before the first payment.
    pub trial_days: Option<i64>,
    /// How long the access lasts, 1 to 3650 days; for good when absent. Not for recurring prices.
    pub access_days: Option<i64>,
    /// For one-time prices only: 2 to 24 monthly parts; 1 or absent for all at once.
    pub instalments: Option<i64>,
}

impl NewPrice {
    /// The price, when it can be sold.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn judged(self) -> Result<PriceFields, Refusal> {
        let mut check = Check::new();
        let kind = match self.kind.as_deref() {
            None => check.missing("kind"),
            named => check.word("kind", named, PriceKind::ALL),
        };
        let code = self.currency.as_deref().unwrap_or(CURRENCY);
        let currency = Currency::parse(code).ok();
        if currency.is_none() {
            check.wrong("currency", "Write the three small letters of a currency in which cards pay, such as usd.");
        }
        if let Some(kind) = kind {
            self.refuse_what_is_not_of(kind, &mut check);
        }
        let recurring = kind == Some(PriceKind::Recurring);
        let interval = match self.interval.as_deref() {
            None if recurring => check.missing("interval"),
            named => check.word("interval", named, Interval::ALL).filter(|_| recurring),
        };
        let paid = kind.is_some_and(|kind| kind != PriceKind::Free);
        let amount = if paid { amount(&mut check, self.amount, currency) } else { 0 };
        let initial_fee = match self.initial_fee.filter(|fee| recurring && *fee != 0) {
            Some(fee) => sum(&mut check, "initial_fee", fee, currency),
            None => 0,
        };
        let trial_days = self.trial_days.map_or(0, |days| check.number("trial_days", days, (0, TRIAL_DAYS_MAX)));
        let instalments = self.instalments.map_or(1, |parts| check.number("instalments", parts, (1, INSTALMENTS_MAX)));
        if paid && amount / i64::from(instalments).max(1) < AMOUNT_MIN && amount >= AMOUNT_MIN {
            check.wrong("instalments", format!("Each part must come to at least {AMOUNT_MIN} minor units."));
        }
        let access_days = self.access_days.map(|days| check.number("access_days", days, (1, ACCESS_DAYS_MAX)));
        let whole = kind.zip(currency);
        let (kind, currency) = check.whole(whole).map_err(Refusal::Wrong)?;
        let amount = Money { minor: amount, currency };
        Ok(PriceFields { kind, amount, access_days, interval, initial_fee, trial_days, instalments })
    }

    fn refuse_what_is_not_of(&self, kind: PriceKind, check: &mut Check) {
        let free = kind == PriceKind::Free;
        if free && self.amount.is_some_and(|amount| amount != 0) {
            check.wrong("amount", "A free price costs nothing.");
        }
        let recurring_only = [
            ("interval", self.interval.is_some()),
            ("initial_fee", self.initial_fee.is_some_and(|fee| fee != 0)),
            ("trial_days", self.trial_days.is_some_and(|days| days != 0)),
        ];
        for (field, _) in recurring_only.iter().filter(|(_, given)| *given && kind != PriceKind::Recurring) {
            check.wrong(field, "Only a recurring price has one.");
        }
        if self.instalments.is_some_and(|parts| parts != 1) && kind != PriceKind::OneTime {
            check.wrong("instalments", "Only a one-time price is paid in parts.");
        }
        if self.access_days.is_some() && kind == PriceKind::Recurring {
            check.wrong("access_days", "Access of a recurring price lasts as long as it is paid.");
        }
    }
}

fn amount(check: &mut Check, amount: Option<i64>, currency: Option<Currency>) -> i64 {
    let Some(amount) = amount else { return check.missing("amount").unwrap_or_default() };
    sum(check, "amount", amount, currency)
}

fn sum(check: &mut Check, field: &'static str, amount: i64, currency: Option<Currency>) -> i64 {
    let step = currency.map_or(1, Currency::step);
    if amount % step != 0 {
        check.wrong(field, format!("Cards cannot pay the last digit of this currency: use steps of {step}."));
    }
    check.number(field, amount, (AMOUNT_MIN, AMOUNT_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(body: &str) -> Result<PriceFields, Refusal> {
        serde_json::from_str::<NewPrice>(body).unwrap().judged()
    }

    fn wrong(body: &str) -> Vec<&'static str> {
        match judged(body) {
            Err(Refusal::Wrong(wrong)) => wrong.iter().map(|w| w.field).collect(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_free_price_costs_nothing_and_may_end() {
        let price = judged(r#"{"kind":"free","access_days":7}"#).unwrap();
        assert_eq!((price.amount.minor, price.access_days), (0, Some(7)));
        assert_eq!(price.amount.currency.code(), "usd");
        assert_eq!(judged(r#"{"kind":"free","amount":0,"currency":"eur"}"#).unwrap().access_days, None);
    }

    #[test]
    fn a_one_time_price_may_end_and_may_be_paid_in_parts() {
        let price = judged(r#"{"kind":"one_time","amount":5000,"access_days":30,"instalments":4}"#).unwrap();
        assert_eq!((price.amount.minor, price.access_days, price.instalments), (5_000, Some(30), 4));
        assert_eq!(judged(r#"{"kind":"one_time","amount":5000}"#).unwrap().instalments, 1);
        assert_eq!(wrong(r#"{"kind":"one_time","amount":100,"instalments":3}"#), ["instalments"]);
    }

    #[test]
    fn a_recurring_price_has_an_interval_and_may_have_fee_and_trial() {
        let body = r#"{"kind":"recurring","amount":1000,"interval":"year","initial_fee":500,"trial_days":7}"#;
        let price = judged(body).unwrap();
        assert_eq!((price.interval, price.initial_fee, price.trial_days), (Some(Interval::Year), 500, 7));
        assert_eq!(wrong(r#"{"kind":"recurring","amount":1000}"#), ["interval"]);
        assert_eq!(wrong(r#"{"kind":"recurring","amount":1000,"interval":"week"}"#), ["interval"]);
    }

    #[test]
    fn what_belongs_to_another_kind_is_told_where_it_stands() {
        for (body, fields) in [
            ("{}", vec!["kind"]),
            (r#"{"kind":"gift"}"#, vec!["kind"]),
            (
                r#"{"kind":"free","amount":5,"trial_days":7,"access_days":0,"currency":"USD"}"#,
                vec!["currency", "amount", "trial_days", "access_days"],
            ),
            (r#"{"kind":"free","instalments":3,"interval":"month"}"#, vec!["interval", "instalments"]),
            (
                r#"{"kind":"one_time","amount":500,"interval":"month","initial_fee":100}"#,
                vec!["interval", "initial_fee"],
            ),
            (
                r#"{"kind":"recurring","amount":500,"interval":"month","access_days":7,"instalments":2}"#,
                vec!["instalments", "access_days"],
            ),
        ] {
            assert_eq!(wrong(body), fields, "{body}");
        }
    }

    #[test]
    fn survive_151_152_zero_negative_huge_and_uneven_amounts_are_refused() {
        for amount in ["0", "-1", "1", "49", "100000000", "9223372036854775807"] {
            assert_eq!(wrong(&format!(r#"{{"kind":"one_time","amount":{amount}}}"#)), ["amount"], "{amount}");
        }
        assert_eq!(wrong(r#"{"kind":"one_time","amount":1005,"currency":"kwd"}"#), ["amount"]);
        assert!(judged(r#"{"kind":"one_time","amount":1010,"currency":"kwd"}"#).is_ok());
        assert!(judged(r#"{"kind":"one_time","amount":500,"currency":"jpy"}"#).is_ok());
        for body in
            [r#"{"amount":1.5}"#, r#"{"amount":"500"}"#, r#"{"amount":1e3}"#, r#"{"amount":99999999999999999999}"#]
        {
            assert!(serde_json::from_str::<NewPrice>(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_a_price_that_is_taken_keeps_every_rule(
            kind in prop::sample::select(vec!["free", "one_time", "recurring"]),
            amount in prop::option::of(-10_i64..200_000_000), fee in prop::option::of(-10_i64..200_000_000),
            trial in prop::option::of(-1_i64..1_000), days in prop::option::of(-1_i64..5_000),
            parts in prop::option::of(-1_i64..30), interval in prop::option::of(prop::sample::select(vec!["month", "year"])),
            currency in prop::sample::select(vec!["usd", "jpy", "kwd"]),
        ) {
            let new = NewPrice {
                kind: Some(kind.into()), amount, currency: Some(currency.into()), interval: interval.map(Into::into),
                initial_fee: fee, trial_days: trial, access_days: days, instalments: parts,
            };
            if let Ok(price) = new.judged() {
                let free = price.kind == PriceKind::Free;
                prop_assert_eq!(free, price.amount.minor == 0);
                prop_assert!(free || (AMOUNT_MIN..=AMOUNT_MAX).contains(&price.amount.minor));
                prop_assert_eq!(price.interval.is_some(), price.kind == PriceKind::Recurring);
                prop_assert!(price.initial_fee == 0 || price.kind == PriceKind::Recurring);
                let (_, each) = price.amount.split(price.instalments.into());
                prop_assert!(free || each.minor >= AMOUNT_MIN - each.currency.step());
            }
        }
    }
}
