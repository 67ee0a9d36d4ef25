//! The sockets as the live core sees them: two shards with the product's own topics, sockets that linger half-open, closes,
//! floods, and publications that do not reach a shard.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::{
    identity::Basis,
    ids::{ExperienceId, UserId, ViewerId},
    live::directory::Directory,
    socket::{
        codes::CloseCode,
        door::{Kind, Place, ResumePoint, Seat},
        hub::{Floor, Hub, MediaPlan, Publication, Reason, ShardId},
        protocol::Emoji,
        topic::{Step, Topic},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Notify, oneshot};

use crate::world::{Bug, Line, Seen, World, number_of};

const SHARDS: u32 = 2;
/// How often a shard that waits for a board asks for it again.
const ASK_AGAIN: u64 = 1_000;

/// One engine's sockets. Cheap to clone.
#[derive(Clone)]
pub struct Shards {
    world: World,
    engine: u32,
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    arrived: Vec<Notify>,
    directory: Mutex<Option<Directory>>,
}

struct Inner {
    sockets: BTreeMap<u64, Socket>,
    letters: Vec<VecDeque<(ExperienceId, Letter)>>,
    topics: Vec<BTreeMap<ExperienceId, Topic>>,
    life: Life,
    /// Who was closed, when and why: for those who are let in and have not sat down.
    closings: BTreeMap<Closed, (u64, CloseCode)>,
}

/// Whose sockets were closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closed {
    Session(ViewerId),
    User(UserId, Option<ExperienceId>),
}

/// How an engine's sockets stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// People come here.
    Open,
    /// Nobody reaches it any more, and it does not know.
    CutOff,
    /// It is dead.
    Killed,
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
    pub fn new(world: World, engine: u32) -> Self {
        let count = SHARDS as usize;
        let inner = Mutex::new(Inner {
            sockets: BTreeMap::new(),
            letters: (0..count).map(|_| VecDeque::new()).collect(),
            topics: (0..count).map(|_| BTreeMap::new()).collect(),
            life: Life::Open,
            closings: BTreeMap::new(),
        });
        let arrived = (0..count).map(|_| Notify::new()).collect();
        let shared = Arc::new(Shared { inner, arrived, directory: Mutex::default() });
        Self { world, engine, shared }
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

    /// Every socket is lost, for one reason or another.
    pub fn lose_all(&self, life: Life) {
        let sockets = {
            let mut inner = self.inner();
            inner.life = life;
            std::mem::take(&mut inner.sockets)
        };
        for (socket, held) in sockets {
            self.world.note(number_of(held.seat.experience), Seen::Gone { socket });
            drop((held.closed, held.place));
        }
    }

    /// More comes at once than a mailbox takes, and some leave in the middle of it.
    pub fn flood(&self, of: ExperienceId, messages: usize, leaving_per_cent: u64) {
        let seats: Vec<(u64, Arc<Seat>)> = {
            let inner = self.inner();
            let here = inner.sockets.iter().filter(|(_, socket)| socket.seat.experience == of);
            here.map(|(id, socket)| (*id, socket.seat.clone())).collect()
        };
        let (Some((_, loud)), Some(heart)) = (seats.first(), Emoji::new("❤️")) else { return };
        let directory = self.directory().clone();
        let Some(directory) = directory else { return };
        (0..messages).for_each(|_| directory.react(loud, heart.clone()));
        for (socket, _) in &seats {
            if self.world.chance(leaving_per_cent) {
                self.drop_socket(*socket);
            }
        }
    }

    fn remember_closing(&self, whom: Closed, code: CloseCode) {
        let at = self.world.ms();
        self.inner().closings.insert(whom, (at, code));
    }

    /// Seats one who was admitted, and carries out what was ordered since it knocked.
    pub fn seat(&self, seat: Arc<Seat>, place: Place, resume: Option<ResumePoint>, knocked: u64) -> Option<Held> {
        let socket = u64::try_from(self.world.fresh()).ok()?;
        let shard = usize::try_from(self.world.below(u64::from(SHARDS))).ok()?;
        let (sender, closed) = oneshot::channel();
        let mut inner = self.inner();
        if inner.life != Life::Open {
            return None;
        }
        let of = seat.experience;
        let first = inner.topics[shard].entry(of).or_default().awaits_board();
        let (viewer, user) = (seat.session.0.as_u128(), seat.user.0.as_u128());
        let (device, studio) = (seat.device.parse().unwrap_or(0), seat.kind == Kind::Studio);
        let (session, whose) = (seat.session, seat.user);
        let whom = [Closed::Session(session), Closed::User(whose, None), Closed::User(whose, Some(of))];
        let closed_since = whom.iter().filter_map(|whom| inner.closings.get(whom)).find(|(at, _)| *at >= knocked);
        let closed_since = closed_since.map(|(_, code)| *code);
        inner
            .sockets
            .insert(socket, Socket { seat, shard, resume, greeted: false, closed: Some(sender), place, last: None });
        drop(inner);
        self.world.note(number_of(of), Seen::Seated { socket, viewer, user, device, studio });
        if first {
            self.ask(shard, of);
        } else {
            self.greet(shard, of);
        }
        if let Some(code) = closed_since {
            self.close(|seat| seat.session == session, code);
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
        inner.topics[socket.shard].get(&socket.seat.experience)?.media().cloned()
    }

    /// A socket is gone, or has at last been noticed to be.
    pub fn drop_socket(&self, socket: u64) {
        let held = self.inner().sockets.remove(&socket);
        if let Some(held) = held {
            self.world.note(number_of(held.seat.experience), Seen::Gone { socket });
            if self.world.has(Bug::PlaceKept) && self.world.chance(5) {
                std::mem::forget(held.place);
            } else {
                drop(held.place);
            }
        }
    }

    fn ask(&self, shard: usize, of: ExperienceId) {
        if let (Some(directory), Ok(id)) = (self.directory().as_ref(), u32::try_from(shard)) {
            directory.subscribe(of, ShardId(id));
        }
    }

    fn put(&self, shard: usize, of: ExperienceId, publication: Publication) {
        let missed = self.world.fault(5);
        let mut inner = self.inner();
        // as the product's mailboxes: what nobody here listens to is not kept
        if inner.life != Life::Open || !inner.topics[shard].contains_key(&of) {
            return;
        }
        inner.letters[shard].push_back((of, if missed { Letter::Missed } else { Letter::Said(publication) }));
        drop(inner);
        self.shared.arrived[shard].notify_one();
    }

    async fn deliver(self, shard: u32) {
        let at = shard as usize;
        loop {
            let letter = self.inner().letters[at].pop_front();
            let Some((of, letter)) = letter else {
                let waiting = self.waiting(at);
                if waiting.is_empty() {
                    self.shared.arrived[at].notified().await;
                } else {
                    let arrived = self.shared.arrived[at].notified();
                    let clock = self.world.clock();
                    let again = clock.sleep_until(self.world.now().plus(Duration::from_millis(ASK_AGAIN)));
                    let ask = || waiting.iter().for_each(|of| self.ask(at, *of));
                    tokio::select! { biased; () = arrived => {}, () = again => ask() }
                }
                continue;
            };
            if self.world.chance(10) {
                self.world.some_time(30).await;
            }
            self.take(at, of, letter);
        }
    }

    /// Where sockets wait for a board.
    fn waiting(&self, shard: usize) -> BTreeSet<ExperienceId> {
        let inner = self.inner();
        let here = inner.sockets.values().filter(|socket| socket.shard == shard).map(|socket| socket.seat.experience);
        here.filter(|of| inner.topics[shard].get(of).is_some_and(Topic::awaits_board)).collect()
    }

    fn take(&self, shard: usize, of: ExperienceId, letter: Letter) {
        let mut inner = self.inner();
        let Some(topic) = inner.topics[shard].get_mut(&of) else { return };
        let step = match letter {
            Letter::Said(publication) => topic.take(publication),
            Letter::Missed => {
                topic.fall_behind();
                Step::Ask
            }
        };
        drop(inner);
        match step {
            Step::Everybody { frames, .. } => {
                let lines: Vec<Line> = frames.iter().filter_map(read).collect();
                let mut inner = self.inner();
                let here = inner.sockets.iter_mut().filter(|(_, socket)| socket.is_at(shard, of) && socket.greeted);
                for (id, socket) in here {
                    self.hand(*id, socket, &lines);
                }
            }
            Step::Ask => self.ask(shard, of),
            Step::Nothing | Step::Studio(_) => {}
        }
        self.greet(shard, of);
    }

    fn hand(&self, id: u64, socket: &mut Socket, lines: &[Line]) {
        for line in lines {
            socket.last = Some(ResumePoint { epoch: line.epoch, offset: line.offset });
            self.world.note(number_of(socket.seat.experience), Seen::Heard { socket: id, line: line.clone() });
        }
    }

    /// Greets those who wait, if the board is there.
    fn greet(&self, shard: usize, of: ExperienceId) {
        let mut inner = self.inner();
        let Inner { sockets, topics, .. } = &mut *inner;
        let Some(topic) = topics[shard].get(&of) else { return };
        for (id, socket) in sockets.iter_mut().filter(|(_, socket)| socket.is_at(shard, of) && !socket.greeted) {
            let Some(greeting) = topic.greet(socket.resume) else { return };
            socket.greeted = true;
            if greeting.recovered {
                let (epoch, offset) = (greeting.epoch, greeting.offset);
                self.world.note(number_of(of), Seen::Recovered { socket: *id, epoch, offset });
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
                let told = {
                    let mut inner = this.inner();
                    inner.sockets.get_mut(&id).map(|socket| (socket.seat.experience, socket.closed.take()))
                };
                let Some((of, told)) = told else { return };
                this.world.note(number_of(of), Seen::Closed { socket: id, code: code.number() });
                this.drop_socket(id);
                if let Some(told) = told {
                    let _page_is_gone = told.send(code);
                }
            });
        }
    }

    fn tell(&self, of: ExperienceId, publication: &Publication) {
        let line = match publication {
            Publication::Board(board) => read(&board.snapshot),
            Publication::Numbered { frame, .. } | Publication::Latest { frame, .. } => read(frame),
            Publication::Studio { .. } => None,
        };
        if let Some(line) = line.filter(|_| self.inner().life != Life::Killed) {
            self.world.note(number_of(of), Seen::Told { engine: self.engine, line });
        }
    }
}

impl Socket {
    fn is_at(&self, shard: usize, of: ExperienceId) -> bool {
        self.shard == shard && self.seat.experience == of
    }
}

impl Hub for Shards {
    fn publish(&self, of: ExperienceId, publication: Publication) {
        self.tell(of, &publication);
        (0..SHARDS as usize).for_each(|shard| self.put(shard, of, publication.clone()));
    }

    fn publish_to(&self, shard: ShardId, of: ExperienceId, publication: Publication) {
        self.put(shard.0 as usize, of, publication);
    }

    fn close_experience(&self, of: ExperienceId, code: CloseCode, _reason: Reason) {
        self.close(|seat| seat.experience == of, code);
    }

    fn close_user(&self, user: UserId, of: Option<ExperienceId>, code: CloseCode, _reason: Reason) {
        self.remember_closing(Closed::User(user, of), code);
        self.close(|seat| seat.user == user && of.is_none_or(|of| seat.experience == of), code);
    }

    fn close_basis(&self, basis: Basis, code: CloseCode, _reason: Reason) {
        self.close(|seat| seat.basis == basis, code);
    }

    fn close_session(&self, session: ViewerId, code: CloseCode, _reason: Reason) {
        if code == CloseCode::Replaced && self.world.has(Bug::DeviceKept) && self.world.chance(20) {
            return;
        }
        self.remember_closing(Closed::Session(session), code);
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
