//! The bodies that go out. What only the team may see stands in bodies of its own, never in a public one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::core::{
    experience::Experience,
    pass::Pass,
    price::{Interval, Price, PriceOf},
    question::Question,
    space::Space,
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, PriceId, SpaceId, TeamId},
};

/// A space, for its team.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Space)]
pub struct SpaceBody {
    #[schema(value_type = String)]
    id: SpaceId,
    #[schema(value_type = String)]
    team_id: TeamId,
    slug: String,
    name: String,
    tagline: Option<String>,
    description: Option<String>,
    status: &'static str,
    visibility: &'static str,
    refund_policy: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl From<Space> for SpaceBody {
    fn from(space: Space) -> Self {
        let fields = space.fields;
        Self {
            id: space.id,
            team_id: space.team,
            slug: fields.slug.to_string(),
            name: fields.name,
            tagline: fields.tagline,
            description: fields.description,
            status: fields.status.word(),
            visibility: fields.visibility.word(),
            refund_policy: fields.refund_policy,
            created_at: space.created_at,
        }
    }
}

/// An experience with its settings, for its team.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Experience)]
pub struct ExperienceBody {
    #[schema(value_type = String)]
    id: ExperienceId,
    #[schema(value_type = String)]
    space_id: SpaceId,
    kind: &'static str,
    slug: String,
    name: String,
    position: i32,
    description: Option<String>,
    category: Option<String>,
    lobby_lead_secs: i32,
    publisher_grace_secs: i32,
    auto_start: bool,
    device_limit: i16,
    device_policy: &'static str,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl From<Experience> for ExperienceBody {
    fn from(experience: Experience) -> Self {
        let fields = experience.fields;
        Self {
            id: experience.id,
            space_id: experience.space,
            kind: fields.kind.word(),
            slug: fields.slug.to_string(),
            name: fields.name,
            position: experience.position,
            description: fields.description,
            category: fields.category,
            lobby_lead_secs: fields.settings.lobby_lead_secs,
            publisher_grace_secs: fields.settings.publisher_grace_secs,
            auto_start: fields.settings.auto_start,
            device_limit: fields.settings.device_limit,
            device_policy: fields.settings.device_policy.word(),
            created_at: experience.created_at,
        }
    }
}

/// A pass, for its team.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Pass)]
pub struct PassBody {
    #[schema(value_type = String)]
    id: PassId,
    #[schema(value_type = String)]
    space_id: SpaceId,
    slug: String,
    name: String,
    internal_name: Option<String>,
    product_type: &'static str,
    status: &'static str,
    position: i32,
    headline: Option<String>,
    description: Option<String>,
    benefits: Vec<String>,
    /// How many there are, those sold and those being paid for included; `null` for no limit.
    stock: Option<i32>,
    /// How many are free just now; `null` for no limit.
    stock_left: Option<i64>,
    /// What is asked before checkout.
    questions: Vec<Question>,
    /// Where a buyer goes afterwards; `null` for the first experience.
    redirect_url: Option<String>,
    /// When the pass itself ends, with the access of all who hold it.
    #[schema(value_type = Option<String>, format = DateTime)]
    auto_expire_at: Option<Timestamp>,
    #[schema(value_type = Vec<String>)]
    experience_ids: Vec<ExperienceId>,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl From<Pass> for PassBody {
    fn from(pass: Pass) -> Self {
        let fields = pass.fields;
        Self {
            id: pass.id,
            space_id: pass.space,
            slug: fields.slug.to_string(),
            name: fields.name,
            internal_name: fields.internal_name,
            product_type: fields.product_type.word(),
            status: fields.status.word(),
            position: pass.position,
            headline: fields.headline,
            description: fields.description,
            benefits: fields.benefits,
            stock: fields.terms.stock,
            stock_left: pass.stock_left,
            questions: fields.terms.questions,
            redirect_url: fields.terms.redirect_url,
            auto_expire_at: fields.terms.auto_expire_at,
            experience_ids: pass.experiences,
            created_at: pass.created_at,
        }
    }
}

/// What a price is for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Target {
    /// `pass`, `space` or `experience`.
    kind: &'static str,
    /// Which.
    id: String,
}

impl From<PriceOf> for Target {
    fn from(of: PriceOf) -> Self {
        match of {
            PriceOf::Pass(id) => Self { kind: "pass", id: id.to_string() },
            PriceOf::Space(id) => Self { kind: "space", id: id.to_string() },
            PriceOf::Experience(id) => Self { kind: "experience", id: id.to_string() },
        }
    }
}

/// A price. Amounts are integers in minor units.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Price)]
pub struct PriceBody {
    #[schema(value_type = String)]
    id: PriceId,
    target: Target,
    kind: &'static str,
    amount: i64,
    currency: String,
    /// `month` or `year`; of a recurring price.
    interval: Option<&'static str>,
    /// Paid once, with the first payment.
    initial_fee: i64,
    /// Days before the first payment.
    trial_days: i16,
    /// In how many monthly parts it is paid.
    instalments: i16,
    access_days: Option<i32>,
    active: bool,
}

impl From<Price> for PriceBody {
    fn from(price: Price) -> Self {
        Self {
            id: price.id,
            target: price.of.into(),
            kind: price.fields.kind.word(),
            amount: price.fields.amount.minor,
            currency: price.fields.amount.currency.code(),
            interval: price.fields.interval.map(Interval::word),
            initial_fee: price.fields.initial_fee,
            trial_days: price.fields.trial_days,
            instalments: price.fields.instalments,
            access_days: price.fields.access_days,
            active: price.active,
        }
    }
}

/// Whether a price is offered.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PricePatch {
    /// Whether it is offered.
    pub active: bool,
}

/// Experiences, each once.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperienceIds {
    /// Their ids.
    #[schema(value_type = Vec<String>)]
    pub experience_ids: Vec<ExperienceId>,
}

/// Passes, each once.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassIds {
    /// Their ids.
    #[schema(value_type = Vec<String>)]
    pub pass_ids: Vec<PassId>,
}
