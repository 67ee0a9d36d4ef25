//! One activation of a live experience: takes what comes in, asks the core, and hands back what has to be done.
//!
//! Nothing here waits. A durable step in flight holds back what follows; counts and reactions go on in memory.

mod asking;
mod job;
mod place;
mod saving;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    board::Loudspeaker,
    core::broadcast::{Broadcast, Effect, Event, Stage, next_alarm, step},
    crowd::Crowd,
    ledger::{Activation, Creation, Profile, Saved},
    media::{RoomSid, room_of},
    order::{CommandFault, Eviction, NewBroadcast, Order, StatsView, View},
    rights::{LiveRights, Right},
    seating::Seating,
    tally,
};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId, UserId},
    limits::{MEDIA_ASK_AGAIN, ORDERS_WAITING_MAX},
    socket::hub::{Hub, MediaPlan},
    store::StoreError,
    supervision::Reply,
};

pub use job::{Done, Heard, Job, Removal};

type Answer = Reply<Result<View, CommandFault>>;

struct Pending {
    next: Stage,
    effects: Vec<Effect>,
    event: Event,
    answer: Option<Answer>,
}

struct Making {
    broadcast: Broadcast,
    answer: Answer,
}

/// What is known of the media server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nothing: it was not asked for this room.
    Unasked,
    /// It answered, so the room is there.
    Open,
    /// It did not answer.
    Away,
}

/// The state of one activation.
pub struct Running {
    experience: ExperienceId,
    profile: Profile,
    saved: Option<Saved>,
    pub(super) crowd: Crowd,
    pub(super) speaker: Loudspeaker,
    hub: Arc<dyn Hub>,
    rights: Arc<dyn LiveRights>,
    seating: Seating,
    media_url: String,
    shown: tally::Shown,
    saving: Option<Pending>,
    making: Option<Making>,
    waiting: VecDeque<(Event, Option<Answer>)>,
    rooms_wanted: Vec<Answer>,
    retry_at: Option<Timestamp>,
    /// What the media server's last answer was.
    reach: Reach,
    /// The making of the room that people were sent to.
    room: Option<RoomSid>,
    /// The media server lost the room with everybody in it, and the picture is not back yet.
    room_lost: bool,
    /// Ended rights whose people may still be in the room.
    evicting: BTreeMap<UserId, Eviction>,
    asking: bool,
    /// When the media server was last asked.
    asked_at: Timestamp,
    ask_at: Timestamp,
    /// When the media server last answered; this activation's beginning before it did.
    answered_at: Timestamp,
    watch_closely_until: Timestamp,
    /// Somebody left unheard: when the audience is counted anew.
    recount_at: Option<Timestamp>,
    recounted_at: Timestamp,
}

/// What an activation is made of besides the store's word.
pub struct Surroundings {
    /// Sockets.
    pub hub: Arc<dyn Hub>,
    /// Who may be here.
    pub rights: Arc<dyn LiveRights>,
    /// Who sits here.
    pub seating: Seating,
    /// Where browsers reach the media server.
    pub media_url: String,
}

impl Running {
    /// Begins an activation and says everything once.
    pub fn begin(
        now: Timestamp,
        experience: ExperienceId,
        activation: Activation,
        around: &Surroundings,
    ) -> (Self, Vec<Job>) {
        let Activation { epoch, profile, saved } = activation;
        let mut crowd = Crowd::default();
        crowd.recount(now, &around.seating.seated(experience));
        crowd.begin(saved.as_ref());
        let at = saved.as_ref().map(|saved| &saved.broadcast);
        let speaker = Loudspeaker::new(experience, epoch, at, crowd.count(), around.hub.clone());
        let mut this = Self {
            experience,
            profile,
            saved,
            crowd,
            speaker,
            hub: around.hub.clone(),
            rights: around.rights.clone(),
            seating: around.seating.clone(),
            media_url: around.media_url.clone(),
            shown: tally::Shown::of(experience),
            saving: None,
            making: None,
            waiting: VecDeque::new(),
            rooms_wanted: vec![],
            retry_at: None,
            reach: Reach::Unasked,
            room: None,
            room_lost: false,
            evicting: BTreeMap::new(),
            asking: false,
            asked_at: Timestamp(0),
            ask_at: now,
            answered_at: now,
            watch_closely_until: Timestamp(0),
            recount_at: None,
            recounted_at: now,
        };
        this.speaker.say_everything();
        let jobs = this.beat(now);
        (this, jobs)
    }

    /// What is so.
    pub fn view(&self, now: Timestamp) -> View {
        View {
            experience: self.experience,
            broadcast: self.saved.as_ref().map(|saved| saved.broadcast.clone()),
            degraded: self.degraded(),
            audience: self.crowd.count(),
            total: self.crowd.total(),
            health: self.crowd.gauge.health(now),
            stats: self.crowd.gauge.stats(now).map(StatsView::from),
        }
    }

    /// The next moment at which `beat` has something to do.
    pub fn next_beat(&self) -> Option<Timestamp> {
        // an overdue alarm in flight is not set again: the answer to the question it asked comes first; and while the store
        // is away, or the question was asked a moment ago, there is nothing to do yet
        let broadcast = self.question_due().filter(|_| self.saving.is_none() && !self.asking);
        let broadcast = broadcast.map(|at| self.retry_at.map_or(at, |retry_at| at.max(retry_at)));
        let ask = (self.wants_room() && !self.asking).then_some(self.ask_at);
        [broadcast, ask, self.retry_at, self.recount_at, self.crowd.next_beat()].into_iter().flatten().min()
    }

    /// When the broadcast's alarm has something to do: at its time, and after it no more often than the server is asked.
    fn question_due(&self) -> Option<Timestamp> {
        let alarm = self.broadcast().and_then(|at| next_alarm(at, &self.profile.settings))?;
        Some(if self.asked_at < alarm { alarm } else { self.asked_at.plus(MEDIA_ASK_AGAIN) })
    }

    /// Time has passed.
    pub fn beat(&mut self, now: Timestamp) -> Vec<Job> {
        let mut jobs = vec![];
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
        }
        self.recount_if_due(now);
        let verdict = self.crowd.beat(now, &mut self.speaker);
        self.tally(now); // before anything is said: whoever hears of it and looks sees the same
        if self.crowd.fell_silent(now) {
            self.say_health(now);
        }
        self.take_verdict(verdict);
        self.waiting.push_back((Event::Tick, None));
        self.advance(now, &mut jobs);
        if self.wants_room() && now >= self.ask_at {
            self.ask(now, &mut jobs);
        }
        jobs
    }

    /// Takes an order. Those that only ask are answered at once.
    pub fn take(&mut self, now: Timestamp, order: Order) -> Vec<Job> {
        let mut jobs = vec![];
        match order {
            Order::Create(wanted, answer) => self.create(now, wanted, answer, &mut jobs),
            Order::Command(broadcast, event, answer) => self.command(now, broadcast, event, answer, &mut jobs),
            Order::Describe(answer) => answer.send(self.view(now)),
            Order::Room(broadcast, answer) => self.want_room(now, broadcast, answer, &mut jobs),
            Order::Admit(seat, chair, coming, answer) => self.admit(now, &seat, chair, coming, answer, &mut jobs),
            Order::HasRoom(user, device, answer) => {
                answer.send(self.crowd.has_room(user, &device, self.profile.devices));
            }
            Order::Left(viewer) => self.settle(now, viewer),
            Order::Subscribe(shard) => self.speaker.answer(shard),
            Order::React(reaction) => self.crowd.react(now, &reaction),
            Order::Frozen(user, frozen) => {
                let verdict = self.crowd.frozen(now, user, frozen, self.is_on_air());
                self.take_verdict(verdict);
                // one line may be at fault, or the media server: asking it is cheap, and soon tells
                if frozen && self.is_on_air() && now >= self.asked_at.plus(MEDIA_ASK_AGAIN) {
                    self.ask_soon(now, &mut jobs);
                }
            }
            Order::Sent(viewer, publishing, stats) => {
                let verdict = self.crowd.sent(now, viewer, publishing, stats);
                self.take_verdict(verdict);
                self.tally(now);
                self.say_health(now);
            }
            Order::Hooked(hook) => self.hooked(now, &hook, &mut jobs),
            Order::RightsEnded(ended) => self.evict(now, ended, &mut jobs),
            Order::SettingsChanged => jobs.push(Job::ReadProfile),
            Order::LookAtLease => {} // the shell looks before every message
            Order::Panic => panic!("this is a drill"),
        }
        self.recount_if_due(now);
        self.waiting.push_back((Event::Tick, None));
        self.advance(now, &mut jobs);
        jobs
    }

    /// The activation.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.speaker.epoch()
    }

    /// Takes what came of a job.
    pub fn done(&mut self, now: Timestamp, done: Done) -> Vec<Job> {
        let mut jobs = vec![];
        match done {
            Done::Saved(outcome) => self.saved(now, outcome, &mut jobs),
            Done::Created(outcome) => self.created(now, outcome, &mut jobs),
            Done::Asked(asked_at, answer) => self.asked(now, asked_at, answer, &mut jobs),
            Done::Removed(still_in) => self.remember_evictions(still_in),
            Done::Learned(identities) => {
                // who is still unknown after asking is put out: the door fails closed
                let out = identities.into_iter().filter(|identity| !matches!(self.right(identity), Right::Yes { .. }));
                self.remove(out.collect(), &mut jobs);
            }
            Done::Profile(profile) => {
                if let Some(profile) = profile {
                    self.profile = profile;
                }
            }
        }
        self.advance(now, &mut jobs);
        jobs
    }

    /// Everybody who still waits for an answer, when this activation is given up.
    pub fn give_up(self) {
        let answers = self.waiting.into_iter().filter_map(|(_, answer)| answer);
        let answers = answers.chain(self.saving.and_then(|pending| pending.answer));
        for answer in answers.chain(self.making.map(|making| making.answer)).chain(self.rooms_wanted) {
            answer.send(Err(CommandFault::Restarting));
        }
    }

    fn broadcast(&self) -> Option<&Broadcast> {
        self.saved.as_ref().map(|saved| &saved.broadcast)
    }

    fn open(&self) -> Option<&Broadcast> {
        self.broadcast().filter(|at| !at.stage.is_over())
    }

    fn wants_room(&self) -> bool {
        self.broadcast().is_some_and(|at| at.stage.wants_room())
    }

    /// Whether something is wrong that is ours to mend, not the creator's.
    fn degraded(&self) -> bool {
        self.reach == Reach::Away || self.room_lost
    }

    fn say_health(&mut self, now: Timestamp) {
        let (health, stats) = (self.crowd.gauge.health(now), self.crowd.gauge.stats(now));
        self.speaker.say_health(&health, stats.map(StatsView::from));
    }

    fn is_on_air(&self) -> bool {
        self.broadcast().is_some_and(|at| at.stage.is_on_air())
    }

    fn create(&mut self, now: Timestamp, wanted: NewBroadcast, answer: Answer, jobs: &mut Vec<Job>) {
        let NewBroadcast { id, by, title, scheduled_at, record } = wanted;
        let open = self.open().map(|at| at.id).or(self.making.as_ref().map(|making| making.broadcast.id));
        if let Some(open) = open {
            answer.send(Err(CommandFault::AlreadyOpen(open)));
            return;
        }
        let (experience, stage) = (self.experience, Stage::Scheduled);
        let broadcast = Broadcast { id, experience, title, record, scheduled_at, created_at: now, stage };
        jobs.push(Job::Create(self.speaker.epoch(), broadcast.clone(), by));
        self.making = Some(Making { broadcast, answer });
    }

    fn created(&mut self, now: Timestamp, outcome: Result<Creation, StoreError>, jobs: &mut Vec<Job>) {
        let Some(Making { broadcast, answer }) = self.making.take() else { return };
        let told = match outcome {
            Ok(Creation::Done) => {
                self.crowd.begin(None);
                self.forget_room();
                self.saved = Some(Saved { broadcast, version: 0, peak: 0, total: 0 });
                self.tally(now);
                self.announce();
                self.waiting.push_back((Event::Tick, None));
                Ok(self.view(now))
            }
            Ok(Creation::AlreadyOpen(open)) => Err(CommandFault::AlreadyOpen(open)),
            Ok(Creation::Fenced) => {
                tally::fenced();
                jobs.push(Job::StepDown);
                Err(CommandFault::Restarting)
            }
            Err(fault) => {
                if matches!(fault, StoreError::OutcomeUnknown(_)) {
                    jobs.push(Job::StartAgain);
                }
                Err(CommandFault::Store(fault))
            }
        };
        answer.send(told);
    }

    fn command(&mut self, now: Timestamp, id: BroadcastId, event: Event, answer: Answer, jobs: &mut Vec<Job>) {
        if self.broadcast().is_none_or(|at| at.id != id) {
            answer.send(Err(CommandFault::NoSuchBroadcast));
        } else if self.waiting.len() >= ORDERS_WAITING_MAX {
            answer.send(Err(CommandFault::Restarting));
        } else {
            self.waiting.push_back((Event::Tick, None));
            self.waiting.push_back((event, Some(answer)));
            self.advance(now, jobs);
        }
    }

    /// Works through what waits, until a step has to be saved first.
    fn advance(&mut self, now: Timestamp, jobs: &mut Vec<Job>) {
        while self.saving.is_none() && self.retry_at.is_none_or(|at| now >= at) {
            let Some((event, answer)) = self.waiting.pop_front() else { return };
            let Some(at) = self.broadcast() else { continue };
            match step(now, at, &self.profile.settings, event) {
                Err(refusal) => {
                    let state = at.stage.name();
                    if let Some(to) = answer {
                        to.send(Err(CommandFault::Refused { refusal, state }));
                    }
                }
                Ok(decided) => match decided.next {
                    None => {
                        self.perform(now, &decided.effects, jobs);
                        if let Some(to) = answer {
                            to.send(Ok(self.view(now)));
                        }
                    }
                    Some(next) => {
                        jobs.push(Job::Save(self.record(now, next.clone(), event)));
                        self.saving = Some(Pending { next, effects: decided.effects, event, answer });
                    }
                },
            }
        }
    }

    fn perform(&mut self, now: Timestamp, effects: &[Effect], jobs: &mut Vec<Job>) {
        for effect in effects {
            match effect {
                Effect::Ask if self.question_due().is_some_and(|due| now < due) => {}
                Effect::OpenRoom | Effect::Ask => self.ask(now, jobs),
                Effect::CloseRoom => {
                    self.forget_room();
                    if let Some(at) = self.broadcast() {
                        jobs.push(Job::CloseRoom(room_of(at.id)));
                    }
                }
            }
        }
    }

    /// Shows operators how things stand.
    fn tally(&self, now: Timestamp) {
        let (health, stats) = (self.crowd.gauge.health(now), self.crowd.gauge.stats(now));
        self.shown.look(self.broadcast(), self.crowd.count(), &health, stats);
    }

    /// Tells everybody where things stand.
    fn announce(&mut self) {
        let at = self.saved.as_ref().map(|saved| &saved.broadcast);
        self.speaker.say_state(at, self.degraded());
        // an answer that is missing sends nobody away: the picture may well go on
        let on_air = at.filter(|at| at.stage.is_on_air() && self.room.is_some());
        let plan = on_air.map(|at| MediaPlan { url: self.media_url.clone(), room: room_of(at.id) });
        self.speaker.say_playback(plan);
    }
}
