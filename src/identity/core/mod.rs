//! The rules of identity: pure, they take the time and return data.

pub mod role;
pub mod scope;
pub mod session;
