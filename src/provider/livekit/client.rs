//! Calls to the media server's room API.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use livekit_api::services::{
    LiveKitApi, ServerError, ServiceError,
    room::{CreateRoomOptions, RoomClient},
};
use tokio::runtime::Handle;

use crate::{
    limits::{MEDIA_CALL_TIMEOUT, ROOM_DEPARTURE_TIMEOUT, ROOM_EMPTY_TIMEOUT},
    live::media::{MediaFault, MediaServer, Participant},
    telemetry::provider_call,
};

/// The real client; it also speaks to the stand-in, which has the same protocol.
#[derive(Clone)]
pub struct LiveKit {
    api: Arc<LiveKitApi>,
    runtime: Handle,
}

impl LiveKit {
    /// A client for `url` (http, https, ws or wss). Its calls run on `runtime`, so that a busy web worker delays none.
    #[must_use]
    pub fn new(url: &str, key: &str, secret: &str, runtime: Handle) -> Self {
        let api = LiveKitApi::with_api_key(url, key, secret).with_request_timeout(MEDIA_CALL_TIMEOUT);
        Self { api: Arc::new(api), runtime }
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
    fn open_room(&self, room: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        let room = room.to_owned();
        self.call("create_room", |api| async move {
            let options = CreateRoomOptions {
                empty_timeout: seconds(ROOM_EMPTY_TIMEOUT),
                departure_timeout: seconds(ROOM_DEPARTURE_TIMEOUT),
                ..CreateRoomOptions::default()
            };
            rooms(&api).create_room(&room, options).await.map(|_| ())
        })
    }

    fn close_room(&self, room: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        let room = room.to_owned();
        let done = self.call("delete_room", |api| async move { rooms(&api).delete_room(&room).await });
        done.map(none_is_fine).boxed()
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
        let (room, identity) = (room.to_owned(), identity.to_owned());
        let done = self
            .call("remove_participant", |api| async move { rooms(&api).remove_participant(&room, &identity).await });
        done.map(none_is_fine).boxed()
    }
}

fn rooms(api: &LiveKitApi) -> &RoomClient {
    api.room()
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)
}

fn none_is_fine(done: Result<(), MediaFault>) -> Result<(), MediaFault> {
    match done {
        Err(MediaFault::NoSuchThing) => Ok(()),
        other => other,
    }
}

fn fault(error: ServiceError) -> MediaFault {
    match error {
        ServiceError::Twirp(ServerError::Twirp(told)) if told.code == "not_found" => MediaFault::NoSuchThing,
        ServiceError::Twirp(ServerError::Twirp(told)) if told.code == "unavailable" || told.code == "internal" => {
            MediaFault::Unreachable(told.to_string().into())
        }
        ServiceError::Twirp(ServerError::Twirp(told)) => MediaFault::Refused(told.to_string()),
        other => MediaFault::Unreachable(Box::new(other)),
    }
}
