//! Prices of passes.

use actix_web::{
    HttpResponse, get, patch, post,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::{PriceBody, PricePatch};
use crate::{
    identity::Signed,
    ids::{PassId, PriceId},
    storefront::{Catalog, core::price::NewPrice, store::price},
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::Problem,
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(create_price).service(list_prices).service(change_price);
}

/// Offers a pass at a price. What a price says never changes; a change is a new price.
#[utoipa::path(
    tag = "prices",
    params(("id" = String, Path, description = "The pass")),
    request_body = NewPrice,
    responses((status = 201, body = PriceBody), (status = 403), (status = 404), (status = 422, description = "`invalid`, `price_kind_unsupported`"))
)]
#[post("/api/v1/passes/{id}/prices")]
async fn create_price(
    (catalog, replays): (Data<Catalog>, Data<Replays>),
    key: Idempotency,
    signed: Signed,
    pass: Path<PassId>,
    new: Json<NewPrice>,
) -> Result<HttpResponse, Problem> {
    let (by, new, ids) = (catalog.by(&signed), new.into_inner(), (catalog.ids.fresh(), pass.into_inner()));
    let asked = new.clone();
    key.once(&replays, &signed, &asked, move |connection| {
        async move { Ok(Reply::created(&PriceBody::from(price::insert(connection, by, ids, new).await?))) }.boxed()
    })
    .await
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
    pass: Path<PassId>,
    which: Query<Which>,
) -> Result<Json<List<PriceBody>>, Problem> {
    let pass = pass.into_inner();
    let all = catalog.store.run(move |connection| price::list(connection, signed.user, pass).boxed()).await?;
    Ok(Json(which.cut(all, |price| price.id)?.map(PriceBody::from)))
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
