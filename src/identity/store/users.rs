//! People by address and id.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    identity::core::address::Address,
    ids::UserId,
    store::{StoreError, schema::users},
};

/// A person.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    id: Uuid,
    /// Their address in its one form.
    pub email: String,
    /// What they call themselves.
    pub name: Option<String>,
    /// Their language, as in `en`.
    pub locale: String,
    /// Their time zone, as in `Europe/Berlin`.
    pub time_zone: String,
    /// Whether they run the platform.
    pub platform_admin: bool,
    /// When the address was proven, if it was.
    pub email_proven_at: Option<chrono::DateTime<chrono::Utc>>,
    /// When the account was closed, if it was.
    pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl User {
    /// Their id.
    #[must_use]
    pub fn id(&self) -> UserId {
        self.id.into()
    }
}

/// The person with this address, made with the id `fresh` when there is none. A new one's address is not proven.
///
/// # Errors
/// When the database cannot.
pub async fn find_or_insert(
    connection: &mut AsyncPgConnection,
    fresh: UserId,
    address: &Address,
    now: Timestamp,
) -> Result<User, StoreError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(fresh.0),
            users::email.eq(address.as_str()),
            users::email_norm.eq(address.as_str()),
            users::created_at.eq(now.to_utc()),
        ))
        .on_conflict(users::email_norm)
        .do_nothing()
        .execute(connection)
        .await?;
    let user =
        users::table.filter(users::email_norm.eq(address.as_str())).select(User::as_select()).first(connection).await?;
    Ok(user)
}

/// The person with this address.
///
/// # Errors
/// When the database cannot.
pub async fn find_by_address(
    connection: &mut AsyncPgConnection,
    address: &Address,
) -> Result<Option<User>, StoreError> {
    Ok(users::table
        .filter(users::email_norm.eq(address.as_str()))
        .filter(users::deleted_at.is_null())
        .select(User::as_select())
        .first(connection)
        .await
        .optional()?)
}

/// The person with this id.
///
/// # Errors
/// When the database cannot.
pub async fn find(connection: &mut AsyncPgConnection, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(users::table
        .find(id.0)
        .filter(users::deleted_at.is_null())
        .select(User::as_select())
        .first(connection)
        .await
        .optional()?)
}

/// The code that was mailed to the address came back: it is proven from the first time on.
///
/// # Errors
/// When the database cannot.
pub async fn mark_proven(connection: &mut AsyncPgConnection, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(users::table.find(id.0).filter(users::email_proven_at.is_null()))
        .set(users::email_proven_at.eq(now.to_utc()))
        .execute(connection)
        .await?;
    Ok(())
}
