//! Who may be inside: grants, bans and memberships, the judge over them, and what keeps every open door's answer true.

pub mod core;
pub mod directory;
pub mod entitlement_actor;
pub mod eviction;
mod expiry;
pub mod giving;
mod hall;
mod loader;
mod patrol;
pub mod routes;
pub mod seats;
pub mod source;
pub mod store;
#[cfg(test)]
mod tests;

pub use directory::Doorkeeper;
pub use eviction::Eviction;
pub use seats::Seats;
pub use store::PgRights;

/// It cannot be known just now what somebody may open: the database is away, and what was remembered is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be known just now what this person may open")]
pub struct RightsUnknown;
