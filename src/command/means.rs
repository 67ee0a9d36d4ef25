//! What commands beside `serve` work with: the database, joined or started for as long as the command takes.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

use crate::{
    app,
    clock::{SharedClock, SystemClock},
    config::Config,
    entropy::{Ids, SharedEntropy, SystemEntropy},
    identity::{Authenticator, Identity, NoConsequence, sign_in::Throttle},
    jobs::Jobs,
    keys::KeyRing,
    limits::STORE_THREADS,
    local::{LocalStack, Need},
    store::{Store, migrate},
};

/// The parts that a command needs.
pub struct Means {
    /// The runtime on which it works.
    pub runtime: Runtime,
    /// The database.
    pub store: Store,
    /// People, sessions and tokens.
    pub identity: Identity,
    // Last: what was started for this command ends after everything that uses it.
    _local: LocalStack,
}

impl Means {
    /// Joins the database of a running engine, or starts it, and brings it to this version.
    ///
    /// # Errors
    /// When the database cannot be had.
    pub fn gather(config: &Config) -> anyhow::Result<Self> {
        let local = LocalStack::start(config, &Need::Database, &SystemEntropy)?;
        let url = local.database_url().expose_secret();
        migrate::run_pending(url)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(STORE_THREADS).enable_all().build()?;
        let handle = runtime.handle().clone();
        let store = Store::new(url, handle.clone())?;
        let clock: SharedClock = Arc::new(SystemClock::new());
        let entropy: SharedEntropy = Arc::new(SystemEntropy);
        let ids = Ids::new(clock.clone(), entropy.clone());
        let ring = KeyRing::new(app::seal_key(config, local.state_dir(), &entropy)?);
        let identity = Identity {
            store: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            entropy: entropy.clone(),
            ring: ring.clone(),
            jobs: Jobs::new(ids, clock.clone(), ring.clone(), entropy),
            authenticator: Authenticator::new(store.clone(), ring, clock, handle),
            throttle: Arc::new(Throttle::new(config.limits.profile)),
            consequence: Arc::new(NoConsequence),
        };
        Ok(Self { runtime, store, identity, _local: local })
    }
}
