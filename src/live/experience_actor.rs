//! The mailbox round a live experience: keeps the clock, does what the activation orders, and starts it again from the store.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use futures_util::{FutureExt, future::join_all};

use super::{
    crowd::Crowd,
    ledger::{Activation, Ledger},
    media::{MediaServer, user_of},
    order::Order,
    rights::LiveRights,
    running::{Done, Job, Running, Surroundings},
};
use crate::{
    clock::{SharedClock, Timestamp},
    ids::ExperienceId,
    limits::{ACTIVATION_RETRY, MEDIA_REMOVE_AGAIN, ORDERS_WAITING_MAX},
    socket::{door::Seat, hub::Hub},
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
    /// Where browsers reach the media server.
    pub media_url: String,
}

enum Phase {
    /// The store is read; what comes meanwhile waits.
    Starting,
    /// On duty.
    Running(Box<Running>),
}

/// One live experience.
pub struct ExperienceActor {
    supervision: Supervision<Self>,
    experience: ExperienceId,
    ports: Arc<Ports>,
    phase: Phase,
    early: VecDeque<Order>,
    alarm: Option<(Timestamp, SpawnHandle)>,
}

impl ExperienceActor {
    /// An actor for `supervision`'s experience.
    #[must_use]
    pub fn new(supervision: Supervision<Self>, ports: Arc<Ports>) -> Self {
        let experience = supervision.key();
        Self { supervision, experience, ports, phase: Phase::Starting, early: VecDeque::new(), alarm: None }
    }

    /// Reads the store and asks the shards who is there, then goes on duty.
    fn activate(&mut self, ctx: &mut Context<Self>) {
        let activation = self.ports.ledger.activate(self.experience);
        let census = self.ports.hub.census(self.experience);
        self.guarded_spawn(ctx, "activate", async { (activation.await, census.await) }, |this, (found, seats), ctx| {
            this.activated(found, &seats, ctx);
        });
    }

    fn activated(
        &mut self,
        found: Result<Option<Activation>, StoreError>,
        seats: &[Arc<Seat>],
        ctx: &mut Context<Self>,
    ) {
        match found {
            Ok(Some(activation)) => {
                let crowd = Crowd::reseat(seats.iter().map(AsRef::as_ref));
                let around = Surroundings {
                    hub: self.ports.hub.clone(),
                    rights: self.ports.rights.clone(),
                    media_url: self.ports.media_url.clone(),
                };
                let now = self.ports.clock.now();
                let (running, jobs) = Running::begin(now, self.experience, activation, crowd, &around);
                self.phase = Phase::Running(Box::new(running));
                self.perform(jobs, ctx);
                for order in std::mem::take(&mut self.early) {
                    self.take(order, ctx);
                }
            }
            // nobody hears of it again: whoever asks for a thing that is not gets no answer, which is the answer
            Ok(None) => {
                self.early.clear();
                self.supervision.retire();
                actix::ActorContext::stop(ctx);
            }
            Err(fault) => {
                tracing::warn!(experience = %self.experience, error = &fault as &dyn std::error::Error, "cannot activate yet");
                // askers are told at once that it cannot be known; sockets and their orders wait
                self.early.retain(|order| matches!(order, Order::Left(_) | Order::Subscribe(_)));
                self.guarded_later(ctx, "activate again", ACTIVATION_RETRY, Self::activate);
            }
        }
    }

    fn take(&mut self, order: Order, ctx: &mut Context<Self>) {
        let now = self.ports.clock.now();
        match &mut self.phase {
            Phase::Starting if self.early.len() < ORDERS_WAITING_MAX * 64 => self.early.push_back(order),
            Phase::Starting => drop(order),
            Phase::Running(running) => {
                let jobs = running.take(now, order);
                self.perform(jobs, ctx);
            }
        }
    }

    fn done(&mut self, done: Done, ctx: &mut Context<Self>) {
        let now = self.ports.clock.now();
        if let Phase::Running(running) = &mut self.phase {
            let jobs = running.done(now, done);
            self.perform(jobs, ctx);
        }
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        self.alarm = None;
        let now = self.ports.clock.now();
        if let Phase::Running(running) = &mut self.phase {
            let jobs = running.beat(now);
            self.perform(jobs, ctx);
        }
    }

    fn perform(&mut self, jobs: Vec<Job>, ctx: &mut Context<Self>) {
        for job in jobs {
            self.perform_one(job, ctx);
        }
        self.set_alarm(ctx);
    }

    fn perform_one(&mut self, job: Job, ctx: &mut Context<Self>) {
        let ports = self.ports.clone();
        match job {
            Job::Save(record) => self.spawn_job(ctx, "save", ports.ledger.save(record).map(Done::Saved)),
            Job::Create(epoch, broadcast, by) => {
                self.spawn_job(ctx, "create", ports.ledger.create(epoch, broadcast, by).map(Done::Created));
            }
            Job::Ask(room) => {
                let asked_at = ports.clock.now();
                let ask = async move {
                    let answer = match ports.media.open_room(&room).await {
                        Ok(()) => ports.media.participants(&room).await,
                        Err(fault) => Err(fault),
                    };
                    Done::Asked(asked_at, answer)
                };
                self.spawn_job(ctx, "ask", ask);
            }
            Job::CloseRoom(room) => {
                // a room that stays because this call is lost is found by the reconciler
                self.guarded_spawn(ctx, "close room", async move { ports.media.close_room(&room).await }, |_, _, _| ());
            }
            Job::Remove(room, identities) => {
                self.guarded_spawn(ctx, "remove", remove(ports, room, identities), |_, (), _| ());
            }
            Job::Learn(identities) => {
                let experience = self.experience;
                let learn = async move {
                    let users = identities.iter().filter_map(|identity| user_of(identity));
                    join_all(users.map(|user| ports.rights.learn(user, experience))).await;
                    Done::Learned(identities)
                };
                self.spawn_job(ctx, "learn", learn);
            }
            Job::ReadProfile => {
                let profile = ports.ledger.profile(self.experience);
                self.spawn_job(ctx, "profile", profile.map(|found| Done::Profile(found.ok().flatten())));
            }
            Job::StartAgain => {
                if let Phase::Running(running) = std::mem::replace(&mut self.phase, Phase::Starting) {
                    running.give_up();
                }
                self.activate(ctx);
            }
        }
    }

    fn spawn_job(&mut self, ctx: &mut Context<Self>, name: &'static str, work: impl Future<Output = Done> + 'static) {
        self.guarded_spawn(ctx, name, work, ExperienceActor::done);
    }

    /// Deadlines are data: the alarm only makes sure that somebody looks at them in time.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let next = match &self.phase {
            Phase::Running(running) => running.next_beat(),
            Phase::Starting => None,
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

/// Puts people out, and again shortly after: one who was just joining is not there the first time.
async fn remove(ports: Arc<Ports>, room: String, identities: Vec<String>) {
    for wait in [Duration::ZERO, MEDIA_REMOVE_AGAIN] {
        if !wait.is_zero() {
            ports.clock.sleep_until(ports.clock.now().plus(wait)).await;
        }
        let removed = join_all(identities.iter().map(|identity| ports.media.remove(&room, identity))).await;
        for fault in removed.into_iter().filter_map(Result::err) {
            tracing::warn!(%room, error = &fault as &dyn std::error::Error, "somebody could not be put out yet");
        }
    }
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
        self.alarm = None;
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
