//! Spaces of a team.

use actix_web::{
    HttpResponse, delete, get, patch, post,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::SpaceBody;
use crate::{
    identity::Signed,
    ids::{SpaceId, TeamId},
    storefront::{Catalog, core::space::SpacePatch, store::space},
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(create_space).service(list_spaces).service(read_space).service(change_space).service(archive_space);
}

/// Makes a space in a team. It is a draft until it is published.
#[utoipa::path(
    tag = "spaces",
    params(("id" = String, Path, description = "The team")),
    request_body = SpacePatch,
    responses((status = 201, body = SpaceBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`"), (status = 422))
)]
#[post("/api/v1/teams/{id}/spaces")]
async fn create_space(
    (catalog, replays): (Data<Catalog>, Data<Replays>),
    key: Idempotency,
    signed: Signed,
    team: Path<TeamId>,
    patch: Json<SpacePatch>,
) -> Result<HttpResponse, Problem> {
    let (by, patch, ids) = (catalog.by(&signed), patch.into_inner(), (catalog.ids.fresh(), team.into_inner()));
    let asked = patch.clone();
    key.once(&replays, &signed, &asked, move |connection| {
        async move { Ok(Reply::created(&SpaceBody::from(space::insert(connection, by, ids, patch).await?))) }.boxed()
    })
    .await
}

/// The spaces of a team, whatever their status.
#[utoipa::path(
    tag = "spaces",
    params(("id" = String, Path, description = "The team"), Which),
    responses((status = 200, body = List<SpaceBody>), (status = 404))
)]
#[get("/api/v1/teams/{id}/spaces")]
async fn list_spaces(
    catalog: Data<Catalog>,
    signed: Signed,
    team: Path<TeamId>,
    which: Query<Which>,
) -> Result<Json<List<SpaceBody>>, Problem> {
    let (most, after) = (which.most()?, which.after::<SpaceId>()?.map(|id| id.0));
    let team = team.into_inner();
    let found = catalog
        .store
        .run(move |connection| space::list(connection, signed.user, team, (after, most + 1)).boxed())
        .await?;
    Ok(Json(List::of(found, most, |space| space.id).map(SpaceBody::from)))
}

/// A space, for its team.
#[utoipa::path(
    tag = "spaces",
    params(("id" = String, Path)),
    responses((status = 200, body = SpaceBody), (status = 404))
)]
#[get("/api/v1/spaces/{id}")]
async fn read_space(catalog: Data<Catalog>, signed: Signed, id: Path<SpaceId>) -> Result<Json<SpaceBody>, Problem> {
    let id = id.into_inner();
    let found = catalog.store.run(move |connection| space::read(connection, signed.user, id).boxed()).await?;
    Ok(Json(found.into()))
}

/// Changes a space. A slug that is given up leads to the space for ever and goes to nobody else.
#[utoipa::path(
    tag = "spaces",
    params(("id" = String, Path)),
    request_body = SpacePatch,
    responses((status = 200, body = SpaceBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`"), (status = 422))
)]
#[patch("/api/v1/spaces/{id}")]
async fn change_space(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<SpaceId>,
    patch: Json<SpacePatch>,
) -> Result<Json<SpaceBody>, Problem> {
    let (by, id, patch) = (catalog.by(&signed), id.into_inner(), patch.into_inner());
    let (space, holders) =
        catalog.store.transaction(move |connection| space::change(connection, by, id, patch).boxed()).await?;
    catalog.holders.changed(&holders);
    Ok(Json(space.into()))
}

/// Puts a space away: its pages and doors close for everybody but the team.
#[utoipa::path(
    tag = "spaces",
    params(("id" = String, Path)),
    responses((status = 204), (status = 403), (status = 404))
)]
#[delete("/api/v1/spaces/{id}")]
async fn archive_space(catalog: Data<Catalog>, signed: Signed, id: Path<SpaceId>) -> Result<HttpResponse, Problem> {
    let (by, id) = (catalog.by(&signed), id.into_inner());
    let holders = catalog.store.transaction(move |connection| space::archive(connection, by, id).boxed()).await?;
    catalog.holders.changed(&holders);
    Ok(HttpResponse::NoContent().finish())
}
