//! What creators offer and how it is shown: spaces, experiences, passes, prices, and their pages.

pub mod catalog;
pub mod core;
mod meant;
pub mod pages;
pub mod routes;
pub mod store;

pub use catalog::Catalog;

use crate::ids::{ExperienceId, UserId};

/// Told, after the change is committed, whose rights a change of the catalogue bears on. Must not block.
pub trait HoldersChanged: Send + Sync + 'static {
    /// The rights of these people are to be read anew.
    fn changed(&self, users: &[UserId]);
    /// The settings of an experience changed: whoever runs it now reads them anew.
    fn settings_changed(&self, experience: ExperienceId);
}

/// Knows how many people are in an experience just now.
pub trait Watching: Send + Sync + 'static {
    /// Viewers connected now; 0 when nobody looks or nothing is known.
    fn watching(&self, experience: ExperienceId) -> u64;
}
