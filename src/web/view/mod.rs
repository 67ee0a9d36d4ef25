//! What each page shows, as plain structs that the templates in `web/templates` print; handlers fill them, nothing here decides.

pub mod error;
pub mod experience;
pub mod layout;
pub mod member;
pub mod parts;
pub mod sign_in;
pub mod space;
pub mod studio;
pub mod team;

#[cfg(test)]
mod tests;

pub use layout::{Bundle, Layout, Section, Theme};
pub use parts::{Cue, Moment, Notice, NoticeKind, OnAir, Person};
