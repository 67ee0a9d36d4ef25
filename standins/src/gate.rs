//! What every call to a provider passes: ordered misbehaviour on the way in and out, and the log.

use std::any::Any;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};

use crate::app::App;
use crate::asked::Asked;
use crate::clock::rfc3339;
use crate::faults::Call;
use crate::livekit::twirp::Denied;
use crate::stripe::refusal::Refusal;

/// A second handle on a connection, so that a call can be left without an answer.
struct Wire(std::net::TcpStream);

/// What a handler wants to have in the log about the request.
pub struct Told(pub serde_json::Value);

/// Keeps a second handle of each new connection.
pub fn hold_wire(connection: &dyn Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    if let Some(handle) = stream.and_then(|stream| stream.as_fd().try_clone_to_owned().ok()) {
        extensions.insert(Wire(std::net::TcpStream::from(handle)));
    }
}

/// The middleware of the media server's calls.
pub async fn livekit(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    pass("livekit", |status| Denied::planned(status).response(), &app, request, next).await
}

/// The middleware of Stripe's calls.
pub async fn stripe(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let planned = |status| {
        let refusal = Refusal::planned(status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        HttpResponse::build(status).json(refusal.body())
    };
    pass("stripe", planned, &app, request, next).await
}

async fn pass(
    provider: &str,
    planned: impl Fn(u16) -> HttpResponse,
    app: &App,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (method, path) = (request.method().to_string(), request.path().to_owned());
    let harm = app.harm(Call { provider, method: &method, path: &path, webhook: false });
    if harm.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(harm.delay_ms)).await;
    }
    let response = match harm.fail {
        Some(status) => request.into_response(planned(status)),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let detail = response.request().extensions_mut().remove::<Told>().map(|told| told.0).unwrap_or_default();
    if harm.drop_response
        && let Some(Wire(stream)) = response.request().conn_data::<Wire>()
        && let Err(error) = stream.shutdown(Shutdown::Both)
    {
        tracing::debug!(%error, "the connection was gone before it could be dropped");
    }
    let status = if harm.drop_response { None } else { Some(response.status().as_u16()) };
    let provider = provider.to_owned();
    app.log.add(Asked { at: rfc3339(app.clock.now_ms()), provider, method, path, status, detail });
    Ok(response)
}
