//! The database: one pool on a runtime of its own, transactions whose outcome is never guessed, and the errors of both.

pub mod error;
pub mod migrate;
pub mod pool;
pub mod replay;
#[expect(missing_docs, reason = "printed by the migration tool from the database")]
#[rustfmt::skip]
pub mod schema;


mod tls;

pub use diesel_async::AsyncPgConnection as Connection;
pub use error::{Denied, StoreError};
pub use pool::{Store, Work};
