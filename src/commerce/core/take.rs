//! Taking what is offered: at which price, by whom, and until when.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    ids::PriceId,
    storefront::core::{
        field::WrongField,
        price::{Price, PriceKind},
    },
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why something is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such thing, or not for this person to know.
    Unseen,
    /// It is withdrawn, has ended, or is only given by hand.
    NotForSale,
    /// This is not one of the prices at which it is offered.
    NotThePrice,
    /// The person holds it.
    AlreadyOwned,
    /// The team has closed the space for this person.
    Banned,
    /// No unit is free.
    SoldOut,
    /// It costs something, and nothing can be paid here.
    PaymentsUnavailable,
    /// Answers need another look.
    Wrong(Vec<WrongField>),
}

/// The price that is meant: the one named, else the first.
///
/// # Errors
/// [`Refusal::NotForSale`] when none is offered, [`Refusal::NotThePrice`] when another was named.
pub fn choose(offered: &[Price], named: Option<PriceId>) -> Result<&Price, Refusal> {
    let first = offered.first().ok_or(Refusal::NotForSale)?;
    match named {
        None => Ok(first),
        Some(named) => offered.iter().find(|price| price.id == named).ok_or(Refusal::NotThePrice),
    }
}

/// The price, when it is taken without paying.
///
/// # Errors
/// [`Refusal::PaymentsUnavailable`] when it costs something.
pub fn costs_nothing(price: &Price) -> Result<&Price, Refusal> {
    if price.fields.kind == PriceKind::Free { Ok(price) } else { Err(Refusal::PaymentsUnavailable) }
}

/// When access at this price ends that begins at `now`; `None` for good.
#[must_use]
pub fn ends_at(now: Timestamp, price: &Price) -> Option<Timestamp> {
    let days = price.fields.access_days.and_then(|days| u32::try_from(days).ok())?;
    Some(now.plus(DAY * days))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::PassId,
        storefront::core::price::{NewPrice, PriceOf},
    };

    fn price(number: u128, body: &str) -> Price {
        let new: NewPrice = serde_json::from_str(body).unwrap();
        Price {
            id: PriceId(Uuid::from_u128(number)),
            of: PriceOf::Pass(PassId(Uuid::nil())),
            fields: new.judged().unwrap(),
            active: true,
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn the_price_named_is_taken_else_the_first_and_never_another() {
        let offered = [price(1, r#"{"kind":"free"}"#), price(2, r#"{"kind":"free","access_days":7}"#)];
        let chosen = |named| choose(&offered, named).map(|price| price.id);
        assert_eq!(chosen(None), Ok(offered[0].id));
        assert_eq!(chosen(Some(offered[1].id)), Ok(offered[1].id));
        assert_eq!(chosen(Some(PriceId(Uuid::from_u128(3)))), Err(Refusal::NotThePrice));
        assert_eq!(choose(&[], None).map(|_| ()), Err(Refusal::NotForSale));
    }

    #[test]
    fn what_costs_something_is_never_taken_without_paying() {
        assert!(costs_nothing(&price(1, r#"{"kind":"free"}"#)).is_ok());
        for body in [
            r#"{"kind":"one_time","amount":500}"#,
            r#"{"kind":"recurring","amount":500,"interval":"month","trial_days":7}"#,
        ] {
            assert_eq!(costs_nothing(&price(1, body)).map(|_| ()), Err(Refusal::PaymentsUnavailable), "{body}");
        }
    }

    #[test]
    fn seven_days_are_seven_times_twenty_four_hours() {
        assert_eq!(
            ends_at(Timestamp(0), &price(1, r#"{"kind":"free","access_days":7}"#)),
            Some(Timestamp(7 * 86_400_000))
        );
        assert_eq!(ends_at(Timestamp(0), &price(1, r#"{"kind":"free"}"#)), None);
    }
}
