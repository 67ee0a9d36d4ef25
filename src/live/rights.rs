//! What the live core asks of rights, in its own words. Answers come from memory; nothing here waits.

use std::borrow::Cow;

use futures_util::future::BoxFuture;

use crate::ids::{ExperienceId, UserId};

/// Whether somebody may be here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// Yes.
    Yes {
        /// By a role in the team, without a grant.
        staff: bool,
    },
    /// No, with the entitlement's reason.
    No(Cow<'static, str>),
    /// It cannot be known just now.
    Unknown,
}

/// Who may watch and who may run an experience.
pub trait LiveRights: Send + Sync + 'static {
    /// Whether somebody may watch, from memory; `Unknown` for those nobody asked about lately.
    fn may_watch(&self, user: UserId, experience: ExperienceId) -> Right;
    /// Whether somebody may run it, from memory.
    fn may_run(&self, user: UserId, experience: ExperienceId) -> Right;
    /// Makes sure that the two above can answer for this person and experience, as far as they can; false when it is known
    /// that there is no such experience.
    fn learn(&self, user: UserId, experience: ExperienceId) -> BoxFuture<'static, bool>;
}
