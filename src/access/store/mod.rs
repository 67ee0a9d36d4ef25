//! The only SQL of access: rights read for many at once, the log of changes, grants and bans.

pub mod bans;
pub mod grants;
pub mod place;
mod rights;
pub mod told;

use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    core::{Opening, Rights},
    source::{Change, RightsSource},
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, UserId},
    limits::{CHANGES_KEPT, CHANGES_READ_MAX, GRANTS_EXPIRED_AT_ONCE_MAX},
    store::{Store, StoreError},
};

pub use rights::{opening_of_space, openings, rights};

/// Rights as Postgres has them.
#[derive(Clone, Debug)]
pub struct PgRights(Store);

impl PgRights {
    /// Rights as `store` has them.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

impl RightsSource for PgRights {
    fn rights(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<Rights>, StoreError>> {
        let store = self.0.clone();
        async move { store.run(move |connection| async move { rights(connection, &users).await }.boxed()).await }
            .boxed()
    }

    fn openings(
        &self,
        experiences: Vec<ExperienceId>,
    ) -> BoxFuture<'static, Result<Vec<(ExperienceId, Opening)>, StoreError>> {
        let store = self.0.clone();
        async move { store.run(move |connection| async move { openings(connection, &experiences).await }.boxed()).await }
            .boxed()
    }

    fn changes(&self, since: Timestamp) -> BoxFuture<'static, Result<Vec<Change>, StoreError>> {
        let store = self.0.clone();
        async move { store.run(move |connection| async move { changes(connection, since).await }.boxed()).await }
            .boxed()
    }

    fn tidy(&self, now: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        let store = self.0.clone();
        async move {
            store
                .run(move |connection| {
                    async move {
                        mark_expired(connection, now).await?;
                        forget_changes(connection, now.minus(CHANGES_KEPT)).await
                    }
                    .boxed()
                })
                .await
        }
        .boxed()
    }
}

/// Writes down that these people's rights change, in the transaction that changes them.
///
/// # Errors
/// When the database cannot.
pub async fn record_changes(
    connection: &mut AsyncPgConnection,
    users: &[UserId],
    at: Timestamp,
) -> Result<(), StoreError> {
    let users: Vec<_> = users.iter().map(|user| user.0).collect();
    diesel::sql_query("insert into rights_changes (user_id, at) select u, $2 from unnest($1) as u")
        .bind::<Array<SqlUuid>, _>(users)
        .bind::<Timestamptz, _>(at.to_utc())
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
    #[diesel(sql_type = SqlUuid)]
    user_id: uuid::Uuid,
}

/// The changes written since `since`, at most [`CHANGES_READ_MAX`], the oldest first.
async fn changes(connection: &mut AsyncPgConnection, since: Timestamp) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<ChangeRow> =
        diesel::sql_query("select number, user_id from rights_changes where at >= $1 order by at, number limit $2")
            .bind::<Timestamptz, _>(since.to_utc())
            .bind::<diesel::sql_types::BigInt, _>(CHANGES_READ_MAX)
            .load(connection)
            .await?;
    Ok(rows.into_iter().map(|row| Change { number: row.number, user: row.user_id.into() }).collect())
}

/// Grants whose time is up say so. No answer changes by this, since the judge looks at the time; of a late payment it tells
/// first that the grace is over, so such a grant stays as it is.
async fn mark_expired(connection: &mut AsyncPgConnection, now: Timestamp) -> Result<(), StoreError> {
    diesel::sql_query(
        "update access_grants set status = 'expired', ended_at = expires_at, version = version + 1
          where id in (select id from access_grants
                        where status in ('active', 'trialing') and expires_at is not null and expires_at <= $1
                        order by expires_at limit $2 for update skip locked)",
    )
    .bind::<Timestamptz, _>(now.to_utc())
    .bind::<diesel::sql_types::BigInt, _>(GRANTS_EXPIRED_AT_ONCE_MAX)
    .execute(connection)
    .await?;
    Ok(())
}

async fn forget_changes(connection: &mut AsyncPgConnection, before: Timestamp) -> Result<(), StoreError> {
    diesel::sql_query("delete from rights_changes where at < $1")
        .bind::<Timestamptz, _>(before.to_utc())
        .execute(connection)
        .await?;
    Ok(())
}
