//! What participants do, and what happens by itself: joining, publishing, leaving, falling silent, rooms closing.

use livekit_protocol::{
    AudioTrackFeature, BackupCodecPolicy, DisconnectReason, ParticipantInfo, ParticipantPermission, SimulcastCodecInfo,
    TimedVersion, TrackInfo, TrackSource, TrackType, VideoLayer, VideoQuality, participant_info, video_layer,
};
use serde::{Deserialize, Serialize};

use super::media::{Events, Hall, Media, Refusal, event, track_event};
use super::rooms::may_publish;
use super::token::{Claims, VideoGrant};
use crate::{chance, limits};

/// Where a track comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The camera.
    #[serde(alias = "video")]
    Camera,
    /// The microphone.
    #[serde(alias = "audio")]
    Microphone,
    /// The screen.
    #[serde(alias = "screen")]
    ScreenShare,
    /// The sound of the screen.
    ScreenShareAudio,
}

/// Somebody at the door of a room.
pub struct Entry {
    identity: String,
    name: String,
    metadata: String,
    attributes: std::collections::HashMap<String, String>,
    permission: ParticipantPermission,
}

impl Entry {
    /// A participant that may do everything, played without a token.
    pub fn trusted(identity: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            name: identity.to_owned(),
            metadata: String::new(),
            attributes: std::collections::HashMap::new(),
            permission: permission_of(&VideoGrant::default()),
        }
    }

    /// A participant as its token describes it.
    pub fn by_token(claims: Claims) -> Self {
        Self {
            permission: permission_of(&claims.video.unwrap_or_default()),
            identity: claims.sub,
            name: claims.name,
            metadata: claims.metadata,
            attributes: claims.attributes,
        }
    }
}

impl Media {
    /// Lets somebody in. An older session of the same identity is put out first.
    pub fn join(&mut self, now_ms: i64, room: &str, entry: Entry, events: &mut Events) -> Result<(), Refusal> {
        let hall = self.hall(room)?;
        let others = hall.people.len() - usize::from(hall.people.contains_key(&entry.identity));
        let max = usize::try_from(hall.room.max_participants).unwrap_or(usize::MAX);
        if (max > 0 && others >= max) || others >= limits::PARTICIPANTS_MAX {
            return Err(Refusal::Full);
        }
        if hall.people.contains_key(&entry.identity) {
            hall.part(now_ms, &entry.identity, DisconnectReason::DuplicateIdentity, events);
        }
        let before = hall.shown();
        let person = ParticipantInfo {
            sid: chance::id("PA_"),
            identity: entry.identity,
            name: entry.name,
            metadata: entry.metadata,
            attributes: entry.attributes,
            state: participant_info::State::Active as i32,
            joined_at: now_ms / 1_000,
            joined_at_ms: now_ms,
            version: 2,
            permission: Some(entry.permission),
            client_protocol: 2,
            ..ParticipantInfo::default()
        };
        hall.people.insert(person.identity.clone(), person.clone());
        events.push(event(now_ms, "participant_joined", before, Some(person)));
        Ok(())
    }

    /// Opens a room by the back door that ignores `auto_create: false`, as `/whip/v1` of the real server does.
    pub fn open_by_whip(&mut self, now_ms: i64, room: &str, events: &mut Events) -> Result<(), Refusal> {
        let ask = livekit_protocol::CreateRoomRequest { name: room.to_owned(), ..Default::default() };
        if self.halls.contains_key(room) { Ok(()) } else { self.create_room(now_ms, &ask, events).map(|_| ()) }
    }

    /// Publishes tracks that are not published yet.
    pub fn publish(
        &mut self,
        now_ms: i64,
        room: &str,
        identity: &str,
        sources: &[Source],
        events: &mut Events,
    ) -> Result<(), Refusal> {
        let Hall { room, people, .. } = self.hall(room)?;
        let person = people.get_mut(identity).ok_or(Refusal::NoParticipant)?;
        let permitted = |source: &Source| may_publish(person.permission.as_ref(), source.on_the_wire() as i32);
        if !sources.iter().all(permitted) {
            return Err(Refusal::NotPermitted);
        }
        for source in sources {
            if person.tracks.iter().any(|track| track.source == source.on_the_wire() as i32) {
                continue;
            }
            let track = track(now_ms, *source, person.tracks.len());
            person.tracks.push(track.clone());
            person.is_publisher = true;
            person.version += 1;
            events.push(track_event(now_ms, "track_published", room, person, track));
        }
        Ok(())
    }

    /// Takes tracks back; no source means all.
    pub fn unpublish(
        &mut self,
        now_ms: i64,
        room: &str,
        identity: &str,
        sources: &[Source],
        events: &mut Events,
    ) -> Result<(), Refusal> {
        let Hall { room, people, .. } = self.hall(room)?;
        let person = people.get_mut(identity).ok_or(Refusal::NoParticipant)?;
        let wanted = |track: &TrackInfo| {
            sources.is_empty() || sources.iter().any(|source| source.on_the_wire() as i32 == track.source)
        };
        let (gone, stays): (Vec<_>, Vec<_>) = std::mem::take(&mut person.tracks).into_iter().partition(wanted);
        if gone.is_empty() {
            person.tracks = stays;
            return Err(Refusal::NoTrack);
        }
        person.tracks = stays;
        person.version += 1;
        events.extend(gone.into_iter().map(|track| track_event(now_ms, "track_unpublished", room, person, track)));
        Ok(())
    }

    /// Ends a participant's session.
    pub fn part(
        &mut self,
        now_ms: i64,
        room: &str,
        identity: &str,
        reason: DisconnectReason,
        events: &mut Events,
    ) -> Result<(), Refusal> {
        let hall = self.hall(room)?;
        hall.person(identity)?;
        hall.part(now_ms, identity, reason, events);
        Ok(())
    }

    /// Puts everybody out and forgets the room.
    pub(super) fn close(&mut self, now_ms: i64, room: &str, reason: DisconnectReason, events: &mut Events) {
        let Some(mut hall) = self.halls.remove(room) else { return };
        let everybody: Vec<String> = hall.people.keys().cloned().collect();
        for identity in everybody {
            hall.part(now_ms, &identity, reason, events);
        }
        events.push(event(now_ms, "room_finished", hall.shown(), None));
    }

    /// Closes the rooms whose time has come.
    pub(super) fn close_idle(&mut self, now_ms: i64, events: &mut Events) {
        let idle = |hall: &Hall| hall.closes_at_ms().is_some_and(|at_ms| at_ms <= now_ms);
        let names: Vec<String> = self.halls.iter().filter(|(_, h)| idle(h)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.close(now_ms, &name, DisconnectReason::RoomClosed, events);
        }
    }
}

impl Hall {
    fn part(&mut self, now_ms: i64, identity: &str, reason: DisconnectReason, events: &mut Events) {
        let Some(mut person) = self.people.remove(identity) else { return };
        for track in std::mem::take(&mut person.tracks) {
            events.push(track_event(now_ms, "track_unpublished", &self.room, &person, track));
        }
        self.last_left_ms = Some(now_ms);
        person.state = participant_info::State::Disconnected as i32;
        person.disconnect_reason = reason as i32;
        person.version += 1;
        events.push(event(now_ms, "participant_left", self.shown(), Some(person)));
    }
}

impl Source {
    /// The media server's own name for it.
    pub fn on_the_wire(self) -> TrackSource {
        match self {
            Self::Camera => TrackSource::Camera,
            Self::Microphone => TrackSource::Microphone,
            Self::ScreenShare => TrackSource::ScreenShare,
            Self::ScreenShareAudio => TrackSource::ScreenShareAudio,
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "camera" => Some(Self::Camera),
            "microphone" => Some(Self::Microphone),
            "screen_share" => Some(Self::ScreenShare),
            "screen_share_audio" => Some(Self::ScreenShareAudio),
            _ => None,
        }
    }
}

/// What a grant permits, with the server's defaults for what it leaves out.
fn permission_of(grant: &VideoGrant) -> ParticipantPermission {
    let can_publish = grant.can_publish.unwrap_or(true);
    let sources = grant.can_publish_sources.iter().filter_map(|name| Source::by_name(name));
    ParticipantPermission {
        can_subscribe: grant.can_subscribe.unwrap_or(true),
        can_publish,
        can_publish_data: grant.can_publish_data.unwrap_or(can_publish),
        can_publish_sources: sources.map(|source| source.on_the_wire() as i32).collect(),
        hidden: grant.hidden,
        can_update_metadata: grant.can_update_own_metadata.unwrap_or(false),
        ..ParticipantPermission::default()
    }
}

/// A track as the measured browser publishes it.
#[expect(deprecated, reason = "the real server still fills the old list of layers beside the new one")]
fn track(now_ms: i64, source: Source, already: usize) -> TrackInfo {
    let video = matches!(source, Source::Camera | Source::ScreenShare);
    let (mime, stream) = match source {
        Source::Camera => ("video/VP8", "camera"),
        Source::Microphone => ("audio/red", "camera"),
        Source::ScreenShare => ("video/VP8", "screen_share"),
        Source::ScreenShareAudio => ("audio/red", "screen_share"),
    };
    let layer = VideoLayer {
        quality: VideoQuality::High as i32,
        width: 320,
        height: 180,
        bitrate: 150_000,
        ..VideoLayer::default()
    };
    let layers = if video { vec![layer] } else { Vec::new() };
    let mid = (already + 7).to_string();
    let codec = SimulcastCodecInfo {
        mime_type: mime.to_owned(),
        mid: mid.clone(),
        cid: chance::id(""),
        layers: layers.clone(),
        video_layer_mode: video_layer::Mode::OneSpatialLayerPerStream as i32,
        ..SimulcastCodecInfo::default()
    };
    let features = [
        AudioTrackFeature::TfAutoGainControl,
        AudioTrackFeature::TfEchoCancellation,
        AudioTrackFeature::TfNoiseSuppression,
    ];
    TrackInfo {
        sid: chance::id(if video { "TR_VC" } else { "TR_AM" }),
        r#type: (if video { TrackType::Video } else { TrackType::Audio }) as i32,
        width: if video { 320 } else { 0 },
        height: if video { 180 } else { 0 },
        source: source.on_the_wire() as i32,
        layers,
        mime_type: mime.to_owned(),
        mid,
        codecs: vec![codec],
        stream: stream.to_owned(),
        version: Some(TimedVersion { unix_micro: now_ms * 1_000, ticks: 0 }),
        audio_features: if video { Vec::new() } else { features.map(|feature| feature as i32).to_vec() },
        backup_codec_policy: (if video { BackupCodecPolicy::PreferRegression } else { BackupCodecPolicy::Simulcast })
            as i32,
        ..TrackInfo::default()
    }
}
