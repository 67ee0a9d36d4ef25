//! Work that is done once for a key: the answer is kept in the transaction that does it, or beside work that has one of its own.

use std::convert::Infallible;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;

use super::{Denied, Store, StoreError, Work, schema::idempotency_keys};
use crate::clock::Timestamp;

/// A request that carries a key.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks; keys of different people never meet.
    pub principal: String,
    /// The key.
    pub key: String,
    /// What was asked, so that the same key cannot mean two things.
    pub request_hash: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once<T> {
    /// Done now.
    Done(T),
    /// Done before; this was kept.
    Kept {
        /// The status.
        status: u16,
        /// The body as it was kept.
        response: Vec<u8>,
    },
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again<R> {
    /// The same is being worked on.
    InFlight,
    /// The key came with another request before.
    AnotherRequest,
    /// The work itself was refused.
    Refused(R),
}

/// Does `work` unless it was done for this key; `keep` makes of its result what is stored.
///
/// # Errors
/// What [`Again`] says, and faults of the store.
pub async fn once<T, R, W, K>(store: &Store, asked: Asked, work: W, keep: K) -> Result<Once<T>, Denied<Again<R>>>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Work<T, Denied<R>>,
    K: FnOnce(&T) -> (u16, Vec<u8>) + Send + 'static,
{
    store
        .transaction(move |connection| {
            async move {
                if !locked(connection, &asked).await? {
                    return Err(Denied::Refused(Again::InFlight));
                }
                match kept(connection, &asked).await? {
                    None => {}
                    Some((hash, ..)) if hash != asked.request_hash => {
                        return Err(Denied::Refused(Again::AnotherRequest));
                    }
                    Some((_, status, response)) => return Ok(Once::Kept { status, response }),
                }
                let done = work(connection).await.map_err(|denied| match denied {
                    Denied::Refused(refusal) => Denied::Refused(Again::Refused(refusal)),
                    Denied::Fault(fault) => Denied::Fault(fault),
                })?;
                let (status, response) = keep(&done);
                insert(connection, &asked, status, &response).await?;
                Ok(Once::Done(done))
            }
            .boxed()
        })
        .await
}

/// What was kept for this key: a status and a body; `None` when nothing was.
///
/// # Errors
/// [`Again::AnotherRequest`], and faults of the store.
pub async fn look(store: &Store, asked: Asked) -> Result<Option<(u16, Vec<u8>)>, Denied<Again<Infallible>>> {
    let found = store
        .run(move |connection| async move { Ok::<_, StoreError>((kept(connection, &asked).await?, asked)) }.boxed());
    match found.await? {
        (None, _) => Ok(None),
        (Some((hash, ..)), asked) if hash != asked.request_hash => Err(Denied::Refused(Again::AnotherRequest)),
        (Some((_, status, response)), _) => Ok(Some((status, response))),
    }
}

/// Keeps an answer of work that is done.
///
/// # Errors
/// When the database cannot.
pub async fn keep(store: &Store, asked: Asked, status: u16, response: Vec<u8>) -> Result<(), StoreError> {
    store.run(move |connection| async move { insert(connection, &asked, status, &response).await }.boxed()).await
}

#[derive(diesel::QueryableByName)]
struct Locked {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    locked: bool,
}

/// A lock that ends with the transaction, so that a killed node leaves no key in flight.
async fn locked(connection: &mut AsyncPgConnection, asked: &Asked) -> Result<bool, StoreError> {
    let Locked { locked } =
        diesel::sql_query("select pg_try_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 4711)) as locked")
            .bind::<Text, _>(&asked.principal)
            .bind::<Text, _>(&asked.key)
            .get_result(connection)
            .await?;
    Ok(locked)
}

type Kept = (Vec<u8>, u16, Vec<u8>);
type Row = (Vec<u8>, Option<i16>, Option<Vec<u8>>);

async fn kept(connection: &mut AsyncPgConnection, asked: &Asked) -> Result<Option<Kept>, StoreError> {
    let row: Option<Row> = idempotency_keys::table
        .find((&asked.principal, &asked.key))
        .select((idempotency_keys::request_hash, idempotency_keys::status, idempotency_keys::response))
        .first(connection)
        .await
        .optional()?;
    row.map(|row| match row {
        (hash, Some(status), Some(response)) => Ok((hash, status.unsigned_abs(), response)),
        _ => Err(StoreError::Corrupt { table: "idempotency_keys", why: "a key without its answer".into() }),
    })
    .transpose()
}

async fn insert(
    connection: &mut AsyncPgConnection,
    asked: &Asked,
    status: u16,
    response: &[u8],
) -> Result<(), StoreError> {
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::principal.eq(&asked.principal),
            idempotency_keys::key.eq(&asked.key),
            idempotency_keys::request_hash.eq(&asked.request_hash),
            idempotency_keys::status.eq(i16::try_from(status).unwrap_or(i16::MAX)),
            idempotency_keys::response.eq(response),
            idempotency_keys::created_at.eq(asked.at.to_utc()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets answers older than `before`.
///
/// # Errors
/// When the database cannot.
pub async fn prune(connection: &mut AsyncPgConnection, before: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(before.to_utc())))
        .execute(connection)
        .await?)
}
