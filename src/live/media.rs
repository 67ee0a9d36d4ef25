//! What the live core needs of a media server, in our words.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::ids::{BroadcastId, UserId};

/// The server's own name of one making of a room: a room that was lost and made again has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSid(pub String);

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// `user:device`.
    pub identity: String,
    /// Whether at least one track is published; a muted camera is still there.
    pub publishing: bool,
    /// Whether it is an encoder rather than a browser.
    pub encoder: bool,
}

/// Why the media server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MediaFault {
    /// No such room or participant.
    #[error("the media server knows no such thing")]
    NoSuchThing,
    /// Away, or too slow. It may have done it all the same; every call of ours may be repeated.
    #[error("the media server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It said no.
    #[error("the media server refused: {0}")]
    Refused(String),
}

/// Whether somebody is still to be kept out; asked again and again, from memory.
pub type StillBarred = Arc<dyn Fn() -> bool + Send + Sync>;

/// A media server. Every call may be repeated.
pub trait MediaServer: Send + Sync + 'static {
    /// Makes the room if it is not there; says which making of it is there now.
    fn open_room(&self, room: &str) -> BoxFuture<'static, Result<RoomSid, MediaFault>>;
    /// Removes the room and everybody in it; a missing one is fine.
    fn close_room(&self, room: &str) -> BoxFuture<'static, Result<(), MediaFault>>;
    /// The names of all rooms.
    fn rooms(&self) -> BoxFuture<'static, Result<Vec<String>, MediaFault>>;
    /// Who is in the room; nobody when there is none.
    fn participants(&self, room: &str) -> BoxFuture<'static, Result<Vec<Participant>, MediaFault>>;
    /// Puts somebody out; one who is not there is fine.
    fn remove(&self, room: &str, identity: &str) -> BoxFuture<'static, Result<(), MediaFault>>;
    /// Puts somebody out again whenever they come, before a frame is shown, for as long as a token of theirs may be good and
    /// `still` holds.
    fn keep_out(&self, room: &str, identity: &str, still: StillBarred);
}

/// What a webhook of the media server says happened. A hint: lists are the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HookKind {
    /// A room was made, by us or by somebody with an old token.
    RoomStarted,
    /// A room is gone.
    RoomFinished,
    /// Somebody is in.
    Joined,
    /// Somebody is out.
    Left,
    /// A track appeared.
    Published {
        /// Whether from an encoder.
        encoder: bool,
    },
    /// A track went away.
    Unpublished,
    /// Something we do not act on.
    Other,
}

/// A verified webhook, cut down to what we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The server's id of the event.
    pub id: String,
    /// What happened.
    pub kind: HookKind,
    /// The server's name of the event.
    pub name: String,
    /// The room, empty when the event has none.
    pub room: String,
    /// The participant, empty when the event has none.
    pub identity: String,
}

/// The room of a broadcast: its id, so that an ended broadcast's tokens never open a later one's room.
#[must_use]
pub fn room_of(broadcast: BroadcastId) -> String {
    broadcast.to_string()
}

/// The identity of a person's device in a room.
#[must_use]
pub fn identity_of(user: UserId, device: &str) -> String {
    format!("{user}:{device}")
}

/// The person behind an identity of ours.
#[must_use]
pub fn user_of(identity: &str) -> Option<UserId> {
    identity.split_once(':').and_then(|(user, _)| user.parse().ok())
}

/// The device of an identity of ours.
#[must_use]
pub fn device_of(identity: &str) -> Option<&str> {
    identity.split_once(':').map(|(_, device)| device)
}

/// Whether it is a creator's way in, by which they publish.
#[must_use]
pub fn is_studio(identity: &str) -> bool {
    identity.rsplit_once(':').is_some_and(|(_, device)| device == STUDIO_DEVICE)
}

/// The device with which a creator publishes.
pub const STUDIO_DEVICE: &str = "studio";
