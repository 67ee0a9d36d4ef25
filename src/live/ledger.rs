//! What the live core needs of the store, in our words: activations, durable steps, and their outcomes.

use futures_util::future::BoxFuture;

use super::core::{
    audience::DeviceRule,
    broadcast::{Broadcast, Event, Settings},
};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId, SpaceId, TeamId, UserId},
    store::StoreError,
};

/// What an experience is, as far as running it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The team that runs it.
    pub team: TeamId,
    /// The space it stands in.
    pub space: SpaceId,
    /// What the creator has set.
    pub settings: Settings,
    /// On how many devices one person may watch at once.
    pub devices: DeviceRule,
}

/// A broadcast as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What it is.
    pub broadcast: Broadcast,
    /// How often it was saved; the next step must name it.
    pub version: i64,
    /// The most viewers at once so far.
    pub peak: u32,
    /// Viewers there have ever been.
    pub total: u32,
}

/// A new activation: from now on steps of earlier ones no longer pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Higher than that of every activation before.
    pub epoch: i64,
    /// What the experience is.
    pub profile: Profile,
    /// The open broadcast, or the one that was over last.
    pub saved: Option<Saved>,
}

/// What came of asking for an experience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this node's from now on.
    Ours(Box<Activation>),
    /// Another node owns it, and has not let it go.
    Elsewhere,
    /// There is no such live experience.
    NoSuchExperience,
}

/// One step to make durable.
#[derive(Clone, Debug)]
pub struct Record {
    /// The broadcast as it is after the step.
    pub broadcast: Broadcast,
    /// The activation that makes it.
    pub epoch: i64,
    /// The version it builds on.
    pub version: i64,
    /// What caused it, for the journal.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// The most viewers at once so far.
    pub peak: u32,
    /// Viewers there have ever been.
    pub total: u32,
}

/// What became of a durable step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is durable.
    Done,
    /// Another activation owns the row; this one must stop.
    Fenced,
    /// It may have happened: read again.
    Unknown,
}

/// What became of making a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is there.
    Done,
    /// Another one is open.
    AlreadyOpen(BroadcastId),
    /// Another activation owns the experience.
    Fenced,
}

/// Experiences, and the activations that hold them.
pub type Leased = Vec<(ExperienceId, i64)>;

/// What is known of a webhook that was just stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKnown {
    /// It had not come before.
    New,
    /// It came before, and was not applied, because we died or failed in between.
    Unapplied,
    /// It came before and was applied.
    Applied,
}

/// The durable side of live experiences.
pub trait Ledger: Send + Sync + 'static {
    /// Takes the experience, unless another node holds its lease.
    fn activate(&self, experience: ExperienceId) -> BoxFuture<'static, Result<Claim, StoreError>>;
    /// Prolongs these leases; those that still are this node's, in this epoch.
    fn renew(&self, held: Leased) -> BoxFuture<'static, Result<Leased, StoreError>>;
    /// The experiences with an open broadcast that no other node holds.
    fn ownerless(&self) -> BoxFuture<'static, Result<Vec<ExperienceId>, StoreError>>;
    /// Reads the profile again, after settings were changed.
    fn profile(&self, experience: ExperienceId) -> BoxFuture<'static, Result<Option<Profile>, StoreError>>;
    /// Makes a broadcast, in `scheduled`.
    fn create(&self, epoch: i64, broadcast: Broadcast, by: UserId) -> BoxFuture<'static, Result<Creation, StoreError>>;
    /// Makes a step durable, with its journal row, in one transaction.
    fn save(&self, record: Record) -> BoxFuture<'static, Result<Commit, StoreError>>;
}
