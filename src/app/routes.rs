//! The whole application as one worker sees it: every domain's routes, their description, and what goes round each request.

use actix_web::{
    App as Actix, Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, from_fn},
    web,
};
use tracing_actix_web::TracingLogger;
use utoipa::OpenApi;
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};
use utoipa_swagger_ui::SwaggerUi;

use super::App;
use crate::{
    access, commerce, identity,
    live::{self, hooks},
    socket, storefront,
    web::{
        assets, csrf, header, json, limit, operator,
        page::errors_as_pages,
        problem::{Code, Problem},
    },
};

/// The head of the description of our API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Backstage Pass", description = "Who may enter a creator's space, and what happens inside while it is live."),
    tags((name = "broadcasts", description = "Announce, open the lobby, go live, end, and look."))
)]
struct Described;

/// Every documented route of every domain.
pub fn documented(app: &mut ServiceConfig) {
    identity::routes::configure(app);
    storefront::routes::register(app);
    commerce::routes::register(app);
    access::routes::register(app);
    live::routes::register(app);
    socket::routes::register(app);
}

/// The description of the API, as it is served.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let described = Actix::new().into_utoipa_app().openapi(Described::openapi()).configure(documented);
    described.split_for_parts().1
}

/// The application of one worker.
#[expect(clippy::needless_pass_by_value, reason = "a borrowed argument would be captured by the returned application")]
pub fn app(
    this: App,
) -> Actix<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = Error,
        InitError = (),
    > + 'static,
> {
    let (metrics_here, drills) = (this.metrics_here, this.drills);
    let (app, described) = Actix::new()
        .app_data(web::Data::new(this.store.clone()))
        .app_data(web::Data::new(this.identity.authenticator.clone()))
        .app_data(web::Data::new(this.identity.clone()))
        .app_data(web::Data::new(this.live.clone()))
        .app_data(web::Data::new(this.catalog.clone()))
        .app_data(web::Data::new(this.joins.clone()))
        .app_data(web::Data::new(this.doorkeeper.clone()))
        .app_data(web::Data::from(this.seats.clone()))
        .app_data(web::Data::new(this.csrf.clone()))
        .app_data(web::Data::new(this.replays.clone()))
        .app_data(web::Data::new(this.pages.clone()))
        .app_data(web::Data::new(this.prometheus.clone()))
        .app_data(web::Data::new(this.proxies))
        .app_data(web::Data::new(this.requests.clone()))
        .app_data(web::Data::new(this.mailbox.clone()))
        .configure(json::configure)
        .into_utoipa_app()
        .openapi(Described::openapi())
        .configure(documented)
        .split_for_parts();
    app.service(SwaggerUi::new("/api/docs/{_:.*}").url("/api/openapi.json", described))
        .configure(|app| operator::register(app, metrics_here))
        .configure(hooks::register)
        .configure(|app| {
            if drills {
                live::drills::register(app);
            }
        })
        .configure(assets::register)
        .configure(pages)
        .default_service(web::to(nothing_here))
        .wrap(from_fn(csrf::guard))
        .wrap(from_fn(limit::guard))
        .wrap(from_fn(errors_as_pages))
        .wrap(header::security(&this.media_public_url))
        .wrap(Compress::default())
        .wrap(TracingLogger::default())
        .wrap(from_fn(operator::count))
}

/// Pages last: a space's name stands where no other route does.
fn pages(app: &mut web::ServiceConfig) {
    identity::pages::register(app);
    live::pages::register(app);
    storefront::pages::register(app);
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Code::NotFound.into())
}
