//! The only SQL of the storefront, one module a thing. Every function works on the caller's connection, so that a change, its
//! audit entry and the kept answer of a request are one transaction.

pub mod demo;
pub mod experience;
pub mod pass;
pub mod price;
pub mod public;
pub mod rights;
pub mod sight;
pub mod space;
pub mod studio;

use diesel::result::Error as DieselError;
use diesel_async::AsyncPgConnection;

use super::core::{Refusal, slug::Slug};
use crate::{
    clock::Timestamp,
    identity::audit::{self, Act},
    ids::{TeamId, UserId},
    store::{Denied, StoreError},
};

/// Who changes something, and when.
#[derive(Clone, Copy, Debug)]
pub struct By {
    /// Who.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}

/// A slug of the database, which the database's own rule has checked.
fn read_slug(table: &'static str, text: &str) -> Result<Slug, StoreError> {
    Slug::parse(text).map_err(|_| StoreError::Corrupt { table, why: format!("slug {text:?}") })
}

/// A word of the database, one of ours.
fn read_word<W>(table: &'static str, text: &str, of: impl FnOnce(&str) -> Option<W>) -> Result<W, StoreError> {
    of(text).ok_or_else(|| StoreError::Corrupt { table, why: format!("the word {text:?}") })
}

/// A broken unique index is a taken slug; everything else is what it is.
fn slug_taken(error: DieselError, index: &str) -> Denied<Refusal> {
    let fault = StoreError::from(error);
    if fault.breaks(index) { Denied::Refused(Refusal::SlugTaken) } else { Denied::Fault(fault) }
}

async fn write_down(
    connection: &mut AsyncPgConnection,
    by: By,
    team: TeamId,
    action: &'static str,
    (subject, details): (String, serde_json::Value),
) -> Result<(), StoreError> {
    audit::record(connection, &Act { at: by.at, actor: Some(by.user), team: Some(team), action, subject, details })
        .await
}
