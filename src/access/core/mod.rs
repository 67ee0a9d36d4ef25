//! The rules of access, as pure functions of what somebody holds, what they want to open, and now.

pub mod entitlement;
pub mod grant;
#[cfg(test)]
mod tests;

pub use entitlement::{Ban, Entitlement, Opening, Reason, Refusal, Rights, Staff, judge};
pub use grant::{Grant, Opens, Source, Standing, Status};
