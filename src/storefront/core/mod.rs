//! The rules of what creators offer: names in addresses, fields, order, and who sees which page.

pub mod experience;
pub mod field;
pub mod order;
pub mod page;
pub mod pass;
pub mod price;
pub mod question;
pub mod refusal;
pub mod slug;
pub mod space;

pub use refusal::Refusal;
