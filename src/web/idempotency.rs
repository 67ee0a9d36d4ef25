//! `Idempotency-Key`: the same request sent twice is done once and answered twice the same.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    clock::SharedClock,
    entropy::SharedEntropy,
    identity::Signed,
    keys::{KeyRing, Purpose},
    limits::IDEMPOTENCY_KEY_BYTES_MAX,
    store::{
        Denied, Store, StoreError, Work,
        replay::{self, Again, Asked},
    },
    web::problem::{Code, Problem},
};

/// The header that carries the key.
pub const HEADER: &str = "idempotency-key";

/// An answer that can be given again: a status and a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; empty for none.
    pub body: Vec<u8>,
}

impl Reply {
    /// `status` with `body` as JSON.
    #[must_use]
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Our own answers are plain structs; one that cannot be written would be a bug that tests see as null.
        Self { status: status.as_u16(), body: serde_json::to_vec(body).unwrap_or_else(|_| b"null".to_vec()) }
    }

    /// 201 with what was made.
    #[must_use]
    pub fn created(body: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, body)
    }

    /// 200 with what there is now.
    #[must_use]
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// 204.
    #[must_use]
    pub fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT.as_u16(), body: vec![] }
    }
}

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if reply.body.is_empty() {
            return Self::new(status);
        }
        Self::build(status)
            .content_type("application/json")
            .insert_header(("cache-control", "no-store"))
            .body(reply.body)
    }
}

/// Where answers are kept, as `web::Data`. Answers are sealed, since they may carry a secret such as a new token.
#[derive(Clone)]
pub struct Replays {
    /// The database.
    pub store: Store,
    /// Seals the answers.
    pub ring: KeyRing,
    /// For the seals.
    pub entropy: SharedEntropy,
    /// Says when an answer was given.
    pub clock: SharedClock,
}

/// The request's key, if it has one; an extractor.
#[derive(Clone, Debug)]
pub struct Idempotency {
    key: Option<String>,
    place: String,
}

impl FromRequest for Idempotency {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let place = format!("{} {}", request.method(), request.path());
        let key = match request.headers().get(HEADER).map(|value| value.to_str()) {
            None => Ok(None),
            Some(Ok(key)) if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX => Ok(Some(key.to_owned())),
            Some(_) => {
                Err(Problem::new(Code::Malformed).detail("The Idempotency-Key must be 1 to 255 plain characters."))
            }
        };
        ready(key.map(|key| Self { key, place }))
    }
}

impl Idempotency {
    /// Does `work` in one transaction together with keeping its answer; asked again with the same key and `body`, gives the kept
    /// answer. Without a key it is done every time. What was refused is not kept: the same key may try again.
    ///
    /// # Errors
    /// The refusal of `work`; 422 when the key came with another request; 409 while the first is being worked on.
    pub async fn once<R, W>(
        &self,
        replays: &Replays,
        signed: &Signed,
        body: &impl Serialize,
        work: W,
    ) -> Result<HttpResponse, Problem>
    where
        R: Into<Problem> + Send + 'static,
        W: Work<Reply, Denied<R>>,
    {
        self.once_for(replays, &signed.user.to_string(), body, work).await
    }

    /// The same for somebody who is not signed in; `principal` tells one such asker from another.
    ///
    /// # Errors
    /// As [`Idempotency::once`].
    pub async fn once_for<R, W>(
        &self,
        replays: &Replays,
        principal: &str,
        body: &impl Serialize,
        work: W,
    ) -> Result<HttpResponse, Problem>
    where
        R: Into<Problem> + Send + 'static,
        W: Work<Reply, Denied<R>>,
    {
        let Some(key) = self.key.clone() else {
            return Ok(replays.store.transaction(work).await?.into());
        };
        let body = serde_json::to_vec(body).map_err(|_| Code::Internal)?;
        let request_hash =
            Sha256::new().chain_update(&self.place).chain_update([0]).chain_update(body).finalize().to_vec();
        let asked = Asked { principal: principal.to_owned(), key, request_hash, at: replays.clock.now() };
        let (ring, entropy) = (replays.ring.clone(), replays.entropy.clone());
        let keep = move |reply: &Reply| (reply.status, ring.seal(Purpose::KeptReply, entropy.as_ref(), &reply.body));
        match replay::once(&replays.store, asked, work, keep).await {
            Ok(replay::Once::Done(reply)) => Ok(reply.into()),
            Ok(replay::Once::Kept { status, response }) => {
                let body = replays.ring.open(Purpose::KeptReply, &response).map_err(|_| StoreError::Corrupt {
                    table: "idempotency_keys",
                    why: "an answer that was not sealed by us".into(),
                })?;
                Ok(Reply { status, body }.into())
            }
            Err(denied) => Err(denied.into()),
        }
    }
}

impl<R: Into<Problem>> From<Again<R>> for Problem {
    fn from(again: Again<R>) -> Self {
        match again {
            Again::InFlight => Code::IdempotencyInFlight.into(),
            Again::AnotherRequest => Code::IdempotencyMismatch.into(),
            Again::Refused(refusal) => refusal.into(),
        }
    }
}
