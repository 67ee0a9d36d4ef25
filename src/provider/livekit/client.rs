//! Calls to the media server's room API.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use livekit_api::services::{
    LiveKitApi, ServerError, ServiceError,
    room::{CreateRoomOptions, RoomClient},
};
use tokio::runtime::Handle;

use super::bar::Bar;
use crate::{
    limits::{MEDIA_CALL_TIMEOUT, ROOM_DEPARTURE_TIMEOUT, ROOM_EMPTY_TIMEOUT},
    live::media::{MediaFault, MediaServer, Participant, RoomSid, StillBarred},
    telemetry::provider_call,
};

/// The real client; it also speaks to the stand-in, which has the same protocol.
#[derive(Clone)]
pub struct LiveKit {
    api: Arc<LiveKitApi>,
    runtime: Handle,
    bar: Bar,
}

/// What came of putting somebody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// They are out.
    Out,
    /// They were not there.
    Absent,
}

impl LiveKit {
    /// A client for `url` (http, https, ws or wss). Its calls run on `runtime`, so that a busy web worker delays none.
    #[must_use]
    pub fn new(url: &str, key: &str, secret: &str, runtime: Handle) -> Self {
        let api = LiveKitApi::with_api_key(url, key, secret).with_request_timeout(MEDIA_CALL_TIMEOUT);
        Self { api: Arc::new(api), runtime, bar: Bar::default() }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Puts somebody out. That nobody is there is an answer, and counted as one.
    pub(super) fn put_out(
        &self,
        room: &str,
        identity: &str,
        name: &'static str,
    ) -> BoxFuture<'static, Result<Removed, MediaFault>> {
        let (room, identity) = (room.to_owned(), identity.to_owned());
        self.call(name, |api| async move {
            match rooms(&api).remove_participant(&room, &identity).await {
                Ok(()) => Ok(Removed::Out),
                Err(error) if is_absence(&error) => Ok(Removed::Absent),
                Err(error) => Err(error),
            }
        })
    }

    fn call<T, F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Arc<LiveKitApi>) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, MediaFault>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let (api, runtime) = (self.api.clone(), self.runtime.clone());
        async move {
            let answer = runtime.spawn(provider_call("livekit", name, work(api)));
            match answer.await {
                Ok(done) => done.map_err(fault),
                Err(lost) => Err(MediaFault::Unreachable(Box::new(lost))),
            }
        }
        .boxed()
    }
}

impl MediaServer for LiveKit {
    fn open_room(&self, room: &str) -> BoxFuture<'static, Result<RoomSid, MediaFault>> {
        let room = room.to_owned();
        self.call("create_room", |api| async move {
            let options = CreateRoomOptions {
                empty_timeout: seconds(ROOM_EMPTY_TIMEOUT),
                departure_timeout: seconds(ROOM_DEPARTURE_TIMEOUT),
                ..CreateRoomOptions::default()
            };
            rooms(&api).create_room(&room, options).await.map(|made| RoomSid(made.sid))
        })
    }

    fn close_room(&self, room: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        let room = room.to_owned();
        self.call("delete_room", |api| async move {
            let done = rooms(&api).delete_room(&room).await;
            done.or_else(|error| if is_absence(&error) { Ok(()) } else { Err(error) })
        })
    }

    fn rooms(&self) -> BoxFuture<'static, Result<Vec<String>, MediaFault>> {
        self.call("list_rooms", |api| async move {
            let listed = rooms(&api).list_rooms(vec![]).await?;
            Ok(listed.into_iter().map(|room| room.name).collect())
        })
    }

    fn participants(&self, room: &str) -> BoxFuture<'static, Result<Vec<Participant>, MediaFault>> {
        let room = room.to_owned();
        self.call("list_participants", |api| async move {
            let listed = rooms(&api).list_participants(&room).await?;
            let ours = |info: livekit_protocol::ParticipantInfo| Participant {
                publishing: !info.tracks.is_empty(),
                encoder: info.kind == livekit_protocol::participant_info::Kind::Ingress as i32,
                identity: info.identity,
            };
            Ok(listed.into_iter().map(ours).collect())
        })
    }

    fn remove(&self, room: &str, identity: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        self.put_out(room, identity, "remove_participant").map(|done| done.map(|_| ())).boxed()
    }

    fn keep_out(&self, room: &str, identity: &str, still: StillBarred) {
        self.bar.add(self, (room.to_owned(), identity.to_owned()), still);
    }
}

fn rooms(api: &LiveKitApi) -> &RoomClient {
    api.room()
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)
}

fn is_absence(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Twirp(ServerError::Twirp(told)) if told.code == "not_found")
}

fn fault(error: ServiceError) -> MediaFault {
    match error {
        error if is_absence(&error) => MediaFault::NoSuchThing,
        ServiceError::Twirp(ServerError::Twirp(told)) if told.code == "unavailable" || told.code == "internal" => {
            MediaFault::Unreachable(told.to_string().into())
        }
        ServiceError::Twirp(ServerError::Twirp(told)) => MediaFault::Refused(told.to_string()),
        other => MediaFault::Unreachable(Box::new(other)),
    }
}
