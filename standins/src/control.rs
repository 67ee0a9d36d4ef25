//! The controls every stand-in shares: where things listen, the clock, faults, the log.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::rfc3339;
use crate::faults::{Order, Refusal};
use crate::guard::refuse;
use crate::limits;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/_ports", web::get().to(ports))
        .route("/_log", web::get().to(log))
        .service(
            web::resource("/_faults")
                .route(web::get().to(faults))
                .route(web::post().to(order_fault))
                .route(web::delete().to(clear_faults)),
        )
        .service(web::resource("/_clock").route(web::get().to(clock)).route(web::post().to(advance)))
        .route("/_clock/wait", web::get().to(wait))
        .service(web::resource("/_clock/lock").route(web::put().to(lock)).route(web::delete().to(unlock)));
}

#[derive(Deserialize)]
struct OfProvider {
    provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_secs: i64,
}

#[derive(Deserialize)]
struct Than {
    than: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn ports(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "http": app.http,
        "smtp": app.smtp,
        "pid": std::process::id(),
        "clock_offset_secs": app.clock.offset_ms() / 1_000,
        "clock_offset_ms": app.clock.offset_ms(),
    }))
}

async fn log(app: web::Data<App>, of: web::Query<OfProvider>) -> HttpResponse {
    HttpResponse::Ok().json(app.log.of(of.provider.as_deref()))
}

async fn faults(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(app.keep.read(|state| state.faults.in_force().to_vec()))
}

async fn order_fault(app: web::Data<App>, order: web::Json<Order>) -> HttpResponse {
    let (taken, change) = app.keep.change(|state| state.faults.add(order.into_inner()));
    app.keep.settled(change).await;
    match taken {
        Ok(fault) => HttpResponse::Created().json(fault),
        Err(Refusal::OutOfRange(field)) => {
            refuse(StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", &format!("`{field}` is out of its range."))
        }
        Err(Refusal::TooMany) => refuse(StatusCode::CONFLICT, "too_many_faults", "Too many faults are in force."),
    }
}

async fn clear_faults(app: web::Data<App>, of: web::Query<OfProvider>) -> HttpResponse {
    let (count, change) = app.keep.change(|state| state.faults.clear(of.provider.as_deref()));
    app.keep.settled(change).await;
    HttpResponse::Ok().json(json!({"deleted": count}))
}

fn told(app: &App) -> Value {
    let reason = app.keep.read(|state| state.clock_lock.clone());
    json!({
        "offset_ms": app.clock.offset_ms(),
        "locked": reason.is_some(),
        "reason": reason,
        "now": rfc3339(app.clock.now_ms()),
    })
}

async fn clock(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(told(&app))
}

/// Why the clock is not moved.
enum Stays {
    Locked(String),
    OutOfRange,
}

async fn advance(app: web::Data<App>, by: web::Json<Advance>) -> HttpResponse {
    let (moved, change) = app.keep.change(|state| {
        if let Some(reason) = &state.clock_lock {
            return Err(Stays::Locked(reason.clone()));
        }
        let offset_ms = state.offset_ms.saturating_add(by.advance_secs.saturating_mul(1_000));
        let one_step = (0..=limits::CLOCK_ADVANCE_SECS_MAX).contains(&by.advance_secs);
        if !one_step || offset_ms > limits::CLOCK_OFFSET_MS_MAX {
            return Err(Stays::OutOfRange);
        }
        state.offset_ms = offset_ms;
        app.clock.move_to(offset_ms);
        Ok(())
    });
    app.keep.settled(change).await;
    match moved {
        Ok(()) => {
            let change = app.advance();
            app.keep.settled(change).await;
            HttpResponse::Ok().json(told(&app))
        }
        Err(Stays::Locked(reason)) => {
            refuse(StatusCode::CONFLICT, "clock_locked", &format!("The clock may not be moved: {reason}"))
        }
        Err(Stays::OutOfRange) => refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "out_of_range",
            "`advance_secs` must not be negative, nor pass the limit. The clock never goes back.",
        ),
    }
}

async fn wait(app: web::Data<App>, known: web::Query<Than>) -> HttpResponse {
    let mut moved = app.clock.follow();
    // Running into the limit is an answer too: the offset is still the same.
    let _ = tokio::time::timeout(limits::CLOCK_WAIT, moved.wait_for(|offset_ms| *offset_ms != known.than)).await;
    HttpResponse::Ok().json(told(&app))
}

async fn lock(app: web::Data<App>, why: web::Json<Reason>) -> HttpResponse {
    let ((), change) = app.keep.change(|state| state.clock_lock = Some(why.into_inner().reason));
    app.keep.settled(change).await;
    HttpResponse::Ok().json(told(&app))
}

async fn unlock(app: web::Data<App>) -> HttpResponse {
    let ((), change) = app.keep.change(|state| state.clock_lock = None);
    app.keep.settled(change).await;
    HttpResponse::Ok().json(told(&app))
}
