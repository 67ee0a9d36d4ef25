//! The rules of buying and joining.

pub mod purchase;
pub mod stock;
pub mod take;
