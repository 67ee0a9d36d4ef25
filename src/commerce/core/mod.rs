//! The rules of buying and joining.

pub mod join;
