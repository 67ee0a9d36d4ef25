//! How a running experience makes a step durable, and what it does once it is.

use super::{Job, Pending, Running, job::is_answer};
use crate::{
    clock::Timestamp,
    limits::STORE_RETRY,
    live::{
        core::broadcast::{Broadcast, Event, Stage},
        ledger::{Commit, Record},
        order::CommandFault,
        tally,
    },
    store::StoreError,
};

impl Running {
    pub(super) fn record(&self, now: Timestamp, next: Stage, event: Event) -> Record {
        let saved = self.saved.as_ref().expect("a step is decided on a broadcast that is there");
        let broadcast = Broadcast { stage: next, ..saved.broadcast.clone() };
        Record {
            broadcast,
            epoch: self.speaker.epoch(),
            version: saved.version,
            event,
            at: now,
            peak: self.crowd.count().peak,
            total: self.crowd.total(),
        }
    }

    pub(super) fn saved(&mut self, now: Timestamp, outcome: Result<Commit, StoreError>, jobs: &mut Vec<Job>) {
        let Some(pending) = self.saving.take() else { return };
        match outcome {
            Ok(Commit::Done) => self.stepped(now, pending, jobs),
            Ok(Commit::Fenced) => {
                tally::fenced();
                self.saving = Some(pending); // answered when this activation is given up
                jobs.push(Job::StepDown);
            }
            Ok(Commit::Unknown) | Err(StoreError::OutcomeUnknown(_)) => {
                self.saving = Some(pending);
                jobs.push(Job::StartAgain);
            }
            Err(fault) => match pending.answer {
                Some(answer) => answer.send(Err(CommandFault::Store(fault))),
                // what the world did cannot be answered with "try again": it waits until the store is back
                None => {
                    if is_answer(pending.event) {
                        self.ask_at = now.plus(STORE_RETRY); // it would have grown old: the server is asked again
                    } else {
                        self.waiting.push_front((pending.event, None));
                    }
                    self.retry_at = Some(now.plus(STORE_RETRY));
                }
            },
        }
    }

    fn stepped(&mut self, now: Timestamp, pending: Pending, jobs: &mut Vec<Job>) {
        let count = self.crowd.count();
        let Some(saved) = self.saved.as_mut() else { return };
        let before = std::mem::replace(&mut saved.broadcast.stage, pending.next);
        saved.version += 1;
        tally::stepped(&before, &saved.broadcast, count, now);
        let reconnecting = self.is_reconnecting();
        self.room_lost &= reconnecting;
        if !self.wants_room() {
            self.forget_room();
        }
        self.tally(now);
        self.announce();
        self.perform(now, &pending.effects, jobs);
        if reconnecting {
            // the picture may be gone because the media server is
            self.ask_soon(now, jobs);
        }
        if let Some(to) = pending.answer {
            to.send(Ok(self.view(now)));
        }
    }
}
