//! The media server's state: rooms, who is in them, where their webhooks go, and when something is due by itself.

use std::collections::BTreeMap;

use livekit_protocol::{ParticipantInfo, Room, TrackInfo, WebhookEvent};
use serde::{Deserialize, Serialize};

use super::act::Act;
use crate::chance;

/// Everything the media server remembers.
#[derive(Default, Serialize, Deserialize)]
pub struct Media {
    pub(super) halls: BTreeMap<String, Hall>,
    urls: Vec<String>,
    pub(super) due: Vec<DueAct>,
}

/// A room with the people in it.
#[derive(Serialize, Deserialize)]
pub struct Hall {
    pub(super) room: Room,
    pub(super) people: BTreeMap<String, ParticipantInfo>,
    pub(super) last_left_ms: Option<i64>,
}

/// An act that waits for its time on the stand-ins' clock.
#[derive(Serialize, Deserialize)]
pub struct DueAct {
    pub(super) at_ms: i64,
    /// The session it is about, so that it never hits a later one of the same identity.
    pub(super) sid: Option<String>,
    pub(super) act: Act,
}

/// Events in the order in which they happened, each with its room as the key of its queue.
pub type Events = Vec<WebhookEvent>;

/// Why a call is refused, in the media server's own terms.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token does not permit it.
    NotPermitted,
    /// No such room.
    NoRoom,
    /// No such participant.
    NoParticipant,
    /// No such track.
    NoTrack,
    /// The request says something impossible.
    Invalid(String),
    /// Unmuting from outside is switched off, as by default.
    UnmuteOff,
    /// Nobody answers for that participant; the real server waits for one and gives up.
    NoAnswer,
    /// A bound of the stand-in is reached, or the room's own `max_participants`.
    Full,
}

impl Media {
    /// Where webhooks go.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Adds an address for webhooks, unless it is known already; the oldest goes when there are too many.
    pub fn add_url(&mut self, url: String) {
        if self.urls.contains(&url) {
            return;
        }
        if self.urls.len() == crate::limits::WEBHOOK_URLS_MAX {
            self.urls.remove(0);
        }
        self.urls.push(url);
    }

    /// Forgets an address for webhooks, or all.
    pub fn remove_url(&mut self, url: Option<&str>) {
        self.urls.retain(|known| url.is_some_and(|url| url != known));
    }

    /// Unix milliseconds of the next thing that happens by itself.
    pub fn next_due_ms(&self) -> Option<i64> {
        let closings = self.halls.values().filter_map(Hall::closes_at_ms);
        closings.chain(self.due.iter().map(|due| due.at_ms)).min()
    }

    pub(super) fn hall(&mut self, room: &str) -> Result<&mut Hall, Refusal> {
        self.halls.get_mut(room).ok_or(Refusal::NoRoom)
    }
}

impl Hall {
    /// The room as it is shown: with its counts.
    pub(super) fn shown(&self) -> Room {
        let publishers = self.people.values().filter(|person| person.is_publisher).count();
        Room {
            num_participants: u32::try_from(self.people.len()).unwrap_or(u32::MAX),
            num_publishers: u32::try_from(publishers).unwrap_or(u32::MAX),
            ..self.room.clone()
        }
    }

    /// When this room closes if nobody comes; `None` while somebody is in it.
    pub(super) fn closes_at_ms(&self) -> Option<i64> {
        if !self.people.is_empty() {
            return None;
        }
        Some(match self.last_left_ms {
            Some(left_ms) => left_ms + i64::from(self.room.departure_timeout) * 1_000,
            None => self.room.creation_time_ms + i64::from(self.room.empty_timeout) * 1_000,
        })
    }

    pub(super) fn person(&mut self, identity: &str) -> Result<&mut ParticipantInfo, Refusal> {
        self.people.get_mut(identity).ok_or(Refusal::NoParticipant)
    }
}

/// An event about a whole room, or about somebody in it.
pub(super) fn event(now_ms: i64, name: &str, room: Room, participant: Option<ParticipantInfo>) -> WebhookEvent {
    WebhookEvent {
        event: name.to_owned(),
        room: Some(room),
        participant,
        id: chance::id("EV_"),
        created_at: now_ms / 1_000,
        ..WebhookEvent::default()
    }
}

/// An event about a track; it names room and participant by their ids alone.
pub(super) fn track_event(
    now_ms: i64,
    name: &str,
    room: &Room,
    person: &ParticipantInfo,
    track: TrackInfo,
) -> WebhookEvent {
    let room = Room { sid: room.sid.clone(), name: room.name.clone(), ..Room::default() };
    let person =
        ParticipantInfo { sid: person.sid.clone(), identity: person.identity.clone(), ..ParticipantInfo::default() };
    WebhookEvent { track: Some(track), ..event(now_ms, name, room, Some(person)) }
}
