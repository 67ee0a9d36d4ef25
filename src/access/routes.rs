//! Access over HTTP: why somebody may open something, and what teams give, take away and keep out.

pub mod bans;
pub mod grants;
pub mod why;

use utoipa_actix_web::service_config::ServiceConfig;

use super::{RightsUnknown, core::Refusal as Closed, giving::Refusal};
use crate::web::problem::{Code, Problem};

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
        match refusal {
            Refusal::Role(refusal) => refusal.into(),
            Refusal::NotOfTheSpace => Self::wrong("experience_id", "This experience is not one of the space."),
            Refusal::EndsBeforeItBegins => Self::wrong("expires_at", "The end must lie after the beginning."),
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
