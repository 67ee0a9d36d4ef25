//! The engine's own server, shards and all, behind a door that admits everybody and a live core of one line.

use std::{
    io::BufRead,
    net::TcpListener,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::App;
use anyhow::Result;
use backstage::{
    clock::{SharedClock, SystemClock, Timestamp},
    entropy::SystemEntropy,
    identity::Basis,
    ids::{ExperienceId, LoginId, UserId, ViewerId},
    pace::Pace,
    socket::{
        admission::{Capacity, Turnstile},
        door::{Admission, Door, Kind, Knock, Place, Seat},
        frame,
        hub::{Board, Floor, Hub, MediaChange, MediaPlan, Minted, Minter, Publication, Ring, ShardId},
        protocol::{Emoji, Quality, Stats},
        registry::Registry,
        shard::Ports,
    },
    web::{
        problem::Problem,
        server::{Sockets, listen},
    },
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use crate::PAYLOAD;

/// Where everybody watches.
pub const EXPERIENCE: ExperienceId = ExperienceId(Uuid::from_u128(0xE));

/// Counts those who came and those who left.
#[derive(Default)]
struct OpenDoor {
    came: AtomicU64,
    left: Arc<AtomicU64>,
}

impl Door for OpenDoor {
    fn open(&self, knock: Knock) -> LocalBoxFuture<'static, Result<Admission, Problem>> {
        let number = self.came.fetch_add(1, Ordering::Relaxed).into();
        let left = self.left.clone();
        let seat = Seat {
            experience: knock.experience,
            user: UserId(Uuid::from_u128(number)),
            device: number.to_string(),
            session: ViewerId(Uuid::from_u128(number)),
            kind: Kind::Viewer,
            staff: false,
            basis: Basis::Login(LoginId(Uuid::from_u128(number))),
            good_until: Timestamp(i64::MAX),
        };
        let place = Place::new(move || {
            left.fetch_add(1, Ordering::Relaxed);
        });
        let resume_secret = "0123456789abcdef0123456789abcdef".into();
        Box::pin(async { Ok(Admission { seat: Arc::new(seat), place, resume_secret, resume: None, over: None }) })
    }
}

/// A live core that has a board and nothing to ask.
struct Stage(Weak<Registry>);

impl Floor for Stage {
    fn subscribe(&self, experience: ExperienceId, shard: ShardId) {
        let board = Board { epoch: 7, offset: 0, snapshot: snapshot(), ring: Ring::default(), media: None };
        if let Some(registry) = self.0.upgrade() {
            registry.publish_to(shard, experience, Publication::Board(Arc::new(board)));
        }
    }

    fn unsubscribe(&self, _: ExperienceId, _: ShardId) {}

    fn react(&self, _: &Seat, _: Emoji) {}

    fn quality(&self, _: &Seat, _: Quality) {}

    fn stats(&self, _: &Seat, _: Stats) {}
}

impl Minter for Stage {
    fn mint(&self, _: &Seat, _: &MediaPlan) -> Minted {
        Minted::Unknown
    }
}

fn snapshot() -> Bytes {
    frame::json(&serde_json::json!({"t": "snapshot", "epoch": 7, "offset": 0, "state": "live"}))
}

/// Serves until its input ends, publishing once for each line.
pub fn run(workers: usize) -> Result<()> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let joins = Pace { every: Duration::from_micros(1), burst: 100_000 };
    let registry = Registry::new(clock.clone(), Turnstile::new(Capacity { joins, ..Capacity::default() }));
    let stage = Arc::new(Stage(Arc::downgrade(&registry)));
    let ports = Ports { floor: stage.clone(), minter: stage, clock, entropy: Arc::new(SystemEntropy) };
    let sockets = Sockets { door: Arc::new(OpenDoor::default()), ports, registry: registry.clone() };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let system = actix_rt::System::new();
    system.block_on(async move {
        let listening = listen(listener, workers, sockets, App::new)?;
        actix_rt::spawn(listening.server);
        anyhow::Ok(())
    })?;
    let publisher = actix_rt::System::current();
    std::thread::spawn(move || {
        println!("{port}");
        let frame = frame::text(PAYLOAD.as_bytes());
        for offset in (1..).zip(std::io::stdin().lock().lines()).map(|(offset, _)| offset) {
            let media = MediaChange::Keep;
            let (frame, snapshot) = (frame.clone(), snapshot());
            registry.publish(EXPERIENCE, Publication::Numbered { epoch: 7, offset, frame, snapshot, media });
        }
        publisher.stop();
    });
    system.run()?;
    Ok(())
}
