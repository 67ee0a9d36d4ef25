//! What everybody in an experience is told: the numbered frames, the newest counts, and the snapshot for newcomers.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::{
    core::{
        audience::Count,
        broadcast::{Broadcast, Stage},
        health::Health,
    },
    order::StatsView,
};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId},
    socket::{
        frame,
        hub::{Board, Hub, Latest, MediaChange, MediaPlan, Publication, Ring, ShardId},
    },
};

/// The state as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct StateFields {
    state: &'static str,
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    /// Whoever watched before the broadcast was announced learns here what it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    degraded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BroadcastFields {
    id: BroadcastId,
    title: Option<String>,
    scheduled_at: Option<Timestamp>,
    live_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Source<'a> {
    kind: &'static str,
    url: &'a str,
    room: &'a str,
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    t: &'static str,
    epoch: i64,
    offset: u64,
    #[serde(flatten)]
    fields: &'a T,
}

#[derive(Serialize)]
struct PlaybackFields<'a> {
    sources: Vec<Source<'a>>,
}

#[derive(Serialize)]
struct ReactionFields<'a> {
    totals: &'a BTreeMap<&'static str, u32>,
    window_ms: u64,
}

#[derive(Serialize)]
struct HealthFields<'a> {
    t: &'static str,
    health: &'a Health,
    stats: Option<StatsView>,
    audience: Count,
}

/// The loudspeaker of one activation. Everything said goes through here, so numbers have no hole.
pub struct Loudspeaker {
    experience: ExperienceId,
    epoch: i64,
    offset: u64,
    state: StateFields,
    broadcast: Option<BroadcastFields>,
    audience: Count,
    plan: Option<Arc<MediaPlan>>,
    ring: Ring,
    hub: Arc<dyn Hub>,
}

impl Loudspeaker {
    /// A loudspeaker for a fresh activation; says everything once, so that sockets of the last one are taken along.
    pub fn new(
        experience: ExperienceId,
        epoch: i64,
        at: Option<&Broadcast>,
        audience: Count,
        hub: Arc<dyn Hub>,
    ) -> Self {
        let (state, broadcast) = (state_fields(at, false), at.map(broadcast_fields));
        let (plan, ring) = (None, Ring::default());
        Self { experience, epoch, offset: 0, state, broadcast, audience, plan, ring, hub }
    }

    /// The activation.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Tells every shard everything.
    pub fn say_everything(&self) {
        self.hub.publish(self.experience, Publication::Board(Arc::new(self.board())));
    }

    /// Tells one shard everything.
    pub fn answer(&self, shard: ShardId) {
        self.hub.publish_to(shard, self.experience, Publication::Board(Arc::new(self.board())));
    }

    /// Says where the broadcast stands, if that is news.
    pub fn say_state(&mut self, at: Option<&Broadcast>, degraded: bool) {
        let (state, broadcast) = (state_fields(at, degraded), at.map(broadcast_fields));
        if state == self.state && broadcast == self.broadcast {
            return;
        }
        (self.state, self.broadcast) = (state, broadcast);
        let fields = self.state.clone();
        self.number("state", &fields, MediaChange::Keep);
    }

    /// Says where the picture comes from, if that is news; every viewer is given a fresh way in.
    pub fn say_playback(&mut self, plan: Option<MediaPlan>) {
        if self.plan.as_deref() == plan.as_ref() {
            return;
        }
        self.plan = plan.map(Arc::new);
        let change = self.plan.clone().map_or(MediaChange::Clear, MediaChange::Use);
        let plan = self.plan.clone();
        self.number("playback", &playback_fields(plan.as_deref()), change);
    }

    /// Says how many are there, if that is news.
    pub fn say_audience(&mut self, audience: Count) -> bool {
        let news = audience != self.audience;
        if news {
            self.audience = audience;
            let frame = self.frame("audience", &audience);
            self.latest(Latest::Audience, frame);
        }
        news
    }

    /// Says what people react with.
    pub fn say_reactions(&self, totals: &BTreeMap<&'static str, u32>, window_ms: u64) {
        let frame = self.frame("reactions", &ReactionFields { totals, window_ms });
        self.latest(Latest::Reactions, frame);
    }

    /// Tells the studio how good the picture is.
    pub fn say_health(&self, health: &Health, stats: Option<StatsView>) {
        let fields = HealthFields { t: "health", health, stats, audience: self.audience };
        self.hub.publish(self.experience, Publication::Studio { frame: frame::json(&fields) });
    }

    fn number<T: Serialize>(&mut self, kind: &'static str, fields: &T, media: MediaChange) {
        self.offset += 1;
        let frame = self.frame(kind, fields);
        self.ring.push(self.offset, frame.clone());
        let said = Publication::Numbered {
            epoch: self.wire_epoch(),
            offset: self.offset,
            frame,
            snapshot: self.snapshot(),
            media,
        };
        self.hub.publish(self.experience, said);
    }

    fn latest(&self, kind: Latest, frame: Bytes) {
        let said = Publication::Latest { epoch: self.wire_epoch(), kind, frame, snapshot: self.snapshot() };
        self.hub.publish(self.experience, said);
    }

    fn frame<T: Serialize>(&self, t: &'static str, fields: &T) -> Bytes {
        frame::json(&Numbered { t, epoch: self.epoch, offset: self.offset, fields })
    }

    fn wire_epoch(&self) -> u64 {
        u64::try_from(self.epoch).unwrap_or(0)
    }

    fn board(&self) -> Board {
        Board {
            epoch: self.wire_epoch(),
            offset: self.offset,
            snapshot: self.snapshot(),
            ring: self.ring.clone(),
            media: self.plan.clone(),
        }
    }

    fn snapshot(&self) -> Bytes {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(flatten)]
            state: &'a StateFields,
            broadcast: &'a Option<BroadcastFields>,
            audience: Count,
            reactions: [(); 0],
            playback: PlaybackFields<'a>,
            stage: [(); 0],
            chat: Option<()>,
        }
        let fields = Fields {
            state: &self.state,
            broadcast: &self.broadcast,
            audience: self.audience,
            reactions: [],
            playback: playback_fields(self.plan.as_deref()),
            stage: [],
            chat: None,
        };
        self.frame("snapshot", &fields)
    }
}

fn playback_fields(plan: Option<&MediaPlan>) -> PlaybackFields<'_> {
    let sources = plan.iter().map(|plan| Source { kind: "livekit", url: &plan.url, room: &plan.room }).collect();
    PlaybackFields { sources }
}

fn state_fields(at: Option<&Broadcast>, degraded: bool) -> StateFields {
    let Some(at) = at else {
        return StateFields { state: "offline", since: None, until: None, starts_at: None, title: None, degraded };
    };
    let until = match &at.stage {
        Stage::Reconnecting { until, .. } => Some(*until),
        Stage::Scheduled | Stage::Lobby { .. } | Stage::Live { .. } | Stage::Ended { .. } | Stage::Cancelled { .. } => {
            None
        }
    };
    let waits = matches!(&at.stage, Stage::Scheduled | Stage::Lobby { .. });
    StateFields {
        state: at.stage.name(),
        since: Some(at.since()),
        until,
        starts_at: at.scheduled_at.filter(|_| waits),
        title: at.title.clone(),
        degraded: degraded && !at.stage.is_over(),
    }
}

fn broadcast_fields(at: &Broadcast) -> BroadcastFields {
    BroadcastFields { id: at.id, title: at.title.clone(), scheduled_at: at.scheduled_at, live_at: at.live_at() }
}
