//! What everybody may read of a space: the same as its sales pages show, and nothing that only the team may see.

use actix_web::{
    get,
    web::{Data, Json, Path},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::PriceBody;
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, SpaceId},
    limits::STOCK_LEFT_SHOWN_MAX,
    storefront::{
        Catalog,
        core::{
            pass::{Pass, PassStatus},
            question::Question,
        },
        store::public::Offer,
    },
    web::{auth::MaybeSigned, problem::Problem},
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(read_public_space).service(read_public_pass);
}

/// A space as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicSpace {
    #[schema(value_type = String)]
    id: SpaceId,
    slug: String,
    name: String,
    tagline: Option<String>,
    description: Option<String>,
    refund_policy: Option<String>,
    team: PublicTeam,
}

/// A team as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicTeam {
    name: String,
}

/// An experience as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicExperience {
    #[schema(value_type = String)]
    id: ExperienceId,
    slug: String,
    name: String,
    kind: &'static str,
    description: Option<String>,
    category: Option<String>,
    /// `offline`, `scheduled`, `lobby`, `live` or `reconnecting`.
    state: String,
}

/// A pass as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicPass {
    #[schema(value_type = String)]
    id: PassId,
    slug: String,
    name: String,
    status: &'static str,
    headline: Option<String>,
    description: Option<String>,
    benefits: Vec<String>,
    #[schema(value_type = Vec<String>)]
    experience_ids: Vec<ExperienceId>,
    /// The prices at which it is offered; none when it comes by invitation only, or has ended.
    prices: Vec<PriceBody>,
    /// Whether no unit is free.
    sold_out: bool,
    /// How many are free, up to 100; `null` when there are more, or no limit.
    stock_left: Option<i64>,
    /// What is asked before checkout.
    questions: Vec<Question>,
    /// Where a buyer goes afterwards; `null` for the first experience.
    redirect_url: Option<String>,
    /// When the pass itself ends, with the access of all who hold it.
    #[schema(value_type = Option<String>, format = DateTime)]
    auto_expire_at: Option<Timestamp>,
}

/// A space, what is in it, and what is offered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicOffer {
    space: PublicSpace,
    experiences: Vec<PublicExperience>,
    passes: Vec<PublicPass>,
    /// The prices at which the space, or one of its experiences, is offered without a pass.
    direct_prices: Vec<PriceBody>,
}

/// One pass of a space.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicPassOffer {
    space: PublicSpace,
    pass: PublicPass,
    /// What it opens, in order.
    experiences: Vec<PublicExperience>,
}

fn space_body(offer: &Offer) -> PublicSpace {
    let fields = &offer.seen.space.fields;
    PublicSpace {
        id: offer.seen.space.id,
        slug: fields.slug.to_string(),
        name: fields.name.clone(),
        tagline: fields.tagline.clone(),
        description: fields.description.clone(),
        refund_policy: fields.refund_policy.clone(),
        team: PublicTeam { name: offer.seen.team_name.clone() },
    }
}

fn experience_bodies(offer: &Offer, wanted: impl Fn(ExperienceId) -> bool) -> Vec<PublicExperience> {
    let state = |id| offer.open.iter().find(|open| open.experience == id).map_or("offline", |open| open.state.as_str());
    let body = |experience: &crate::storefront::core::experience::Experience| PublicExperience {
        id: experience.id,
        slug: experience.fields.slug.to_string(),
        name: experience.fields.name.clone(),
        kind: experience.fields.kind.word(),
        description: experience.fields.description.clone(),
        category: experience.fields.category.clone(),
        state: state(experience.id).to_owned(),
    };
    offer.experiences.iter().filter(|experience| wanted(experience.id)).map(body).collect()
}

fn pass_body(offer: &Offer, pass: &Pass) -> PublicPass {
    PublicPass {
        id: pass.id,
        slug: pass.fields.slug.to_string(),
        name: pass.fields.name.clone(),
        status: pass.fields.status.word(),
        headline: pass.fields.headline.clone(),
        description: pass.fields.description.clone(),
        benefits: pass.fields.benefits.clone(),
        experience_ids: pass.experiences.clone(),
        prices: offer.prices_of(pass).cloned().map(PriceBody::from).collect(),
        sold_out: pass.stock_left == Some(0),
        stock_left: pass.stock_left.filter(|left| *left <= STOCK_LEFT_SHOWN_MAX),
        questions: pass.fields.terms.questions.clone(),
        redirect_url: pass.fields.terms.redirect_url.clone(),
        auto_expire_at: pass.fields.terms.auto_expire_at,
    }
}

async fn offer(catalog: &Catalog, viewer: MaybeSigned, slug: &str) -> Result<Offer, Problem> {
    catalog.offer_meant(viewer.0.map(|signed| signed.user), slug).await
}

/// What the sales page of a space shows. A slug of old answers with the space under its slug of today.
#[utoipa::path(
    tag = "public",
    params(("slug" = String, Path)),
    responses((status = 200, body = PublicOffer), (status = 404)),
    security(())
)]
#[get("/api/v1/spaces/{slug}/public")]
async fn read_public_space(
    catalog: Data<Catalog>,
    viewer: MaybeSigned,
    slug: Path<String>,
) -> Result<Json<PublicOffer>, Problem> {
    let offer = offer(&catalog, viewer, &slug).await?;
    let listed = offer.passes.iter().filter(|pass| pass.fields.status == PassStatus::OnSale);
    Ok(Json(PublicOffer {
        space: space_body(&offer),
        experiences: experience_bodies(&offer, |_| true),
        passes: listed.map(|pass| pass_body(&offer, pass)).collect(),
        direct_prices: offer.direct_prices().cloned().map(PriceBody::from).collect(),
    }))
}

/// What the sales page of a pass shows.
#[utoipa::path(
    tag = "public",
    params(("slug" = String, Path), ("pass_slug" = String, Path)),
    responses((status = 200, body = PublicPassOffer), (status = 404)),
    security(())
)]
#[get("/api/v1/spaces/{slug}/passes/{pass_slug}/public")]
async fn read_public_pass(
    catalog: Data<Catalog>,
    viewer: MaybeSigned,
    path: Path<(String, String)>,
) -> Result<Json<PublicPassOffer>, Problem> {
    let (slug, pass_slug) = path.into_inner();
    let offer = offer(&catalog, viewer, &slug).await?;
    let pass = catalog.pass_meant(&offer, &pass_slug).await?;
    Ok(Json(PublicPassOffer {
        space: space_body(&offer),
        pass: pass_body(&offer, pass),
        experiences: experience_bodies(&offer, |id| pass.experiences.contains(&id)),
    }))
}
