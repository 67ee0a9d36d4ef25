//! Experiences of a space.

use std::sync::{Arc, OnceLock};

use actix_web::{
    HttpResponse, delete, get, patch, post, put,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::{ExperienceBody, ExperienceIds};
use crate::{
    identity::Signed,
    ids::{ExperienceId, SpaceId, UserId},
    storefront::{Catalog, core::experience::ExperiencePatch, store::experience},
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(create_experience)
        .service(list_experiences)
        .service(order_experiences)
        .service(read_experience)
        .service(change_experience)
        .service(delete_experience);
}

/// Makes an experience, last in the order of its space.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path, description = "The space")),
    request_body = ExperiencePatch,
    responses((status = 201, body = ExperienceBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`"), (status = 422))
)]
#[post("/api/v1/spaces/{id}/experiences")]
async fn create_experience(
    (catalog, replays): (Data<Catalog>, Data<Replays>),
    key: Idempotency,
    signed: Signed,
    space: Path<SpaceId>,
    patch: Json<ExperiencePatch>,
) -> Result<HttpResponse, Problem> {
    let (by, patch, ids) = (catalog.by(&signed), patch.into_inner(), (catalog.ids.fresh(), space.into_inner()));
    let asked = patch.clone();
    let holders: Arc<OnceLock<Vec<UserId>>> = Arc::default();
    let told = holders.clone();
    let answer = key
        .once(&replays, &signed, &asked, move |connection| {
            async move {
                let (made, holders) = experience::insert(connection, by, ids, patch).await?;
                told.get_or_init(|| holders);
                Ok(Reply::created(&ExperienceBody::from(made)))
            }
            .boxed()
        })
        .await?;
    catalog.holders.changed(holders.get().map_or(&[], Vec::as_slice));
    Ok(answer)
}

/// The experiences of a space, in the seller's order.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path, description = "The space"), Which),
    responses((status = 200, body = List<ExperienceBody>), (status = 404))
)]
#[get("/api/v1/spaces/{id}/experiences")]
async fn list_experiences(
    catalog: Data<Catalog>,
    signed: Signed,
    space: Path<SpaceId>,
    which: Query<Which>,
) -> Result<Json<List<ExperienceBody>>, Problem> {
    let space = space.into_inner();
    let all = catalog.store.run(move |connection| experience::list(connection, signed.user, space).boxed()).await?;
    Ok(Json(which.cut(all, |experience| experience.id)?.map(ExperienceBody::from)))
}

/// Puts the experiences of a space in order: the list names every one of them once.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path, description = "The space")),
    request_body = ExperienceIds,
    responses((status = 200, body = List<ExperienceBody>), (status = 403), (status = 404), (status = 422))
)]
#[put("/api/v1/spaces/{id}/experiences/order")]
async fn order_experiences(
    catalog: Data<Catalog>,
    signed: Signed,
    space: Path<SpaceId>,
    order: Json<ExperienceIds>,
) -> Result<Json<List<ExperienceBody>>, Problem> {
    let (by, space, order) = (catalog.by(&signed), space.into_inner(), order.into_inner().experience_ids);
    let all = catalog
        .store
        .transaction(move |connection| experience::put_in_order(connection, by, space, order).boxed())
        .await?;
    Ok(Json(List { items: all, next: None }.map(ExperienceBody::from)))
}

/// An experience, for its team.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path)),
    responses((status = 200, body = ExperienceBody), (status = 404))
)]
#[get("/api/v1/experiences/{id}")]
async fn read_experience(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<ExperienceId>,
) -> Result<Json<ExperienceBody>, Problem> {
    let id = id.into_inner();
    let found = catalog.store.run(move |connection| experience::read(connection, signed.user, id).boxed()).await?;
    Ok(Json(found.into()))
}

/// Changes an experience or its settings. Its kind stays.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path)),
    request_body = ExperiencePatch,
    responses((status = 200, body = ExperienceBody), (status = 403), (status = 404), (status = 409, description = "`slug_taken`"), (status = 422))
)]
#[patch("/api/v1/experiences/{id}")]
async fn change_experience(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<ExperienceId>,
    patch: Json<ExperiencePatch>,
) -> Result<Json<ExperienceBody>, Problem> {
    let (by, id, patch) = (catalog.by(&signed), id.into_inner(), patch.into_inner());
    let changed =
        catalog.store.transaction(move |connection| experience::change(connection, by, id, patch).boxed()).await?;
    catalog.holders.settings_changed(id);
    Ok(Json(changed.into()))
}

/// Takes an experience away, also out of every pass. Not while a broadcast is open in it.
#[utoipa::path(
    tag = "experiences",
    params(("id" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 409, description = "`broadcast_open`"))
)]
#[delete("/api/v1/experiences/{id}")]
async fn delete_experience(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<ExperienceId>,
) -> Result<HttpResponse, Problem> {
    let (by, id) = (catalog.by(&signed), id.into_inner());
    let holders = catalog.store.transaction(move |connection| experience::delete(connection, by, id).boxed()).await?;
    catalog.holders.changed(&holders);
    Ok(HttpResponse::NoContent().finish())
}
