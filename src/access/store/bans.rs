//! Bans: an address that a space keeps out, whether or not anybody has signed in with it yet.

use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::record_changes;
use crate::{
    clock::Timestamp,
    ids::{SpaceId, UserId},
    store::StoreError,
};

/// A ban as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRecord {
    /// The space.
    pub space: SpaceId,
    /// The address in its one form.
    pub email: String,
    /// Why, in the team's words; whoever is kept out reads them.
    pub reason: Option<String>,
    /// Until when; `None` is for good.
    pub until: Option<Timestamp>,
    /// Since when.
    pub at: Timestamp,
}

#[derive(diesel::QueryableByName)]
struct UserRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Who has this address, and has their change written down.
async fn told(connection: &mut AsyncPgConnection, email: &str, at: Timestamp) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<UserRow> =
        diesel::sql_query("select id from users where email_norm = $1").bind::<Text, _>(email).load(connection).await?;
    let users: Vec<UserId> = rows.into_iter().map(|row| row.id.into()).collect();
    record_changes(connection, &users, at).await?;
    Ok(users)
}

/// Keeps an address out, or changes how long and why. Returns whose rights change.
///
/// # Errors
/// When the database cannot.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    ban: &BanRecord,
    by: UserId,
) -> Result<Vec<UserId>, StoreError> {
    diesel::sql_query(
        "insert into space_bans (space_id, email_norm, reason, until, banned_by, at) values ($1, $2, $3, $4, $5, $6)
         on conflict (space_id, email_norm) do update
            set reason = excluded.reason, until = excluded.until, banned_by = excluded.banned_by, at = excluded.at",
    )
    .bind::<SqlUuid, _>(ban.space.0)
    .bind::<Text, _>(&ban.email)
    .bind::<Nullable<Text>, _>(&ban.reason)
    .bind::<Nullable<Timestamptz>, _>(ban.until.map(Timestamp::to_utc))
    .bind::<SqlUuid, _>(by.0)
    .bind::<Timestamptz, _>(ban.at.to_utc())
    .execute(connection)
    .await?;
    told(connection, &ban.email, ban.at).await
}

/// Lets an address in again. Returns whose rights change; `None` when it was not kept out.
///
/// # Errors
/// When the database cannot.
pub async fn delete(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    email: &str,
    at: Timestamp,
) -> Result<Option<Vec<UserId>>, StoreError> {
    let gone = diesel::sql_query("delete from space_bans where space_id = $1 and email_norm = $2")
        .bind::<SqlUuid, _>(space.0)
        .bind::<Text, _>(email)
        .execute(connection)
        .await?;
    if gone == 0 {
        return Ok(None);
    }
    told(connection, email, at).await.map(Some)
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    space_id: Uuid,
    #[diesel(sql_type = Text)]
    email_norm: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    until: Option<chrono::DateTime<chrono::Utc>>,
    #[diesel(sql_type = Timestamptz)]
    at: chrono::DateTime<chrono::Utc>,
}

impl From<Row> for BanRecord {
    fn from(row: Row) -> Self {
        Self {
            space: row.space_id.into(),
            email: row.email_norm,
            reason: row.reason,
            until: row.until.map(Timestamp::from),
            at: row.at.into(),
        }
    }
}

/// At most `most` bans of a space in the order of their addresses, those after `after`.
///
/// # Errors
/// When the database cannot say.
pub async fn list(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    after: &str,
    most: i64,
) -> Result<Vec<BanRecord>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "select space_id, email_norm, reason, until, at from space_bans
          where space_id = $1 and email_norm > $2 order by email_norm limit $3",
    )
    .bind::<SqlUuid, _>(space.0)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(BanRecord::from).collect())
}

/// The ban that names the address of `user`, whether or not it still holds.
///
/// # Errors
/// When the database cannot say.
pub async fn find_of(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    user: UserId,
) -> Result<Option<BanRecord>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "select b.space_id, b.email_norm, b.reason, b.until, b.at
           from space_bans b join users u on u.email_norm = b.email_norm where b.space_id = $1 and u.id = $2",
    )
    .bind::<SqlUuid, _>(space.0)
    .bind::<SqlUuid, _>(user.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(BanRecord::from))
}
