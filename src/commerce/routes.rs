//! Taking what is offered over HTTP, and what was taken.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use actix_web::{
    HttpResponse, get,
    guard::GuardContext,
    http::header,
    post,
    web::{Data, Json, Path, Query},
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    JoinThrottle,
    core::{purchase::Purchase, take::Refusal},
    store::{
        purchases,
        take::{self, Taken, Taker, Wanted},
    },
};
use crate::{
    clock::Timestamp,
    identity::{Signed, core::address::Address},
    ids::{PassId, PriceId, PurchaseId, SpaceId, UserId},
    store::{Denied, StoreError},
    storefront::{
        Catalog,
        core::{question::Answer, slug::Slug},
    },
    web::{
        auth::MaybeSigned,
        client_address::ClientAddress,
        idempotency::{Idempotency, Replays, Reply},
        list::{List, Which},
        problem::{Code, Problem},
    },
};

/// Registers the route of the JSON API; the sales pages bring the form's.
pub fn register(config: &mut ServiceConfig) {
    config.service(purchase_directly).service(purchase_pass).service(read_purchase).service(list_mine);
}

/// Whether a request carries a form.
#[must_use]
pub fn carries_a_form(request: &GuardContext<'_>) -> bool {
    let kind = request.head().headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
}

fn carries_no_form(request: &GuardContext<'_>) -> bool {
    !carries_a_form(request)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unseen => Code::NotFound.into(),
            Refusal::NotForSale => Code::NotForSale.into(),
            Refusal::NotThePrice => {
                let sentence = "This price is not offered. Look at the pass again.";
                Self::wrong("price_id", sentence)
            }
            Refusal::AlreadyOwned => Code::AlreadyOwned.into(),
            Refusal::Banned => Self::refused_entry("banned").detail("The team has closed this space for you."),
            Refusal::SoldOut => Code::SoldOut.into(),
            Refusal::PaymentsUnavailable => Code::PaymentsUnavailable.into(),
            Refusal::Wrong(wrong) => crate::storefront::core::Refusal::Wrong(wrong).into(),
        }
    }
}

/// What is wanted of a pass.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseAsk {
    /// One of the prices at which the pass is offered; the first when absent.
    #[schema(value_type = Option<String>)]
    pub price_id: Option<PriceId>,
    /// For whom, when nobody is signed in. It is proven by a code before anybody enters.
    pub email: Option<String>,
    /// Answers to what is asked before checkout, by the names of the questions.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
}

/// A purchase.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Purchase)]
pub struct PurchaseBody {
    #[schema(value_type = String)]
    id: PurchaseId,
    status: &'static str,
    /// In minor units.
    amount: i64,
    currency: String,
    #[schema(value_type = String)]
    price_id: PriceId,
    #[schema(value_type = String)]
    space_id: SpaceId,
    /// `null` for a space or an experience that was taken directly.
    #[schema(value_type = Option<String>)]
    pass_id: Option<PassId>,
    /// What was answered before checkout.
    answers: Vec<Answer>,
    /// Until when a unit is kept while it is being paid; `null` when none is.
    #[schema(value_type = Option<String>, format = DateTime)]
    hold_expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
}

impl From<Purchase> for PurchaseBody {
    fn from(purchase: Purchase) -> Self {
        Self {
            id: purchase.id,
            status: purchase.status.word(),
            amount: purchase.amount.minor,
            currency: purchase.amount.currency.code(),
            price_id: purchase.price,
            space_id: purchase.space,
            pass_id: purchase.pass,
            answers: purchase.answers,
            hold_expires_at: None,
            created_at: purchase.created_at,
            completed_at: purchase.completed_at,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Next {
    /// `none`, or `prove_email`: sign in with a code sent to the address.
    action: &'static str,
    url: String,
}

/// The answer to a purchase.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PurchaseReply {
    purchase: PurchaseBody,
    /// Always `null` for what costs nothing.
    client_secret: Option<String>,
    /// Always `null` for what costs nothing.
    intent: Option<String>,
    next: Next,
}

impl PurchaseReply {
    fn of(taken: Taken, signed: bool) -> Self {
        let action = if signed { "none" } else { "prove_email" };
        let next = Next { action, url: next_url(&taken, signed) };
        Self { purchase: taken.purchase.into(), client_secret: None, intent: None, next }
    }
}

/// Where a program sends somebody who has taken something: on, past the sign-in when they have not proven who they are.
fn next_url(taken: &Taken, signed: bool) -> String {
    if signed { onward(taken) } else { page_after(taken, signed) }
}

/// The page of ours that follows: inside, or the one that leads on to another site; behind the sign-in for whoever has not proven
/// who they are.
#[must_use]
pub fn page_after(taken: &Taken, signed: bool) -> String {
    let page = match &taken.onward.redirect {
        Some(_) => format!("/account/purchases/{}/onward", taken.purchase.id),
        None => onward(taken),
    };
    if signed {
        return page;
    }
    let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
    format!("/login?next={next}")
}

fn onward(taken: &Taken) -> String {
    let onward = &taken.onward;
    let space = format!("/account/purchased_spaces/{}", onward.space);
    match (&onward.redirect, &onward.experience) {
        (Some(elsewhere), _) => elsewhere.clone(),
        (None, Some(experience)) => format!("{space}/experiences/{experience}"),
        (None, None) => space,
    }
}

/// Who takes something, and what tells one asker from another.
///
/// # Errors
/// 422 without an address, 429 when this client has tried too often.
pub fn taker(
    (catalog, throttle): (&Catalog, &JoinThrottle),
    signed: Option<&Signed>,
    client: ClientAddress,
    email: Option<&str>,
) -> Result<(Taker, String), Problem> {
    if let Some(signed) = signed {
        return Ok((Taker::Signed(signed.user), signed.user.to_string()));
    }
    let Some(email) = email.filter(|email| !email.trim().is_empty()) else {
        return Err(Problem::wrong("email", "Write your e-mail address, or sign in first."));
    };
    let address = Address::parse(email)?;
    throttle.admit(catalog.now(), client)?;
    let principal = format!("address:{address}");
    Ok((Taker::Address(address, catalog.ids.fresh()), principal))
}

/// What is taken, by the names in the address.
///
/// # Errors
/// 404 when they cannot be names.
pub fn wanted(
    (space, pass): (&str, Option<&str>),
    price: Option<PriceId>,
    answers: BTreeMap<String, String>,
) -> Result<Wanted, Problem> {
    let slug = |text: &str| Slug::meant_by(text).ok_or(Code::NotFound);
    Ok(Wanted { space: slug(space)?, pass: pass.map(slug).transpose()?, price, answers })
}

/// Everything a request to take something needs.
type Means = (Data<Catalog>, Data<Replays>, Data<JoinThrottle>);

async fn purchase(
    (catalog, replays, throttle): Means,
    (key, signed, client): (Idempotency, MaybeSigned, ClientAddress),
    names: (&str, Option<&str>),
    ask: PurchaseAsk,
) -> Result<HttpResponse, Problem> {
    let wanted = wanted(names, ask.price_id, ask.answers.clone())?;
    let by = (&**catalog, &**throttle);
    let (taker, principal) = taker(by, signed.0.as_ref(), client, ask.email.as_deref())?;
    let (now, id, is_signed) = (catalog.now(), catalog.ids.fresh(), signed.0.is_some());
    let taken_by: Arc<OnceLock<UserId>> = Arc::default();
    let told = taken_by.clone();
    let answer = key
        .once_for(&replays, &principal, &ask, move |connection| {
            async move {
                let taken: Result<_, Denied<Refusal>> = take::take(connection, now, id, (taker, wanted)).await;
                let taken = taken?;
                told.get_or_init(|| taken.user);
                Ok(Reply::created(&PurchaseReply::of(taken, is_signed)))
            }
            .boxed()
        })
        .await?;
    if let Some(user) = taken_by.get() {
        catalog.holders.changed(&[*user]);
    }
    Ok(answer)
}

/// Takes a pass at one of its prices. A free one is held at once; somebody who is not signed in proves the address before entering.
#[utoipa::path(
    tag = "purchases",
    params(("space" = String, Path, description = "Its slug"), ("pass" = String, Path, description = "Its slug")),
    request_body = PurchaseAsk,
    responses(
        (status = 201, body = PurchaseReply),
        (status = 404),
        (status = 409, description = "`not_for_sale`, `already_owned`, `sold_out`"),
        (status = 422),
        (status = 429),
        (status = 503, description = "`payments_unavailable`")
    )
)]
#[post("/{space}/{pass}/purchase", guard = "carries_no_form")]
async fn purchase_pass(
    means: Means,
    who: (Idempotency, MaybeSigned, ClientAddress),
    path: Path<(String, String)>,
    ask: Json<PurchaseAsk>,
) -> Result<HttpResponse, Problem> {
    purchase(means, who, (&path.0, Some(&path.1)), ask.into_inner()).await
}

/// Takes a space, or one of its experiences, at a price of its own, without a pass.
#[utoipa::path(
    tag = "purchases",
    params(("space" = String, Path, description = "Its slug")),
    request_body = PurchaseAsk,
    responses(
        (status = 201, body = PurchaseReply),
        (status = 404),
        (status = 409, description = "`not_for_sale`, `already_owned`"),
        (status = 422),
        (status = 429),
        (status = 503, description = "`payments_unavailable`")
    )
)]
#[post("/{space}/purchase", guard = "carries_no_form")]
async fn purchase_directly(
    means: Means,
    who: (Idempotency, MaybeSigned, ClientAddress),
    space: Path<String>,
    ask: Json<PurchaseAsk>,
) -> Result<HttpResponse, Problem> {
    if ask.price_id.is_none() {
        return Err(Problem::wrong("price_id", "Say at which price: without a pass it says what is meant."));
    }
    purchase(means, who, (&space, None), ask.into_inner()).await
}

/// A purchase, for its buyer and for those who give and take access in its team.
#[utoipa::path(
    tag = "purchases",
    params(("id" = String, Path)),
    responses((status = 200, body = PurchaseBody), (status = 404))
)]
#[get("/api/v1/purchases/{id}")]
async fn read_purchase(
    catalog: Data<Catalog>,
    signed: Signed,
    id: Path<PurchaseId>,
) -> Result<Json<PurchaseBody>, Problem> {
    let (id, user) = (id.into_inner(), signed.user);
    let found: Result<_, StoreError> =
        catalog.store.run(move |connection| purchases::find_for(connection, id, user).boxed()).await;
    Ok(Json(found?.ok_or(Code::NotFound)?.into()))
}

/// The purchases of whoever asks, the newest first.
#[utoipa::path(tag = "purchases", params(Which), responses((status = 200, body = List<PurchaseBody>)))]
#[get("/api/v1/me/purchases")]
async fn list_mine(
    catalog: Data<Catalog>,
    signed: Signed,
    which: Query<Which>,
) -> Result<Json<List<PurchaseBody>>, Problem> {
    let (user, before, most) = (signed.user, which.after()?, which.most()?);
    let found: Result<_, StoreError> =
        catalog.store.run(move |connection| purchases::list_of(connection, user, before, most + 1).boxed()).await;
    Ok(Json(List::of(found?, most, |purchase| purchase.id).map(PurchaseBody::from)))
}
