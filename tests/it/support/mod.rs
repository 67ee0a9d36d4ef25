//! What every test of this binary stands on: databases, a clock that is set, repeatable randomness, the routes in process.

mod clock;
mod entropy;
mod postgres;

pub use clock::TestClock;
pub use entropy::TestEntropy;
pub use postgres::{Database, runtime};
