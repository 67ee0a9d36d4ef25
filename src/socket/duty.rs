//! What a shard does all day: it takes its mailbox and its wheel in turn, and starts again when something in it panics.

use std::{panic::AssertUnwindSafe, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    codes::CloseCode,
    connection::Connection,
    hub::{Latest, MediaPlan, Publication},
    registry::{Command, Whom},
    shard::Shard,
    topic::{Lane, Step},
};
use crate::{
    ids::ExperienceId,
    limits::{BOARD_WAIT, SHARD_REST, SOCKET_TICK, SOCKETS_PER_TURN},
    telemetry::metric,
};

impl Shard {
    /// Sets the shard going on its thread.
    pub fn start(self: &Rc<Self>) {
        actix_rt::spawn(self.clone().serve());
    }

    async fn serve(self: Rc<Self>) {
        loop {
            if AssertUnwindSafe(self.work()).catch_unwind().await.is_err() {
                tracing::error!(shard = self.id().0, "a shard panicked and starts again; its viewers stay");
                metrics::counter!(metric::ACTOR_RESTARTS, "actor" => "shard", "cause" => "panic").increment(1);
                self.shaken.set(true);
                sleep(SHARD_REST).await;
            }
        }
    }

    async fn work(&self) {
        if self.shaken.replace(false) {
            self.ask_for_every_board();
        }
        let mut ticks = interval(SOCKET_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = self.mailbox().next() => self.obey(command).await,
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    /// Whatever was in hand is lost with a panic, so nobody's frames are sure any more.
    fn ask_for_every_board(&self) {
        let experiences: Vec<ExperienceId> = self.gatherings.borrow().keys().copied().collect();
        for experience in experiences {
            self.fall_behind(experience);
        }
    }

    fn fall_behind(&self, experience: ExperienceId) {
        if let Some(gathering) = self.gatherings.borrow_mut().get_mut(&experience) {
            gathering.topic.fall_behind();
            gathering.asked = self.now();
        } else {
            return;
        }
        self.floor().subscribe(experience, self.id());
    }

    async fn obey(&self, command: Command) {
        match command {
            Command::Publish { experience, publication, at } => {
                self.publish(experience, publication).await;
                let took = self.now().saturating_sub(at);
                metrics::histogram!(metric::FANOUT_SECONDS).record(took.as_secs_f64());
            }
            Command::Close { whom, code, reason, at } => {
                self.remember_closing(whom, code, reason.clone(), at);
                for_each_in_turns(&self.those(whom), |one| one.leave(code, &reason, self.comeback())).await;
            }
            #[cfg(test)]
            Command::Settled(reply) => reply.send(()).unwrap_or_default(),
            Command::Drain(spread) => {
                let code = CloseCode::GoingAway;
                for_each_in_turns(&self.everybody(), |one| one.leave(code, code.word(), self.within(spread))).await;
            }
            Command::Behind(experience) => {
                metrics::counter!(metric::MAILBOX_REFUSED, "actor" => "shard").increment(1);
                self.fall_behind(experience);
            }
            Command::Overwhelmed => {
                metrics::counter!(metric::MAILBOX_REFUSED, "actor" => "shard").increment(1);
                let code = CloseCode::RightsUnknown;
                for_each_in_turns(&self.everybody(), |one| one.leave(code, code.word(), self.comeback())).await;
            }
        }
    }

    fn everybody(&self) -> Vec<Rc<Connection>> {
        self.seats.borrow().iter().map(|(_, connection)| connection.clone()).collect()
    }

    fn those(&self, whom: Whom) -> Vec<Rc<Connection>> {
        let seats = self.seats.borrow();
        let all = seats.iter().map(|(_, connection)| connection);
        match whom {
            Whom::Experience(experience) => all.filter(|one| one.seat.experience == experience).cloned().collect(),
            Whom::Basis(basis) => all.filter(|one| one.seat.basis == basis).cloned().collect(),
            Whom::Session(session) => all.filter(|one| one.seat.session == session).cloned().collect(),
            Whom::User(user, experience) => {
                let users = self.users.borrow();
                let slots = users.range((user, 0)..=(user, u32::MAX)).map(|(_, slot)| *slot as usize);
                slots
                    .filter_map(|slot| seats.get(slot))
                    .filter(|one| experience.is_none_or(|experience| one.seat.experience == experience))
                    .cloned()
                    .collect()
            }
        }
    }

    async fn publish(&self, experience: ExperienceId, publication: Publication) {
        let (step, members, studios, plan) = {
            let mut gatherings = self.gatherings.borrow_mut();
            let Some(gathering) = gatherings.get_mut(&experience) else { return };
            let step = gathering.topic.take(publication);
            if step == Step::Ask {
                gathering.asked = self.now();
            }
            let studios = if matches!(step, Step::Studio(_)) { gathering.studios.clone() } else { Vec::new() };
            (step, gathering.members.clone(), studios, gathering.topic.media().cloned())
        };
        match step {
            Step::Nothing => {}
            Step::Ask => self.floor().subscribe(experience, self.id()),
            Step::Studio(frame) => for_each_in_turns(&studios, |one| one.send(&frame, Lane::Keep)).await,
            Step::Everybody { frames, lane, media } => {
                let plan = plan.filter(|_| media);
                self.tell(&members, &frames, lane, plan.as_deref()).await;
            }
        }
        drop(members); // before the newcomers join them, so that the list need not be copied
        let mut greeted = 0;
        while self.greet_one(experience) {
            greeted += 1;
            if greeted % SOCKETS_PER_TURN == 0 {
                yield_now().await;
            }
        }
    }

    async fn tell(&self, members: &[Rc<Connection>], frames: &[Bytes], lane: Lane, plan: Option<&MediaPlan>) {
        let kind = match lane {
            Lane::Keep => "numbered",
            Lane::Newest(Latest::Audience) => "audience",
            Lane::Newest(Latest::Reactions) => "reactions",
        };
        for frame in frames {
            for_each_in_turns(members, |one| one.send(frame, lane)).await;
            metrics::counter!(metric::SOCKET_FRAMES, "kind" => kind).increment(members.len() as u64);
        }
        if let Some(plan) = plan {
            for_each_in_turns(members, |one| self.mint(one, plan)).await;
        }
    }

    async fn tick(&self) {
        let mut due = Vec::new();
        self.wheel.borrow_mut().advance(self.now(), &mut due);
        for turn in due.chunks(SOCKETS_PER_TURN) {
            for entry in turn {
                let connection = self.seats.borrow().get(entry.key as usize).cloned();
                if let Some(connection) = connection.filter(|one| one.alarm.get() == entry.due) {
                    self.look(&connection);
                }
            }
            yield_now().await;
        }
        self.forget_closings();
        self.look_again_if_the_wall_clock_moved().await;
        self.ask_again();
    }

    /// Token renewals are due by the wall clock, which may be moved forward.
    async fn look_again_if_the_wall_clock_moved(&self) {
        let running = i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX);
        let ahead = self.wall().0 - running;
        let before = self.wall_ahead.replace(ahead);
        let second = i64::try_from(Duration::from_secs(1).as_millis()).unwrap_or(i64::MAX);
        if ahead - before > second {
            for_each_in_turns(&self.everybody(), |one| self.look(one)).await;
        }
    }

    /// A board that was asked for and has not come is asked for again.
    fn ask_again(&self) {
        let now = self.now();
        let mut late = Vec::new();
        for (experience, gathering) in self.gatherings.borrow_mut().iter_mut() {
            if gathering.topic.awaits_board() && now >= gathering.asked + BOARD_WAIT {
                gathering.asked = now;
                late.push(*experience);
            }
        }
        for experience in late {
            self.floor().subscribe(experience, self.id());
        }
    }
}

/// Acts on many sockets without keeping the thread's other tasks waiting.
async fn for_each_in_turns(all: &[Rc<Connection>], act: impl Fn(&Connection)) {
    for (count, turn) in all.chunks(SOCKETS_PER_TURN).enumerate() {
        if count > 0 {
            yield_now().await;
        }
        for connection in turn {
            act(connection);
        }
    }
}
