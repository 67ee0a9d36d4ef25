//! What people do with their own sessions and API tokens.

use futures_util::FutureExt;

use super::{
    Identity, Signed,
    authenticator::{API_TOKEN_PREFIX, Basis},
    core::scope::Scopes,
    store::{
        api_tokens::{self, NewToken, Refusal, Token},
        audit::{self, Act},
        sessions::{self, Session},
        teams::{self, TeamOfUser},
        users::{self, User},
    },
};
use crate::{
    clock::Timestamp,
    ids::{LoginId, TokenId, UserId},
    store::{Connection, Denied, StoreError},
};

/// A token that has just been made; the only time its text is shown.
#[derive(Clone, Debug)]
pub struct FreshToken {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub token: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// The person and their teams; `None` when the account was closed meanwhile.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn myself(&self, user: UserId) -> Result<Option<(User, Vec<TeamOfUser>)>, StoreError> {
        self.store
            .run(move |connection| {
                async move {
                    let Some(found) = users::find(connection, user).await? else { return Ok(None) };
                    Ok(Some((found, teams::list_of_user(connection, user).await?)))
                }
                .boxed()
            })
            .await
    }

    /// Where a person is signed in, the last seen first.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let now = self.clock.now();
        self.store.run(move |connection| async move { sessions::list(connection, user, now).await }.boxed()).await
    }

    /// Ends one session of a person; `false` when they have none with this id. Its sockets close.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn end_session(&self, user: UserId, login: LoginId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let ended = self
            .store
            .run::<bool, StoreError, _>(move |connection| {
                async move { sessions::revoke(connection, user, login, now).await }.boxed()
            })
            .await?;
        if ended {
            self.is_over(Basis::Login(login));
        }
        Ok(ended)
    }

    /// Ends every session of a person.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn end_all_sessions(&self, user: UserId) -> Result<(), StoreError> {
        let now = self.clock.now();
        let ended = self
            .store
            .run::<Vec<LoginId>, StoreError, _>(move |connection| {
                async move { sessions::revoke_all(connection, user, now).await }.boxed()
            })
            .await?;
        self.authenticator.forget_user(user);
        ended.into_iter().for_each(|login| self.is_over(Basis::Login(login)));
        Ok(())
    }

    /// The API tokens of a person, the newest first.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn api_tokens(&self, user: UserId) -> Result<Vec<Token>, StoreError> {
        let now = self.clock.now();
        self.store.run(move |connection| async move { api_tokens::list(connection, user, now).await }.boxed()).await
    }

    /// Makes an API token for `user`, written down as an act of `actor` (`None`: the operator).
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the person has as many as anybody may have.
    pub async fn make_api_token(
        &self,
        connection: &mut Connection,
        (actor, user): (Option<UserId>, UserId),
        name: String,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
    ) -> Result<FreshToken, Denied<Refusal>> {
        let now = self.clock.now();
        let (token, token_hash) = self.fresh_token(API_TOKEN_PREFIX);
        let new = NewToken { id: self.ids.fresh(), user, token_hash, name, scopes, expires_at };
        api_tokens::insert(connection, &new, now).await?;
        let details = serde_json::json!({ "name": &new.name, "scopes": new.scopes.words() });
        let subject = new.id.to_string();
        audit::record(connection, &Act { at: now, actor, team: None, action: "token.created", subject, details })
            .await?;
        let NewToken { id, name, scopes, .. } = new;
        Ok(FreshToken { id, token, name, scopes, created_at: now, expires_at })
    }

    /// Ends an API token of a person; `false` when they have none with this id. Its sockets close.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn end_api_token(&self, signed: &Signed, token: TokenId) -> Result<bool, StoreError> {
        let (now, user) = (self.clock.now(), signed.user);
        let ended = self
            .store
            .transaction::<bool, StoreError, _>(move |connection| {
                async move {
                    let ended = api_tokens::revoke(connection, user, token, now).await?;
                    if ended {
                        let (subject, details) = (token.to_string(), serde_json::json!({}));
                        let act =
                            Act { at: now, actor: Some(user), team: None, action: "token.revoked", subject, details };
                        audit::record(connection, &act).await?;
                    }
                    Ok(ended)
                }
                .boxed()
            })
            .await?;
        if ended {
            self.is_over(Basis::Token(token));
        }
        Ok(ended)
    }
}
