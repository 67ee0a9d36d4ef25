//! Bans over HTTP: addresses that a space keeps out.

use std::sync::{Arc, OnceLock};

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    access::{
        Doorkeeper,
        giving::{self, Refusal},
        store::bans::BanRecord,
    },
    clock::Timestamp,
    identity::{Identity, Signed, core::address::Address},
    ids::{SpaceId, UserId},
    limits::BAN_REASON_CHARS_MAX,
    store::Denied,
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn register(app: &mut ServiceConfig) {
    app.service(keep_out).service(let_in).service(list_bans);
}

/// An address that a space keeps out.
#[derive(Serialize, ToSchema)]
struct BanShown {
    #[schema(value_type = String)]
    space_id: SpaceId,
    email: String,
    reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<BanRecord> for BanShown {
    fn from(ban: BanRecord) -> Self {
        let BanRecord { space, email, reason, until, at } = ban;
        Self { space_id: space, email, reason, until, at }
    }
}

/// Who shall be kept out.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BanWanted {
    /// The address, whether or not anybody has signed in with it.
    email: String,
    /// Why, for the team.
    reason: Option<String>,
    /// Until when; for good where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Keeps an address out of a space. Whoever is inside with it is out within a second.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The space")), request_body = BanWanted,
    responses((status = 201, body = BanShown), (status = 403), (status = 404), (status = 422)))]
#[post("/api/v1/spaces/{id}/bans")]
async fn keep_out(
    (doorkeeper, identity, replays): (Data<Doorkeeper>, Data<Identity>, Data<Replays>),
    (signed, once): (Signed, Idempotency),
    space: Path<SpaceId>,
    body: Json<BanWanted>,
) -> Result<HttpResponse, Problem> {
    let address = Address::parse(&body.email)?;
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > BAN_REASON_CHARS_MAX) {
        return Err(Problem::wrong("reason", "The reason is too long."));
    }
    let wanted = BanRecord {
        space: *space,
        email: address.as_str().to_owned(),
        reason: body.reason.clone(),
        until: body.until,
        at: identity.clock.now(),
    };
    let by = signed.clone();
    let whose: Arc<OnceLock<Vec<UserId>>> = Arc::default();
    let seen = whose.clone();
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let users = giving::ban(connection, &by, &wanted).await?;
                _ = seen.set(users);
                Ok::<_, Denied<Refusal>>(Reply::created(&BanShown::from(wanted)))
            }
            .boxed()
        })
        .await?;
    doorkeeper.changed(whose.get().map_or(&[], Vec::as_slice));
    Ok(answer)
}

/// Who shall be let in again.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Lifted {
    /// The address.
    email: String,
}

/// Lets an address into a space again. The address stands in the body, or in the query as `email`.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The space")), request_body = Lifted,
    responses((status = 204, description = "Not kept out"), (status = 403), (status = 404), (status = 422)))]
#[delete("/api/v1/spaces/{id}/bans")]
async fn let_in(
    (doorkeeper, identity): (Data<Doorkeeper>, Data<Identity>),
    signed: Signed,
    space: Path<SpaceId>,
    (query, body): (Option<Query<Lifted>>, Option<Json<Lifted>>),
) -> Result<HttpResponse, Problem> {
    let named = body.map(Json::into_inner).or(query.map(Query::into_inner));
    let named = named.ok_or_else(|| Problem::wrong("email", "Say whose ban is lifted."))?;
    let address = Address::parse(&named.email)?;
    let (space, now) = (*space, identity.clock.now());
    let whose = identity
        .store
        .transaction(move |connection| {
            async move { giving::lift_ban(connection, &signed, (space, &address), now).await }.boxed()
        })
        .await?;
    doorkeeper.changed(&whose);
    Ok(HttpResponse::NoContent().finish())
}

/// The addresses that a space keeps out, in their order.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The space"), Which),
    responses((status = 200, body = List<BanShown>), (status = 403), (status = 404)))]
#[get("/api/v1/spaces/{id}/bans")]
async fn list_bans(
    identity: Data<Identity>,
    signed: Signed,
    space: Path<SpaceId>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let (space, most, after) = (*space, which.most()?, which.cursor.clone().unwrap_or_default());
    let rows = identity
        .store
        .run(move |connection| {
            async move { giving::list_bans(connection, &signed, space, (&after, most + 1)).await }.boxed()
        })
        .await?;
    Ok(HttpResponse::Ok().json(List::of(rows, most, |ban| ban.email.clone()).map(BanShown::from)))
}
