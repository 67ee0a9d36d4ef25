//! The only SQL of identity, one module a thing.

pub mod api_tokens;
pub mod audit;
pub mod credentials;
pub mod login_codes;
pub mod members;
pub mod sessions;
pub mod teams;
pub mod users;
