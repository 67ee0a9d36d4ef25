//! The media server as the live core sees it: rooms and people, slow or lost answers, restarts that forget every room,
//! browsers whose death is noticed 20 s late, and webhooks that come late, twice, in any order or never.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backstage::{
    ids::BroadcastId,
    live::media::{Hook, HookKind, MediaFault, MediaServer, Participant, RoomSid, STUDIO_DEVICE, StillBarred, user_of},
};
use futures_util::{FutureExt, future::BoxFuture};

use crate::world::{Bug, Part, Seen, Trap, World, scene_of};

/// How long the server goes on listing somebody whose browser died.
const NOTICED_AFTER: u64 = 20_000;
/// How soon whoever is kept out is put out again.
const KEPT_OUT_AFTER: u64 = 100;
/// How long a call takes when there is no answer.
const UNANSWERED: u64 = 3_000;
/// How often in a row a call may fail outside the times when the server is away.
const FAILURES_IN_A_ROW: u8 = 2;
/// How old the answers of the planted bug are.
const STALE: u64 = 30_000;

/// Takes webhooks in.
pub type Receiver = Arc<dyn Fn(Hook) + Send + Sync>;

/// The media server, and one engine's way to it. Cheap to clone.
#[derive(Clone)]
pub struct Stage {
    world: World,
    engine: u32,
    rooms: Arc<Mutex<Rooms>>,
    receiver: Arc<Mutex<Option<Receiver>>>,
    cut: Arc<Mutex<bool>>,
}

#[derive(Default)]
struct Rooms {
    open: BTreeMap<String, BTreeMap<String, Person>>,
    /// Which making of each room is there.
    making: BTreeMap<String, u64>,
    away: bool,
    /// Failures in a row, of each room; under none what concerns all.
    failures: BTreeMap<String, u8>,
    barred: BTreeMap<(String, String), StillBarred>,
    hooks: u64,
    on_air: BTreeSet<String>,
    past: BTreeMap<String, Vec<(u64, Vec<Participant>)>>,
}

#[derive(Clone, Debug)]
struct Person {
    publishing: bool,
    encoder: bool,
    dead: bool,
    /// Which of the times that this identity joined.
    join: u64,
}

/// The broadcast a room is named after.
pub fn broadcast_of(room: &str) -> u128 {
    room.parse::<BroadcastId>().map_or(0, |id| id.0.as_u128())
}

impl Stage {
    pub fn new(world: World) -> Self {
        Self { world, engine: 0, rooms: Arc::default(), receiver: Arc::default(), cut: Arc::default() }
    }

    pub fn for_another_engine(&self, engine: u32) -> Self {
        Self { cut: Arc::default(), engine, ..self.clone() }
    }

    /// The engine is dead: it hears nothing more.
    pub fn cut(&self) {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn is_cut(&self) -> bool {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An actor orders something for the broadcast it runs.
    fn ordered(&self, room: &str, seen: Seen) {
        if !self.is_cut() {
            self.world.note(scene_of(broadcast_of(room)), seen);
        }
    }

    /// From now on webhooks go there.
    pub fn send_hooks_to(&self, receiver: Receiver) {
        *self.receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_away(&self, away: bool) {
        let what = Part::Media;
        self.rooms().away = away;
        self.world.note_all(if away { Seen::Away { what } } else { Seen::Back { what } });
    }

    pub fn is_away(&self) -> bool {
        self.rooms().away
    }

    /// Whether somebody is in a room.
    pub fn is_in(&self, room: &str, identity: &str) -> bool {
        self.rooms().open.get(room).and_then(|people| people.get(identity)).is_some_and(|person| !person.dead)
    }

    /// Whether a picture really is there.
    pub fn on_air(&self, room: &str) -> bool {
        self.rooms().on_air.contains(room)
    }

    /// The server forgets everything, as when it is started again.
    pub fn restart(&self) {
        let rooms: Vec<String> = self.rooms().open.keys().cloned().collect();
        rooms.iter().for_each(|room| self.shut(room));
    }

    /// Somebody joins with a token that once was right; `false` when there is no such room or no server.
    pub fn join(&self, room: &str, identity: &str, publishing: bool, encoder: bool) -> bool {
        let mut rooms = self.rooms();
        if rooms.away || !rooms.open.contains_key(room) {
            return false;
        }
        rooms.hooks += 1;
        let person = Person { publishing, encoder, dead: false, join: rooms.hooks };
        rooms.open.entry(room.to_owned()).or_default().insert(identity.to_owned(), person);
        drop(rooms);
        let studio = identity.ends_with(&format!(":{STUDIO_DEVICE}"));
        let user = user_of(identity).map_or(0, |user| user.0.as_u128());
        if !encoder {
            let (broadcast, identity) = (broadcast_of(room), identity.to_owned());
            self.world.note(scene_of(broadcast), Seen::Entered { broadcast, identity, user, studio });
        }
        self.hook(HookKind::Joined, room, identity);
        if publishing {
            self.hook(HookKind::Published { encoder }, room, identity);
        }
        self.weigh(room);
        self.bar(room, identity);
        true
    }

    /// Whoever is kept out by an engine that lives does not stay.
    fn bar(&self, room: &str, identity: &str) {
        let who = (room.to_owned(), identity.to_owned());
        let still = self.rooms().barred.get(&who).cloned();
        if still.is_some_and(|still| still()) {
            let this = self.clone();
            actix_rt::spawn(async move {
                this.world.pause(KEPT_OUT_AFTER).await;
                this.leave(&who.0, &who.1);
            });
        } else {
            self.rooms().barred.remove(&who);
        }
    }

    /// An old token makes the room again, whatever we configured.
    pub fn force_open(&self, room: &str) {
        if !self.is_away() {
            self.make(room);
        }
    }

    /// Begins or stops sending.
    pub fn publish(&self, room: &str, identity: &str, publishing: bool) {
        let mut rooms = self.rooms();
        let Some(person) = rooms.open.get_mut(room).and_then(|people| people.get_mut(identity)) else { return };
        if person.publishing == publishing {
            return;
        }
        person.publishing = publishing;
        let encoder = person.encoder;
        drop(rooms);
        let kind = if publishing { HookKind::Published { encoder } } else { HookKind::Unpublished };
        self.hook(kind, room, identity);
        self.weigh(room);
    }

    /// Leaves in good order.
    pub fn leave(&self, room: &str, identity: &str) {
        let person = self.rooms().open.get_mut(room).and_then(|people| people.remove(identity));
        let Some(person) = person else { return };
        if !person.encoder {
            let broadcast = broadcast_of(room);
            self.world.note(scene_of(broadcast), Seen::Out { broadcast, identity: identity.to_owned() });
        }
        if person.publishing {
            self.hook(HookKind::Unpublished, room, identity);
        }
        self.hook(HookKind::Left, room, identity);
        self.weigh(room);
    }

    /// Dies without a word: the server lists it for a while yet.
    pub fn die(&self, room: &str, identity: &str) {
        let mut rooms = self.rooms();
        let Some(person) = rooms.open.get_mut(room).and_then(|people| people.get_mut(identity)) else { return };
        person.dead = true;
        let join = person.join;
        drop(rooms);
        self.weigh(room);
        let (this, room, identity) = (self.clone(), room.to_owned(), identity.to_owned());
        actix_rt::spawn(async move {
            this.world.pause(NOTICED_AFTER).await;
            let same = this.rooms().open.get(&room).and_then(|all| all.get(&identity)).is_some_and(|p| p.join == join);
            if same {
                this.leave(&room, &identity);
            }
        });
    }

    fn make(&self, room: &str) {
        let mut rooms = self.rooms();
        if rooms.open.contains_key(room) {
            return;
        }
        rooms.open.insert(room.to_owned(), BTreeMap::new());
        *rooms.making.entry(room.to_owned()).or_default() += 1;
        drop(rooms);
        let broadcast = broadcast_of(room);
        self.world.note(scene_of(broadcast), Seen::RoomOpened { broadcast });
        self.hook(HookKind::RoomStarted, room, "");
    }

    fn shut(&self, room: &str) {
        let Some(people) = self.rooms().open.remove(room) else { return };
        let broadcast = broadcast_of(room);
        for (identity, _) in people.into_iter().filter(|(_, person)| !person.encoder) {
            self.world.note(scene_of(broadcast), Seen::Out { broadcast, identity });
        }
        self.weigh(room);
        self.world.note(scene_of(broadcast), Seen::RoomClosed { broadcast });
        self.hook(HookKind::RoomFinished, room, "");
    }

    /// Notes whether a picture is there now.
    fn weigh(&self, room: &str) {
        let mut rooms = self.rooms();
        let up = rooms.open.get(room).is_some_and(|people| people.values().any(|p| p.publishing && !p.dead));
        let was = if up { !rooms.on_air.insert(room.to_owned()) } else { rooms.on_air.remove(room) };
        let list = rooms.listed(room);
        let now = self.world.ms();
        rooms.past.entry(room.to_owned()).or_default().push((now, list));
        drop(rooms);
        let broadcast = broadcast_of(room);
        if up != was {
            let seen = if up { Seen::OnAir { broadcast } } else { Seen::OffAir { broadcast } };
            self.world.note(scene_of(broadcast), seen);
        }
    }

    fn hook(&self, kind: HookKind, room: &str, identity: &str) {
        let id = {
            let mut rooms = self.rooms();
            rooms.hooks += 1;
            rooms.hooks
        };
        let hook = Hook {
            id: format!("EV_{id}"),
            kind,
            name: String::new(),
            room: room.to_owned(),
            identity: identity.to_owned(),
        };
        let copies = if self.world.fault(120) { 0 } else { 1 + u8::from(self.world.fault(100)) };
        for _ in 0..copies {
            let (this, hook) = (self.clone(), hook.clone());
            actix_rt::spawn(async move {
                let late = this.world.fault(30);
                this.world.some_time(if late { 20_000 } else { 400 }).await;
                let receiver = this.receiver.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(receiver) = receiver {
                    receiver(hook);
                }
            });
        }
    }

    /// One call: does `work` at some moment, and answers unless the answer is lost.
    async fn call<T>(self, room: String, work: impl FnOnce(&Self) -> T) -> Result<T, MediaFault> {
        if self.is_cut() {
            std::future::pending::<()>().await;
        }
        let slow = self.world.fault(20);
        self.world.some_time(if slow { 2_500 } else { 40 }).await;
        let unreachable = || MediaFault::Unreachable("the simulated media server is away".into());
        if self.is_away() {
            // refused at once, or swallowed
            let wait = if self.world.chance(50) { 1 } else { UNANSWERED };
            self.world.pause(wait).await;
            return Err(unreachable());
        }
        let (lost, happens) = (self.world.fault(30), self.world.chance(50));
        let lost = {
            let mut rooms = self.rooms();
            let failures = rooms.failures.entry(room).or_default();
            let lost = lost && *failures < FAILURES_IN_A_ROW;
            *failures = if lost { *failures + 1 } else { 0 };
            lost
        };
        if lost {
            if happens {
                work(&self);
            }
            self.world.pause(UNANSWERED).await;
            return Err(unreachable());
        }
        let answer = work(&self);
        self.world.some_time(10).await;
        Ok(answer)
    }
}

impl Rooms {
    fn listed(&self, room: &str) -> Vec<Participant> {
        let Some(people) = self.open.get(room) else { return vec![] };
        let listed = |(identity, person): (&String, &Person)| Participant {
            identity: identity.clone(),
            publishing: person.publishing,
            encoder: person.encoder,
        };
        people.iter().map(listed).collect()
    }

    /// What was listed at a moment.
    fn listed_at(&self, room: &str, at: u64) -> Vec<Participant> {
        let past = self.past.get(room).map(Vec::as_slice).unwrap_or_default();
        past.iter().rev().find(|(when, _)| *when <= at).map(|(_, list)| list.clone()).unwrap_or_default()
    }
}

impl MediaServer for Stage {
    fn open_room(&self, room: &str) -> BoxFuture<'static, Result<RoomSid, MediaFault>> {
        self.ordered(room, Seen::Ordered { engine: self.engine });
        let room = room.to_owned();
        let name = room.clone();
        let make = move |this: &Self| {
            this.make(&room);
            RoomSid(format!("RM_{}", this.rooms().making.get(&room).copied().unwrap_or(0)))
        };
        self.clone().call(name, make).boxed()
    }

    fn close_room(&self, room: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        let room = room.to_owned();
        self.clone().call(room.clone(), move |this| this.shut(&room)).boxed()
    }

    fn rooms(&self) -> BoxFuture<'static, Result<Vec<String>, MediaFault>> {
        self.clone().call(String::new(), |this| this.rooms().open.keys().cloned().collect()).boxed()
    }

    fn participants(&self, room: &str) -> BoxFuture<'static, Result<Vec<Participant>, MediaFault>> {
        let (room, broadcast) = (room.to_owned(), broadcast_of(room));
        self.ordered(&room, Seen::Asked { broadcast, engine: self.engine });
        let name = room.clone();
        let ask = move |this: &Self| {
            let stale = this.world.ms().saturating_sub(STALE);
            let rooms = this.rooms();
            if this.world.has(Bug::StaleAnswers) { rooms.listed_at(&room, stale) } else { rooms.listed(&room) }
        };
        let this = self.clone();
        async move {
            this.world.step_on(scene_of(broadcast), Trap::Future);
            let asked = this.world.ms();
            let listed = this.clone().call(name.clone(), ask).await;
            if listed.is_ok() {
                this.ordered(&name, Seen::Listed { engine: this.engine, asked });
            }
            listed
        }
        .boxed()
    }

    fn remove(&self, room: &str, identity: &str) -> BoxFuture<'static, Result<(), MediaFault>> {
        self.ordered(room, Seen::Ordered { engine: self.engine });
        let (room, identity) = (room.to_owned(), identity.to_owned());
        self.clone().call(room.clone(), move |this| this.leave(&room, &identity)).boxed()
    }

    fn keep_out(&self, room: &str, identity: &str, still: StillBarred) {
        let cut = self.cut.clone();
        let still: StillBarred = Arc::new(move || !*cut.lock().unwrap_or_else(PoisonError::into_inner) && still());
        self.rooms().barred.insert((room.to_owned(), identity.to_owned()), still);
    }
}
