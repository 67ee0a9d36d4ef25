//! What an activation orders from its shell, and what it hears of it.

use std::collections::BTreeMap;

use crate::{
    clock::Timestamp,
    ids::UserId,
    live::{
        core::broadcast::{Broadcast, Event},
        ledger::{Commit, Creation, Profile, Record},
        media::{MediaFault, Participant, RoomSid},
        order::Eviction,
    },
    store::StoreError,
};

/// Work for the shell.
#[derive(Debug)]
pub enum Job {
    /// Make a step durable.
    Save(Record),
    /// Make a broadcast.
    Create(i64, Broadcast, UserId),
    /// Open the room if need be, and ask who is in it.
    Ask(String),
    /// Close a room.
    CloseRoom(String),
    /// Put people out of a room.
    Remove(Removal),
    /// Learn these people's rights, then judge these identities again.
    Learn(Vec<String>),
    /// Read the settings again.
    ReadProfile,
    /// Begin again from the store: what happened is unknown.
    StartAgain,
    /// Stop: somebody else owns the row.
    StepDown,
}

/// Whom to put out of a room.
#[derive(Debug)]
pub struct Removal {
    /// The room.
    pub room: String,
    /// The identities.
    pub identities: Vec<String>,
    /// The ended rights among the reasons, to be counted once the people are out.
    pub evictions: BTreeMap<UserId, Eviction>,
}

/// What the media server said when it was asked.
#[derive(Debug)]
pub struct Heard {
    /// Which making of the room is there.
    pub room: RoomSid,
    /// Who is in it.
    pub people: Vec<Participant>,
}

/// What came of a job.
#[derive(Debug)]
pub enum Done {
    /// Of `Save`.
    Saved(Result<Commit, StoreError>),
    /// Of `Create`.
    Created(Result<Creation, StoreError>),
    /// Of `Ask`, with the time at which it was asked.
    Asked(Timestamp, Result<Heard, MediaFault>),
    /// Of `Remove`: the evictions of those who could not be put out yet.
    Removed(BTreeMap<UserId, Eviction>),
    /// Of `Learn`.
    Learned(Vec<String>),
    /// Of `ReadProfile`.
    Profile(Option<Profile>),
}

/// Whether this is what the media server said when it was asked.
pub(super) fn is_answer(event: Event) -> bool {
    matches!(event, Event::OnAir { .. } | Event::NobodyOnAir { .. } | Event::NoAnswer { .. })
}
