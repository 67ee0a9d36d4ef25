//! A live experience: who is there, whether it is on air, and how it gets from one to the other.

pub mod core;
pub mod media;
