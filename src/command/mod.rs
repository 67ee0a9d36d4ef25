//! What the command line can do, one module a command.

pub mod doctor;
pub mod means;
pub mod migrate;
pub mod seed;
pub mod serve;
pub mod token;
