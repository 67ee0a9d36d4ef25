//! What may go wrong between us and Postgres, sorted by what a caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A fault of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, or none in time. Nothing was written.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was lost while a transaction was being committed: it may have happened.
    #[error("the database did not say whether the change was made")]
    OutcomeUnknown(#[source] DieselError),
    /// A constraint said no. `name` is the constraint's.
    #[error("the database refused: {name}")]
    Constraint {
        /// The constraint that was broken.
        name: String,
        /// The database's own error.
        #[source]
        source: DieselError,
    },
    /// Two transactions met (deadlock, serialization, lock or statement timeout). Nothing was written; trying again is right.
    #[error("the database was too busy with the same rows")]
    Busy(#[source] DieselError),
    /// A row breaks a rule this program relies on.
    #[error("{table} holds a row that cannot be understood: {why}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A mistake in our own statements.
    #[error("a statement failed")]
    Query(#[source] DieselError),
}

impl StoreError {
    /// Whether doing the same again may succeed. An unknown outcome is not: look first.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy(_))
    }

    /// Whether this constraint said no.
    #[must_use]
    pub fn breaks(&self, constraint: &str) -> bool {
        matches!(self, Self::Constraint { name, .. } if name == constraint)
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, told) = &error else { return Self::Query(error) };
        match kind {
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation => {
                Self::Constraint { name: told.constraint_name().unwrap_or_default().to_owned(), source: error }
            }
            DatabaseErrorKind::SerializationFailure => Self::Busy(error),
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                Self::Unavailable(Box::new(error))
            }
            _ if is_busy(told.message()) => Self::Busy(error),
            _ if is_gone(told.message()) => Self::Unavailable(Box::new(error)),
            _ => Self::Query(error),
        }
    }
}

/// diesel keeps no SQLSTATE for these, so the server's fixed English messages decide (`lc_messages` is C for our sessions).
fn is_busy(message: &str) -> bool {
    ["deadlock detected", "statement timeout", "lock timeout"].iter().any(|part| message.contains(part))
}

fn is_gone(message: &str) -> bool {
    const PARTS: [&str; 6] = [
        "connection closed",
        "terminating connection",
        "shutting down",
        "starting up",
        "in recovery mode",
        "error communicating with the server",
    ];
    PARTS.iter().any(|part| message.contains(part))
}

/// Why a change was not made: a rule said no, or the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Denied<R> {
    /// The rules say no.
    #[error("refused")]
    Refused(R),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] StoreError),
}

impl<R> From<DieselError> for Denied<R> {
    fn from(error: DieselError) -> Self {
        Self::Fault(error.into())
    }
}
