//! Who somebody is and what their role lets them do: sign-in codes, sessions, API tokens, teams, the audit log.

pub mod account;
pub mod authenticator;
pub mod core;
pub mod pages;
pub mod routes;
pub mod sign_in;
pub mod store;
pub mod team;
pub mod upkeep;

use std::sync::Arc;

pub use authenticator::{Authenticator, Basis, Credential, Signed};
pub use store::{audit, teams, users};

use crate::{
    clock::SharedClock,
    entropy::{Ids, SharedEntropy},
    ids::UserId,
    jobs::Jobs,
    keys::KeyRing,
    store::Store,
};

/// What must follow at once when identity changes; implemented by those whose doors are open meanwhile.
pub trait Consequence: Send + Sync + 'static {
    /// A session or an API token is over: its sockets close.
    fn ended(&self, basis: Basis);
    /// A person joined or left a team, or their role changed: their rights are read again.
    fn rights_changed(&self, user: UserId);
}

/// Nothing follows; for tools and tests without open doors.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConsequence;

impl Consequence for NoConsequence {
    fn ended(&self, _: Basis) {}
    fn rights_changed(&self, _: UserId) {}
}

/// What identity works with, as `web::Data` for its routes. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Fresh ids.
    pub ids: Ids,
    /// Fresh secrets.
    pub entropy: SharedEntropy,
    /// Hashes and seals.
    pub ring: KeyRing,
    /// Mails that go out.
    pub jobs: Jobs,
    /// Forgets what ended.
    pub authenticator: Authenticator,
    /// How often people may try.
    pub throttle: Arc<sign_in::Throttle>,
    /// What must follow at once.
    pub consequence: Arc<dyn Consequence>,
}

impl Identity {
    /// Somebody joined or left a team, or their role changed, and that is committed: what is remembered of them is old.
    pub fn membership_changed(&self, user: UserId) {
        self.authenticator.forget_user(user);
        self.consequence.rights_changed(user);
    }
}
