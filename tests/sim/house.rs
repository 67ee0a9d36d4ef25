//! One engine of the simulated house, made of the product's own parts over the models, and how it is replaced by another.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backstage::{
    ids::{BroadcastId, ExperienceId, UserId, ViewerId},
    live::{
        directory::Directory,
        experience_actor::{ExperienceActor, Ports},
        media::{Hook, HookKind, MediaServer},
        order::Guest,
        rights::{LiveRights, Right},
    },
    socket::door::{Kind, Place, ResumePoint, Seat},
    supervision::{Here, Keeper},
};
use uuid::Uuid;

use crate::{
    books::Books,
    rights::{Memory, Truth},
    shards::{Held, Shards},
    stage::Stage,
    world::{Bug, Seen, World},
};

/// The one experience of a life.
pub fn experience() -> ExperienceId {
    ExperienceId(Uuid::from_u128(7))
}

/// A person of the simulation.
pub fn person(number: u128) -> UserId {
    UserId(Uuid::from_u128(100 + number))
}

/// One running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub number: u32,
    pub books: Books,
    pub stage: Stage,
    pub memory: Memory,
    pub shards: Shards,
    pub directory: Directory,
    dead: Arc<Mutex<bool>>,
}

impl Engine {
    fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The house: the world, the models, and the engine that serves now. Cheap to clone.
#[derive(Clone)]
pub struct House {
    pub world: World,
    pub truth: Truth,
    current: Arc<Mutex<Engine>>,
    all: Arc<Mutex<Vec<Engine>>>,
    still: Arc<Mutex<bool>>,
}

impl House {
    pub fn new(world: World, books: Books, stage: Stage) -> Self {
        let truth = Truth::new(world.clone());
        let engine = begin(&world, 0, books, stage, &truth);
        let (current, all) = (Arc::new(Mutex::new(engine.clone())), Arc::new(Mutex::new(vec![engine])));
        let this = Self { world, truth, current, all, still: Arc::default() };
        this.serve();
        this
    }

    /// The engine that serves now.
    pub fn engine(&self) -> Engine {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on nobody comes and nobody goes.
    pub fn be_still(&self) {
        *self.still.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub fn is_still(&self) -> bool {
        *self.still.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another engine takes over; the old one has lost its sockets and runs on for a while.
    pub fn take_over(&self) {
        let old = self.engine();
        let (books, stage) = (old.books.for_another_engine(), old.stage.for_another_engine());
        let engine = begin(&self.world, old.number + 1, books, stage, &self.truth);
        self.world.note(Seen::TookOver { engine: engine.number });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = engine.clone();
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
        *old.dead.lock().unwrap_or_else(PoisonError::into_inner) = true;
        old.shards.die();
        let world = self.world.clone();
        actix_rt::spawn(async move {
            world.some_time(60_000).await;
            old.books.cut();
            old.stage.cut();
        });
        self.serve();
    }

    /// Undoes the circle of who holds whom.
    pub fn close(&self) {
        let engines = std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner));
        for engine in engines {
            engine.shards.die();
            engine.shards.let_go();
            engine.stage.send_hooks_to(Arc::new(|_| {}));
        }
    }

    /// What an engine does beside its actors: webhooks, the reconciler, duty after a start.
    fn serve(&self) {
        let engine = self.engine();
        let (seen, world, to) = (Arc::new(Mutex::new(BTreeSet::new())), self.world.clone(), engine.clone());
        engine.stage.send_hooks_to(Arc::new(move |hook| {
            let fresh = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(hook.id.clone());
            // now and then one is stored, and told twice all the same
            if !to.books.is_away() && (fresh || world.fault(300)) {
                receive(&to, hook);
            }
        }));
        actix_rt::spawn(reconcile(self.world.clone(), engine.clone()));
        let world = self.world.clone();
        actix_rt::spawn(async move {
            world.some_time(500).await;
            while engine.books.is_away() && !engine.is_dead() {
                world.pause(500).await;
            }
            if engine.books.last().is_some_and(|at| !at.stage.is_over()) {
                engine.directory.start(experience());
            }
        });
    }

    /// The door: judged, admitted, seated.
    pub async fn enter(&self, guest: Guest, resume: Option<ResumePoint>) -> Option<(Engine, Held, Arc<Seat>)> {
        let engine = self.engine();
        let at = experience();
        engine.memory.learn(guest.user, at).await;
        let right = match guest.kind {
            Kind::Viewer => engine.memory.may_watch(guest.user, at),
            Kind::Studio => engine.memory.may_run(guest.user, at),
        };
        if !matches!(right, Right::Yes { .. }) {
            return None;
        }
        let Guest { viewer: session, user, device, kind, staff } = guest.clone();
        engine.directory.admit(at, guest).await.ok()?;
        let (directory, clock) = (engine.directory.clone(), self.world.clock());
        let place = Place::new(move || directory.left(clock.now(), at, user, session));
        let seat = Arc::new(Seat { experience: at, user, device, session, kind, staff, login: None });
        let held = engine.shards.seat(seat.clone(), place, resume)?;
        Some((engine, held, seat))
    }

    /// The door, for somebody who does not wait for ever.
    pub async fn knock(&self, guest: Guest, resume: Option<ResumePoint>) -> Option<(Engine, Held, Arc<Seat>)> {
        let patience = if self.world.fault(100) { self.world.below(60) } else { 5_000 };
        tokio::time::timeout(Duration::from_millis(patience), self.enter(guest, resume)).await.ok().flatten()
    }

    /// A fresh place.
    pub fn fresh_viewer(&self) -> ViewerId {
        ViewerId(Uuid::from_u128(self.world.fresh()))
    }

    /// Somebody's rights have changed: what the engine's own part for rights does then.
    pub fn rights_changed(&self, user: UserId) {
        if self.world.has(Bug::RightsUndelivered) && self.world.chance(20) {
            return;
        }
        let this = self.clone();
        actix_rt::spawn(async move {
            this.world.some_time(150).await;
            while this.engine().books.is_away() {
                this.world.pause(200).await;
            }
            let engine = this.engine();
            engine.memory.refresh(user);
            engine.directory.rights_changed(user);
        });
    }
}

fn begin(world: &World, number: u32, books: Books, stage: Stage, truth: &Truth) -> Engine {
    let memory = Memory::new(world.clone(), books.clone(), truth.clone());
    let shards = Shards::new(world.clone(), number, experience());
    let ports = Arc::new(Ports {
        clock: world.clock(),
        ledger: Arc::new(books.clone()),
        media: Arc::new(stage.clone()),
        hub: Arc::new(shards.clone()),
        rights: Arc::new(memory.clone()),
        media_url: "wss://media.test".to_owned(),
    });
    let keeper = Keeper::new(Here::new(), world.clock(), move |_key, supervision| {
        ExperienceActor::new(supervision, ports.clone())
    });
    let directory = Directory::new(keeper, Arc::new(shards.clone()), Arc::new(memory.clone()));
    shards.run(directory.clone());
    Engine { number, books, stage, memory, shards, directory, dead: Arc::default() }
}

/// As the engine's webhook route does, once signature and repetition have been judged.
fn receive(engine: &Engine, hook: Hook) {
    let Ok(broadcast) = hook.room.parse::<BroadcastId>() else { return };
    if matches!(hook.kind, HookKind::RoomStarted | HookKind::Joined) && !engine.books.wants_room(broadcast) {
        let close = engine.stage.close_room(&hook.room);
        actix_rt::spawn(async move {
            let _the_reconciler_will = close.await;
        });
        return;
    }
    engine.directory.hooked(experience(), hook);
}

/// As the engine's reconciler does: closes rooms that no broadcast wants.
async fn reconcile(world: World, engine: Engine) {
    while !engine.is_dead() {
        world.pause(10_000).await;
        engine.directory.forget_absent(world.now());
        let Ok(rooms) = engine.stage.rooms().await else { continue };
        if engine.books.is_away() {
            continue;
        }
        for room in rooms {
            let wanted = room.parse().is_ok_and(|broadcast| engine.books.wants_room(broadcast));
            if !wanted && engine.stage.close_room(&room).await.is_err() {
                break;
            }
        }
    }
}
