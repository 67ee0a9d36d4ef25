//! One engine of the simulated house, made of the product's own parts over the models, and how it is replaced by another.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_rt::task::JoinHandle;
use backstage::{
    ids::{BroadcastId, UserId, ViewerId},
    live::{
        directory::Directory,
        experience_actor::{ExperienceActor, Ports},
        lease::{self, Leases},
        media::{Hook, HookKind, MediaServer},
        order::Coming,
        rights::{LiveRights, Right},
        seating::Seating,
    },
    socket::door::{Kind, Place, ResumePoint, Seat},
    supervision::{Here, Keeper},
};
use uuid::Uuid;

use crate::{
    books::Books,
    rights::{Memory, Truth},
    shards::{Held, Life, Shards},
    stage::{Stage, broadcast_of},
    world::{Bug, Seen, World, experience, experiences, number_of, scene_of},
};

/// What fits into an actor's mailbox: enough for everyday life, little enough for a flood.
pub const MAILBOX: usize = 64;

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
    pub leases: Leases,
    /// What it does beside its actors, until it is dead.
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Engine {
    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it as `kill -9` does: what it has asked for may still happen, and it hears nothing of it.
    fn kill(&self) {
        self.shards.lose_all(Life::Killed);
        self.books.cut();
        self.stage.cut();
        self.tasks().drain(..).for_each(|task| task.abort());
    }
}

/// How one engine comes to take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was killed and is started again: the same node.
    Restart,
    /// People reach another node, while the old one lives, cannot reach the store for a while, and does not know.
    Partition,
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

    fn all(&self) -> MutexGuard<'_, Vec<Engine>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nobody comes and nobody goes.
    pub fn be_still(&self) {
        *self.still.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub fn is_still(&self) -> bool {
        *self.still.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another engine takes over. One that was only cut off comes back after a while, and has to find out.
    pub fn take_over(&self, change: Change) -> Engine {
        let old = self.engine();
        let number = old.number + 1;
        let node = if change == Change::Restart { old.books.node() } else { old.books.node() + 1 };
        let books = old.books.for_another_engine(number, node);
        let engine = begin(&self.world, number, books, old.stage.for_another_engine(number), &self.truth);
        self.world.note_all(Seen::TookOver { engine: number });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = engine.clone();
        self.all().push(engine);
        self.serve();
        match change {
            Change::Restart => old.kill(),
            Change::Partition => {
                old.shards.lose_all(Life::CutOff);
                old.books.sever(true);
                let (world, cut_off) = (self.world.clone(), old.clone());
                actix_rt::spawn(async move {
                    world.some_time(80_000).await;
                    cut_off.books.sever(false);
                    world.some_time(20_000).await;
                    cut_off.kill();
                });
            }
        }
        old
    }

    /// Ends every engine but the one that serves.
    pub fn end_old_engines(&self) {
        let current = self.engine().number;
        self.all().iter().filter(|engine| engine.number != current).for_each(Engine::kill);
    }

    /// Undoes the circle of who holds whom.
    pub fn close(&self) {
        let engines = std::mem::take(&mut *self.all());
        for engine in engines {
            engine.kill();
            engine.shards.let_go();
            engine.stage.send_hooks_to(Arc::new(|_| {}));
        }
    }

    /// What an engine does beside its actors: webhooks, the reconciler, its leases, duty after a start.
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
        let leases = lease::keep(engine.leases.clone(), Arc::new(engine.books.clone()), engine.directory.clone());
        let (world, on_duty) = (self.world.clone(), engine.clone());
        let put_on_duty = async move {
            world.some_time(500).await;
            while on_duty.books.is_away() {
                world.pause(500).await;
            }
            let open = experiences().filter(|of| on_duty.books.last(*of).is_some_and(|at| !at.stage.is_over()));
            open.for_each(|of| on_duty.directory.start(of));
        };
        let reconciler = actix_rt::spawn(reconcile(self.world.clone(), engine.clone()));
        engine.tasks().extend([reconciler, actix_rt::spawn(leases), actix_rt::spawn(put_on_duty)]);
    }

    /// The door: judged and admitted.
    async fn admit(&self, seat: Arc<Seat>, coming: Coming) -> Option<(Engine, Place)> {
        let engine = self.engine();
        let at = seat.experience;
        engine.memory.learn(seat.user, at).await;
        let right = match seat.kind {
            Kind::Viewer => engine.memory.may_watch(seat.user, at),
            Kind::Studio => engine.memory.may_run(seat.user, at),
        };
        if !matches!(right, Right::Yes { .. }) {
            return None;
        }
        let place = engine.directory.admit(seat, coming).await.ok()?;
        Some((engine, place))
    }

    /// The door, for somebody who does not wait for ever: admitted, seated.
    pub async fn knock(&self, seat: Arc<Seat>, resume: Option<ResumePoint>, coming: Coming) -> Option<(Engine, Held)> {
        let knocked = self.world.ms();
        if let (Coming::Anew, Ok(device)) = (coming, seat.device.parse()) {
            let user = seat.user.0.as_u128();
            self.world.note(number_of(seat.experience), Seen::Anew { user, device });
        }
        let patience = if self.world.fault(100) { self.world.below(60) } else { 5_000 };
        let admitted = tokio::time::timeout(Duration::from_millis(patience), self.admit(seat.clone(), coming)).await;
        let (engine, place) = admitted.ok().flatten()?;
        if self.world.chance(20) {
            self.world.some_time(3).await; // much may happen between the answer and the sitting down
        }
        let held = engine.shards.seat(seat, place, resume, knocked)?;
        Some((engine, held))
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
    let (shards, leases) = (Shards::new(world.clone(), number), Leases::new(world.clock()));
    let ports = Arc::new(Ports {
        clock: world.clock(),
        ledger: Arc::new(books.clone()),
        media: Arc::new(stage.clone()),
        hub: Arc::new(shards.clone()),
        rights: Arc::new(memory.clone()),
        seating: Seating::default(),
        leases: leases.clone(),
        media_url: "wss://media.test".to_owned(),
    });
    let given = ports.clone();
    let keeper = Keeper::with_mailboxes(MAILBOX, Here::new(), world.clock(), move |_key, supervision| {
        ExperienceActor::new(supervision, given.clone())
    });
    let directory = Directory::new(keeper, &ports);
    shards.run(directory.clone());
    Engine { number, books, stage, memory, shards, directory, leases, tasks: Arc::default() }
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
    engine.directory.hooked(experience(scene_of(broadcast_of(&hook.room))), hook);
}

/// As the engine's reconciler does: closes rooms that no broadcast wants.
async fn reconcile(world: World, engine: Engine) {
    loop {
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
