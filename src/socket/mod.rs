//! Viewers' and studios' sockets: who may upgrade, what is said to them, and the shards that own their streams.
//!
//! The live core speaks to sockets through [`hub::Hub`]; sockets speak to it through [`door::Door`], [`hub::Floor`] and
//! [`hub::Minter`]. Neither side knows more of the other than these.

pub mod accept;
pub mod admission;
pub mod backlog;
pub mod codes;
pub mod connection;
pub mod door;
mod duty;
pub mod frame;
pub mod hub;
pub mod protocol;
pub mod registry;
pub mod routes;
pub mod shard;
pub mod topic;
pub mod wheel;

#[cfg(test)]
mod tests;
