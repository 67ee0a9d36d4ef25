//! The sockets' two addresses for those who come without an upgrade; a true upgrade never reaches these.

use actix_web::{HttpResponse, ResponseError, get, http::header::UPGRADE};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::web::problem::{Code, Problem};

/// Registers both.
pub fn register(app: &mut ServiceConfig) {
    app.service(live).service(studio);
}

fn speaks_websocket() -> HttpResponse {
    let mut answer = Problem::new(Code::UpgradeRequired).error_response();
    answer.headers_mut().insert(UPGRADE, actix_web::http::header::HeaderValue::from_static("websocket"));
    answer
}

/// The socket of a viewer: upgrade to websocket, subprotocol `backstage.v1`.
///
/// Who it is says the session cookie, a Bearer token, or a live token offered as the subprotocol `ticket.{live-token}`; a
/// returning viewer offers `resume.{session}.{secret}.{epoch}.{offset}` too. `device` names the device.
#[utoipa::path(
    tag = "sockets",
    params(("id" = String, Path), ("device" = Option<String>, Query)),
    responses(
        (status = 101, description = "Frames follow, as the contract's section on sockets says"),
        (status = 401, description = "`sign_in_needed`"),
        (status = 403, description = "An evil origin, or the reason the right is missing"),
        (status = 404, description = "`not_found`"),
        (status = 426, description = "`upgrade_required`: this address speaks websocket"),
        (status = 503, description = "`unavailable`, with `Retry-After`: too many are coming in just now")
    )
)]
#[get("/api/v1/experiences/{id}/live")]
async fn live() -> HttpResponse {
    speaks_websocket()
}

/// The socket of the studio: upgrade to websocket, subprotocol `backstage.v1`.
#[utoipa::path(
    tag = "sockets",
    params(("id" = String, Path)),
    responses(
        (status = 101, description = "Frames follow, as the contract's section on sockets says"),
        (status = 401, description = "`sign_in_needed`"),
        (status = 404, description = "`not_found`, also for those who may not run it"),
        (status = 426, description = "`upgrade_required`: this address speaks websocket"),
        (status = 503, description = "`unavailable`, with `Retry-After`: too many are coming in just now")
    )
)]
#[get("/api/v1/experiences/{id}/studio")]
async fn studio() -> HttpResponse {
    speaks_websocket()
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};
    use utoipa_actix_web::AppExt as _;

    use super::*;

    #[actix_web::test]
    async fn an_ordinary_request_is_told_to_speak_websocket() {
        let app = test::init_service(App::new().into_utoipa_app().configure(register).into_app()).await;
        for path in ["/api/v1/experiences/exp_1/live", "/api/v1/experiences/exp_1/studio"] {
            let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.status(), 426);
            assert_eq!(answer.headers().get(UPGRADE).unwrap(), "websocket");
        }
    }
}
