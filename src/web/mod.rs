//! HTTP in and out: problems, who is asking, and what every request has in common.

pub mod problem;
pub mod view;
