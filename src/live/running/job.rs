//! What an activation orders from its shell, and what it hears of it.

use crate::{
    clock::Timestamp,
    ids::UserId,
    live::{
        core::broadcast::{Broadcast, Event},
        ledger::{Commit, Creation, Profile, Record},
        media::{MediaFault, Participant},
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
    /// Put these identities out of the room.
    Remove(String, Vec<String>),
    /// Learn these people's rights, then judge these identities again.
    Learn(Vec<String>),
    /// Read the settings again.
    ReadProfile,
    /// Begin again from the store: what happened is unknown.
    StartAgain,
    /// Stop: somebody else owns the row.
    StepDown,
}

/// What came of a job.
#[derive(Debug)]
pub enum Done {
    /// Of `Save`.
    Saved(Result<Commit, StoreError>),
    /// Of `Create`.
    Created(Result<Creation, StoreError>),
    /// Of `Ask`, with the time at which it was asked.
    Asked(Timestamp, Result<Vec<Participant>, MediaFault>),
    /// Of `Learn`.
    Learned(Vec<String>),
    /// Of `ReadProfile`.
    Profile(Option<Profile>),
}

/// Whether this is what the media server said when it was asked.
pub(super) fn is_answer(event: Event) -> bool {
    matches!(event, Event::OnAir { .. } | Event::NobodyOnAir { .. } | Event::NoAnswer { .. })
}
