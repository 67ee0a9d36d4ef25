//! A load tester for Backstage Pass that knows nothing of the engine but its public contract.

pub mod api;
pub mod args;
pub mod chance;
pub mod check;
pub mod clock;
pub mod conductor;
pub mod crowd;
pub mod descriptors;
pub mod figures;
pub mod heart;
pub mod histogram;
pub mod limits;
pub mod message;
pub mod process;
pub mod progress;
pub mod report;
pub mod scenario;
pub mod seat;
pub mod socket;
pub mod tally;
pub mod viewer;
