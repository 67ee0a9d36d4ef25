//! Signed-in browsers.

use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    ids::{LoginId, UserId},
    limits::PAGE_ITEMS_MAX,
    store::{StoreError, schema::sessions},
};

/// A session to be kept.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: LoginId,
    /// Whose.
    pub user: UserId,
    /// Of its token.
    pub token_hash: [u8; 32],
    /// What the list of devices shows.
    pub device: String,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
}

/// A session as its owner sees it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct Session {
    id: Uuid,
    /// What the list of devices shows.
    pub device: Option<String>,
    created_at: chrono::DateTime<chrono::Utc>,
    seen_at: chrono::DateTime<chrono::Utc>,
    expires_at: chrono::DateTime<chrono::Utc>,
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> LoginId {
        self.id.into()
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at.into()
    }

    /// When it was last used, to the hour.
    #[must_use]
    pub fn seen_at(&self) -> Timestamp {
        self.seen_at.into()
    }

    /// When it ends if nobody uses it.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at.into()
    }
}

/// Keeps a session.
///
/// # Errors
/// When the database cannot.
pub async fn insert(connection: &mut AsyncPgConnection, new: &NewSession, now: Timestamp) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(new.id.0),
            sessions::user_id.eq(new.user.0),
            sessions::token_hash.eq(new.token_hash.as_slice()),
            sessions::device.eq(&new.device),
            sessions::created_at.eq(now.to_utc()),
            sessions::seen_at.eq(now.to_utc()),
            sessions::expires_at.eq(new.expires_at.to_utc()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// The sessions of a person that are good at `now`, the last seen first.
///
/// # Errors
/// When the database cannot.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    Ok(sessions::table
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.to_utc()))
        .order((sessions::seen_at.desc(), sessions::id.desc()))
        .limit(PAGE_ITEMS_MAX)
        .select(Session::as_select())
        .load(connection)
        .await?)
}

/// Ends a session of this person; `false` when they have none with this id.
///
/// # Errors
/// When the database cannot.
pub async fn revoke(
    connection: &mut AsyncPgConnection,
    user: UserId,
    login: LoginId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let theirs =
        sessions::table.find(login.0).filter(sessions::user_id.eq(user.0)).filter(sessions::revoked_at.is_null());
    let ended = diesel::update(theirs).set(sessions::revoked_at.eq(now.to_utc())).execute(connection).await?;
    Ok(ended == 1)
}

/// Ends every session of this person and says which they were.
///
/// # Errors
/// When the database cannot.
pub async fn revoke_all(
    connection: &mut AsyncPgConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<LoginId>, StoreError> {
    let theirs = sessions::table.filter(sessions::user_id.eq(user.0)).filter(sessions::revoked_at.is_null());
    let ended: Vec<Uuid> = diesel::update(theirs)
        .set(sessions::revoked_at.eq(now.to_utc()))
        .returning(sessions::id)
        .get_results(connection)
        .await?;
    Ok(ended.into_iter().map(Into::into).collect())
}

/// Forgets sessions that ended before `before`.
///
/// # Errors
/// When the database cannot.
pub async fn prune(connection: &mut AsyncPgConnection, before: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.lt(before.to_utc()))).execute(connection).await?)
}

/// Ends a session whoever holds it: the browser that signs in anew gives it up.
///
/// # Errors
/// When the database cannot.
pub async fn revoke_any(connection: &mut AsyncPgConnection, login: LoginId, now: Timestamp) -> Result<(), StoreError> {
    let open = sessions::table.find(login.0).filter(sessions::revoked_at.is_null());
    diesel::update(open).set(sessions::revoked_at.eq(now.to_utc())).execute(connection).await?;
    Ok(())
}
