//! What may be said to an experience's actor, and what it answers.

use std::{borrow::Cow, sync::Arc};

use actix::Message;

use super::{
    core::{
        audience::Count,
        broadcast::{Broadcast, Event, Refusal},
        health::{Health, Stats},
    },
    media::Hook,
    seating::Chair,
};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId, UserId, ViewerId},
    socket::{door::Seat, hub::ShardId},
    store::StoreError,
    supervision::Reply,
    telemetry::metric::Watch,
};

/// One message to an experience's actor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Order {
    /// Make a broadcast.
    Create(NewBroadcast, Reply<Result<View, CommandFault>>),
    /// Do something to the open broadcast.
    Command(BroadcastId, Event, Reply<Result<View, CommandFault>>),
    /// Say what is so.
    Describe(Reply<View>),
    /// Make sure that the open broadcast has its room, for somebody who is about to publish.
    Room(BroadcastId, Reply<Result<View, CommandFault>>),
    /// Give somebody a place.
    Admit(Arc<Seat>, Chair, Coming, Reply<Result<(), AdmitRefusal>>),
    /// Say whether a newcomer on this device would be given a place.
    HasRoom(UserId, String, Reply<bool>),
    /// A socket is gone: how many are left is looked up.
    Left(ViewerId),
    /// A shard wants the board.
    Subscribe(ShardId),
    /// A viewer reacts.
    React(String),
    /// A viewer says whether its picture stands still.
    Frozen(UserId, bool),
    /// The studio says what it sends.
    Sent(ViewerId, bool, Stats),
    /// The media server said something.
    Hooked(Hook),
    /// The right of somebody who is here has ended.
    RightsEnded(RightsEnded),
    /// The creator changed the settings.
    SettingsChanged,
    /// Look whether the lease still stands.
    LookAtLease,
    /// A drill: panic while handling this.
    Panic,
}

impl Order {
    /// Its word in logs, and what is set aside when it made the actor panic too often. People's words stay out of it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Create(wanted, _) => format!("create {}", wanted.id),
            Self::Command(id, event, _) => format!("{event:?} {id}"),
            Self::Describe(_) => "describe".to_owned(),
            Self::Room(id, _) => format!("room {id}"),
            Self::Admit(seat, ..) => format!("admit {}", seat.session),
            Self::HasRoom(user, ..) => format!("has room {user}"),
            Self::Left(viewer) => format!("left {viewer}"),
            Self::Subscribe(shard) => format!("subscribe {shard:?}"),
            Self::React(_) => "react".to_owned(),
            Self::Frozen(user, frozen) => format!("frozen {user} {frozen}"),
            Self::Sent(viewer, ..) => format!("sent {viewer}"),
            Self::Hooked(hook) => format!("hooked {}", hook.id),
            Self::RightsEnded(ended) => format!("rights ended {}", ended.user),
            Self::SettingsChanged => "settings changed".to_owned(),
            Self::LookAtLease => "look at lease".to_owned(),
            Self::Panic => "panic".to_owned(),
        }
    }
}

/// How somebody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// As whoever comes for the first time, or wants to be here again.
    Anew,
    /// By itself, with the ticket to the place it had.
    Back,
}

/// Whose right has ended.
#[derive(Debug)]
pub struct RightsEnded {
    /// Whose.
    pub user: UserId,
    /// Their devices that hold media tokens.
    pub devices: Vec<String>,
    /// What is measured until they are out.
    pub eviction: Option<Eviction>,
}

/// An ended right, until its person is out of a door.
#[derive(Clone, Debug)]
pub struct Eviction {
    /// Why it ended.
    pub reason: Cow<'static, str>,
    /// Since when.
    pub since: Watch,
    /// Whether a removal was tried already.
    pub tried: bool,
}

/// What a creator announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBroadcast {
    /// Its id.
    pub id: BroadcastId,
    /// Who makes it.
    pub by: UserId,
    /// What it is called.
    pub title: Option<String>,
    /// When it is to start.
    pub scheduled_at: Option<Timestamp>,
    /// Whether to record it.
    pub record: bool,
}

/// Why no place is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitRefusal {
    /// A device too many.
    #[error("too many devices")]
    DeviceLimit,
    /// The device gave way to another one and comes back by itself.
    #[error("replaced by another device")]
    Replaced,
    /// The actor cannot run just now.
    #[error("not just now")]
    Unavailable,
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// No such broadcast here, or not the open one.
    #[error("no such broadcast")]
    NoSuchBroadcast,
    /// The rules say no; the state it is in.
    #[error("not possible while {state}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The state's name.
        state: &'static str,
    },
    /// Another broadcast is open.
    #[error("another broadcast is open")]
    AlreadyOpen(BroadcastId),
    /// The media server is away.
    #[error("the media server is away")]
    MediaAway,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor is being started again; trying again is right.
    #[error("being started again")]
    Restarting,
}

/// What is so in an experience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Where.
    pub experience: ExperienceId,
    /// The open broadcast, or the one that was over last.
    pub broadcast: Option<Broadcast>,
    /// Whether the media server is away.
    pub degraded: bool,
    /// How many are there.
    pub audience: Count,
    /// Viewers there have ever been.
    pub total: u32,
    /// How good the picture is.
    pub health: Health,
    /// What the studio measured last, while it is fresh.
    pub stats: Option<StatsView>,
}

/// The studio's measurements, rounded for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StatsView {
    /// Bits a second.
    pub bitrate_bits: u64,
    /// Frames a second.
    pub fps: u32,
    /// Packets lost in a thousand.
    pub loss_permille: u32,
    /// Round trip in milliseconds.
    pub rtt_ms: u32,
}

impl From<Stats> for StatsView {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the gauge clamps to small positive numbers"
    )]
    fn from(stats: Stats) -> Self {
        Self {
            bitrate_bits: stats.bitrate_bps as u64,
            fps: stats.fps.round() as u32,
            loss_permille: (stats.loss_ratio * 1000.0).round() as u32,
            rtt_ms: stats.rtt_ms.round() as u32,
        }
    }
}
