//! Sign-in codes: one live code an address, tries counted by the row itself.

use diesel::{
    ExpressionMethods, QueryDsl,
    sql_types::{BigInt, Binary, Nullable, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    identity::core::login_code::SentSoFar,
    ids::CodeRequestId,
    limits::{ADDRESS_DAY, ADDRESS_WINDOW, CODE_LASTS},
    store::{StoreError, schema::login_codes},
};

/// A code to be kept; every text of it is a keyed hash.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The request.
    pub id: CodeRequestId,
    /// Of the address.
    pub address_hash: [u8; 32],
    /// Of the code.
    pub code_hash: [u8; 32],
    /// Of the asking browser's secret.
    pub browser_hash: [u8; 32],
}

#[derive(diesel::QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    lately: i64,
    #[diesel(sql_type = BigInt)]
    today: i64,
    #[diesel(sql_type = BigInt)]
    guessed: i64,
}

/// What was done for an address so far. Whoever asks for the same address meanwhile waits until this transaction ends, so that the
/// counts hold.
///
/// # Errors
/// When the database cannot.
pub async fn sent_so_far(
    connection: &mut AsyncPgConnection,
    address_hash: &[u8; 32],
    now: Timestamp,
) -> Result<SentSoFar, StoreError> {
    let (head, _) = address_hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    diesel::sql_query("select pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(i64::from_le_bytes(*head))
        .execute(connection)
        .await?;
    let counts: Counts = diesel::sql_query(
        "select count(*) filter (where created_at > $2) as lately, count(*) as today,
                count(*) filter (where tries_left < 5) as guessed
           from login_codes where address_hash = $1 and created_at > $3",
    )
    .bind::<Binary, _>(address_hash.as_slice())
    .bind::<Timestamptz, _>(now.minus(ADDRESS_WINDOW).to_utc())
    .bind::<Timestamptz, _>(now.minus(ADDRESS_DAY).to_utc())
    .get_result(connection)
    .await?;
    Ok(SentSoFar { lately: counts.lately, today: counts.today, guessed_at_today: counts.guessed })
}

/// Keeps a new code in place of the address's live one, which is dead from now on.
///
/// # Errors
/// When the database cannot.
pub async fn replace(connection: &mut AsyncPgConnection, code: &NewCode, now: Timestamp) -> Result<(), StoreError> {
    let address_hash = code.address_hash.as_slice();
    let live =
        login_codes::table.filter(login_codes::address_hash.eq(address_hash)).filter(login_codes::used_at.is_null());
    diesel::update(live).set(login_codes::used_at.eq(now.to_utc())).execute(connection).await?;
    diesel::insert_into(login_codes::table)
        .values((
            login_codes::id.eq(code.id.0),
            login_codes::address_hash.eq(address_hash),
            login_codes::code_hash.eq(code.code_hash.as_slice()),
            login_codes::browser_hash.eq(code.browser_hash.as_slice()),
            login_codes::created_at.eq(now.to_utc()),
            login_codes::expires_at.eq(now.plus(CODE_LASTS).to_utc()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// The code at which somebody guesses.
#[derive(Clone, Debug, PartialEq, Eq, diesel::QueryableByName)]
pub struct GuessedAt {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// Its hash.
    #[diesel(sql_type = Binary)]
    pub code_hash: Vec<u8>,
}

impl GuessedAt {
    /// The request.
    #[must_use]
    pub fn id(&self) -> CodeRequestId {
        self.id.into()
    }
}

/// Takes one try from the address's live code, if this browser or this request asked for it. Parallel guesses queue at the row.
///
/// # Errors
/// When the database cannot.
pub async fn take_try(
    connection: &mut AsyncPgConnection,
    address_hash: &[u8; 32],
    request: Option<CodeRequestId>,
    browser_hash: Option<[u8; 32]>,
    now: Timestamp,
) -> Result<Option<GuessedAt>, StoreError> {
    let rows: Vec<GuessedAt> = diesel::sql_query(
        "update login_codes set tries_left = tries_left - 1
          where address_hash = $1 and used_at is null and expires_at > $2 and tries_left > 0
            and (id = $3 or browser_hash = $4)
        returning id, code_hash",
    )
    .bind::<Binary, _>(address_hash.as_slice())
    .bind::<Timestamptz, _>(now.to_utc())
    .bind::<Nullable<SqlUuid>, _>(request.map(|id| id.0))
    .bind::<Nullable<Binary>, _>(browser_hash.map(Vec::from))
    .load(connection)
    .await?;
    Ok(rows.into_iter().next())
}

/// The right code was typed: it is used, and the try is given back, so that only wrong ones count.
///
/// # Errors
/// When the database cannot.
pub async fn mark_used(
    connection: &mut AsyncPgConnection,
    id: CodeRequestId,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(login_codes::table.find(id.0))
        .set((login_codes::used_at.eq(now.to_utc()), login_codes::tries_left.eq(login_codes::tries_left + 1)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets codes that no limit counts any more.
///
/// # Errors
/// When the database cannot.
pub async fn prune(connection: &mut AsyncPgConnection, now: Timestamp) -> Result<usize, StoreError> {
    let old = now.minus(ADDRESS_DAY).minus(CODE_LASTS).to_utc();
    Ok(diesel::delete(login_codes::table.filter(login_codes::expires_at.lt(old))).execute(connection).await?)
}
