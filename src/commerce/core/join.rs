//! Joining for nothing: at which price, and until when the access lasts.

use std::time::Duration;

use crate::{clock::Timestamp, ids::PriceId};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why somebody does not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such pass, or not for this person to know.
    Unseen,
    /// The pass is withdrawn, or only given by hand.
    NotForSale,
    /// This is not one of the pass's prices that are offered.
    NotThePrice,
    /// The person holds it.
    AlreadyOwned,
    /// The team has closed the space for this person.
    Banned,
}

/// A free price that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Which.
    pub price: PriceId,
    /// How long the access lasts, in days; for good when absent.
    pub access_days: Option<u32>,
}

/// The price that is meant: the one named, else the first.
///
/// # Errors
/// [`Refusal::NotForSale`] when none is offered, [`Refusal::NotThePrice`] when another was named.
pub fn choose(offered: &[Free], named: Option<PriceId>) -> Result<Free, Refusal> {
    let first = offered.first().ok_or(Refusal::NotForSale)?;
    match named {
        None => Ok(*first),
        Some(named) => offered.iter().find(|free| free.price == named).copied().ok_or(Refusal::NotThePrice),
    }
}

/// When access ends that begins at `now`; `None` for good.
#[must_use]
pub fn ends_at(now: Timestamp, free: Free) -> Option<Timestamp> {
    free.access_days.map(|days| now.plus(DAY * days))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn free(number: u128, access_days: Option<u32>) -> Free {
        Free { price: PriceId(Uuid::from_u128(number)), access_days }
    }

    #[test]
    fn the_price_named_is_taken_else_the_first_and_never_another() {
        let offered = [free(1, None), free(2, Some(7))];
        assert_eq!(choose(&offered, None), Ok(offered[0]));
        assert_eq!(choose(&offered, Some(offered[1].price)), Ok(offered[1]));
        assert_eq!(choose(&offered, Some(PriceId(Uuid::from_u128(3)))), Err(Refusal::NotThePrice));
        assert_eq!(choose(&[], None), Err(Refusal::NotForSale));
    }

    #[test]
    fn seven_days_are_seven_times_twenty_four_hours() {
        assert_eq!(ends_at(Timestamp(0), free(1, Some(7))), Some(Timestamp(7 * 86_400_000)));
        assert_eq!(ends_at(Timestamp(0), free(1, None)), None);
    }
}
