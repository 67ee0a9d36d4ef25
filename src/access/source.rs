//! The port through which rights are read: many people's in one question, so that a herd costs some dozens of queries.

use futures_util::future::BoxFuture;

use super::core::{Opening, Rights};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, UserId},
    store::StoreError,
};

/// Somebody's rights have changed, as the log of changes has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number in the log. Numbers are given before a change is committed, so a lower one may be seen later.
    pub number: i64,
    /// Whose.
    pub user: UserId,
}

/// Where rights come from. Rights are truth there and copies everywhere else.
pub trait RightsSource: Send + Sync + 'static {
    /// The rights of each of these people; somebody unknown has none.
    fn rights(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<Rights>, StoreError>>;
    /// What opens each of these experiences; those that do not exist are left out.
    fn openings(
        &self,
        experiences: Vec<ExperienceId>,
    ) -> BoxFuture<'static, Result<Vec<(ExperienceId, Opening)>, StoreError>>;
    /// The changes written since `since`.
    fn changes(&self, since: Timestamp) -> BoxFuture<'static, Result<Vec<Change>, StoreError>>;
    /// Puts the rows in order that only look like something at `now`: grants whose time is up, changes that every node has seen.
    fn tidy(&self, now: Timestamp) -> BoxFuture<'static, Result<(), StoreError>>;
}
