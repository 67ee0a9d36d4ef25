//! Access over HTTP: why somebody may open something, and what teams give, take away and keep out.

pub mod bans;
pub mod grants;
pub mod why;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{RightsUnknown, core::Refusal as Closed, giving::Refusal};
use crate::{
    limits::PAGE_ITEMS_MAX,
    web::problem::{Code, Problem},
};

/// Adds these routes to the application and to its description.
pub fn register(app: &mut ServiceConfig) {
    why::register(app);
    grants::register(app);
    bans::register(app);
}

impl From<RightsUnknown> for Problem {
    fn from(_: RightsUnknown) -> Self {
        Self::new(Code::Unavailable)
            .detail("It cannot be known just now what you may open. Try again in a moment.")
            .retry_after(std::time::Duration::from_secs(1))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let wrong = |field: &str, told: &'static str| {
            let fields: serde_json::Map<_, _> = [(field.to_owned(), told.into())].into_iter().collect();
            Self::new(Code::Invalid).detail(told).with("fields", fields)
        };
        match refusal {
            Refusal::Role(refusal) => refusal.into(),
            Refusal::NotOfTheSpace => wrong("experience_id", "This experience is not one of the space."),
            Refusal::EndsBeforeItBegins => wrong("expires_at", "The end must lie after the beginning."),
        }
    }
}

/// A sentence for the person at a closed door.
#[must_use]
pub fn sentence(closed: Closed) -> &'static str {
    match closed {
        Closed::Banned => "The team of this space keeps you out.",
        Closed::DeviceLimit => "You are watching on as many devices as your access allows.",
        Closed::Disputed => "The payment for your access is disputed.",
        Closed::Refunded => "The payment for your access was returned.",
        Closed::Revoked => "The team took your access away.",
        Closed::PastDueOver => "A payment is late, and the time to settle it is over.",
        Closed::Paused => "Your access is paused.",
        Closed::Expired => "Your access has ended.",
        Closed::NotYet => "Your access begins later.",
        Closed::NotIncluded => "What you hold does not include this.",
        Closed::SpaceUnpublished => "This space is not published.",
        Closed::NoGrant => "You hold no access to this.",
    }
}

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `next` of the page before; the first page when absent.
    pub cursor: Option<String>,
    /// Items in a page, 1 to 100; 100 when absent.
    pub limit: Option<i64>,
}

impl Which {
    /// How many items.
    ///
    /// # Errors
    /// 422 when the limit is out of bounds.
    pub fn most(&self) -> Result<i64, Problem> {
        let most = self.limit.unwrap_or(PAGE_ITEMS_MAX);
        if (1..=PAGE_ITEMS_MAX).contains(&most) {
            return Ok(most);
        }
        Err(Problem::new(Code::Invalid).detail("`limit` is a number from 1 to 100.").with("fields", ["limit"]))
    }
}

fn not_our_cursor() -> Problem {
    Problem::new(Code::Invalid).detail("This cursor is not one of ours.").with("fields", ["cursor"])
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Listing<T: ToSchema> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; null on the last.
    pub next: Option<String>,
}

impl<T: ToSchema> Listing<T> {
    /// The first `most` of `items`, of which one more was read to see whether the list goes on.
    fn of<R>(mut rows: Vec<R>, most: i64, cursor: impl Fn(&R) -> String, shown: impl FnMut(R) -> T) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let goes_on = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| goes_on).map(cursor);
        Self { items: rows.into_iter().map(shown).collect(), next }
    }
}
