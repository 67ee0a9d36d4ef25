//! A live experience: who is there, whether it is on air, and how it gets from one to the other.

pub mod board;
pub mod core;
pub mod crowd;
pub mod experience_actor;
pub mod ledger;
pub mod media;
pub mod order;
pub mod rights;
pub mod running;
pub mod tally;
