//! Viewers' and studios' sockets: who may upgrade, what is said to them, and the shards that own their streams.
//!
//! The live core speaks to sockets through [`hub::Hub`]; sockets speak to it through [`door::Door`], [`hub::Floor`] and
//! [`hub::Minter`]. Neither side knows more of the other than these.

pub mod codes;
pub mod door;
pub mod frame;
pub mod hub;
pub mod protocol;
