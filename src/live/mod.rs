//! A live experience: who is there, whether it is on air, and how it gets from one to the other.

pub mod board;
pub mod core;
pub mod crowd;
pub mod desk;
pub mod directory;
pub mod door;
pub mod drills;
pub mod experience_actor;
pub mod hooks;
pub mod lease;
pub mod ledger;
pub mod media;
pub mod order;
pub mod page_store;
pub mod pages;
pub mod reconcile;
pub mod rights;
pub mod routes;
pub mod running;
pub mod seating;
pub mod store;
pub mod tally;
pub mod ticket;
