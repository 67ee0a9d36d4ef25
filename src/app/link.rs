//! Small adapters that let domains meet without knowing each other.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_rt::Arbiter;
use futures_util::{
    FutureExt,
    future::{BoxFuture, LocalBoxFuture},
};
use tokio::runtime::Handle;

use crate::{
    access::{
        Doorkeeper, Eviction, PgRights, Seats,
        core::{Reason, Rights as Held},
    },
    clock::SharedClock,
    config::{Config, LimitProfile, Mode},
    identity::{Basis, Consequence},
    ids::{ExperienceId, UserId},
    limits::JOIN_BURST,
    live::{
        directory::Directory,
        rights::{LiveRights, Right},
    },
    pace::Pace,
    socket::admission::Capacity,
    store::Store,
    storefront::{HoldersChanged, Watching},
};

/// The doorkeeper of this node, with an arbiter of its own for its actors.
pub fn doorkeeper(store: &Store, clock: &SharedClock, eviction: Arc<Relay>, runtime: &Handle) -> Doorkeeper {
    let source = Arc::new(PgRights::new(store.reserved()));
    Doorkeeper::new(source, clock.clone(), eviction, Arbiter::new().handle(), runtime.clone())
}

/// The live core's view of rights.
pub struct Rights(pub Doorkeeper);

impl LiveRights for Rights {
    fn may_watch(&self, user: UserId, experience: ExperienceId) -> Right {
        match self.0.glance(user, experience) {
            None => Right::Unknown,
            Some(told) if told.allowed => Right::Yes { staff: told.reason == Reason::Staff },
            Some(told) => Right::No(told.reason.word().into()),
        }
    }

    fn may_run(&self, user: UserId, experience: ExperienceId) -> Right {
        match self.0.runs(user, experience) {
            None => Right::Unknown,
            Some(true) => Right::Yes { staff: true },
            Some(false) => Right::No("no_grant".into()),
        }
    }

    fn learn(&self, user: UserId, experience: ExperienceId) -> BoxFuture<'static, bool> {
        let doorkeeper = self.0.clone();
        async move { doorkeeper.learn(user, experience).await }.boxed()
    }
}

/// Passes on to the live core what the doorkeeper says; connected once both are there.
#[derive(Default)]
pub struct Relay(OnceLock<Directory>);

impl Relay {
    /// From now on it is passed on.
    pub fn connect(&self, directory: Directory) {
        let _connected_before = self.0.set(directory);
    }
}

impl Eviction for Relay {
    fn rights_changed(&self, user: UserId, _rights: Arc<Held>) {
        if let Some(directory) = self.0.get() {
            directory.rights_changed(user);
        }
    }

    fn rights_unknown(&self, user: UserId) {
        if let Some(directory) = self.0.get() {
            directory.rights_unknown(user);
        }
    }

    fn is_inside(&self, user: UserId) -> bool {
        self.0.get().is_some_and(|directory| directory.is_inside(user))
    }
}

/// What follows at once from changes elsewhere.
pub struct Consequences {
    /// Who may enter.
    pub doorkeeper: Doorkeeper,
    /// Who is inside.
    pub directory: Directory,
}

impl Consequence for Consequences {
    fn ended(&self, basis: Basis) {
        self.directory.basis_ended(basis);
    }

    fn rights_changed(&self, user: UserId) {
        self.doorkeeper.changed(&[user]);
    }
}

impl HoldersChanged for Consequences {
    fn changed(&self, users: &[UserId]) {
        self.doorkeeper.catalog_changed(users);
    }

    fn settings_changed(&self, experience: ExperienceId) {
        self.directory.settings_changed(experience);
    }
}

impl Watching for Consequences {
    fn watching(&self, experience: ExperienceId) -> u64 {
        self.directory.viewers(experience)
    }
}

impl Seats for Consequences {
    fn has_room(
        &self,
        user: UserId,
        experience: ExperienceId,
        device: String,
    ) -> LocalBoxFuture<'static, Option<bool>> {
        let directory = self.directory.clone();
        async move { directory.has_room(experience, user, device).await }.boxed_local()
    }
}

/// How fast and how many sockets this node lets in.
pub fn capacity(config: &Config) -> Capacity {
    let open = Capacity::default();
    match config.limits.profile {
        LimitProfile::Strict => open,
        // a laptop's load test comes all at once
        LimitProfile::Open => {
            Capacity { joins: Pace { every: Duration::from_micros(250), burst: JOIN_BURST * 4 }, ..open }
        }
    }
}

/// The sentence above every page while something is only a stand-in.
pub fn banner(config: &Config, picture: bool) -> Option<String> {
    let local = config.mode == Mode::Local && !picture;
    local.then(|| {
        "No LiveKit server was found, so a stand-in answers: everything works, but no picture can be seen.".to_owned()
    })
}
