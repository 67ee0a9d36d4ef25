//! The mailbox round one person's rights, and their only writer: reads them again when they change, and looks again when time
//! changes them.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;

use super::{RightsUnknown, core::Rights, hall::Hall};
use crate::{
    ids::UserId,
    limits::{LOAD_AGAIN_FIRST, LOAD_AGAIN_MAX, RIGHTS_WAITERS_MAX},
    supervision::{Cause, Guarded, Reply, Supervision},
};

/// What somebody who asked for rights is told.
pub type Answer = Result<Arc<Rights>, RightsUnknown>;

/// A word to the actor.
#[derive(Debug)]
pub enum Word {
    /// Somebody needs the rights as they are now.
    Read(Reply<Answer>),
    /// Something that bears on them was changed.
    Changed,
    /// A moment has passed at which they change by themselves.
    Due,
    /// Nobody has asked for a while: end, if that is still so.
    Idle,
    /// A drill: panic.
    Panic,
}

impl Word {
    fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Changed => "changed",
            Self::Due => "due",
            Self::Idle => "idle",
            Self::Panic => "panic",
        }
    }
}

impl Message for Word {
    type Result = ();
}

/// One person's rights.
pub struct EntitlementActor {
    supervision: Supervision<Self>,
    hall: Arc<Hall>,
    /// A read is in flight.
    reading: bool,
    /// Something changed since it began, so that what it brings is old.
    read_again: bool,
    again_in: Duration,
    waiting: Vec<Reply<Answer>>,
}

impl EntitlementActor {
    /// The actor of the person that `supervision` is for.
    pub fn new(hall: Arc<Hall>, supervision: Supervision<Self>) -> Self {
        Self { supervision, hall, reading: false, read_again: false, again_in: LOAD_AGAIN_FIRST, waiting: vec![] }
    }

    fn user(&self) -> UserId {
        self.supervision.key()
    }

    fn read(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.reading, true) {
            return;
        }
        let (user, hall) = (self.user(), self.hall.clone());
        let begun = hall.begin(user);
        self.guarded_spawn(ctx, "read", async move { hall.rights.load(user).await }, move |actor, read, ctx| {
            actor.reading = false;
            if std::mem::take(&mut actor.read_again) {
                return actor.read(ctx);
            }
            let answer = read.map(|rights| {
                actor.again_in = LOAD_AGAIN_FIRST;
                let rights = Arc::new(rights.unwrap_or_else(|| Rights::none(user)));
                actor.hall.publish(user, rights.clone(), begun);
                rights
            });
            let failed = answer.is_err();
            for waiting in actor.waiting.drain(..) {
                waiting.send(answer.clone());
            }
            if failed && actor.hall.is_doubted(user) {
                actor.read_later(ctx);
            }
        });
    }

    fn read_later(&mut self, ctx: &mut Context<Self>) {
        let wait = self.again_in;
        self.again_in = (wait * 2).min(LOAD_AGAIN_MAX);
        self.guarded_later(ctx, "read again", wait, Self::read);
    }

    fn hear(&mut self, word: Word, ctx: &mut Context<Self>) {
        match word {
            Word::Read(reply) => match self.hall.known(self.user()) {
                Ok(rights) => reply.send(Ok(rights)),
                Err(RightsUnknown) if self.waiting.len() >= RIGHTS_WAITERS_MAX => reply.send(Err(RightsUnknown)),
                Err(RightsUnknown) => {
                    self.waiting.push(reply);
                    self.read(ctx);
                }
            },
            Word::Changed if self.reading => self.read_again = true,
            Word::Changed => self.read(ctx),
            Word::Due => self.hall.look_again(self.user()),
            Word::Idle if self.reading || !self.hall.forget_if_idle(self.user()) => {}
            Word::Idle => {
                self.supervision.retire();
                ctx.stop();
            }
            Word::Panic => panic!("a drill"),
        }
    }
}

impl Actor for EntitlementActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // also after a death: what its mailbox held may have been a change
        let _ = self.guarded(ctx, Cause::Start, &"read", Self::read);
    }
}

impl Guarded for EntitlementActor {
    type Key = UserId;
    const KIND: &'static str = "entitlement";

    fn supervision(&mut self) -> &mut Supervision<Self> {
        &mut self.supervision
    }

    /// What is published stays: it is known to be good until it is doubted. Those who wait ask again.
    fn rebuild(&mut self, ctx: &mut Context<Self>) {
        self.reading = false;
        self.read_again = false;
        self.waiting.clear();
        self.read(ctx);
    }
}

impl Handler<Word> for EntitlementActor {
    type Result = ();

    fn handle(&mut self, word: Word, ctx: &mut Self::Context) {
        let name = word.name();
        let _ = self.guarded(ctx, Cause::Message, &name, |actor, ctx| actor.hear(word, ctx));
    }
}
