//! What a price says, in words that visitors and sellers read.

use crate::{
    money::Money,
    storefront::core::price::{Interval, Price, PriceKind},
};

fn days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// What it costs: `Free for 7 days`, `$50 a month`, `$50`.
pub(super) fn price_words(price: &Price) -> String {
    let fields = &price.fields;
    let lasts = fields.access_days.map(|lasts| format!(" for {}", days(lasts.into()))).unwrap_or_default();
    match (fields.kind, fields.interval) {
        (PriceKind::Free, _) => format!("Free{lasts}"),
        (PriceKind::Recurring, Some(Interval::Year)) => format!("{} a year", fields.amount),
        (PriceKind::Recurring, _) => format!("{} a month", fields.amount),
        (PriceKind::OneTime, _) if fields.instalments > 1 => {
            format!("{} in {} monthly parts{lasts}", fields.amount, fields.instalments)
        }
        (PriceKind::OneTime, _) => format!("{}{lasts}", fields.amount),
    }
}

/// What comes with it, in whole sentences.
pub(super) fn price_note(price: &Price) -> String {
    let fields = &price.fields;
    let lasts = match fields.access_days {
        Some(lasts) => format!("Open for {}, then it ends by itself.", days(lasts.into())),
        None => "Yours for good.".to_owned(),
    };
    match fields.kind {
        PriceKind::Free => format!("{lasts} No card, no payment."),
        PriceKind::OneTime if fields.instalments > 1 => {
            let (first, each) = fields.amount.split(fields.instalments.into());
            format!("{first} first, then {each} a month until it is paid. {lasts}")
        }
        PriceKind::OneTime => format!("Paid once. {lasts}"),
        PriceKind::Recurring => {
            let trial = match fields.trial_days {
                0 => String::new(),
                trial => format!("The first {} are free. ", days(trial.into())),
            };
            let fee = match fields.initial_fee {
                0 => String::new(),
                minor => format!("{} once, with the first payment. ", Money { minor, ..fields.amount }),
            };
            format!("{trial}{fee}Runs until you cancel.")
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        ids::{PassId, PriceId},
        storefront::core::price::{NewPrice, PriceOf},
    };

    #[test]
    fn prices_are_told_in_whole_words() {
        for (body, words, note) in [
            (
                r#"{"kind":"free","access_days":1}"#,
                "Free for 1 day",
                "Open for 1 day, then it ends by itself. No card, no payment.",
            ),
            (r#"{"kind":"free"}"#, "Free", "Yours for good. No card, no payment."),
            (r#"{"kind":"one_time","amount":5000}"#, "$50", "Paid once. Yours for good."),
            (
                r#"{"kind":"one_time","amount":10000,"instalments":3}"#,
                "$100 in 3 monthly parts",
                "$33.34 first, then $33.33 a month until it is paid. Yours for good.",
            ),
            (r#"{"kind":"recurring","amount":1000,"interval":"month"}"#, "$10 a month", "Runs until you cancel."),
            (
                r#"{"kind":"recurring","amount":10000,"currency":"eur","interval":"year","trial_days":7,"initial_fee":500}"#,
                "€100 a year",
                "The first 7 days are free. €5 once, with the first payment. Runs until you cancel.",
            ),
        ] {
            let new: NewPrice = serde_json::from_str(body).unwrap();
            let price = Price {
                id: PriceId(Uuid::nil()),
                of: PriceOf::Pass(PassId(Uuid::nil())),
                fields: new.judged().unwrap(),
                active: true,
                created_at: Timestamp(0),
            };
            assert_eq!((price_words(&price).as_str(), price_note(&price).as_str()), (words, note), "{body}");
        }
    }
}
