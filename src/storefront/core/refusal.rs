//! Why a change of the catalogue is not made.

use super::field::WrongField;
use crate::ids::BroadcastId;

/// The rules say no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such thing, or not for this person to know.
    Unseen,
    /// Seen, but the role does not allow it.
    NotPermitted,
    /// Fields need another look.
    Wrong(Vec<WrongField>),
    /// Another space, or another thing of the same space, has this slug, or had it once.
    SlugTaken,
    /// As many of these as one owner may have.
    TooMany(&'static str),
    /// Fewer units are wanted than are sold or being paid for.
    StockBelowSold {
        /// Sold for good.
        sold: i64,
        /// Held by buyers who are paying.
        held: i64,
    },
    /// A broadcast is open in the experience.
    BroadcastOpen(BroadcastId),
}

impl Refusal {
    /// One wrong field.
    #[must_use]
    pub fn wrong(field: &'static str, message: impl Into<String>) -> Self {
        Self::Wrong(vec![WrongField { field, message: message.into() }])
    }
}

impl From<Vec<WrongField>> for Refusal {
    fn from(wrong: Vec<WrongField>) -> Self {
        Self::Wrong(wrong)
    }
}
