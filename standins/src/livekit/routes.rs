//! The media server's calls and the controls of its stand-in.
//!
//! The calls are served under `/livekit/twirp/…`, and under `/twirp/…` as well: the provider's own libraries put that path
//! directly behind the host, whatever path the address they were given has.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, middleware, web};
use livekit_protocol as proto;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::act::{Act, Refused};
use super::json::Form;
use super::media::{Events, Media, Refusal};
use super::token::{self, VideoGrant};
use super::twirp::{Denied, Encoding};
use crate::app::App;
use crate::gate::{self, Told};
use crate::guard::refuse;

/// Adds the calls, at both of their places.
pub fn calls(config: &mut web::ServiceConfig) {
    for prefix in ["/livekit/twirp", "/twirp"] {
        config.service(
            web::scope(prefix).wrap(middleware::from_fn(gate::livekit)).default_service(web::route().to(call)),
        );
    }
}

/// Adds the controls.
pub fn controls(config: &mut web::ServiceConfig) {
    config.route("/livekit/_act", web::post().to(act)).service(
        web::resource("/livekit/_webhook")
            .route(web::get().to(webhooks))
            .route(web::post().to(add_webhook))
            .route(web::delete().to(remove_webhook)),
    );
}

/// One call on its way through.
struct Ask<'a> {
    app: &'a App,
    request: &'a HttpRequest,
    encoding: Encoding,
    body: &'a [u8],
    grant: VideoGrant,
}

async fn call(app: web::Data<App>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let grant = match judge_token(&app, &request) {
        Ok(grant) => grant,
        Err(text) => return HttpResponse::Unauthorized().content_type("text/plain; charset=utf-8").body(text),
    };
    let (method, path) = (request.method().as_str(), request.path());
    let bad_route = |msg: String| Denied::bad_route(method, path, msg).response();
    let Some((_, name)) = path.rsplit_once("/livekit.RoomService/") else {
        return bad_route(format!("no handler for path {path:?}"));
    };
    if method != "POST" {
        return bad_route(format!("unsupported method {method:?} (only POST is allowed)"));
    }
    let told = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(encoding) = Encoding::of(told) else {
        return bad_route(format!("unexpected Content-Type: {told:?}"));
    };
    let ask = Ask { app: &app, request: &request, encoding, body: &body, grant };
    match ask.answer(name).await {
        Some(Ok(response)) => response,
        Some(Err(denied)) => denied.response(),
        None => bad_route(format!("no handler for path {path:?}")),
    }
}

/// What the caller's token permits: nothing without one; the text of a refusal when it is not good.
fn judge_token(app: &App, request: &HttpRequest) -> Result<VideoGrant, String> {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Ok(VideoGrant::default()) };
    let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return Err("invalid authorization header. Must start with Bearer ".to_owned());
    };
    let claims = token::verify(app.clock.now_ms() / 1_000, &app.key, token).map_err(|refusal| refusal.text())?;
    Ok(claims.video.unwrap_or_default())
}

impl Ask<'_> {
    /// Answers the method of that name; `None` when there is none.
    async fn answer(&self, method: &str) -> Option<Result<HttpResponse, Denied>> {
        let admin = |grant: &VideoGrant, room: &str| grant.room_admin && grant.room == room;
        Some(match method {
            "CreateRoom" => {
                let create = |now_ms, media: &mut Media, ask: &proto::CreateRoomRequest, events: &mut Events| {
                    media.create_room(now_ms, ask, events)
                };
                self.change(|grant, _| grant.room_create, Form::Room, create).await
            }
            "ListRooms" => {
                let list = |media: &Media, ask: &proto::ListRoomsRequest| Ok(media.list_rooms(ask));
                self.look(|grant, _| grant.room_list, Form::Rooms, list)
            }
            "DeleteRoom" => {
                let delete = |now_ms, media: &mut Media, ask: &proto::DeleteRoomRequest, events: &mut Events| {
                    media.delete_room(now_ms, &ask.room, events).map(|()| proto::DeleteRoomResponse::default())
                };
                self.change(|grant, _| grant.room_create, Form::Nothing, delete).await
            }
            "ListParticipants" => {
                let list = |media: &Media, ask: &proto::ListParticipantsRequest| Ok(media.list_participants(&ask.room));
                self.look(|grant, ask| admin(grant, &ask.room), Form::Participants, list)
            }
            "GetParticipant" => {
                let get = |media: &Media, ask: &proto::RoomParticipantIdentity| {
                    media.get_participant(&ask.room, &ask.identity)
                };
                self.look(|grant, ask| admin(grant, &ask.room), Form::Participant, get)
            }
            "RemoveParticipant" => {
                let remove = |now_ms, media: &mut Media, ask: &proto::RoomParticipantIdentity, events: &mut Events| {
                    let removed = media.remove_participant(now_ms, &ask.room, &ask.identity, events);
                    removed.map(|()| proto::RemoveParticipantResponse::default())
                };
                self.change(|grant, ask| admin(grant, &ask.room), Form::Nothing, remove).await
            }
            "UpdateParticipant" => {
                let update = |now_ms, media: &mut Media, ask: &proto::UpdateParticipantRequest, events: &mut Events| {
                    media.update_participant(now_ms, ask, events)
                };
                self.change(|grant, ask| admin(grant, &ask.room), Form::Participant, update).await
            }
            "MutePublishedTrack" => {
                let mute =
                    |_, media: &mut Media, ask: &proto::MuteRoomTrackRequest, _: &mut Events| media.mute_track(ask);
                self.change(|grant, ask| admin(grant, &ask.room), Form::Muted, mute).await
            }
            "UpdateRoomMetadata" => {
                let update = |_, media: &mut Media, ask: &proto::UpdateRoomMetadataRequest, _: &mut Events| {
                    media.update_metadata(ask)
                };
                self.change(|grant, ask| admin(grant, &ask.room), Form::Room, update).await
            }
            "SendData" => {
                let send = |_, media: &mut Media, ask: &proto::SendDataRequest, _: &mut Events| {
                    media.send_data(ask).map(|()| proto::SendDataResponse::default())
                };
                self.change(|grant, ask| admin(grant, &ask.room), Form::Nothing, send).await
            }
            "UpdateSubscriptions" => {
                let update = |_, media: &mut Media, ask: &proto::UpdateSubscriptionsRequest, _: &mut Events| {
                    media.update_subscriptions(ask).map(|()| proto::UpdateSubscriptionsResponse::default())
                };
                self.change(|grant, ask| admin(grant, &ask.room), Form::Nothing, update).await
            }
            _ => return None,
        })
    }

    fn read<Q>(&self, permitted: impl FnOnce(&VideoGrant, &Q) -> bool) -> Result<Q, Denied>
    where
        Q: prost::Message + Default + DeserializeOwned + serde::Serialize,
    {
        let ask: Q = self.encoding.decode(self.body)?;
        self.request.extensions_mut().insert(Told(serde_json::to_value(&ask).unwrap_or_default()));
        if permitted(&self.grant, &ask) { Ok(ask) } else { Err(Refusal::NotPermitted.into()) }
    }

    fn look<Q, R>(
        &self,
        permitted: impl FnOnce(&VideoGrant, &Q) -> bool,
        form: Form,
        look: impl FnOnce(&Media, &Q) -> Result<R, Refusal>,
    ) -> Result<HttpResponse, Denied>
    where
        Q: prost::Message + Default + DeserializeOwned + serde::Serialize,
        R: prost::Message + serde::Serialize,
    {
        let ask = self.read(permitted)?;
        let found = self.app.keep.read(|state| look(&state.media, &ask))?;
        Ok(self.encoding.encode(form, &found))
    }

    async fn change<Q, R>(
        &self,
        permitted: impl FnOnce(&VideoGrant, &Q) -> bool,
        form: Form,
        change: impl FnOnce(i64, &mut Media, &Q, &mut Events) -> Result<R, Refusal>,
    ) -> Result<HttpResponse, Denied>
    where
        Q: prost::Message + Default + DeserializeOwned + serde::Serialize,
        R: prost::Message + serde::Serialize,
    {
        let ask = self.read(permitted)?;
        let (done, change) = self.app.stage(|now_ms, media, events| change(now_ms, media, &ask, events));
        self.app.keep.settled(change).await;
        Ok(self.encoding.encode(form, &done?))
    }
}

async fn act(app: web::Data<App>, act: web::Json<Act>) -> HttpResponse {
    let (done, change) = app.stage(|now_ms, media, events| media.act(now_ms, &app.key, act.into_inner(), events));
    app.keep.settled(change).await;
    match done {
        Ok(()) => HttpResponse::Ok().json(json!({"ok": true})),
        Err(Refused::Token(text)) => refuse(StatusCode::UNAUTHORIZED, "unauthenticated", &text),
        Err(Refused::Media(refusal)) => {
            let (status, code, detail) = match refusal {
                Refusal::NotPermitted => (StatusCode::FORBIDDEN, "permission_denied", "permissions denied".to_owned()),
                Refusal::NoRoom => (StatusCode::NOT_FOUND, "not_found", "requested room does not exist".to_owned()),
                Refusal::NoParticipant => (StatusCode::NOT_FOUND, "not_found", "participant does not exist".to_owned()),
                Refusal::NoTrack => (StatusCode::NOT_FOUND, "not_found", "track is not found".to_owned()),
                Refusal::Invalid(why) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_argument", why),
                Refusal::Full => (StatusCode::CONFLICT, "full", "room has exceeded its max participants".to_owned()),
                Refusal::UnmuteOff | Refusal::NoAnswer => {
                    (StatusCode::CONFLICT, "failed_precondition", "this cannot be played".to_owned())
                }
            };
            refuse(status, code, &detail)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receiver {
    url: String,
}

#[derive(Deserialize)]
struct WhichReceiver {
    url: Option<String>,
}

async fn webhooks(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"urls": app.keep.read(|state| state.media.urls().to_vec())}))
}

async fn add_webhook(app: web::Data<App>, receiver: web::Json<Receiver>) -> HttpResponse {
    let url = receiver.into_inner().url;
    if !is_local(&url) {
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_loopback",
            "Webhooks go to http addresses of this machine only.",
        );
    }
    let ((), change) = app.keep.change(|state| state.media.add_url(url));
    app.keep.settled(change).await;
    webhooks(app).await
}

async fn remove_webhook(app: web::Data<App>, which: web::Query<WhichReceiver>) -> HttpResponse {
    let ((), change) = app.keep.change(|state| state.media.remove_url(which.url.as_deref()));
    app.keep.settled(change).await;
    webhooks(app).await
}

/// Whether webhooks may go there: plain HTTP on this machine.
pub fn is_local(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.scheme() == "http" && url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host))
}
