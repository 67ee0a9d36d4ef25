//! The HTTP of broadcasts: announce, open the lobby, go live, end, cancel, look, and the token with which a creator publishes.

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    core::{
        audience::Count,
        broadcast::{Broadcast, Event, Feed, Stage},
        health::Health,
    },
    desk::Desk,
    door::bearer_of,
    ledger::Saved,
    media::{STUDIO_DEVICE, identity_of, room_of},
    order::{NewBroadcast, StatsView, View},
    rights::Right,
    ticket::live_ticket,
};
use crate::{
    clock::Timestamp,
    identity::Signed,
    ids::{BroadcastId, ExperienceId},
    limits::{LIVE_TICKET_TTL, PUBLISHER_TOKEN_TTL, TITLE_CHARS_MAX},
    provider::livekit::publisher_token,
    web::{
        idempotency::{Idempotency, Replays, Reply},
        json,
        problem::{Code, Problem},
    },
};

/// Registers the routes of this domain.
pub fn register(app: &mut ServiceConfig) {
    app.service(create)
        .service(list)
        .service(open_lobby)
        .service(go_live)
        .service(end)
        .service(cancel)
        .service(show)
        .service(health)
        .service(audience)
        .service(events)
        .service(token_to_publish)
        .service(token_to_watch);
}

/// What is announced; nothing at all is a broadcast without title and schedule.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBroadcastBody {
    /// When it is to start.
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_at: Option<Timestamp>,
    /// What it is called.
    title: Option<String>,
    /// Whether to record it.
    #[serde(default)]
    record: bool,
}

/// How a broadcast is distributed.
#[derive(Debug, Serialize, ToSchema)]
struct Distribution {
    /// Which provider.
    mode: &'static str,
    /// The step of a switchover.
    step: Option<&'static str>,
    /// Why.
    reason: Option<&'static str>,
}

/// The audience's numbers.
#[derive(Debug, Serialize, ToSchema)]
struct AudienceBody {
    /// Viewers now.
    now: u32,
    /// Distinct people now.
    users: u32,
    /// The most at once.
    peak: u32,
    /// Viewers there have ever been.
    total: u32,
}

/// A broadcast.
#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastBody {
    #[schema(value_type = String)]
    id: BroadcastId,
    #[schema(value_type = String)]
    experience_id: ExperienceId,
    title: Option<String>,
    state: &'static str,
    #[schema(value_type = String)]
    feed: Feed,
    degraded: bool,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    live_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    record: bool,
    distribution: Distribution,
    audience: AudienceBody,
}

impl BroadcastBody {
    fn new(at: &Broadcast, degraded: bool, count: Count, total: u32) -> Self {
        let until = match &at.stage {
            Stage::Reconnecting { until, .. } => Some(*until),
            Stage::Scheduled
            | Stage::Lobby { .. }
            | Stage::Live { .. }
            | Stage::Ended { .. }
            | Stage::Cancelled { .. } => None,
        };
        Self {
            id: at.id,
            experience_id: at.experience,
            title: at.title.clone(),
            state: at.stage.name(),
            feed: at.stage.feed(),
            degraded: degraded && !at.stage.is_over(),
            since: at.since(),
            until,
            scheduled_at: at.scheduled_at,
            live_at: at.live_at(),
            ended_at: at.ended_at(),
            record: at.record,
            distribution: Distribution { mode: "livekit", step: None, reason: None },
            audience: AudienceBody { now: count.now, users: count.users, peak: count.peak, total },
        }
    }

    fn of_view(view: &View) -> Result<Self, Problem> {
        let at = view.broadcast.as_ref().ok_or(Code::NotFound)?;
        Ok(Self::new(at, view.degraded, view.audience, view.total))
    }

    fn of_saved(saved: &Saved) -> Self {
        let count = Count { now: 0, users: 0, peak: saved.peak };
        Self::new(&saved.broadcast, false, count, saved.total)
    }
}

/// Announces a broadcast of an experience.
#[utoipa::path(
    tag = "broadcasts",
    params(("id" = String, Path)),
    request_body = NewBroadcastBody,
    responses((status = 201, body = BroadcastBody), (status = 409, description = "`broadcast_open`: another one is open"))
)]
#[post("/api/v1/experiences/{id}/broadcasts")]
async fn create(
    (desk, replays): (web::Data<Desk>, web::Data<Replays>),
    (signed, once): (Signed, Idempotency),
    id: web::Path<ExperienceId>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    desk.experience_to_run(&signed, *id).await?;
    let asked: NewBroadcastBody = json::optional(&body)?;
    let made = once.once_beside(&replays, &signed, &asked, announce(&desk, &signed, *id, &asked));
    made.await
}

async fn announce(desk: &Desk, signed: &Signed, id: ExperienceId, asked: &NewBroadcastBody) -> Result<Reply, Problem> {
    let NewBroadcastBody { scheduled_at, title, record } = asked;
    let (scheduled_at, record) = (*scheduled_at, *record);
    let title = title.as_ref().map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
    if title.as_ref().is_some_and(|title| title.chars().count() > TITLE_CHARS_MAX) {
        let detail = format!("A title has at most {TITLE_CHARS_MAX} characters.");
        return Err(Problem::wrong("title", detail));
    }
    if record {
        let detail = "This engine does not record yet: leave `record` out, or false.";
        return Err(Problem::wrong("record", detail));
    }
    let wanted = NewBroadcast { id: desk.ids.fresh(), by: signed.user, title, scheduled_at, record };
    let view = desk.directory.create(id, wanted).await?;
    Ok(Reply::created(&BroadcastBody::of_view(&view)?))
}

/// The broadcasts of an experience, newest first.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, description = "`items` and `next`")))]
#[get("/api/v1/experiences/{id}/broadcasts")]
async fn list(desk: web::Data<Desk>, signed: Signed, id: web::Path<ExperienceId>) -> Result<HttpResponse, Problem> {
    desk.experience_to_run(&signed, *id).await?;
    let items: Vec<_> = desk.ledger.list(*id).await?.iter().map(BroadcastBody::of_saved).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({"items": items, "next": null})))
}

/// What a command is given besides the broadcast.
type Asking = (web::Data<Desk>, web::Data<Replays>, Signed, Idempotency);

async fn command(
    (desk, replays, signed, once): Asking,
    id: BroadcastId,
    event: Event,
) -> Result<HttpResponse, Problem> {
    let experience = desk.broadcast_to_run(&signed, id).await?;
    once.once_beside(&replays, &signed, &(), obeyed(&desk, experience, id, event)).await
}

async fn obeyed(desk: &Desk, experience: ExperienceId, id: BroadcastId, event: Event) -> Result<Reply, Problem> {
    match desk.directory.command(experience, id, event).await {
        Ok(view) => Ok(Reply::ok(&BroadcastBody::of_view(&view)?)),
        // one that is over, and not the last: the rules of what is over apply
        Err(super::order::CommandFault::NoSuchBroadcast) => {
            let saved = desk.ledger.load(id).await?.ok_or(Code::NotFound)?;
            let state = saved.broadcast.stage.name();
            match (state, event) {
                ("ended", Event::End) | ("cancelled", Event::Cancel) => Ok(Reply::ok(&BroadcastBody::of_saved(&saved))),
                _ => Err(Problem::new(Code::IllegalTransition).with("state", state)),
            }
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Opens the lobby.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = BroadcastBody), (status = 409, description = "`illegal_transition`, with `state`")))]
#[post("/api/v1/broadcasts/{id}/lobby")]
async fn open_lobby(
    desk: web::Data<Desk>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<BroadcastId>,
) -> Result<HttpResponse, Problem> {
    command((desk, replays, signed, once), *id, Event::OpenLobby).await
}

/// Goes live.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = BroadcastBody), (status = 409, description = "`illegal_transition`, with `state`")))]
#[post("/api/v1/broadcasts/{id}/go-live")]
async fn go_live(
    desk: web::Data<Desk>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<BroadcastId>,
) -> Result<HttpResponse, Problem> {
    command((desk, replays, signed, once), *id, Event::GoLive).await
}

/// Ends it.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = BroadcastBody), (status = 409, description = "`illegal_transition`, with `state`")))]
#[post("/api/v1/broadcasts/{id}/end")]
async fn end(
    desk: web::Data<Desk>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<BroadcastId>,
) -> Result<HttpResponse, Problem> {
    command((desk, replays, signed, once), *id, Event::End).await
}

/// Cancels it before it went live.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = BroadcastBody), (status = 409, description = "`illegal_transition`, with `state`")))]
#[post("/api/v1/broadcasts/{id}/cancel")]
async fn cancel(
    desk: web::Data<Desk>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<BroadcastId>,
) -> Result<HttpResponse, Problem> {
    command((desk, replays, signed, once), *id, Event::Cancel).await
}

/// A view of this broadcast when it is the one on duty, else what is saved of it.
async fn look(desk: &Desk, signed: &Signed, id: BroadcastId) -> Result<Result<View, Saved>, Problem> {
    let experience = desk.broadcast_to_run(signed, id).await?;
    let view = desk.directory.describe(experience).await?;
    if view.broadcast.as_ref().is_some_and(|at| at.id == id) {
        return Ok(Ok(view));
    }
    Ok(Err(desk.ledger.load(id).await?.ok_or(Code::NotFound)?))
}

/// A broadcast.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = BroadcastBody)))]
#[get("/api/v1/broadcasts/{id}")]
async fn show(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<BroadcastId>,
) -> Result<web::Json<BroadcastBody>, Problem> {
    Ok(web::Json(match look(&desk, &signed, *id).await? {
        Ok(view) => BroadcastBody::of_view(&view)?,
        Err(saved) => BroadcastBody::of_saved(&saved),
    }))
}

/// How good the publisher's picture is.
#[derive(Debug, Serialize, ToSchema)]
struct HealthBody {
    #[schema(value_type = Object)]
    health: Health,
    #[schema(value_type = Option<Object>)]
    stats: Option<StatsView>,
}

/// How good the publisher's picture is; `unknown` after 15 s of silence.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = HealthBody)))]
#[get("/api/v1/broadcasts/{id}/health")]
async fn health(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<BroadcastId>,
) -> Result<web::Json<HealthBody>, Problem> {
    Ok(web::Json(match look(&desk, &signed, *id).await? {
        Ok(view) => HealthBody { health: view.health, stats: view.stats },
        Err(_) => HealthBody { health: Health::Unknown, stats: None },
    }))
}

/// How many are there.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = AudienceBody)))]
#[get("/api/v1/broadcasts/{id}/audience")]
async fn audience(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<BroadcastId>,
) -> Result<web::Json<AudienceBody>, Problem> {
    let body = match look(&desk, &signed, *id).await? {
        Ok(view) => BroadcastBody::of_view(&view)?,
        Err(saved) => BroadcastBody::of_saved(&saved),
    };
    Ok(web::Json(body.audience))
}

/// Where a page of the journal begins.
#[derive(Debug, Deserialize)]
struct After {
    after: Option<i64>,
}

/// The journal of a broadcast, oldest first.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path), ("after" = Option<i64>, Query)), responses((status = 200, description = "`items` and `next`")))]
#[get("/api/v1/broadcasts/{id}/events")]
async fn events(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<BroadcastId>,
    page: web::Query<After>,
) -> Result<HttpResponse, Problem> {
    desk.broadcast_to_run(&signed, *id).await?;
    let rows = desk.ledger.journal(*id, page.after.unwrap_or(-1)).await?;
    let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) == crate::limits::PAGE_ITEMS_MAX;
    let next = rows.last().filter(|_| full).map(|row| row.number.to_string());
    let row = |row: super::store::JournalRow| serde_json::json!({"number": row.number, "at": Timestamp::from(row.at), "epoch": row.epoch, "event": row.event});
    let items: Vec<_> = rows.into_iter().map(row).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({"items": items, "next": next})))
}

/// A token for the media server.
#[derive(Debug, Serialize, ToSchema)]
struct PublisherToken {
    token: String,
    url: String,
    room: String,
    identity: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The token with which the creator's page publishes; the room is there when it is given out.
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = PublisherToken), (status = 409, description = "`illegal_transition`: no lobby and not live"), (status = 503, description = "`media_unavailable`")))]
#[post("/api/v1/broadcasts/{id}/publisher-token")]
async fn token_to_publish(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<BroadcastId>,
) -> Result<web::Json<PublisherToken>, Problem> {
    let experience = desk.broadcast_to_run(&signed, *id).await?;
    desk.rights.learn(signed.user, experience).await;
    desk.directory.room(experience, *id).await?;
    let (now, room) = (desk.clock.now(), room_of(*id));
    let identity = identity_of(signed.user, STUDIO_DEVICE);
    let token = publisher_token(&desk.media_key, now, PUBLISHER_TOKEN_TTL, &room, &identity);
    let expires_at = now.plus(PUBLISHER_TOKEN_TTL);
    desk.directory.token_given(signed.user, experience, STUDIO_DEVICE, expires_at);
    Ok(web::Json(PublisherToken { token, url: desk.media_url.clone(), room, identity, expires_at }))
}

/// A ticket for opening a socket.
#[derive(Debug, Serialize, ToSchema)]
struct LiveToken {
    token: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A short-lived ticket with which a program opens the experience's socket (`ticket.{token}` as subprotocol).
#[utoipa::path(tag = "broadcasts", params(("id" = String, Path)), responses((status = 200, body = LiveToken), (status = 403, description = "the entitlement's reason as code")))]
#[post("/api/v1/experiences/{id}/live-token")]
async fn token_to_watch(
    desk: web::Data<Desk>,
    signed: Signed,
    id: web::Path<ExperienceId>,
) -> Result<web::Json<LiveToken>, Problem> {
    if !desk.rights.learn(signed.user, *id).await {
        return Err(Code::NotFound.into());
    }
    match desk.rights.may_watch(signed.user, *id) {
        Right::Yes { .. } => {
            let bearer = bearer_of(&signed)?;
            let expires_at = desk.clock.now().plus(LIVE_TICKET_TTL);
            Ok(web::Json(LiveToken { token: live_ticket(&desk.ring, bearer, *id, expires_at), expires_at }))
        }
        Right::No(reason) => Err(Problem::refused_entry(&reason)),
        Right::Unknown => Err(Code::Unavailable.into()),
    }
}
