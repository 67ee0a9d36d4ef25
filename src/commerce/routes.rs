//! Joining and buying over HTTP.

use std::sync::{Arc, OnceLock};

use actix_web::{
    HttpResponse,
    guard::GuardContext,
    http::header,
    post,
    web::{Data, Json, Path},
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    JoinThrottle,
    core::join::Refusal,
    store::{self, Joined, Joiner, Wanted},
};
use crate::{
    identity::{Signed, core::address::Address},
    ids::{PriceId, PurchaseId, UserId},
    store::Denied,
    storefront::{Catalog, core::slug::Slug},
    web::{
        auth::MaybeSigned,
        client_address::ClientAddress,
        idempotency::{Idempotency, Replays, Reply},
        problem::{Code, Problem},
    },
};

/// Registers the route of the JSON API; the sales pages bring the form's.
pub fn register(config: &mut ServiceConfig) {
    config.service(purchase_pass);
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
}

/// A purchase.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PurchaseBody {
    #[schema(value_type = String)]
    id: PurchaseId,
    status: &'static str,
    /// In minor units.
    amount: i64,
    currency: String,
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
    fn of(joined: &Joined, signed: bool) -> Self {
        let action = if signed { "none" } else { "prove_email" };
        Self {
            purchase: PurchaseBody {
                id: joined.purchase,
                status: "completed",
                amount: 0,
                currency: joined.currency.clone(),
            },
            client_secret: None,
            intent: None,
            next: Next { action, url: next_url(joined, signed) },
        }
    }
}

/// Where somebody goes who has joined: inside, past the sign-in when they have not proven who they are.
#[must_use]
pub fn next_url(joined: &Joined, signed: bool) -> String {
    let space = format!("/account/purchased_spaces/{}", joined.space);
    let inside = match &joined.experience {
        Some(experience) => format!("{space}/experiences/{experience}"),
        None => space,
    };
    if signed {
        return inside;
    }
    let next: String = url::form_urlencoded::byte_serialize(inside.as_bytes()).collect();
    format!("/login?next={next}")
}

/// Who joins, and what tells one asker from another.
///
/// # Errors
/// 422 without an address, 429 when this client has tried too often.
pub fn joiner(
    (catalog, throttle): (&Catalog, &JoinThrottle),
    signed: Option<&Signed>,
    client: ClientAddress,
    email: Option<&str>,
) -> Result<(Joiner, String), Problem> {
    if let Some(signed) = signed {
        return Ok((Joiner::Signed(signed.user), signed.user.to_string()));
    }
    let Some(email) = email.filter(|email| !email.trim().is_empty()) else {
        return Err(Problem::wrong("email", "Write your e-mail address, or sign in first."));
    };
    let address = Address::parse(email)?;
    throttle.admit(catalog.now(), client)?;
    let principal = format!("address:{address}");
    Ok((Joiner::Address(address, catalog.ids.fresh()), principal))
}

/// What is joined, by the two names in the address.
///
/// # Errors
/// 404 when they cannot be names.
pub fn wanted((space, pass): &(String, String), price: Option<PriceId>) -> Result<Wanted, Problem> {
    let slug = |text: &str| Slug::meant_by(text).ok_or(Code::NotFound);
    Ok(Wanted { space: slug(space)?, pass: slug(pass)?, price })
}

/// Takes a pass at one of its prices. A free one is held at once; somebody who is not signed in proves the address before entering.
#[utoipa::path(
    tag = "purchases",
    params(("space" = String, Path, description = "Its slug"), ("pass" = String, Path, description = "Its slug")),
    request_body = PurchaseAsk,
    responses(
        (status = 201, body = PurchaseReply),
        (status = 404),
        (status = 409, description = "`not_for_sale`, `already_owned`"),
        (status = 422),
        (status = 429)
    )
)]
#[post("/{space}/{pass}/purchase", guard = "carries_no_form")]
async fn purchase_pass(
    (catalog, replays, throttle): (Data<Catalog>, Data<Replays>, Data<JoinThrottle>),
    key: Idempotency,
    signed: MaybeSigned,
    client: ClientAddress,
    path: Path<(String, String)>,
    ask: Json<PurchaseAsk>,
) -> Result<HttpResponse, Problem> {
    let wanted = wanted(&path, ask.price_id)?;
    let by = (&**catalog, &**throttle);
    let (joiner, principal) = joiner(by, signed.0.as_ref(), client, ask.email.as_deref())?;
    let (now, purchase, is_signed) = (catalog.now(), catalog.ids.fresh(), signed.0.is_some());
    let joined_by: Arc<OnceLock<UserId>> = Arc::default();
    let told = joined_by.clone();
    let answer = key
        .once_for(&replays, &principal, &*ask, move |connection| {
            async move {
                let joined: Result<_, Denied<Refusal>> = store::join(connection, now, purchase, (joiner, wanted)).await;
                let joined = joined?;
                told.get_or_init(|| joined.user);
                Ok(Reply::created(&PurchaseReply::of(&joined, is_signed)))
            }
            .boxed()
        })
        .await?;
    if let Some(user) = joined_by.get() {
        catalog.holders.changed(&[*user]);
    }
    Ok(answer)
}
