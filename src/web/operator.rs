//! What operators and their machines ask: alive, ready, metrics; and the count of every request.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use metrics::{counter, histogram};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    limits::READY_WAIT,
    store::Store,
    telemetry::{
        metric::{HTTP_REQUESTS, HTTP_SECONDS, Watch},
        stage,
    },
};

/// Registers `/health/live` and `/health/ready`, and `/metrics` unless it has an address of its own.
pub fn register(app: &mut web::ServiceConfig, with_metrics: bool) {
    app.route("/health/live", web::get().to(live)).route("/health/ready", web::get().to(ready));
    if with_metrics {
        register_metrics(app);
    }
}

/// Registers `/metrics` alone, for a listener of its own.
pub fn register_metrics(app: &mut web::ServiceConfig) {
    app.route("/metrics", web::get().to(metrics));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "live"}))
}

async fn ready(store: web::Data<Store>) -> HttpResponse {
    if store.reserved().answers(READY_WAIT).await {
        HttpResponse::Ok().json(serde_json::json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable().json(serde_json::json!({"status": "waiting", "for": ["database"]}))
    }
}

async fn metrics(handle: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render() + &stage::render())
}

/// Counts a request by its route, never by its path: labels stay bounded whatever is asked for.
pub async fn count<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let watch = Watch::start();
    let method = method_word(request.method().as_str());
    let answer = next.call(request).await;
    let (route, status) = match &answer {
        Ok(answer) => (answer.request().match_pattern(), answer.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    histogram!(HTTP_SECONDS, "route" => route.clone()).record(watch.elapsed());
    counter!(HTTP_REQUESTS, "route" => route, "method" => method, "status" => status.as_u16().to_string()).increment(1);
    answer
}

fn method_word(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].into_iter().find(|m| *m == method).unwrap_or("other")
}
