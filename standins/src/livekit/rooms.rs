//! What each call of the room API does to rooms and participants. The token has been judged before.

use std::collections::BTreeMap;

use livekit_protocol::{
    Codec, CreateRoomRequest, DisconnectReason, ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse,
    MuteRoomTrackRequest, MuteRoomTrackResponse, ParticipantInfo, Room, SendDataRequest, UpdateParticipantRequest,
    UpdateRoomMetadataRequest, UpdateSubscriptionsRequest,
};

use super::media::{Events, Hall, Media, Refusal, event, track_event};
use crate::{chance, limits};

/// What the real server offers when nothing is configured.
const CODECS: [&str; 10] = [
    "audio/PCMU",
    "audio/PCMA",
    "audio/opus",
    "audio/red",
    "video/VP8",
    "video/H264",
    "video/VP9",
    "video/AV1",
    "video/H265",
    "video/rtx",
];

impl Media {
    /// Opens a room, or changes the one of that name by the fields that are not zero.
    pub fn create_room(&mut self, now_ms: i64, ask: &CreateRoomRequest, events: &mut Events) -> Result<Room, Refusal> {
        bounded(&ask.name, limits::NAME_BYTES_MAX, "room name length exceeds limits")?;
        bounded(&ask.metadata, limits::METADATA_BYTES_MAX, "metadata size exceeds limits")?;
        if ask.name.is_empty() {
            return Err(Refusal::Invalid("no room name".to_owned()));
        }
        let full = self.halls.len() >= limits::ROOMS_MAX;
        let fresh = !self.halls.contains_key(&ask.name);
        if fresh && full {
            return Err(Refusal::Full);
        }
        let hall = self.halls.entry(ask.name.clone()).or_insert_with(|| Hall::new(now_ms, &ask.name));
        let room = &mut hall.room;
        for (field, wanted) in [
            (&mut room.empty_timeout, ask.empty_timeout),
            (&mut room.departure_timeout, ask.departure_timeout),
            (&mut room.max_participants, ask.max_participants),
        ] {
            if wanted > 0 {
                *field = wanted;
            }
        }
        if !ask.metadata.is_empty() {
            room.metadata.clone_from(&ask.metadata);
        }
        if fresh {
            events.push(event(now_ms, "room_started", hall.shown(), None));
        }
        Ok(hall.shown())
    }

    /// The rooms of these names, or all.
    pub fn list_rooms(&self, ask: &ListRoomsRequest) -> ListRoomsResponse {
        let wanted = |name: &String| ask.names.is_empty() || ask.names.contains(name);
        let halls = self.halls.iter().filter(|(name, _)| wanted(name));
        ListRoomsResponse { rooms: halls.map(|(_, hall)| hall.shown()).collect() }
    }

    /// Puts everybody out and closes the room.
    pub fn delete_room(&mut self, now_ms: i64, room: &str, events: &mut Events) -> Result<(), Refusal> {
        self.hall(room)?;
        self.close(now_ms, room, DisconnectReason::RoomDeleted, events);
        Ok(())
    }

    /// Who is in the room; of an unknown room: nobody.
    pub fn list_participants(&self, room: &str) -> ListParticipantsResponse {
        let people = self.halls.get(room).map(|hall| hall.people.values().cloned().collect());
        ListParticipantsResponse { participants: people.unwrap_or_default() }
    }

    /// One participant.
    pub fn get_participant(&self, room: &str, identity: &str) -> Result<ParticipantInfo, Refusal> {
        let hall = self.halls.get(room).ok_or(Refusal::NoParticipant)?;
        hall.people.get(identity).cloned().ok_or(Refusal::NoParticipant)
    }

    /// Puts one participant out. Its token stays good: it may come back, as at the real server.
    pub fn remove_participant(
        &mut self,
        now_ms: i64,
        room: &str,
        identity: &str,
        events: &mut Events,
    ) -> Result<(), Refusal> {
        self.get_participant(room, identity)?;
        self.part(now_ms, room, identity, DisconnectReason::ParticipantRemoved, events)
    }

    /// Changes name, metadata, attributes; `permission` replaces all flags and unpublishes what it no longer permits.
    pub fn update_participant(
        &mut self,
        now_ms: i64,
        ask: &UpdateParticipantRequest,
        events: &mut Events,
    ) -> Result<ParticipantInfo, Refusal> {
        bounded(&ask.name, limits::NAME_BYTES_MAX, "name length exceeds limits")?;
        bounded(&ask.metadata, limits::METADATA_BYTES_MAX, "metadata size exceeds limits")?;
        let attributes: usize = ask.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if attributes > limits::METADATA_BYTES_MAX {
            return Err(Refusal::Invalid("attribute size exceeds limits".to_owned()));
        }
        let hall = self.halls.get_mut(&ask.room).ok_or(Refusal::NoParticipant)?;
        let person = hall.people.get_mut(&ask.identity).ok_or(Refusal::NoParticipant)?;
        person.version += 1;
        for (field, wanted) in [(&mut person.name, &ask.name), (&mut person.metadata, &ask.metadata)] {
            if !wanted.is_empty() {
                field.clone_from(wanted);
            }
        }
        for (key, value) in &ask.attributes {
            if value.is_empty() {
                person.attributes.remove(key);
            } else {
                person.attributes.insert(key.clone(), value.clone());
            }
        }
        if let Some(permission) = &ask.permission {
            person.permission = Some(permission.clone());
            let (stays, goes) = std::mem::take(&mut person.tracks)
                .into_iter()
                .partition(|track| may_publish(person.permission.as_ref(), track.source));
            person.tracks = stays;
            person.is_publisher = permission.can_publish && person.is_publisher;
            let gone: Vec<_> = goes;
            events.extend(gone.into_iter().map(|t| track_event(now_ms, "track_unpublished", &hall.room, person, t)));
        }
        Ok(person.clone())
    }

    /// Mutes a track; unmuting from outside is refused, as the real server does unless told otherwise.
    pub fn mute_track(&mut self, ask: &MuteRoomTrackRequest) -> Result<MuteRoomTrackResponse, Refusal> {
        let person = self.answering(&ask.room, &ask.identity)?;
        if !ask.muted {
            return Err(Refusal::UnmuteOff);
        }
        let track = person.tracks.iter_mut().find(|track| track.sid == ask.track_sid);
        let track = track.map(|track| {
            track.muted = true;
            track.clone()
        });
        if track.is_some() {
            person.version += 1;
        }
        Ok(MuteRoomTrackResponse { track })
    }

    /// Takes a change of subscriptions; nobody receives media here, so only the participant must be there.
    pub fn update_subscriptions(&mut self, ask: &UpdateSubscriptionsRequest) -> Result<(), Refusal> {
        self.answering(&ask.room, &ask.identity).map(|_| ())
    }

    /// Takes a message for a room; nobody listens here, so only the room must be there.
    pub fn send_data(&mut self, ask: &SendDataRequest) -> Result<(), Refusal> {
        if !ask.nonce.is_empty() && ask.nonce.len() != 16 {
            let text = format!("nonce should be 16-bytes or not present, got: {} bytes", ask.nonce.len());
            return Err(Refusal::Invalid(text));
        }
        self.hall(&ask.room).map(|_| ()).map_err(|_| Refusal::NoAnswer)
    }

    /// Replaces a room's metadata.
    pub fn update_metadata(&mut self, ask: &UpdateRoomMetadataRequest) -> Result<Room, Refusal> {
        bounded(&ask.metadata, limits::METADATA_BYTES_MAX, "metadata size exceeds limits")?;
        let hall = self.hall(&ask.room)?;
        hall.room.metadata.clone_from(&ask.metadata);
        Ok(hall.shown())
    }

    /// The participant that would answer a question from inside; nobody answers for an absent one.
    fn answering(&mut self, room: &str, identity: &str) -> Result<&mut ParticipantInfo, Refusal> {
        self.hall(room).and_then(|hall| hall.person(identity)).map_err(|_| Refusal::NoAnswer)
    }
}

impl Hall {
    pub(super) fn new(now_ms: i64, name: &str) -> Self {
        let codec = |mime: &&str| Codec { mime: (*mime).to_owned(), fmtp_line: String::new() };
        let room = Room {
            sid: chance::id("RM_"),
            name: name.to_owned(),
            empty_timeout: limits::ROOM_EMPTY_TIMEOUT_SECS,
            departure_timeout: limits::ROOM_DEPARTURE_TIMEOUT_SECS,
            creation_time: now_ms / 1_000,
            creation_time_ms: now_ms,
            turn_password: chance::secret(),
            enabled_codecs: CODECS.iter().map(codec).collect(),
            ..Room::default()
        };
        Self { room, people: BTreeMap::new(), last_left_ms: None }
    }
}

/// Whether this permission lets a track of that source be published; no source listed means every source.
pub(super) fn may_publish(permission: Option<&livekit_protocol::ParticipantPermission>, source: i32) -> bool {
    permission.is_some_and(|permission| {
        let sources = &permission.can_publish_sources;
        permission.can_publish && (sources.is_empty() || sources.contains(&source))
    })
}

fn bounded(text: &str, bytes_max: usize, refusal: &str) -> Result<(), Refusal> {
    if text.len() > bytes_max { Err(Refusal::Invalid(refusal.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::ParticipantPermission;

    use super::*;
    use crate::livekit::play::{Entry, Source};

    const NOW: i64 = 1_795_265_384_439;

    fn with_room() -> (Media, Events) {
        let (mut media, mut events) = (Media::default(), Vec::new());
        let ask = CreateRoomRequest { name: "show".to_owned(), departure_timeout: 120, ..CreateRoomRequest::default() };
        media.create_room(NOW, &ask, &mut events).unwrap();
        (media, events)
    }

    fn names(events: &Events) -> Vec<&str> {
        events.iter().map(|event| event.event.as_str()).collect()
    }

    #[test]
    fn creating_a_room_again_changes_only_what_is_not_zero_and_starts_nothing() {
        let (mut media, mut events) = with_room();
        let ask = CreateRoomRequest {
            name: "show".to_owned(),
            metadata: "{}".to_owned(),
            max_participants: 3,
            ..CreateRoomRequest::default()
        };
        let room = media.create_room(NOW + 5_000, &ask, &mut events).unwrap();
        assert_eq!((room.departure_timeout, room.empty_timeout, room.max_participants), (120, 300, 3));
        assert_eq!((room.creation_time_ms, room.metadata.as_str()), (NOW, "{}"));
        assert_eq!(names(&events), ["room_started"]);
    }

    #[test]
    fn deleting_a_room_tells_of_tracks_then_people_then_the_room() {
        let (mut media, mut events) = with_room();
        media.join(NOW, "show", Entry::trusted("host"), &mut events).unwrap();
        media.publish(NOW, "show", "host", &[Source::Camera], &mut events).unwrap();
        events.clear();
        media.delete_room(NOW, "show", &mut events).unwrap();
        assert_eq!(names(&events), ["track_unpublished", "participant_left", "room_finished"]);
        let left = events[1].participant.as_ref().unwrap();
        assert_eq!(left.disconnect_reason, DisconnectReason::RoomDeleted as i32);
        assert_eq!(media.delete_room(NOW, "show", &mut events), Err(Refusal::NoRoom));
    }

    #[test]
    fn taking_the_permission_away_unpublishes_and_keeps_the_participant() {
        let (mut media, mut events) = with_room();
        media.join(NOW, "show", Entry::trusted("guest"), &mut events).unwrap();
        media.publish(NOW, "show", "guest", &[Source::Camera, Source::Microphone], &mut events).unwrap();
        events.clear();
        let ask = UpdateParticipantRequest {
            room: "show".to_owned(),
            identity: "guest".to_owned(),
            permission: Some(ParticipantPermission {
                can_publish: true,
                can_publish_sources: vec![livekit_protocol::TrackSource::Microphone as i32],
                ..ParticipantPermission::default()
            }),
            ..UpdateParticipantRequest::default()
        };
        let guest = media.update_participant(NOW, &ask, &mut events).unwrap();
        assert_eq!(names(&events), ["track_unpublished"]);
        assert_eq!(guest.tracks.len(), 1);
        assert!(!guest.permission.unwrap().can_subscribe);
    }

    #[test]
    fn unmuting_from_outside_is_refused_and_an_absent_participant_does_not_answer() {
        let (mut media, mut events) = with_room();
        media.join(NOW, "show", Entry::trusted("host"), &mut events).unwrap();
        let mut ask =
            MuteRoomTrackRequest { room: "show".to_owned(), identity: "host".to_owned(), ..Default::default() };
        assert_eq!(media.mute_track(&ask), Err(Refusal::UnmuteOff));
        ask.identity = "nobody".to_owned();
        assert_eq!(media.mute_track(&ask), Err(Refusal::NoAnswer));
        let removed = media.remove_participant(NOW, "show", "nobody", &mut events);
        assert_eq!(removed, Err(Refusal::NoParticipant));
    }

    #[test]
    fn the_participants_of_an_unknown_room_are_an_empty_list() {
        assert!(Media::default().list_participants("nowhere").participants.is_empty());
    }
}
