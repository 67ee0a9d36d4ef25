//! The ground of a simulated life: one clock, one seed for every choice, the experiences, and the history, which is all the
//! checker reads.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::{
    clock::{SharedClock, Timestamp, TokioClock},
    ids::{BroadcastId, ExperienceId},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use uuid::Uuid;

/// How many experiences live side by side in one world.
pub const EXPERIENCES: usize = 3;

/// One of the experiences of a life.
pub fn experience(number: usize) -> ExperienceId {
    ExperienceId(Uuid::from_u128(0x700 + number as u128))
}

/// All of them.
pub fn experiences() -> impl Iterator<Item = ExperienceId> {
    (0..EXPERIENCES).map(experience)
}

/// Its number.
pub fn number_of(experience: ExperienceId) -> usize {
    usize::try_from(experience.0.as_u128() - 0x700).expect("an experience of this life")
}

/// The number of the experience that a broadcast belongs to, which its id ends with.
pub fn scene_of(broadcast: u128) -> usize {
    usize::try_from(broadcast & 0xf).expect("four bits")
}

/// The node that takes an experience away and does nothing with it.
pub const PHANTOM: u32 = u32::MAX;

/// Something that happened, in the history's own small words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The store gave the experience to a new activation of an engine, until then by its own clock.
    Activated { epoch: i64, engine: u32, until: u64 },
    /// An engine's lease was prolonged.
    Renewed { engine: u32, epoch: i64, until: u64 },
    /// An engine was told by the store that its lease, or a step of it, is another's by now.
    Replaced { engine: u32, epoch: i64 },
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
    /// A device knocks as one that comes for the first time.
    Anew { user: u128, device: u64 },
    /// A socket goes on from where its last one stopped instead of from a snapshot.
    Recovered { socket: u64, epoch: u64, offset: u64 },
    /// A socket is gone.
    Gone { socket: u64 },
    /// The engine closes a socket.
    Closed { socket: u64, code: u16 },
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
    Asked { broadcast: u128, engine: u32 },
    /// It was told who is in the room, having asked at this moment.
    Listed { engine: u32, asked: u64 },
    /// An engine ordered something of the media server for a broadcast it runs.
    Ordered { engine: u32 },
    /// In this life one device of a person watches at a time, the one that came last.
    OneDevice,
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
    /// Some sockets that are gone keep their place.
    PlaceKept,
    /// Some devices that gave way keep their sockets.
    DeviceKept,
    /// The store goes on saying that a lease is the node's when it is another's, and when the node cannot reach it.
    LeaseForEver,
}

/// Where an actor is made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// While it asks the store for its experience: at its start, or in its rebuild.
    Start,
    /// In something it has spawned.
    Future,
}

/// Something that happened, when, and in which experience; in all of them when none is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Noted {
    pub at: u64,
    pub of: Option<usize>,
    pub seen: Seen,
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
    history: Vec<Noted>,
    calm: bool,
    ids: u128,
    traps: Vec<(usize, Trap)>,
}

/// An ordinary afternoon.
const BORN: Timestamp = Timestamp(1_795_262_400_000);

impl World {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        let history = Vec::with_capacity(8192);
        let inner = Mutex::new(Inner { random, history, calm: false, ids: 1_000, traps: vec![] });
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

    /// Something happened in one experience.
    pub fn note(&self, of: usize, seen: Seen) {
        let at = self.ms();
        self.inner().history.push(Noted { at, of: Some(of), seen });
    }

    /// Something happened that concerns all of them.
    pub fn note_all(&self, seen: Seen) {
        let at = self.ms();
        self.inner().history.push(Noted { at, of: None, seen });
    }

    /// The next actor of this experience that comes there panics.
    pub fn set_trap(&self, of: usize, trap: Trap) {
        self.inner().traps.push((of, trap));
    }

    /// Panics if somebody set a trap here.
    pub fn step_on(&self, of: usize, trap: Trap) {
        let set = {
            let mut inner = self.inner();
            let found = inner.traps.iter().position(|set| *set == (of, trap));
            found.map(|at| inner.traps.swap_remove(at))
        };
        if set.is_some() {
            self.note(of, Seen::Drilled);
            panic!("this is a drill");
        }
    }

    /// The history so far, taken away.
    pub fn history(&self) -> Vec<Noted> {
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
        let mut inner = self.inner();
        inner.calm = true;
        inner.traps.clear();
        drop(inner);
        self.note_all(Seen::Calm);
    }

    /// A fresh number for an id.
    pub fn fresh(&self) -> u128 {
        let mut inner = self.inner();
        inner.ids += 1;
        inner.ids
    }

    /// A fresh id for a broadcast of an experience.
    pub fn fresh_broadcast(&self, of: usize) -> BroadcastId {
        BroadcastId(Uuid::from_u128(self.fresh() << 4 | of as u128))
    }

    /// One of the experiences.
    pub fn some_experience(&self) -> usize {
        usize::try_from(self.below(EXPERIENCES as u64)).unwrap_or(0)
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
