//! What is taken and what is left, in Postgres.

pub mod purchases;
pub mod stock;
pub mod take;
