//! The JSON API of the catalogue: what teams make, change, put in order and offer, and what everybody may read of it.

pub mod body;
pub mod experience;
pub mod pass;
pub mod price;
pub mod public;
pub mod space;

use utoipa_actix_web::service_config::ServiceConfig;

use super::core::Refusal;
use crate::web::problem::{Code, Problem};

/// Registers every route of the catalogue.
pub fn register(config: &mut ServiceConfig) {
    space::configure(config);
    experience::configure(config);
    pass::configure(config);
    price::configure(config);
    public::configure(config);
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unseen => Code::NotFound.into(),
            Refusal::NotPermitted => Code::Forbidden.into(),
            Refusal::Wrong(wrong) => {
                let told: Vec<_> = wrong.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
                let fields: serde_json::Map<_, _> =
                    wrong.into_iter().map(|one| (one.field.to_owned(), one.message.into())).collect();
                Self::new(Code::Invalid).detail(told.join(" ")).with("fields", fields)
            }
            Refusal::SlugTaken => Self::new(Code::SlugTaken),
            Refusal::TooMany(things) => {
                Self::new(Code::LimitReached).detail(format!("There are as many {things} here as there may be."))
            }
            Refusal::StockBelowSold { sold, held } => Self::new(Code::StockBelowSold)
                .detail(format!("{sold} are sold and {held} are being paid for: there cannot be fewer than that."))
                .with("sold", sold)
                .with("held", held),
            Refusal::BroadcastOpen(broadcast) => Self::new(Code::BroadcastOpen)
                .detail("A broadcast is open in this experience. End or cancel it first.")
                .with("broadcast_id", broadcast),
        }
    }
}
