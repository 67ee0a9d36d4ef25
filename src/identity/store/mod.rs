//! The only SQL of identity, one module a thing.

pub mod audit;
pub mod credentials;
pub mod teams;
