//! A purchase: somebody's intent to take something at a price, and what became of it.

use crate::{
    clock::Timestamp,
    ids::{PassId, PriceId, PurchaseId, SpaceId, UserId},
    money::Money,
    storefront::core::{field::words, question::Answer},
};

words! {
    /// What became of a purchase.
    PurchaseStatus {
        /// Nothing was paid yet.
        Open = "open",
        /// A payment is on its way.
        Paying = "paying",
        /// The buyer holds what was bought.
        Completed = "completed",
        /// The buyer did not go on.
        Abandoned = "abandoned",
        /// It could not be paid.
        Failed = "failed",
        /// All of it was paid back.
        Refunded = "refunded",
        /// Some of it was paid back.
        PartiallyRefunded = "partially_refunded",
        /// The payment is disputed.
        Disputed = "disputed",
    }
}

/// A purchase as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Which.
    pub id: PurchaseId,
    /// At which price.
    pub price: PriceId,
    /// In which space.
    pub space: SpaceId,
    /// Of which pass; `None` for a space or an experience that was bought directly.
    pub pass: Option<PassId>,
    /// Whose.
    pub user: UserId,
    /// What became of it.
    pub status: PurchaseStatus,
    /// What it costs.
    pub amount: Money,
    /// What the buyer answered.
    pub answers: Vec<Answer>,
    /// When it began.
    pub created_at: Timestamp,
    /// When the buyer came to hold what was bought.
    pub completed_at: Option<Timestamp>,
}
