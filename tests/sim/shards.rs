//! The sockets as the live core sees them: two shards with the product's own topics, sockets that linger half-open, a
//! census, closes, and publications that do not reach a shard.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::{
    ids::{ExperienceId, LoginId, UserId, ViewerId},
    live::directory::Directory,
    socket::{
        codes::CloseCode,
        door::{Kind, Place, ResumePoint, Seat},
        hub::{Floor, Hub, MediaPlan, Publication, Reason, ShardId},
        topic::{Step, Topic},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Notify, oneshot};

use crate::world::{Line, Seen, World};

const SHARDS: u32 = 2;
/// How often a shard that waits for a board asks for it again.
const ASK_AGAIN: u64 = 1_000;

/// One engine's sockets. Cheap to clone.
#[derive(Clone)]
pub struct Shards {
    world: World,
    engine: u32,
    experience: ExperienceId,
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    arrived: Vec<Notify>,
    directory: Mutex<Option<Directory>>,
}

struct Inner {
    sockets: BTreeMap<u64, Socket>,
    letters: Vec<VecDeque<Letter>>,
    topics: Vec<Topic>,
    dead: bool,
}

enum Letter {
    Said(Publication),
    Missed,
}

struct Socket {
    seat: Arc<Seat>,
    shard: usize,
    resume: Option<ResumePoint>,
    greeted: bool,
    closed: Option<oneshot::Sender<CloseCode>>,
    place: Place,
    last: Option<ResumePoint>,
}

/// What the owner of a socket has in hand.
pub struct Held {
    pub socket: u64,
    /// Told when the engine closes it.
    pub closed: oneshot::Receiver<CloseCode>,
}

impl Shards {
    pub fn new(world: World, engine: u32, experience: ExperienceId) -> Self {
        let count = SHARDS as usize;
        let inner = Mutex::new(Inner {
            sockets: BTreeMap::new(),
            letters: (0..count).map(|_| VecDeque::new()).collect(),
            topics: (0..count).map(|_| Topic::default()).collect(),
            dead: false,
        });
        let arrived = (0..count).map(|_| Notify::new()).collect();
        let shared = Arc::new(Shared { inner, arrived, directory: Mutex::default() });
        Self { world, engine, experience, shared }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self) -> MutexGuard<'_, Option<Directory>> {
        self.shared.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the engine, which holds these sockets in turn.
    pub fn let_go(&self) {
        self.directory().take();
    }

    /// Begins to deliver.
    pub fn run(&self, directory: Directory) {
        *self.directory() = Some(directory);
        for shard in 0..SHARDS {
            let this = self.clone();
            actix_rt::spawn(async move { this.deliver(shard).await });
        }
    }

    /// The engine dies, and its sockets with it.
    pub fn die(&self) {
        let sockets = {
            let mut inner = self.inner();
            inner.dead = true;
            std::mem::take(&mut inner.sockets)
        };
        for (socket, held) in sockets {
            self.world.note(Seen::Gone { socket });
            drop((held.closed, held.place));
        }
    }

    /// Seats one who was admitted.
    pub fn seat(&self, seat: Arc<Seat>, place: Place, resume: Option<ResumePoint>) -> Option<Held> {
        let socket = u64::try_from(self.world.fresh()).ok()?;
        let shard = usize::try_from(self.world.below(u64::from(SHARDS))).ok()?;
        let (sender, closed) = oneshot::channel();
        let mut inner = self.inner();
        if inner.dead {
            return None;
        }
        let first = inner.topics[shard].awaits_board();
        let (viewer, user) = (seat.session.0.as_u128(), seat.user.0.as_u128());
        let (device, studio) = (seat.device.parse().unwrap_or(0), seat.kind == Kind::Studio);
        inner
            .sockets
            .insert(socket, Socket { seat, shard, resume, greeted: false, closed: Some(sender), place, last: None });
        drop(inner);
        self.world.note(Seen::Seated { socket, viewer, user, device, studio });
        if first {
            self.ask(shard);
        } else {
            self.greet(shard);
        }
        Some(Held { socket, closed })
    }

    /// The last frame a socket was given, for coming back.
    pub fn seen(&self, socket: u64) -> Option<ResumePoint> {
        self.inner().sockets.get(&socket).and_then(|socket| socket.last)
    }

    /// Where media comes from, as this socket's page was told.
    pub fn media(&self, socket: u64) -> Option<Arc<MediaPlan>> {
        let inner = self.inner();
        let socket = inner.sockets.get(&socket).filter(|socket| socket.greeted)?;
        inner.topics[socket.shard].media().cloned()
    }

    /// A socket is gone, or has at last been noticed to be.
    pub fn drop_socket(&self, socket: u64) {
        let held = self.inner().sockets.remove(&socket);
        if let Some(held) = held {
            self.world.note(Seen::Gone { socket });
            drop(held.place);
        }
    }

    fn ask(&self, shard: usize) {
        if let (Some(directory), Ok(id)) = (self.directory().as_ref(), u32::try_from(shard)) {
            directory.subscribe(self.experience, ShardId(id));
        }
    }

    fn put(&self, shard: usize, publication: Publication) {
        let missed = self.world.fault(5);
        let mut inner = self.inner();
        if inner.dead {
            return;
        }
        inner.letters[shard].push_back(if missed { Letter::Missed } else { Letter::Said(publication) });
        drop(inner);
        self.shared.arrived[shard].notify_one();
    }

    async fn deliver(self, shard: u32) {
        let at = shard as usize;
        loop {
            let letter = self.inner().letters[at].pop_front();
            let Some(letter) = letter else {
                let waits = {
                    let inner = self.inner();
                    inner.topics[at].awaits_board() && inner.sockets.values().any(|socket| socket.shard == at)
                };
                if waits {
                    let arrived = self.shared.arrived[at].notified();
                    let clock = self.world.clock();
                    let again = clock.sleep_until(self.world.now().plus(Duration::from_millis(ASK_AGAIN)));
                    tokio::select! { biased; () = arrived => {}, () = again => self.ask(at) }
                } else {
                    self.shared.arrived[at].notified().await;
                }
                continue;
            };
            if self.world.chance(10) {
                self.world.some_time(30).await;
            }
            self.take(at, letter);
        }
    }

    fn take(&self, shard: usize, letter: Letter) {
        let mut inner = self.inner();
        let step = match letter {
            Letter::Said(publication) => inner.topics[shard].take(publication),
            Letter::Missed => {
                inner.topics[shard].fall_behind();
                Step::Ask
            }
        };
        drop(inner);
        match step {
            Step::Everybody { frames, .. } => {
                let lines: Vec<Line> = frames.iter().filter_map(read).collect();
                let mut inner = self.inner();
                let here = inner.sockets.iter_mut().filter(|(_, socket)| socket.shard == shard && socket.greeted);
                for (id, socket) in here {
                    self.hand(*id, socket, &lines);
                }
            }
            Step::Ask => self.ask(shard),
            Step::Nothing | Step::Studio(_) => {}
        }
        self.greet(shard);
    }

    fn hand(&self, id: u64, socket: &mut Socket, lines: &[Line]) {
        for line in lines {
            socket.last = Some(ResumePoint { epoch: line.epoch, offset: line.offset });
            self.world.note(Seen::Heard { socket: id, line: line.clone() });
        }
    }

    /// Greets those who wait, if the board is there.
    fn greet(&self, shard: usize) {
        let mut inner = self.inner();
        let Inner { sockets, topics, .. } = &mut *inner;
        for (id, socket) in sockets.iter_mut().filter(|(_, socket)| socket.shard == shard && !socket.greeted) {
            let Some(greeting) = topics[shard].greet(socket.resume) else { return };
            socket.greeted = true;
            if greeting.recovered {
                let (epoch, offset) = (greeting.epoch, greeting.offset);
                self.world.note(Seen::Recovered { socket: *id, epoch, offset });
                socket.last = Some(ResumePoint { epoch, offset });
            }
            let lines: Vec<Line> = greeting.frames.iter().filter_map(read).collect();
            self.hand(*id, socket, &lines);
        }
    }

    fn close(&self, which: impl Fn(&Seat) -> bool, code: CloseCode) {
        let chosen: Vec<u64> = {
            let inner = self.inner();
            inner.sockets.iter().filter(|(_, socket)| which(&socket.seat)).map(|(id, _)| *id).collect()
        };
        for id in chosen {
            let this = self.clone();
            actix_rt::spawn(async move {
                this.world.some_time(250).await;
                let told = this.inner().sockets.get_mut(&id).and_then(|socket| socket.closed.take());
                this.drop_socket(id);
                if let Some(told) = told {
                    let _page_is_gone = told.send(code);
                }
            });
        }
    }

    fn tell(&self, publication: &Publication) {
        let line = match publication {
            Publication::Board(board) => read(&board.snapshot),
            Publication::Numbered { frame, .. } | Publication::Latest { frame, .. } => read(frame),
            Publication::Studio { .. } => None,
        };
        if let Some(line) = line {
            self.world.note(Seen::Told { engine: self.engine, line });
        }
    }
}

impl Hub for Shards {
    fn publish(&self, _of: ExperienceId, publication: Publication) {
        self.tell(&publication);
        (0..SHARDS as usize).for_each(|shard| self.put(shard, publication.clone()));
    }

    fn publish_to(&self, shard: ShardId, _of: ExperienceId, publication: Publication) {
        self.put(shard.0 as usize, publication);
    }

    fn census(&self, _of: ExperienceId) -> BoxFuture<'static, Vec<Arc<Seat>>> {
        let this = self.clone();
        async move {
            this.world.some_time(10).await;
            let seats = this.inner().sockets.values().map(|socket| socket.seat.clone()).collect();
            this.world.some_time(5).await;
            seats
        }
        .boxed()
    }

    fn close_experience(&self, _of: ExperienceId, code: CloseCode, _reason: Reason) {
        self.close(|_| true, code);
    }

    fn close_user(&self, user: UserId, _of: Option<ExperienceId>, code: CloseCode, _reason: Reason) {
        self.close(|seat| seat.user == user, code);
    }

    fn close_login(&self, login: LoginId, code: CloseCode, _reason: Reason) {
        self.close(|seat| seat.login == Some(login), code);
    }

    fn close_session(&self, session: ViewerId, code: CloseCode, _reason: Reason) {
        self.close(|seat| seat.session == session, code);
    }

    fn drain(&self, _spread: Duration) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

/// What a text frame says, behind its header (RFC 6455, 5.2).
fn read(frame: &Bytes) -> Option<Line> {
    let begins = match *frame.get(1)? {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let said: serde_json::Value = serde_json::from_slice(&frame[begins..]).ok()?;
    let count = said.get("audience").unwrap_or(&said);
    let number = |field: &str| count.get(field).and_then(serde_json::Value::as_i64);
    let broadcast = said.get("broadcast").and_then(|at| at.get("id")).and_then(|id| id.as_str());
    Some(Line {
        kind: said.get("t")?.as_str()?.to_owned(),
        epoch: said.get("epoch")?.as_u64()?,
        offset: said.get("offset")?.as_u64()?,
        state: said.get("state").and_then(|state| state.as_str()).map(str::to_owned),
        broadcast: broadcast.map(crate::stage::broadcast_of),
        count: number("now").zip(number("users")).zip(number("peak")).map(|((now, users), peak)| (now, users, peak)),
    })
}
