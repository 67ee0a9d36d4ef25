//! `Idempotency-Key`: the same request sent twice is done once and answered twice the same.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use dashmap::DashSet;
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
    /// Which keys are being worked on outside a transaction.
    pub in_flight: InFlight,
}

/// Keys of requests whose work has transactions of its own; at most as many as there are requests in hand.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<DashSet<(String, String)>>);

impl InFlight {
    fn begin(&self, asked: &Asked) -> Option<Turn> {
        let whose = (asked.principal.clone(), asked.key.clone());
        self.0.insert(whose.clone()).then(|| Turn { of: self.clone(), whose })
    }
}

/// One key's turn; over when it is dropped.
struct Turn {
    of: InFlight,
    whose: (String, String),
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.0.remove(&self.whose);
    }
}

impl Replays {
    fn opened(&self, status: u16, sealed: &[u8]) -> Result<Reply, StoreError> {
        let body = self.ring.open(Purpose::KeptReply, sealed).map_err(|_| StoreError::Corrupt {
            table: "idempotency_keys",
            why: "an answer that was not sealed by us".into(),
        })?;
        Ok(Reply { status, body })
    }
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
        let asked = self.asked(key, replays, principal, body)?;
        let (ring, entropy) = (replays.ring.clone(), replays.entropy.clone());
        let keep = move |reply: &Reply| (reply.status, ring.seal(Purpose::KeptReply, entropy.as_ref(), &reply.body));
        match replay::once(&replays.store, asked, work, keep).await {
            Ok(replay::Once::Done(reply)) => Ok(reply.into()),
            Ok(replay::Once::Kept { status, response }) => Ok(replays.opened(status, &response)?.into()),
            Err(denied) => Err(denied.into()),
        }
    }

    /// The same for work that commits by itself, such as an order to an actor: its answer is kept after it. Killed between
    /// the two, the key does the work again, and the state it finds says that it was done.
    ///
    /// # Errors
    /// As [`Idempotency::once`].
    pub async fn once_beside(
        &self,
        replays: &Replays,
        signed: &Signed,
        body: &impl Serialize,
        work: impl Future<Output = Result<Reply, Problem>>,
    ) -> Result<HttpResponse, Problem> {
        let Some(key) = self.key.clone() else { return Ok(work.await?.into()) };
        let asked = self.asked(key, replays, &signed.user.to_string(), body)?;
        let _turn = replays.in_flight.begin(&asked).ok_or(Code::IdempotencyInFlight)?;
        if let Some((status, sealed)) = replay::look(&replays.store, asked.clone()).await? {
            return Ok(replays.opened(status, &sealed)?.into());
        }
        let reply = work.await?;
        let sealed = replays.ring.seal(Purpose::KeptReply, replays.entropy.as_ref(), &reply.body);
        if let Err(fault) = replay::keep(&replays.store, asked, reply.status, sealed).await {
            tracing::warn!(
                error = &fault as &dyn std::error::Error,
                "what was done is answered, but not kept for its key"
            );
        }
        Ok(reply.into())
    }

    fn asked(&self, key: String, replays: &Replays, principal: &str, body: &impl Serialize) -> Result<Asked, Problem> {
        let body = serde_json::to_vec(body).map_err(|_| Code::Internal)?;
        let request_hash =
            Sha256::new().chain_update(&self.place).chain_update([0]).chain_update(body).finalize().to_vec();
        Ok(Asked { principal: principal.to_owned(), key, request_hash, at: replays.clock.now() })
    }
}

impl From<Infallible> for Problem {
    fn from(never: Infallible) -> Self {
        match never {}
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
