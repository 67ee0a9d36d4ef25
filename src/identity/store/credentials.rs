//! Credentials by their hashes, many in one query.

use std::sync::Arc;

use diesel::sql_types::{Array, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    identity::{
        authenticator::{Basis, Signed},
        core::{
            role::{Permission, permits},
            scope::Scopes,
            session,
        },
        store::teams::read_role,
    },
    limits::{SESSION_IDLE, SESSION_WHOLE},
    store::{Store, StoreError},
};

/// A credential that is good.
pub struct Found {
    /// The hash that was asked for.
    pub hash: [u8; 32],
    /// Whose it is.
    pub signed: Signed,
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    token_hash: Vec<u8>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    login: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    token: Option<Uuid>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    scopes: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    seen_at: Option<chrono::DateTime<chrono::Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Bool)]
    platform_admin: bool,
    #[diesel(sql_type = Array<Text>)]
    roles: Vec<String>,
}

const FIND: &str = "
    select s.token_hash, s.id as login, null::uuid as token, null::text[] as scopes, s.seen_at, s.expires_at,
           u.id as user_id, u.email, u.platform_admin,
           array(select distinct m.role::text from memberships m join teams g on g.id = m.team_id and g.deleted_at is null
                  where m.user_id = u.id and m.left_at is null) as roles
      from sessions s join users u on u.id = s.user_id
     where s.token_hash = any($1) and s.revoked_at is null and s.expires_at > $2 and u.deleted_at is null
    union all
    select t.token_hash, null, t.id, t.scopes, null, t.expires_at, u.id, u.email, u.platform_admin,
           array(select distinct m.role::text from memberships m join teams g on g.id = m.team_id and g.deleted_at is null
                  where m.user_id = u.id and m.left_at is null)
      from api_tokens t join users u on u.id = t.user_id
     where t.token_hash = any($1) and t.revoked_at is null and (t.expires_at is null or t.expires_at > $2)
       and u.deleted_at is null";

/// Those of `hashes` that are good at `now`. Sessions not seen for a while are marked as seen, in one further statement.
///
/// # Errors
/// When the database cannot say.
pub async fn find(store: &Store, hashes: Vec<[u8; 32]>, now: Timestamp) -> Result<Vec<Found>, StoreError> {
    let hashes: Vec<Vec<u8>> = hashes.into_iter().map(Vec::from).collect();
    store
        .run(move |connection| {
            async move {
                let rows: Vec<Row> = diesel::sql_query(FIND)
                    .bind::<Array<Binary>, _>(hashes)
                    .bind::<Timestamptz, _>(now.to_utc())
                    .load(connection)
                    .await?;
                mark_seen(connection, &rows, now).await;
                rows.into_iter().map(found).collect()
            }
            .boxed()
        })
        .await
}

const STANDS: &str = "
    select exists (select from sessions s join users u on u.id = s.user_id
                    where s.id = $1 and s.revoked_at is null and s.expires_at > $2 and u.deleted_at is null)
        or exists (select from api_tokens t join users u on u.id = t.user_id
                    where t.id = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > $2)
                      and u.deleted_at is null) as stands";

#[derive(diesel::QueryableByName)]
struct Stands {
    #[diesel(sql_type = Bool)]
    stands: bool,
}

/// Whether a session or an API token is good at `now`.
///
/// # Errors
/// When the database cannot say.
pub async fn stands(store: &Store, basis: Basis, now: Timestamp) -> Result<bool, StoreError> {
    let id = match basis {
        Basis::Login(login) => login.0,
        Basis::Token(token) => token.0,
    };
    store
        .run(move |connection| {
            async move {
                let asked = diesel::sql_query(STANDS).bind::<SqlUuid, _>(id).bind::<Timestamptz, _>(now.to_utc());
                let Stands { stands } = asked.get_result(connection).await?;
                Ok(stands)
            }
            .boxed()
        })
        .await
}

fn found(row: Row) -> Result<Found, StoreError> {
    let hash = row
        .token_hash
        .try_into()
        .map_err(|_| StoreError::Corrupt { table: "sessions", why: "a token hash is not 32 bytes".into() })?;
    let roles = row.roles.iter().map(|word| read_role(word)).collect::<Result<Vec<_>, _>>()?;
    let signed = Signed {
        user: row.user_id.into(),
        email: Arc::from(row.email),
        login: row.login.map(Into::into),
        token: row.token.map(Into::into),
        scopes: row.scopes.map(|words| Scopes::from_words(words.iter().map(String::as_str))),
        platform_admin: row.platform_admin,
        sees_studio: roles.into_iter().any(|role| permits(role, Permission::ReadTeam)),
        expires_at: row.expires_at.map(Into::into),
    };
    Ok(Found { hash, signed })
}

const MARK_SEEN: &str = "
    update sessions set seen_at = $2, expires_at = least($2 + $3::float8 * interval '1 second', created_at + $4::float8 * interval '1 second')
     where id = any($1) and revoked_at is null and seen_at < $2";

/// A failure here changes no answer: the session is marked with the next request.
async fn mark_seen(connection: &mut AsyncPgConnection, rows: &[Row], now: Timestamp) {
    let stale: Vec<Uuid> = rows
        .iter()
        .filter(|row| row.seen_at.is_some_and(|seen| session::is_seen_anew(now, seen.into())))
        .filter_map(|row| row.login)
        .collect();
    if stale.is_empty() {
        return;
    }
    let marked = diesel::sql_query(MARK_SEEN)
        .bind::<Array<SqlUuid>, _>(stale)
        .bind::<Timestamptz, _>(now.to_utc())
        .bind::<diesel::sql_types::Double, _>(SESSION_IDLE.as_secs_f64())
        .bind::<diesel::sql_types::Double, _>(SESSION_WHOLE.as_secs_f64())
        .execute(connection)
        .await;
    if let Err(fault) = marked {
        tracing::warn!(error = &fault as &dyn std::error::Error, "sessions could not be marked as seen");
    }
}
