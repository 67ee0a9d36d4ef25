//! Grants over HTTP: given by hand, listed by pass, space and team, taken away.

use std::{
    str::FromStr,
    sync::{Arc, OnceLock},
};

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
        giving::{self, Gift, Refusal},
        store::grants::{self, After, GrantRecord, Listed},
    },
    clock::Timestamp,
    identity::{Identity, Signed, core::address::Address},
    ids::{ExperienceId, GrantId, NotAnId, PassId, SpaceId, TeamId, UserId},
    store::Denied,
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn register(app: &mut ServiceConfig) {
    app.service(give_pass).service(give_directly).service(of_pass).service(of_space).service(of_team).service(revoke);
}

/// Whose a grant is.
#[derive(Serialize, ToSchema)]
struct Holder {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
}

/// A grant.
#[derive(Serialize, ToSchema)]
pub(super) struct GrantShown {
    #[schema(value_type = String)]
    id: GrantId,
    user: Holder,
    #[schema(value_type = String)]
    space_id: SpaceId,
    #[schema(value_type = Option<String>)]
    experience_id: Option<ExperienceId>,
    #[schema(value_type = Option<String>)]
    pass_id: Option<PassId>,
    source: &'static str,
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl GrantShown {
    fn new(grant: GrantRecord, now: Timestamp) -> Self {
        Self {
            id: grant.id,
            status: grant.status_at(now).word(),
            user: Holder { id: grant.user, email: grant.email },
            space_id: grant.space,
            experience_id: grant.experience,
            pass_id: grant.pass,
            source: grant.source.word(),
            starts_at: grant.starts_at,
            expires_at: grant.expires_at,
            created_at: grant.created_at,
        }
    }
}

/// Who shall hold a pass, and for how long.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PassGiven {
    /// The address; somebody new is made.
    email: String,
    /// From when on; now where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Until when; for ever where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Who shall enter a space, or one experience of it, without a pass.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpaceGiven {
    /// The address; somebody new is made.
    email: String,
    /// The one experience; the whole space where absent.
    #[schema(value_type = Option<String>)]
    experience_id: Option<ExperienceId>,
    /// From when on; now where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Until when; for ever where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Gives a pass to somebody.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The pass")), request_body = PassGiven,
    responses((status = 201, body = GrantShown), (status = 403), (status = 404), (status = 422)))]
#[post("/api/v1/passes/{id}/grants")]
async fn give_pass(
    (doorkeeper, identity, replays): (Data<Doorkeeper>, Data<Identity>, Data<Replays>),
    (signed, once): (Signed, Idempotency),
    pass: Path<PassId>,
    body: Json<PassGiven>,
) -> Result<HttpResponse, Problem> {
    let gift = Gift { to: Address::parse(&body.email)?, starts_at: body.starts_at, expires_at: body.expires_at };
    let (me, by, pass) = (identity.clone(), signed.clone(), *pass);
    let given = Arc::new(OnceLock::new());
    let seen = given.clone();
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let grant = giving::give_pass(&me, connection, &by, pass, gift).await?;
                _ = seen.set(grant.user);
                Ok::<_, Denied<Refusal>>(Reply::created(&GrantShown::new(grant, me.clock.now())))
            }
            .boxed()
        })
        .await?;
    doorkeeper.changed(given.get().map_or(&[], std::slice::from_ref));
    Ok(answer)
}

/// Opens a space, or one experience of it, to somebody.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The space")), request_body = SpaceGiven,
    responses((status = 201, body = GrantShown), (status = 403), (status = 404), (status = 422)))]
#[post("/api/v1/spaces/{id}/grants")]
async fn give_directly(
    (doorkeeper, identity, replays): (Data<Doorkeeper>, Data<Identity>, Data<Replays>),
    (signed, once): (Signed, Idempotency),
    space: Path<SpaceId>,
    body: Json<SpaceGiven>,
) -> Result<HttpResponse, Problem> {
    let gift = Gift { to: Address::parse(&body.email)?, starts_at: body.starts_at, expires_at: body.expires_at };
    let (me, by, target) = (identity.clone(), signed.clone(), (*space, body.experience_id));
    let given = Arc::new(OnceLock::new());
    let seen = given.clone();
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let grant = giving::give_directly(&me, connection, &by, target, gift).await?;
                _ = seen.set(grant.user);
                Ok::<_, Denied<Refusal>>(Reply::created(&GrantShown::new(grant, me.clock.now())))
            }
            .boxed()
        })
        .await?;
    doorkeeper.changed(given.get().map_or(&[], std::slice::from_ref));
    Ok(answer)
}

/// The grants of a pass, the newest first.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The pass"), Which),
    responses((status = 200, body = List<GrantShown>), (status = 403), (status = 404)))]
#[get("/api/v1/passes/{id}/grants")]
async fn of_pass(
    identity: Data<Identity>,
    signed: Signed,
    id: Path<PassId>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    list(&identity, signed, Listed::OfPass(*id), &which).await
}

/// The grants in a space, the newest first.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The space"), Which),
    responses((status = 200, body = List<GrantShown>), (status = 403), (status = 404)))]
#[get("/api/v1/spaces/{id}/grants")]
async fn of_space(
    identity: Data<Identity>,
    signed: Signed,
    id: Path<SpaceId>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    list(&identity, signed, Listed::OfSpace(*id), &which).await
}

/// The grants in all spaces of a team, the newest first.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The team"), Which),
    responses((status = 200, body = List<GrantShown>), (status = 403), (status = 404)))]
#[get("/api/v1/teams/{id}/grants")]
async fn of_team(
    identity: Data<Identity>,
    signed: Signed,
    id: Path<TeamId>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    list(&identity, signed, Listed::OfTeam(*id), &which).await
}

/// One page of grants, for those who may see them.
pub(super) async fn list(
    identity: &Identity,
    signed: Signed,
    listed: Listed,
    which: &Which,
) -> Result<HttpResponse, Problem> {
    let most = which.most()?;
    let after = which.after::<Cursor>()?.map(|Cursor(after)| after);
    let rows = identity
        .store
        .run(move |connection| {
            async move {
                giving::may_list(connection, &signed, listed).await?;
                Ok::<_, Denied<Refusal>>(grants::list(connection, listed, after, most + 1).await?)
            }
            .boxed()
        })
        .await?;
    let now = identity.clock.now();
    Ok(HttpResponse::Ok().json(List::of(rows, most, cursor).map(|grant| GrantShown::new(grant, now))))
}

/// `{milliseconds}.{grant}`.
fn cursor(last: &GrantRecord) -> String {
    format!("{}.{}", last.created_at.0, last.id)
}

struct Cursor(After);

impl FromStr for Cursor {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (created_at, id) = text.split_once('.').ok_or(NotAnId)?;
        let created_at = Timestamp(created_at.parse().map_err(|_| NotAnId)?);
        Ok(Self(After { created_at, id: id.parse()? }))
    }
}

/// Takes a grant away. Whoever is inside by it is out within a second.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The grant")),
    responses((status = 204, description = "It is over"), (status = 403), (status = 404)))]
#[delete("/api/v1/grants/{id}")]
async fn revoke(
    (doorkeeper, identity): (Data<Doorkeeper>, Data<Identity>),
    signed: Signed,
    id: Path<GrantId>,
) -> Result<HttpResponse, Problem> {
    let (id, now) = (*id, identity.clock.now());
    let whose = identity
        .store
        .transaction(move |connection| async move { giving::revoke(connection, &signed, id, now).await }.boxed())
        .await?;
    doorkeeper.changed(whose.as_slice());
    Ok(HttpResponse::NoContent().finish())
}
