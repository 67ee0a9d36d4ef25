//! Passes of a space, and what each opens.

use actix_web::{
    HttpResponse, delete, get, patch, post, put,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::{ExperienceIds, PassBody, PassIds};
use crate::{
    identity::Signed,
    ids::{PassId, SpaceId},
    storefront::{Catalog, core::pass::PassPatch, store::pass},
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(create_pass)
        .service(list_passes)
        .service(order_passes)
        .service(read_pass)
        .service(change_pass)
        .service(delete_pass)
        .service(put_pass_experiences);
}

/// Makes a pass, last in the order of its space. Without a price it comes by invitation only.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path, description = "The space")),
    request_body = PassPatch,
    responses((status = 201, body = PassBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`"), (status = 422))
)]
#[post("/api/v1/spaces/{id}/passes")]
async fn create_pass(
    (catalog, replays): (Data<Catalog>, Data<Replays>),
    key: Idempotency,
    signed: Signed,
    space: Path<SpaceId>,
    patch: Json<PassPatch>,
) -> Result<HttpResponse, Problem> {
    let (by, patch, ids) = (catalog.by(&signed), patch.into_inner(), (catalog.ids.fresh(), space.into_inner()));
    let asked = patch.clone();
    key.once(&replays, &signed, &asked, move |connection| {
        async move { Ok(Reply::created(&PassBody::from(pass::insert(connection, by, ids, patch).await?))) }.boxed()
    })
    .await
}

/// The passes of a space, in the seller's order.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path, description = "The space"), Which),
    responses((status = 200, body = List<PassBody>), (status = 404))
)]
#[get("/api/v1/spaces/{id}/passes")]
async fn list_passes(
    catalog: Data<Catalog>,
    signed: Signed,
    space: Path<SpaceId>,
    which: Query<Which>,
) -> Result<Json<List<PassBody>>, Problem> {
    let space = space.into_inner();
    let all = catalog.store.run(move |connection| pass::list(connection, signed.user, space).boxed()).await?;
    Ok(Json(which.cut(all, |pass| pass.id)?.map(PassBody::from)))
}

/// Puts the passes of a space in order: the list names every one of them once.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path, description = "The space")),
    request_body = PassIds,
    responses((status = 200, body = List<PassBody>), (status = 403), (status = 404), (status = 422))
)]
#[put("/api/v1/spaces/{id}/passes/order")]
async fn order_passes(
    catalog: Data<Catalog>,
    signed: Signed,
    space: Path<SpaceId>,
    order: Json<PassIds>,
) -> Result<Json<List<PassBody>>, Problem> {
    let (by, space, order) = (catalog.by(&signed), space.into_inner(), order.into_inner().pass_ids);
    let all =
        catalog.store.transaction(move |connection| pass::put_in_order(connection, by, space, order).boxed()).await?;
    Ok(Json(List { items: all, next: None }.map(PassBody::from)))
}

/// A pass, for its team.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path)),
    responses((status = 200, body = PassBody), (status = 404))
)]
#[get("/api/v1/passes/{id}")]
async fn read_pass(catalog: Data<Catalog>, signed: Signed, id: Path<PassId>) -> Result<Json<PassBody>, Problem> {
    let id = id.into_inner();
    let found = catalog.store.run(move |connection| pass::read(connection, signed.user, id).boxed()).await?;
    Ok(Json(found.into()))
}

/// Changes a pass. Its end is at once the end of all who hold it; fewer units than are sold or being paid for are refused.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path)),
    request_body = PassPatch,
    responses((status = 200, body = PassBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`, `stock_below_sold`"), (status = 422))
)]
#[patch("/api/v1/passes/{id}")]
async fn change_pass(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<PassId>,
    patch: Json<PassPatch>,
) -> Result<Json<PassBody>, Problem> {
    let (by, id, patch) = (catalog.by(&signed), id.into_inner(), patch.into_inner());
    let (changed, holders) =
        catalog.store.transaction(move |connection| pass::change(connection, by, id, patch).boxed()).await?;
    catalog.holders.changed(&holders);
    Ok(Json(changed.into()))
}

/// Takes a pass out of the shop for good. Who holds it keeps what it opens.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path)),
    responses((status = 204), (status = 403), (status = 404))
)]
#[delete("/api/v1/passes/{id}")]
async fn delete_pass(catalog: Data<Catalog>, signed: Signed, id: Path<PassId>) -> Result<HttpResponse, Problem> {
    let (by, id) = (catalog.by(&signed), id.into_inner());
    catalog.store.transaction(move |connection| pass::delete(connection, by, id).boxed()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets a pass open these experiences of its space and no others, at once also for those who hold it.
#[utoipa::path(
    tag = "passes",
    params(("id" = String, Path)),
    request_body = ExperienceIds,
    responses((status = 200, body = PassBody), (status = 403), (status = 404), (status = 422))
)]
#[put("/api/v1/passes/{id}/experiences")]
async fn put_pass_experiences(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<PassId>,
    wanted: Json<ExperienceIds>,
) -> Result<Json<PassBody>, Problem> {
    let (by, id, wanted) = (catalog.by(&signed), id.into_inner(), wanted.into_inner().experience_ids);
    let (pass, holders) =
        catalog.store.transaction(move |connection| pass::put_experiences(connection, by, id, wanted).boxed()).await?;
    catalog.holders.changed(&holders);
    Ok(Json(pass.into()))
}
