//! API tokens: kept as hashes, listed without them.

use diesel::{
    ExpressionMethods, QueryDsl, QueryableByName,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    identity::core::scope::Scopes,
    ids::{TokenId, UserId},
    limits::{PAGE_ITEMS_MAX, TOKENS_MAX},
    store::{Denied, StoreError, schema::api_tokens},
};

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub user: UserId,
    /// Of its text.
    pub token_hash: [u8; 32],
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
}

/// A token as its owner sees it.
#[derive(Clone, Debug, QueryableByName)]
pub struct Token {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// What its owner calls it.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The words of its scopes.
    #[diesel(sql_type = Array<Text>)]
    pub scopes: Vec<String>,
    #[diesel(sql_type = Timestamptz)]
    created_at: chrono::DateTime<chrono::Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Token {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id.into()
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at.into()
    }

    /// When it ends by itself, if it does.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.map(Into::into)
    }
}

/// Why no token is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The person has as many as anybody may have.
    TooMany,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    tokens: i64,
}

/// Keeps a token.
///
/// # Errors
/// [`Refusal::TooMany`] when the person has [`TOKENS_MAX`].
pub async fn insert(connection: &mut AsyncPgConnection, new: &NewToken, now: Timestamp) -> Result<(), Denied<Refusal>> {
    let Count { tokens } = diesel::sql_query(
        "select count(*) as tokens from api_tokens
          where user_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
    )
    .bind::<SqlUuid, _>(new.user.0)
    .bind::<Timestamptz, _>(now.to_utc())
    .get_result(connection)
    .await?;
    if tokens >= TOKENS_MAX {
        return Err(Denied::Refused(Refusal::TooMany));
    }
    diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::id.eq(new.id.0),
            api_tokens::user_id.eq(new.user.0),
            api_tokens::token_hash.eq(new.token_hash.as_slice()),
            api_tokens::name.eq(&new.name),
            api_tokens::scopes.eq(new.scopes.words()),
            api_tokens::created_at.eq(now.to_utc()),
            api_tokens::expires_at.eq(new.expires_at.map(Timestamp::to_utc)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// The tokens of a person that are good at `now`, the newest first.
///
/// # Errors
/// When the database cannot.
pub async fn list(connection: &mut AsyncPgConnection, user: UserId, now: Timestamp) -> Result<Vec<Token>, StoreError> {
    Ok(diesel::sql_query(
        "select id, name, scopes, created_at, expires_at from api_tokens
          where user_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
          order by created_at desc, id desc limit $3",
    )
    .bind::<SqlUuid, _>(user.0)
    .bind::<Timestamptz, _>(now.to_utc())
    .bind::<BigInt, _>(PAGE_ITEMS_MAX)
    .load(connection)
    .await?)
}

/// Ends a token of this person; `false` when they have none with this id.
///
/// # Errors
/// When the database cannot.
pub async fn revoke(
    connection: &mut AsyncPgConnection,
    user: UserId,
    token: TokenId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let theirs =
        api_tokens::table.find(token.0).filter(api_tokens::user_id.eq(user.0)).filter(api_tokens::revoked_at.is_null());
    let ended = diesel::update(theirs).set(api_tokens::revoked_at.eq(now.to_utc())).execute(connection).await?;
    Ok(ended == 1)
}
