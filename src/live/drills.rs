//! Failures to order, for those who want to see what viewers notice of them. There only where `drills.enabled` says so.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::desk::Desk;
use crate::{identity::Signed, ids::ExperienceId, web::problem::Problem};

/// Registers the drills.
pub fn register(app: &mut web::ServiceConfig) {
    app.route("/api/v1/drills/panic", web::post().to(panic));
}

/// What shall fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drill {
    experience_id: ExperienceId,
}

/// Makes the actor of an experience panic on its next message, for somebody who may run it.
async fn panic(desk: web::Data<Desk>, signed: Signed, drill: web::Json<Drill>) -> Result<HttpResponse, Problem> {
    desk.experience_to_run(&signed, drill.experience_id).await?;
    desk.directory.drill(drill.experience_id);
    Ok(HttpResponse::Accepted().finish())
}
