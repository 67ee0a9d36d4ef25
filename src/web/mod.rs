//! HTTP in and out: problems, who is asking, and what every request has in common.

pub mod assets;
pub mod auth;
pub mod client_address;
pub mod csrf;
pub mod header;
pub mod idempotency;
pub mod json;
pub mod limit;
pub mod list;
pub mod operator;
pub mod page;
pub mod problem;
pub mod server;
pub mod view;
