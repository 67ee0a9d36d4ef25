//! The mailbox round a live experience: keeps the clock, does what the activation orders, and starts it again from the store.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use futures_util::{FutureExt, future::join_all};

use super::{
    lease::{Leases, Tenure},
    ledger::{Activation, Claim, Ledger},
    media::{MediaFault, MediaServer, StillBarred, device_of, is_studio, user_of},
    order::{Eviction, Order},
    rights::{LiveRights, Right},
    running::{Done, Heard, Job, Removal, Running, Surroundings},
    seating::Seating,
    tally,
};
use crate::{
    clock::{SharedClock, Timestamp},
    ids::{ExperienceId, UserId},
    limits::{ACTIVATION_RETRY, CORRUPT_REST, MEDIA_REMOVE_AGAIN, ORDERS_WAITING_MAX, STEP_DOWN_REST},
    socket::{codes::CloseCode, hub::Hub},
    store::StoreError,
    supervision::{Cause, Guarded, Supervision},
};

/// What every experience's actor is given.
pub struct Ports {
    /// Time.
    pub clock: SharedClock,
    /// What is durable.
    pub ledger: Arc<dyn Ledger>,
    /// The media server.
    pub media: Arc<dyn MediaServer>,
    /// Sockets.
    pub hub: Arc<dyn Hub>,
    /// Who may be here.
    pub rights: Arc<dyn LiveRights>,
    /// Who sits where.
    pub seating: Seating,
    /// What this node owns.
    pub leases: Leases,
    /// Where browsers reach the media server.
    pub media_url: String,
}

/// One activation, for as long as the lease it acts by stands.
#[derive(Clone)]
struct Owner {
    leases: Leases,
    experience: ExperienceId,
    epoch: i64,
}

impl Owner {
    /// Providers cannot be fenced, so the lease is looked at before each call.
    fn may_act(&self) -> bool {
        self.leases.holds(self.experience, self.epoch)
    }
}

enum Phase {
    /// The store is read; what comes meanwhile waits.
    Starting,
    /// On duty.
    Running(Box<Running>),
    /// It is somebody else's, or cannot be understood: everything is refused until this actor is gone.
    Off,
}

/// One live experience.
pub struct ExperienceActor {
    supervision: Supervision<Self>,
    experience: ExperienceId,
    ports: Arc<Ports>,
    phase: Phase,
    early: VecDeque<Order>,
    alarm: Option<(Timestamp, SpawnHandle)>,
    lease_watch: Option<SpawnHandle>,
}

impl ExperienceActor {
    /// An actor for `supervision`'s experience.
    #[must_use]
    pub fn new(supervision: Supervision<Self>, ports: Arc<Ports>) -> Self {
        let experience = supervision.key();
        let (phase, early) = (Phase::Starting, VecDeque::new());
        Self { supervision, experience, ports, phase, early, alarm: None, lease_watch: None }
    }

    /// Asks the store for the experience, then goes on duty.
    fn activate(&mut self, ctx: &mut Context<Self>) {
        let asked_at = self.ports.leases.asking();
        let claim = self.ports.ledger.activate(self.experience);
        self.guarded_spawn(ctx, "activate", claim, move |this, claim, ctx| this.claimed(asked_at, claim, ctx));
    }

    fn claimed(&mut self, asked_at: Duration, claim: Result<Claim, StoreError>, ctx: &mut Context<Self>) {
        match claim {
            Ok(Claim::Ours(activation)) => self.begin(asked_at, *activation, ctx),
            Ok(Claim::Elsewhere) => {
                tracing::info!(experience = %self.experience, "another node owns it");
                self.step_down(ctx);
            }
            // nobody hears of it again: whoever asks for a thing that is not gets no answer, which is the answer
            Ok(Claim::NoSuchExperience) => {
                self.early.clear();
                self.go(ctx);
            }
            Err(fault @ StoreError::Corrupt { .. }) => {
                let error: &dyn std::error::Error = &fault;
                tracing::error!(experience = %self.experience, error, "it cannot be activated until its row is mended");
                self.rest(CORRUPT_REST, ctx);
            }
            Err(fault) => {
                tracing::warn!(experience = %self.experience, error = &fault as &dyn std::error::Error, "cannot activate yet");
                // askers are told at once that it cannot be known; sockets and their orders wait
                self.early.retain(|order| matches!(order, Order::Left(_) | Order::Subscribe(_)));
                self.guarded_later(ctx, "activate again", ACTIVATION_RETRY, Self::activate);
            }
        }
    }

    fn begin(&mut self, asked_at: Duration, activation: Activation, ctx: &mut Context<Self>) {
        self.ports.leases.hold(self.experience, activation.epoch, asked_at);
        if !self.ports.leases.holds(self.experience, activation.epoch) {
            return self.activate(ctx); // the answer came when the lease it brought was over
        }
        let around = Surroundings {
            hub: self.ports.hub.clone(),
            rights: self.ports.rights.clone(),
            seating: self.ports.seating.clone(),
            media_url: self.ports.media_url.clone(),
        };
        let now = self.ports.clock.now();
        let (running, jobs) = Running::begin(now, self.experience, activation, &around);
        self.phase = Phase::Running(Box::new(running));
        self.perform(jobs, ctx);
        self.watch_lease(ctx);
        // each for itself: one that panics is counted as what it is, and the others are not lost with it
        for order in std::mem::take(&mut self.early) {
            let payload = order.name();
            let _crashed = self.guarded(ctx, Cause::Message, &payload, |this, ctx| this.take(order, ctx));
        }
    }

    /// An owner that could not renew stops, and asks the store whose it is; one that was replaced goes. Looked at before
    /// anything is done: a timer comes late in a busy actor, and after a pause.
    fn look_at_lease(&mut self, ctx: &mut Context<Self>) {
        let Phase::Running(running) = &self.phase else { return };
        match self.ports.leases.tenure(self.experience, running.epoch()) {
            Tenure::Holds(_) => {}
            Tenure::Lapsed => {
                tracing::warn!(experience = %self.experience, "the lease could not be renewed in time");
                self.give_up(ctx);
                self.activate(ctx);
            }
            Tenure::Lost => self.step_down(ctx),
        }
    }

    /// By tokio's clock, which nobody moves.
    fn watch_lease(&mut self, ctx: &mut Context<Self>) {
        if let Some(handle) = self.lease_watch.take() {
            ctx.cancel_future(handle);
        }
        self.look_at_lease(ctx);
        let Phase::Running(running) = &self.phase else { return };
        if let Tenure::Holds(left) = self.ports.leases.tenure(self.experience, running.epoch()) {
            let look = |this: &mut Self, ctx: &mut Context<Self>| {
                this.lease_watch = None;
                this.watch_lease(ctx);
            };
            self.lease_watch = Some(self.guarded_later(ctx, "lease", left, look));
        }
    }

    /// Forgets the activation; whoever waits for it is told to try again.
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        if let Phase::Running(running) = std::mem::replace(&mut self.phase, Phase::Starting) {
            self.ports.leases.release(self.experience, running.epoch());
            running.give_up();
        }
        self.set_alarm(ctx);
    }

    /// Somebody else owns it. Sockets are told to come back, and find the owner; nothing here may act or speak any more.
    fn step_down(&mut self, ctx: &mut Context<Self>) {
        self.give_up(ctx);
        let code = CloseCode::GoingAway;
        self.ports.hub.close_experience(self.experience, code, code.word().into());
        self.rest(STEP_DOWN_REST, ctx);
    }

    /// Refuses everything for a while and is gone then; the next message finds out how things stand.
    fn rest(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.early.clear();
        self.phase = Phase::Off;
        self.guarded_later(ctx, "go", wait, Self::go);
    }

    fn go(&mut self, ctx: &mut Context<Self>) {
        self.supervision.retire();
        actix::ActorContext::stop(ctx);
    }

    fn take(&mut self, order: Order, ctx: &mut Context<Self>) {
        self.look_at_lease(ctx);
        let now = self.ports.clock.now();
        match &mut self.phase {
            Phase::Starting if self.early.len() < ORDERS_WAITING_MAX * 64 => self.early.push_back(order),
            Phase::Starting | Phase::Off => drop(order),
            Phase::Running(running) => {
                let jobs = running.take(now, order);
                self.perform(jobs, ctx);
            }
        }
    }

    /// What an earlier activation ordered says nothing about this one.
    fn done(&mut self, epoch: i64, done: Done, ctx: &mut Context<Self>) {
        self.look_at_lease(ctx);
        let now = self.ports.clock.now();
        if let Phase::Running(running) = &mut self.phase
            && running.epoch() == epoch
        {
            let jobs = running.done(now, done);
            self.perform(jobs, ctx);
        }
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        self.alarm = None;
        self.look_at_lease(ctx);
        let now = self.ports.clock.now();
        if let Phase::Running(running) = &mut self.phase {
            let jobs = running.beat(now);
            self.perform(jobs, ctx);
        }
    }

    fn perform(&mut self, jobs: Vec<Job>, ctx: &mut Context<Self>) {
        for job in jobs {
            let Phase::Running(running) = &self.phase else { break };
            let (leases, experience, epoch) = (self.ports.leases.clone(), self.experience, running.epoch());
            self.perform_one(job, Owner { leases, experience, epoch }, ctx);
        }
        self.set_alarm(ctx);
    }

    fn perform_one(&mut self, job: Job, owner: Owner, ctx: &mut Context<Self>) {
        let (ports, epoch) = (self.ports.clone(), owner.epoch);
        match job {
            Job::Save(record) => self.spawn_job(ctx, epoch, "save", ports.ledger.save(record).map(Done::Saved)),
            Job::Create(of, broadcast, by) => {
                self.spawn_job(ctx, epoch, "create", ports.ledger.create(of, broadcast, by).map(Done::Created));
            }
            Job::Ask(room) => {
                let asked_at = ports.clock.now();
                let ask = async move { Done::Asked(asked_at, ask(&ports, &owner, &room).await) };
                self.spawn_job(ctx, epoch, "ask", ask);
            }
            Job::CloseRoom(room) => {
                // a room that stays because this call is lost is found by the reconciler
                self.guarded_spawn(ctx, "close room", async move { ports.media.close_room(&room).await }, |_, _, _| ());
            }
            Job::Remove(removal) => {
                for identity in &removal.identities {
                    ports.media.keep_out(&removal.room, identity, self.still_barred(identity));
                }
                self.spawn_job(ctx, epoch, "remove", remove(ports, owner, removal).map(Done::Removed));
            }
            Job::Learn(identities) => {
                let experience = self.experience;
                let learn = async move {
                    let users = identities.iter().filter_map(|identity| user_of(identity));
                    join_all(users.map(|user| ports.rights.learn(user, experience))).await;
                    Done::Learned(identities)
                };
                self.spawn_job(ctx, epoch, "learn", learn);
            }
            Job::ReadProfile => {
                let profile = ports.ledger.profile(self.experience);
                self.spawn_job(ctx, epoch, "profile", profile.map(|found| Done::Profile(found.ok().flatten())));
            }
            Job::StartAgain => {
                self.give_up(ctx);
                self.activate(ctx);
            }
            Job::StepDown => self.step_down(ctx),
        }
    }

    /// Whether somebody without a right still has none, or a device that gave way has not come anew. What is not known keeps
    /// nobody in.
    fn still_barred(&self, identity: &str) -> StillBarred {
        let (rights, experience, user) = (self.ports.rights.clone(), self.experience, user_of(identity));
        let (runs, seating, identity) = (is_studio(identity), self.ports.seating.clone(), identity.to_owned());
        Arc::new(move || {
            if is_replaced(&seating, experience, &identity) {
                return true;
            }
            let right = user
                .map(|user| if runs { rights.may_run(user, experience) } else { rights.may_watch(user, experience) });
            !matches!(right, Some(Right::Yes { .. }))
        })
    }

    fn spawn_job(
        &mut self,
        ctx: &mut Context<Self>,
        epoch: i64,
        name: &'static str,
        work: impl Future<Output = Done> + 'static,
    ) {
        self.guarded_spawn(ctx, name, work, move |this, done, ctx| this.done(epoch, done, ctx));
    }

    /// Deadlines are data: the alarm only makes sure that somebody looks at them in time.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let next = match &self.phase {
            Phase::Running(running) => running.next_beat(),
            Phase::Starting | Phase::Off => None,
        };
        if self.alarm.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, handle)) = self.alarm.take() {
            ctx.cancel_future(handle);
        }
        if let Some(at) = next {
            let sleep = self.ports.clock.sleep_until(at);
            let handle = self.guarded_spawn(ctx, "beat", sleep, |this, (), ctx| this.beat(ctx));
            self.alarm = Some((at, handle));
        }
    }
}

/// Opens the room if need be, and asks who is in it.
async fn ask(ports: &Ports, owner: &Owner, room: &str) -> Result<Heard, MediaFault> {
    let making = ports.media.open_room(room).await?;
    if !owner.may_act() {
        return Err(MediaFault::Refused("the lease ended meanwhile".to_owned())); // which nobody hears
    }
    let people = ports.media.participants(room).await?;
    Ok(Heard { room: making, people })
}

/// Puts people out, and again shortly after: one who was just joining is not there the first time. Gives back the evictions of
/// those who could not be put out.
async fn remove(ports: Arc<Ports>, owner: Owner, removal: Removal) -> BTreeMap<UserId, Eviction> {
    let Removal { room, mut identities, mut evictions } = removal;
    let replaced = |identity: &String| is_replaced(&ports.seating, owner.experience, identity);
    let gave_way: BTreeSet<String> = identities.iter().filter(|identity| replaced(identity)).cloned().collect();
    for wait in [Duration::ZERO, MEDIA_REMOVE_AGAIN] {
        if !wait.is_zero() {
            ports.clock.sleep_until(ports.clock.now().plus(wait)).await;
        }
        if !owner.may_act() {
            return evictions; // the owner asks who is there, and puts out whom it finds
        }
        // a device that has come anew since is welcome
        identities.retain(|identity| replaced(identity) || !gave_way.contains(identity));
        let removed = join_all(identities.iter().map(|identity| ports.media.remove(&room, identity))).await;
        let mut still_in = BTreeSet::new();
        for (identity, fault) in identities.iter().zip(removed).filter_map(|(who, done)| Some((who, done.err()?))) {
            tracing::warn!(%room, error = &fault as &dyn std::error::Error, "somebody could not be put out yet");
            still_in.extend(user_of(identity));
        }
        evictions.retain(|user, eviction| {
            let out = !still_in.contains(user);
            if out {
                tally::put_out("livekit", eviction);
            }
            eviction.tried = true;
            !out
        });
    }
    evictions
}

/// Whether it is a device that gave way to another one and has not come anew.
fn is_replaced(seating: &Seating, experience: ExperienceId, identity: &str) -> bool {
    let whose = user_of(identity).zip(device_of(identity));
    whose.is_some_and(|(user, device)| seating.is_replaced(experience, user, device))
}

impl Actor for ExperienceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let _crashed = self.guarded(ctx, Cause::Start, &"activate", ExperienceActor::activate);
    }
}

impl Guarded for ExperienceActor {
    type Key = ExperienceId;
    const KIND: &'static str = "experience";

    fn supervision(&mut self) -> &mut Supervision<Self> {
        &mut self.supervision
    }

    fn rebuild(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Starting;
        (self.alarm, self.lease_watch) = (None, None);
        self.activate(ctx);
    }
}

impl Handler<Order> for ExperienceActor {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Self::Context) {
        let payload = order.name();
        let _crashed = self.guarded(ctx, Cause::Message, &payload, |this, ctx| this.take(order, ctx));
    }
}
