//! A real server on a free port, with a door, a floor and a minter that the test plays.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, web};
use bytes::Bytes;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    clock::{Clock, SystemClock, Timestamp},
    entropy::SystemEntropy,
    identity::Basis,
    ids::{ExperienceId, LoginId, UserId, ViewerId},
    socket::{
        admission::{Capacity, Turnstile},
        door::{Admission, Credential, Door, Kind, Knock, Place, Seat},
        frame,
        hub::{Board, Floor, Hub, Latest, MediaChange, MediaPlan, Minted, Minter, Publication, Ring, ShardId},
        protocol::{Emoji, Quality, Stats},
        registry::Registry,
        shard::Ports,
    },
    web::{
        problem::{Code, Problem},
        server::{Sockets, Stop, listen},
    },
};

pub const EXPERIENCE: ExperienceId = ExperienceId(Uuid::from_u128(0xE));

/// A clock that runs like the machine's and can be moved forward.
#[derive(Default)]
pub struct MovedClock {
    machine: SystemClock,
    ahead_ms: AtomicI64,
    wall_ahead_ms: AtomicI64,
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let wall = self.wall_ahead_ms.load(Ordering::SeqCst);
        Timestamp(self.monotonic().as_millis().try_into().unwrap_or(0)).plus(Duration::from_millis(wall.unsigned_abs()))
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst).unsigned_abs())
    }

    fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// What the fakes saw and are told to do.
#[derive(Default)]
pub struct Scene {
    pub clock: MovedClock,
    pub boards: Mutex<HashMap<ExperienceId, Arc<Board>>>,
    pub reactions: Mutex<Vec<(UserId, Emoji)>>,
    pub stats: Mutex<Vec<Stats>>,
    pub origins: Mutex<Vec<Option<String>>>,
    pub subscribed: AtomicUsize,
    pub unsubscribed: AtomicUsize,
    pub admitted: AtomicUsize,
    pub gone: AtomicUsize,
    pub minted: AtomicUsize,
    pub mute: AtomicBool,
    pub panics: AtomicUsize,
    pub held: AtomicBool,
    pub release: Notify,
    pub rights: Mutex<HashMap<UserId, Minted>>,
    sessions: AtomicU64,
    hub: Mutex<Weak<Registry>>,
}

pub struct FakeDoor(Arc<Scene>);
pub struct FakeFloor(Arc<Scene>);
pub struct FakeMinter(Arc<Scene>);

pub fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

impl Door for FakeDoor {
    fn open(&self, knock: Knock) -> LocalBoxFuture<'static, Result<Admission, Problem>> {
        let scene = self.0.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            scene.origins.lock().unwrap().push(knock.origin.clone());
            if scene.held.load(Ordering::SeqCst) {
                scene.release.notified().await;
            }
            if knock.origin.is_some_and(|origin| origin.contains("evil")) {
                return Err(Code::CrossSite.into());
            }
            let (Credential::Bearer(token) | Credential::Ticket(token)) = &knock.credential else {
                return Err(Code::SignInNeeded.into());
            };
            let number: u128 = token.expose_secret().parse().map_err(|_| Problem::new(Code::SignInNeeded))?;
            let fresh = ViewerId(Uuid::from_u128(scene.sessions.fetch_add(1, Ordering::SeqCst).into()));
            let claim =
                knock.resume.filter(|claim| claim.secret.expose_secret() == format!("secret-{}", claim.session));
            let session = claim.as_ref().map_or(fresh, |claim| claim.session);
            let seat = Seat {
                experience: knock.experience,
                user: user(number),
                device: knock.device.unwrap_or_default(),
                session,
                kind: knock.kind,
                staff: knock.kind == Kind::Studio,
                basis: Basis::Login(LoginId(Uuid::from_u128(number))),
                good_until: Timestamp(i64::MAX),
            };
            scene.admitted.fetch_add(1, Ordering::SeqCst);
            let gone = scene.clone();
            Ok(Admission {
                seat: Arc::new(seat),
                place: Place::new(move || {
                    gone.gone.fetch_add(1, Ordering::SeqCst);
                }),
                over: None,
                resume_secret: format!("secret-{session}"),
                resume: claim.map(|claim| claim.seen),
            })
        })
    }
}

impl Floor for FakeFloor {
    fn subscribe(&self, experience: ExperienceId, shard: ShardId) {
        self.0.subscribed.fetch_add(1, Ordering::SeqCst);
        let board = self.0.boards.lock().unwrap().get(&experience).cloned();
        let hub = self.0.hub.lock().unwrap().upgrade();
        if let (Some(board), Some(hub), false) = (board, hub, self.0.mute.load(Ordering::SeqCst)) {
            hub.publish_to(shard, experience, Publication::Board(board));
        }
    }

    fn unsubscribe(&self, _: ExperienceId, _: ShardId) {
        self.0.unsubscribed.fetch_add(1, Ordering::SeqCst);
    }

    fn react(&self, seat: &Seat, emoji: Emoji) {
        self.0.reactions.lock().unwrap().push((seat.user, emoji));
    }

    fn quality(&self, _: &Seat, _: Quality) {}

    fn stats(&self, _: &Seat, stats: Stats) {
        self.0.stats.lock().unwrap().push(stats);
    }
}

impl Minter for FakeMinter {
    fn mint(&self, seat: &Seat, plan: &MediaPlan) -> Minted {
        let count = self.0.minted.fetch_add(1, Ordering::SeqCst);
        let told_to_panic = self.0.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(told_to_panic.is_err(), "the test told the minter to panic");
        let renew_at = self.0.clock.now().plus(Duration::from_mins(5));
        let token = serde_json::json!({"t": "token", "token": format!("{}-{count}", plan.room)});
        let usual = Minted::Token { frame: frame::json(&token), renew_at };
        self.0.rights.lock().unwrap().get(&seat.user).cloned().unwrap_or(usual)
    }
}

/// The running server.
pub struct World {
    pub scene: Arc<Scene>,
    pub registry: Arc<Registry>,
    pub address: SocketAddr,
    pub stop: Stop,
    system: actix_rt::System,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl World {
    pub fn start() -> Self {
        Self::with(Capacity::default())
    }

    pub fn with(capacity: Capacity) -> Self {
        let scene = Arc::new(Scene::default());
        let clock: crate::clock::SharedClock = Arc::new(SceneClock(scene.clone()));
        let registry = Registry::new(clock.clone(), Turnstile::new(capacity));
        *scene.hub.lock().unwrap() = Arc::downgrade(&registry);
        let ports = Ports {
            floor: Arc::new(FakeFloor(scene.clone())),
            minter: Arc::new(FakeMinter(scene.clone())),
            clock,
            entropy: Arc::new(SystemEntropy),
        };
        let sockets = Sockets { door: Arc::new(FakeDoor(scene.clone())), ports, registry: registry.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (started, starting) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let system = actix_rt::System::new();
            system.block_on(async move {
                let app = || App::new().route("/hello", web::to(|| async { HttpResponse::Ok().body("hello") }));
                let listening = listen(listener, 2, sockets, app).unwrap();
                started.send((listening.stop, actix_rt::System::current())).unwrap();
                actix_rt::spawn(listening.server);
            });
            system.run().unwrap();
        });
        let (stop, system) = starting.recv().unwrap();
        Self { scene, registry, address, stop, system, thread: Some(thread) }
    }

    /// Puts a board up for whoever asks, with numbered frames 1 to `offset`.
    pub fn put_board(&self, epoch: u64, offset: u64, media: Option<&str>) {
        let mut ring = Ring::default();
        (1..=offset).for_each(|at| ring.push(at, numbered_frame(epoch, at)));
        let media = media.map(plan);
        let board = Board { epoch, offset, snapshot: snapshot(epoch, offset), ring, media };
        self.scene.boards.lock().unwrap().insert(EXPERIENCE, Arc::new(board));
    }

    pub fn publish(&self, publication: Publication) {
        self.registry.publish(EXPERIENCE, publication);
    }

    pub fn publish_numbered(&self, epoch: u64, offset: u64, media: MediaChange) {
        let (frame, snapshot) = (numbered_frame(epoch, offset), snapshot(epoch, offset));
        self.publish(Publication::Numbered { epoch, offset, frame, snapshot, media });
    }

    pub fn publish_audience(&self, epoch: u64, now: u64) {
        let frame = frame::json(&serde_json::json!({"t": "audience", "now": now}));
        self.publish(Publication::Latest { epoch, kind: Latest::Audience, frame, snapshot: snapshot(epoch, 0) });
    }

    /// Moves the monotonic clock, and the wall clock with it.
    pub fn pass(&self, time: Duration) {
        self.scene.clock.ahead_ms.fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// Moves the wall clock alone.
    pub fn move_wall(&self, time: Duration) {
        self.scene.clock.wall_ahead_ms.fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// Waits until `level` holds, at most ten seconds.
    pub fn wait_for(&self, what: &str, level: impl Fn(&Scene) -> bool) {
        let watch = SystemClock::new();
        while !level(&self.scene) {
            assert!(watch.monotonic() < Duration::from_secs(10), "still missing: {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    pub fn wait_for_gone(&self, count: usize) {
        self.wait_for("places given back", |scene| scene.gone.load(Ordering::SeqCst) == count);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

struct SceneClock(Arc<Scene>);

impl Clock for SceneClock {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.clock.monotonic()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        self.0.clock.sleep_until(at)
    }
}

pub fn plan(room: &str) -> Arc<MediaPlan> {
    Arc::new(MediaPlan { url: "ws://media.test".into(), room: room.into() })
}

pub fn numbered_frame(epoch: u64, offset: u64) -> Bytes {
    frame::json(&serde_json::json!({"t": "state", "epoch": epoch, "offset": offset}))
}

pub fn snapshot(epoch: u64, offset: u64) -> Bytes {
    frame::json(&serde_json::json!({"t": "snapshot", "epoch": epoch, "offset": offset}))
}
