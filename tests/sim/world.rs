//! The ground of a simulated life: one clock, one seed for every choice, and the history, which is all the checker reads.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::clock::{SharedClock, Timestamp, TokioClock};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Something that happened, in the history's own small words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The store gave the experience to a new activation.
    Activated { epoch: i64 },
    /// A broadcast is durable.
    Created { broadcast: u128, epoch: i64 },
    /// A step is durable.
    Saved { broadcast: u128, epoch: i64, version: i64, state: &'static str, facts: Facts },
    /// A creator pressed a button.
    Pressed { press: u64, deed: Deed, broadcast: u128 },
    /// The creator was answered.
    Answered { press: u64, answer: Answer },
    /// An engine said something numbered, or everything, to its shards.
    Told { engine: u32, line: Line },
    /// A socket was given a frame.
    Heard { socket: u64, line: Line },
    /// A socket is open; `after` is where it goes on from.
    Seated { socket: u64, viewer: u128, user: u128, device: u64, studio: bool },
    /// A socket goes on from where its last one stopped instead of from a snapshot.
    Recovered { socket: u64, epoch: u64, offset: u64 },
    /// A socket is gone.
    Gone { socket: u64 },
    /// Somebody's right to watch, or to run, began or ended.
    Right { user: u128, run: bool, held: bool },
    /// Somebody is in a room of the media server.
    Entered { broadcast: u128, identity: String, user: u128, studio: bool },
    /// Somebody is out of it.
    Out { broadcast: u128, identity: String },
    /// A room is there.
    RoomOpened { broadcast: u128 },
    /// A room is gone.
    RoomClosed { broadcast: u128 },
    /// The picture of a broadcast really is there.
    OnAir { broadcast: u128 },
    /// It really is gone.
    OffAir { broadcast: u128 },
    /// The media server was asked who is in a room.
    Asked { broadcast: u128 },
    /// Something is away from now on.
    Away { what: Part },
    /// It is back.
    Back { what: Part },
    /// The actor was made to panic.
    Drilled,
    /// A new engine took over while the old one may still run.
    TookOver { engine: u32 },
    /// At a quiet moment the engine was asked how many are there.
    Counted { now: u32, users: u32, state: Option<&'static str> },
    /// The faults have stopped for good.
    Calm,
    /// The end of the life.
    Over,
}

/// What a saved row says besides its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// When it went live.
    pub live_at: Option<i64>,
    /// When the grace began and ends.
    pub grace: Option<(i64, i64)>,
    /// Why it ended: the creator, the publisher, the media server's silence.
    pub why: Option<&'static str>,
}

/// A frame, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Its `t`.
    pub kind: String,
    /// The activation.
    pub epoch: u64,
    /// Its number, or that of the last numbered one.
    pub offset: u64,
    /// The state it tells, if any.
    pub state: Option<String>,
    /// The broadcast it names, if any.
    pub broadcast: Option<u128>,
    /// Viewers, people and peak, if it tells them.
    pub count: Option<(i64, i64, i64)>,
}

/// What a creator may press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Create,
    OpenLobby,
    GoLive,
    End,
    Cancel,
}

/// What a creator was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done; where the broadcast stands.
    Done { broadcast: u128, state: &'static str },
    /// The rules say no.
    Refused,
    /// Another one is open.
    AlreadyOpen(u128),
    /// No such broadcast, or not the last one.
    Unknown,
    /// Try again.
    Later,
}

/// What can be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    Store,
    Media,
}

/// A planted bug, to see that the checker finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The store does not look whether another activation owns the row by now.
    FenceIgnored,
    /// The store says done, and nothing was written.
    LostAfterDone,
    /// The media server answers with what was so half a minute ago.
    StaleAnswers,
    /// Some changes of rights are never delivered.
    RightsUndelivered,
}

/// The world. Cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    clock: SharedClock,
    born: Timestamp,
    bug: Option<Bug>,
    inner: Mutex<Inner>,
}

struct Inner {
    random: SmallRng,
    history: Vec<(u64, Seen)>,
    calm: bool,
    ids: u128,
}

/// An ordinary afternoon.
const BORN: Timestamp = Timestamp(1_795_262_400_000);

impl World {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        let inner = Mutex::new(Inner { random, history: Vec::with_capacity(4096), calm: false, ids: 1_000 });
        Self(Arc::new(Shared { clock: Arc::new(TokioClock::starting_at(BORN)), born: BORN, bug, inner }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clock(&self) -> SharedClock {
        self.0.clock.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Milliseconds since the beginning.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.now().since(self.0.born).as_millis()).expect("a simulation is short")
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.0.bug == Some(bug)
    }

    pub fn note(&self, seen: Seen) {
        let now = self.ms();
        self.inner().history.push((now, seen));
    }

    /// The history so far, taken away.
    pub fn history(&self) -> Vec<(u64, Seen)> {
        std::mem::take(&mut self.inner().history)
    }

    pub fn below(&self, end: u64) -> u64 {
        self.inner().random.random_range(0..end.max(1))
    }

    pub fn chance(&self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }

    /// Whether something goes wrong here; never after the faults have stopped.
    pub fn fault(&self, per_mille: u64) -> bool {
        let drawn = self.below(1000);
        drawn < per_mille && !self.is_calm()
    }

    pub fn is_calm(&self) -> bool {
        self.inner().calm
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        self.inner().calm = true;
        self.note(Seen::Calm);
    }

    /// A fresh number for an id.
    pub fn fresh(&self) -> u128 {
        let mut inner = self.inner();
        inner.ids += 1;
        inner.ids
    }

    pub async fn pause(&self, ms: u64) {
        if ms > 0 {
            self.0.clock.sleep_until(self.now().plus(Duration::from_millis(ms))).await;
        }
    }

    pub async fn some_time(&self, up_to_ms: u64) {
        let wait = self.below(up_to_ms);
        self.pause(wait).await;
    }
}
