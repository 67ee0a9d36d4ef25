//! Who somebody is and what their role lets them do: sign-in codes, sessions, API tokens, teams, the audit log.

pub mod authenticator;
pub mod core;
pub mod store;

pub use authenticator::{Authenticator, Credential, Signed};
pub use store::{audit, teams};
