//! The rules of a live experience. Pure: takes `now`, returns data.

pub mod audience;
pub mod broadcast;
pub mod health;
pub mod invariant;
pub mod reaction;
pub mod signal;

#[cfg(test)]
mod tests;
