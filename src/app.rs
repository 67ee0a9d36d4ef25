//! The composition root: makes every part, gives each the ports it needs, and knows all of them. Nobody else does.

mod background;
mod link;
mod routes;

pub use routes::openapi;

use std::{net::TcpListener, path::Path, sync::Arc, time::Duration};

use actix_rt::Arbiter;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use crate::{
    access::{Doorkeeper, Seats},
    clock::{Clock, SharedClock, SystemClock},
    commerce::JoinThrottle,
    config::Config,
    entropy::{Ids, SharedEntropy, SystemEntropy, random_bytes},
    identity::{Authenticator, Identity, pages::Mailbox, sign_in::Throttle},
    jobs::Jobs,
    keys::KeyRing,
    live::{
        desk::Desk,
        directory::Directory,
        door::{LiveDoor, TokenMinter},
        experience_actor::{ExperienceActor, Ports as LivePorts},
        lease::Leases,
        media::MediaServer,
        rights::LiveRights,
        seating::Seating,
        store::PgLedger,
    },
    local::{self, LocalStack, secret_file},
    provider::livekit::{LiveKit, MediaKey},
    socket::{admission::Turnstile, registry::Registry, shard},
    store::Store,
    storefront::Catalog,
    supervision::Keeper,
    web::{
        assets,
        client_address::TrustedProxies,
        csrf::Csrf,
        idempotency::{InFlight, Replays},
        limit::RequestLimit,
        page::Pages,
        server::{self, Listening, Sockets},
    },
};

/// Every part of a running engine. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Time; its offset follows the stand-ins' clock in local mode.
    pub system_clock: SystemClock,
    /// The database.
    pub store: Store,
    /// Who is who.
    pub identity: Identity,
    /// Live experiences.
    pub live: Desk,
    /// What creators offer.
    pub catalog: Catalog,
    /// Who may enter.
    pub doorkeeper: Doorkeeper,
    leases: Leases,
    seats: Arc<dyn Seats>,
    joins: JoinThrottle,
    sockets: Sockets,
    csrf: Csrf,
    replays: Replays,
    pages: Pages,
    proxies: TrustedProxies,
    requests: RequestLimit,
    mailbox: Mailbox,
    prometheus: PrometheusHandle,
    metrics_here: bool,
    drills: bool,
    media_public_url: String,
}

/// What the composition root is given.
pub struct Given<'a> {
    /// What was configured.
    pub config: &'a Config,
    /// What was started around us.
    pub local: &'a LocalStack,
    /// What people type.
    pub public_url: String,
    /// The runtime on which statements and calls to providers run.
    pub runtime: Handle,
    /// Renders the metrics.
    pub prometheus: PrometheusHandle,
}

/// What nearly every part is made of.
#[derive(Clone)]
struct Base {
    system_clock: SystemClock,
    clock: SharedClock,
    entropy: SharedEntropy,
    ids: Ids,
    ring: KeyRing,
    store: Store,
    authenticator: Authenticator,
}

impl Base {
    fn new(config: &Config, local: &LocalStack, runtime: &Handle) -> anyhow::Result<Self> {
        let system_clock = SystemClock::new();
        let clock: SharedClock = Arc::new(system_clock.clone());
        let entropy: SharedEntropy = Arc::new(SystemEntropy);
        let ids = Ids::new(clock.clone(), entropy.clone());
        let ring = KeyRing::new(seal_key(config, local.state_dir(), &entropy)?);
        let store = Store::new(local.database_url().expose_secret(), runtime.clone())?;
        let authenticator = Authenticator::new(store.clone(), ring.clone(), clock.clone(), runtime.clone());
        Ok(Self { system_clock, clock, entropy, ids, ring, store, authenticator })
    }

    fn ledger(&self, config: &Config, node: String) -> PgLedger {
        let secs = |n: u32| Duration::from_secs(u64::from(n));
        let (not_started, unanswered) = (secs(config.live.not_started_secs), secs(config.live.unanswered_secs));
        PgLedger::new(self.store.clone(), self.clock.clone(), node, not_started, unanswered)
    }

    fn identity(&self, config: &Config, consequence: Arc<link::Consequences>) -> Identity {
        let Self { clock, entropy, ids, ring, store, authenticator, .. } = self.clone();
        let jobs = Jobs::new(ids.clone(), clock.clone(), ring.clone(), entropy.clone());
        let throttle = Arc::new(Throttle::new(config.limits.profile));
        Identity { store, clock, ids, entropy, ring, jobs, authenticator, throttle, consequence }
    }

    fn sockets(&self, live: &Desk, registry: Arc<Registry>, public_url: &str) -> Sockets {
        let door = LiveDoor {
            authenticator: self.authenticator.clone(),
            rights: live.rights.clone(),
            directory: live.directory.clone(),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            ring: self.ring.clone(),
            public_url: public_url.to_owned(),
        };
        let minter = TokenMinter {
            rights: live.rights.clone(),
            directory: live.directory.clone(),
            key: live.media_key.clone(),
            clock: self.clock.clone(),
        };
        let ports = shard::Ports {
            floor: Arc::new(live.directory.clone()),
            minter: Arc::new(minter),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        };
        Sockets { door: Arc::new(door), ports, registry }
    }
}

/// Finds and starts the actors of live experiences, on a thread of their own.
fn directory(ports: LivePorts) -> Directory {
    let ports = Arc::new(ports);
    let given = ports.clone();
    let keeper = Keeper::new(Arbiter::new().handle(), ports.clock.clone(), move |_, supervision| {
        ExperienceActor::new(supervision, given.clone())
    });
    Directory::new(keeper, &ports)
}

impl App {
    /// Puts everything together. Must be called inside an actix system, since actors get threads of their own.
    ///
    /// # Errors
    /// When a key is missing or unreadable; one sentence says which.
    pub fn compose(given: Given<'_>) -> anyhow::Result<Self> {
        let Given { config, local, public_url, runtime, prometheus } = given;
        let base = Base::new(config, local, &runtime)?;
        let Base { system_clock, clock, entropy, ids, ring, store, authenticator: _ } = base.clone();

        let media = local.media().ok_or_else(|| anyhow::anyhow!("no media server is configured"))?;
        let livekit: Arc<dyn MediaServer> =
            Arc::new(LiveKit::new(&media.url, &media.key, media.secret.expose_secret(), runtime.clone()));
        let registry = Registry::new(clock.clone(), Turnstile::new(link::capacity(config)));

        let eviction = Arc::new(link::Relay::default());
        let doorkeeper = link::doorkeeper(&store, &clock, eviction.clone(), &runtime);
        let rights: Arc<dyn LiveRights> = Arc::new(link::Rights(doorkeeper.clone()));
        let ledger = base.ledger(config, node_name(local.state_dir(), &entropy)?);
        let leases = Leases::new(clock.clone());
        let ports = LivePorts {
            clock: clock.clone(),
            ledger: Arc::new(ledger.clone()),
            media: livekit.clone(),
            hub: registry.clone(),
            rights: rights.clone(),
            seating: Seating::default(),
            leases: leases.clone(),
            media_url: media.public_url.clone(),
        };
        let directory = directory(ports);
        let consequence = Arc::new(link::Consequences { doorkeeper: doorkeeper.clone(), directory: directory.clone() });
        eviction.connect(directory.clone());
        let live = Desk {
            store: store.clone(),
            ledger,
            directory,
            rights,
            media: livekit,
            media_key: MediaKey { key: media.key.clone(), secret: media.secret.clone() },
            media_url: media.public_url.clone(),
            picture: media.real,
            clock: clock.clone(),
            ids: ids.clone(),
            ring: ring.clone(),
        };
        Ok(Self {
            system_clock,
            sockets: base.sockets(&live, registry, &public_url),
            live,
            catalog: Catalog {
                store: store.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                holders: consequence.clone(),
                watching: consequence.clone(),
            },
            seats: consequence.clone(),
            identity: base.identity(config, consequence),
            joins: JoinThrottle::new(config.limits.profile),
            doorkeeper,
            leases,
            csrf: Csrf::new(ring.clone(), entropy.clone(), &public_url),
            requests: RequestLimit::new(config.limits.profile, clock.clone()),
            replays: Replays { store: store.clone(), ring, entropy, clock, in_flight: InFlight::default() },
            pages: Pages { bundle: assets::bundle(), banner: link::banner(config, media.real) },
            proxies: TrustedProxies(config.server.trusted_proxies),
            mailbox: Mailbox(local.standins_url().map(|url| format!("{url}/mail"))),
            prometheus,
            metrics_here: config.metrics.address.is_empty(),
            drills: config.drills.enabled,
            media_public_url: media.public_url.clone(),
            store,
        })
    }

    /// Binds the web workers, each with its socket shard, to `listener`.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn listen(&self, listener: TcpListener, workers: usize) -> std::io::Result<Listening> {
        let this = self.clone();
        server::listen(listener, workers, self.sockets.clone(), move || routes::app(this.clone()))
    }

    /// The time of this engine.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &self.system_clock
    }
}

/// The configured key, or in local mode one that was made once and lies in the state directory.
///
/// # Errors
/// When it is not 32 bytes in base64, or the state directory cannot be used.
pub fn seal_key(config: &Config, state_dir: &Path, entropy: &SharedEntropy) -> anyhow::Result<[u8; 32]> {
    let configured = config.keys.seal.expose_secret();
    let text = if configured.is_empty() {
        once(&state_dir.join("seal.key"), || STANDARD.encode(random_bytes::<32>(entropy.as_ref())))?
    } else {
        configured.to_owned()
    };
    let key = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.ok_or_else(|| anyhow::anyhow!("keys.seal: must be 32 bytes in base64; make one with: openssl rand -base64 32"))
}

/// The name of this node, made once and kept, so that a node that starts again is known as the owner it was.
fn node_name(state_dir: &Path, entropy: &SharedEntropy) -> anyhow::Result<String> {
    once(&state_dir.join("node"), || {
        let bytes = random_bytes::<4>(entropy.as_ref());
        format!("node-{:08x}", u32::from_le_bytes(bytes))
    })
}

fn once(file: &Path, make: impl FnOnce() -> String) -> anyhow::Result<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            let text = make();
            secret_file::write(file, text.as_bytes())
                .map_err(|e| anyhow::anyhow!("{} cannot be written: {e}", file.display()))?;
            Ok(text)
        }
        Err(fault) => Err(anyhow::anyhow!("{} cannot be read: {fault}", file.display())),
    }
}

/// Reads the node's name for those who announce it.
///
/// # Errors
/// As for any file of the state directory.
pub fn node(local: &local::LocalStack) -> anyhow::Result<String> {
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    node_name(local.state_dir(), &entropy)
}
