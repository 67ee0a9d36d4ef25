//! What every test of this binary stands on: databases, a clock that is set, repeatable randomness, the routes in process.

mod clock;
mod cluster;
mod outbox;
mod postgres;
mod world;

pub use clock::TestClock;
pub use cluster::Cluster;
pub use outbox::Outbox;
pub use postgres::{Database, runtime};
pub use world::{Answer, Person, World};
