//! What operators see: every metric, declared once, and logs.

pub mod metric;
pub mod stage;
pub mod tracing;

pub use metric::provider_call;
