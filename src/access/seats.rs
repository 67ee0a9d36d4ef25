//! The port to those who count on how many devices somebody watches.

use futures_util::future::LocalBoxFuture;

use crate::ids::{ExperienceId, UserId};

/// Knows the places that people have taken in live experiences.
pub trait Seats: Send + Sync + 'static {
    /// Whether somebody who may enter would be given a place on this device beside those they watch on already; `None` when
    /// nobody can say just now.
    fn has_room(&self, user: UserId, experience: ExperienceId, device: String)
    -> LocalBoxFuture<'static, Option<bool>>;
}
