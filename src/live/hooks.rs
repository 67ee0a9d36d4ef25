//! Webhooks of the media server: verified on the raw body, stored once, told to the actor. A hint: lists are the truth.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use dashmap::DashMap;
use metrics::{counter, histogram};

use super::{
    desk::Desk,
    ledger::HookKnown,
    media::{Hook, HookKind},
};
use crate::{
    ids::{BroadcastId, ExperienceId},
    limits::{HOOK_AGAIN, HOOK_BODY_BYTES_MAX, HOOK_TRIES_MAX, ROOMS_REMEMBERED_MAX},
    provider::livekit::{HookRefusal, read_hook},
    store::StoreError,
    telemetry::metric::{WEBHOOK_LAG, WEBHOOKS, Watch},
    web::problem::{Code, Problem},
};

/// Which experience a room belongs to, remembered.
#[derive(Clone, Default)]
pub struct Rooms(Arc<DashMap<BroadcastId, ExperienceId>>);

impl Rooms {
    async fn experience(&self, desk: &Desk, broadcast: BroadcastId) -> Result<Option<ExperienceId>, StoreError> {
        if let Some(known) = self.0.get(&broadcast).map(|known| *known) {
            return Ok(Some(known));
        }
        let found = desk.ledger.find_broadcast(broadcast).await?.map(|found| found.experience);
        if let Some(experience) = found {
            if self.0.len() >= ROOMS_REMEMBERED_MAX {
                self.0.clear();
            }
            self.0.insert(broadcast, experience);
        }
        Ok(found)
    }
}

/// Registers the hook. It stands outside the documented API: only the media server calls it.
pub fn register(app: &mut web::ServiceConfig) {
    app.app_data(web::Data::new(Rooms::default())).service(
        web::resource("/hooks/livekit")
            .app_data(web::PayloadConfig::new(HOOK_BODY_BYTES_MAX))
            .route(web::post().to(receive)),
    );
}

async fn receive(
    desk: web::Data<Desk>,
    rooms: web::Data<Rooms>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let counted = |outcome: &'static str| {
        counter!(WEBHOOKS, "provider" => "livekit", "outcome" => outcome).increment(1);
    };
    let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let hook = read_hook(&desk.media_key, desk.clock.now(), shown, &body).map_err(|refusal| match refusal {
        HookRefusal::BadSignature => {
            counted("forged");
            Problem::new(Code::BadSignature)
        }
        HookRefusal::Malformed => {
            counted("malformed");
            Problem::new(Code::Malformed)
        }
    })?;
    // only what we use is kept: the raw body holds a credential
    let kept = serde_json::json!({"event": hook.name, "room": hook.room, "identity": hook.identity});
    let outcome = match desk.ledger.record_hook(hook.id.clone(), kept).await? {
        HookKnown::Applied => {
            counted("duplicate");
            return Ok(HttpResponse::Ok().finish());
        }
        HookKnown::New => "taken",
        HookKnown::Unapplied => "taken_again",
    };
    counted(outcome);
    if let Err(fault) = settle(&desk, &rooms, hook.clone()).await {
        tracing::warn!(id = hook.id, error = &fault as &dyn std::error::Error, "a webhook could not be applied yet");
        // it is stored, so the media server will not bring it again
        actix_web::rt::spawn(settle_later(desk.into_inner(), rooms.into_inner(), hook));
    }
    Ok(HttpResponse::Ok().finish())
}

/// Applies a stored webhook, and notes that only then.
async fn settle(desk: &Desk, rooms: &Rooms, hook: Hook) -> Result<(), StoreError> {
    let (watch, id) = (Watch::start(), hook.id.clone());
    apply(desk, rooms, hook).await?;
    desk.ledger.hook_applied(id).await?;
    histogram!(WEBHOOK_LAG, "provider" => "livekit").record(watch.elapsed());
    Ok(())
}

/// Tries some times more; after that the list of who is there has long told the same.
async fn settle_later(desk: Arc<Desk>, rooms: Arc<Rooms>, hook: Hook) {
    for _ in 0..HOOK_TRIES_MAX {
        desk.clock.sleep_until(desk.clock.now().plus(HOOK_AGAIN)).await;
        if settle(&desk, &rooms, hook.clone()).await.is_ok() {
            return;
        }
    }
}

async fn apply(desk: &Desk, rooms: &Rooms, hook: Hook) -> Result<(), StoreError> {
    let Ok(broadcast) = hook.room.parse::<BroadcastId>() else { return Ok(()) };
    let experience = rooms.experience(desk, broadcast).await?;
    // an old token can make an ended broadcast's room again: it is closed before anybody sees anything
    if matches!(hook.kind, HookKind::RoomStarted | HookKind::Joined)
        && desk.ledger.wanting_rooms(vec![broadcast]).await?.is_empty()
    {
        tracing::info!(room = %hook.room, "a room that nobody wants is closed");
        if let Err(fault) = desk.media.close_room(&hook.room).await {
            tracing::warn!(error = &fault as &dyn std::error::Error, "it could not be closed yet; the reconciler will");
        }
        return Ok(());
    }
    if let Some(experience) = experience {
        desk.directory.hooked(experience, hook);
    }
    Ok(())
}
