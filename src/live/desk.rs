//! What the live routes, hooks and pages are given.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{directory::Directory, media::MediaServer, order::CommandFault, rights::LiveRights, store::PgLedger};
use crate::{
    clock::SharedClock,
    entropy::Ids,
    identity::{
        Signed,
        core::role::{Permission, Refusal, Role},
        store::teams,
    },
    ids::{BroadcastId, ExperienceId, TeamId},
    keys::KeyRing,
    provider::livekit::MediaKey,
    store::{Denied, Store},
    web::problem::{Code, Problem},
};

/// The desk of live experiences. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// Live experiences in it.
    pub ledger: PgLedger,
    /// The actors.
    pub directory: Directory,
    /// Who may be where.
    pub rights: Arc<dyn LiveRights>,
    /// The media server.
    pub media: Arc<dyn MediaServer>,
    /// Signs media tokens, and verifies webhooks.
    pub media_key: MediaKey,
    /// Where browsers reach the media server.
    pub media_url: String,
    /// Whether pictures can be seen, which a stand-in cannot show.
    pub picture: bool,
    /// Time.
    pub clock: SharedClock,
    /// Fresh ids.
    pub ids: Ids,
    /// Signs tickets.
    pub ring: KeyRing,
}

impl Desk {
    /// The experience of a broadcast that this person may run.
    ///
    /// # Errors
    /// 404 for what is not theirs to see, 403 for what their role does not allow.
    pub async fn broadcast_to_run(&self, signed: &Signed, id: BroadcastId) -> Result<ExperienceId, Problem> {
        let found = self.ledger.find_broadcast(id).await?.ok_or(Code::NotFound)?;
        self.permitted(signed, found.team, Permission::RunBroadcast).await?;
        Ok(found.experience)
    }

    /// Whether this person may run an experience.
    ///
    /// # Errors
    /// As [`Desk::broadcast_to_run`].
    pub async fn experience_to_run(&self, signed: &Signed, id: ExperienceId) -> Result<(), Problem> {
        let found = self.ledger.find_experience(id).await?.ok_or(Code::NotFound)?;
        self.permitted(signed, found.team, Permission::RunBroadcast).await.map(|_| ())
    }

    /// The role of this person in a team when it permits this.
    ///
    /// # Errors
    /// As [`Desk::broadcast_to_run`].
    pub async fn permitted(&self, signed: &Signed, team: TeamId, permission: Permission) -> Result<Role, Problem> {
        let user = signed.user;
        let role = self
            .store
            .run(move |connection| async move { teams::require(connection, user, team, permission).await }.boxed());
        role.await.map_err(|denied: Denied<Refusal>| denied.into())
    }
}

impl From<CommandFault> for Problem {
    fn from(fault: CommandFault) -> Self {
        match fault {
            CommandFault::NoSuchBroadcast => Code::NotFound.into(),
            CommandFault::Refused { state, refusal: super::core::broadcast::Refusal::IllegalTransition } => {
                let detail = format!("The broadcast is {state}; that does not allow this.");
                Self::new(Code::IllegalTransition).detail(detail).with("state", state)
            }
            CommandFault::AlreadyOpen(open) => Self::new(Code::BroadcastOpen).with("broadcast_id", open),
            CommandFault::MediaAway => Self::new(Code::MediaUnavailable).retry_after(std::time::Duration::from_secs(2)),
            CommandFault::Store(fault) => fault.into(),
            CommandFault::Restarting => Self::new(Code::Unavailable).retry_after(std::time::Duration::from_secs(1)),
        }
    }
}
