//! How many units there are of a pass, and what changes when a seller wants another number.

/// Units of one pass by their state. Together they are all that were ever made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Anybody may claim these.
    pub free: i64,
    /// Kept for somebody who is paying.
    pub held: i64,
    /// Somebody's for good.
    pub sold: i64,
    /// Not offered any more.
    pub withdrawn: i64,
}

impl Count {
    /// All that were ever made.
    #[must_use]
    pub fn made(self) -> i64 {
        self.free + self.held + self.sold + self.withdrawn
    }

    /// What a seller calls the stock: all but those withdrawn.
    #[must_use]
    pub fn offered(self) -> i64 {
        self.free + self.held + self.sold
    }
}

/// Why there cannot be that many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More are sold, or held by people who are paying.
    BelowSold(Count),
}

/// What is done to reach a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Free units that are not offered any more.
    pub withdraw: i64,
    /// Withdrawn units that are free again.
    pub bring_back: i64,
    /// New units.
    pub make: i64,
}

/// What is done so that `wanted` units are offered, or none because there is no limit.
///
/// # Errors
/// [`Refusal::BelowSold`] when more are sold or held than are wanted.
pub fn change(now: Count, wanted: Option<i32>) -> Result<Change, Refusal> {
    let Some(wanted) = wanted.map(i64::from) else { return Ok(Change { withdraw: now.free, ..Change::default() }) };
    if wanted < now.held + now.sold {
        return Err(Refusal::BelowSold(now));
    }
    let more = wanted - now.offered();
    let bring_back = more.clamp(0, now.withdrawn);
    Ok(Change { withdraw: (-more).max(0), bring_back, make: more.max(0) - bring_back })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_made_once_withdrawn_and_brought_back() {
        let count = |free, held, sold, withdrawn| Count { free, held, sold, withdrawn };
        let change = |now, wanted| super::change(now, wanted);
        assert_eq!(change(count(0, 0, 0, 0), Some(20)), Ok(Change { make: 20, ..Change::default() }));
        assert_eq!(change(count(20, 0, 0, 0), Some(0)), Ok(Change { withdraw: 20, ..Change::default() }));
        assert_eq!(change(count(0, 0, 0, 20), Some(25)), Ok(Change { bring_back: 20, make: 5, withdraw: 0 }));
        assert_eq!(change(count(15, 2, 3, 0), Some(5)), Ok(Change { withdraw: 15, ..Change::default() }));
        assert_eq!(change(count(15, 2, 3, 0), None), Ok(Change { withdraw: 15, ..Change::default() }));
        assert_eq!(change(count(15, 2, 3, 0), Some(20)), Ok(Change::default()));
    }

    #[test]
    fn survive_078_fewer_than_are_sold_and_held_is_refused() {
        let now = Count { free: 15, held: 2, sold: 3, withdrawn: 0 };
        assert_eq!(change(now, Some(4)), Err(Refusal::BelowSold(now)));
        assert_eq!(change(now, Some(0)), Err(Refusal::BelowSold(now)));
    }

    proptest! {
        #[test]
        fn survive_077_no_unit_is_lost_and_exactly_as_many_are_offered_as_wanted(
            free in 0_i64..50, held in 0_i64..50, sold in 0_i64..50, withdrawn in 0_i64..50, wanted in prop::option::of(0_i32..200),
        ) {
            let now = Count { free, held, sold, withdrawn };
            match change(now, wanted) {
                Err(Refusal::BelowSold(_)) => prop_assert!(i64::from(wanted.unwrap()) < held + sold),
                Ok(Change { withdraw, bring_back, make }) => {
                    prop_assert!(withdraw >= 0 && bring_back >= 0 && make >= 0 && (withdraw == 0 || bring_back + make == 0));
                    let after = Count {
                        free: free - withdraw + bring_back + make, withdrawn: withdrawn + withdraw - bring_back, ..now
                    };
                    prop_assert!(after.free >= 0 && after.withdrawn >= 0);
                    prop_assert_eq!(after.made(), now.made() + make);
                    prop_assert_eq!(after.offered(), wanted.map_or(held + sold, i64::from));
                }
            }
        }
    }
}
