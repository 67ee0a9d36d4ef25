//! Prices of passes, and of spaces and experiences that are sold directly.

use actix_web::{
    HttpResponse, get, patch, post,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::{PriceBody, PricePatch};
use crate::{
    identity::Signed,
    ids::{ExperienceId, PassId, PriceId, SpaceId},
    storefront::{
        Catalog,
        core::price::{NewPrice, PriceOf},
        store::price,
    },
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(create_price)
        .service(list_prices)
        .service(create_space_price)
        .service(list_space_prices)
        .service(create_experience_price)
        .service(list_experience_prices)
        .service(change_price);
}

async fn create(
    (catalog, replays): (Data<Catalog>, Data<Replays>),
    (key, signed): (Idempotency, Signed),
    of: PriceOf,
    new: NewPrice,
) -> Result<HttpResponse, Problem> {
    let (by, ids) = (catalog.by(&signed), (catalog.ids.fresh(), of));
    let asked = new.clone();
    key.once(&replays, &signed, &asked, move |connection| {
        async move { Ok(Reply::created(&PriceBody::from(price::insert(connection, by, ids, new).await?))) }.boxed()
    })
    .await
}

async fn list(
    catalog: &Catalog,
    signed: &Signed,
    of: PriceOf,
    which: &Which,
) -> Result<Json<List<PriceBody>>, Problem> {
    let user = signed.user;
    let all = catalog.store.run(move |connection| price::list(connection, user, of).boxed()).await?;
    Ok(Json(which.cut(all, |price| price.id)?.map(PriceBody::from)))
}

/// Offers a pass at a price. What a price says never changes; a change is a new price.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The pass")),
    request_body = NewPrice,
    responses((status = 201, body = PriceBody), (status = 403), (status = 404), (status = 422))
)]
#[post("/api/v1/passes/{id}/prices")]
async fn create_price(
    means: (Data<Catalog>, Data<Replays>),
    who: (Idempotency, Signed),
    id: Path<PassId>,
    new: Json<NewPrice>,
) -> Result<HttpResponse, Problem> {
    create(means, who, PriceOf::Pass(id.into_inner()), new.into_inner()).await
}

/// The prices of a pass, oldest first, those not offered any more included.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The pass"), Which),
    responses((status = 200, body = List<PriceBody>), (status = 404))
)]
#[get("/api/v1/passes/{id}/prices")]
async fn list_prices(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<PassId>,
    which: Query<Which>,
) -> Result<Json<List<PriceBody>>, Problem> {
    list(&catalog, &signed, PriceOf::Pass(id.into_inner()), &which).await
}

/// Offers a whole space at a price of its own, without a pass. What a price says never changes; a change is a new price.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The space")),
    request_body = NewPrice,
    responses((status = 201, body = PriceBody), (status = 403), (status = 404), (status = 422))
)]
#[post("/api/v1/spaces/{id}/prices")]
async fn create_space_price(
    means: (Data<Catalog>, Data<Replays>),
    who: (Idempotency, Signed),
    id: Path<SpaceId>,
    new: Json<NewPrice>,
) -> Result<HttpResponse, Problem> {
    create(means, who, PriceOf::Space(id.into_inner()), new.into_inner()).await
}

/// The prices of a whole space of its own, without a pass, oldest first, those not offered any more included.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The space"), Which),
    responses((status = 200, body = List<PriceBody>), (status = 404))
)]
#[get("/api/v1/spaces/{id}/prices")]
async fn list_space_prices(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<SpaceId>,
    which: Query<Which>,
) -> Result<Json<List<PriceBody>>, Problem> {
    list(&catalog, &signed, PriceOf::Space(id.into_inner()), &which).await
}

/// Offers one experience at a price of its own, without a pass. What a price says never changes; a change is a new price.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The experience")),
    request_body = NewPrice,
    responses((status = 201, body = PriceBody), (status = 403), (status = 404), (status = 422))
)]
#[post("/api/v1/experiences/{id}/prices")]
async fn create_experience_price(
    means: (Data<Catalog>, Data<Replays>),
    who: (Idempotency, Signed),
    id: Path<ExperienceId>,
    new: Json<NewPrice>,
) -> Result<HttpResponse, Problem> {
    create(means, who, PriceOf::Experience(id.into_inner()), new.into_inner()).await
}

/// The prices of one experience of its own, without a pass, oldest first, those not offered any more included.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The experience"), Which),
    responses((status = 200, body = List<PriceBody>), (status = 404))
)]
#[get("/api/v1/experiences/{id}/prices")]
async fn list_experience_prices(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<ExperienceId>,
    which: Query<Which>,
) -> Result<Json<List<PriceBody>>, Problem> {
    list(&catalog, &signed, PriceOf::Experience(id.into_inner()), &which).await
}

/// Offers a price, or stops offering it.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path)),
    request_body = PricePatch,
    responses((status = 200, body = PriceBody), (status = 403), (status = 404))
)]
#[patch("/api/v1/prices/{id}")]
async fn change_price(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<PriceId>,
    patch: Json<PricePatch>,
) -> Result<Json<PriceBody>, Problem> {
    let (by, id, active) = (catalog.by(&signed), id.into_inner(), patch.active);
    let changed =
        catalog.store.transaction(move |connection| price::set_active(connection, by, id, active).boxed()).await?;
    Ok(Json(changed.into()))
}
