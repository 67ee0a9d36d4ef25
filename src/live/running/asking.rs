//! What a running experience asks the media server, what it makes of answers and webhooks, and whom it has put out.

use super::{Answer, Job, Running, job::is_answer};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, UserId},
    limits::{MEDIA_ASK_AGAIN, MEDIA_ASK_EVERY, MEDIA_WATCH_CLOSELY},
    live::{
        core::{
            broadcast::{Event, Feed, Refusal, Stage, Witness},
            signal::Verdict,
        },
        media::{Hook, HookKind, MediaFault, Participant, STUDIO_DEVICE, identity_of, room_of, user_of},
        order::{CommandFault, View},
        rights::Right,
    },
};

impl Running {
    pub(super) fn take_verdict(&mut self, verdict: Option<Verdict>) {
        match verdict {
            Some(Verdict::Up(feed, witness)) if self.lacks(feed) => self.media_up(feed, witness),
            Some(Verdict::Down(witness)) => self.waiting.push_back((Event::MediaDown { witness }, None)),
            Some(Verdict::Up(..)) | None => {}
        }
    }

    /// Fresh media outweighs every answer that still waits: it was given before.
    pub(super) fn media_up(&mut self, feed: Feed, witness: Witness) {
        self.forget_answers();
        self.waiting.push_back((Event::MediaUp { feed, witness }, None));
    }

    /// Drops answers of the media server that wait for the store; a newer word has come.
    pub(super) fn forget_answers(&mut self) {
        self.waiting.retain(|(event, _)| !is_answer(*event));
    }

    /// Whether word of media would be news; the studio speaks every second.
    pub(super) fn lacks(&self, feed: Feed) -> bool {
        self.broadcast().is_some_and(|at| at.stage.feed() != feed)
    }

    pub(super) fn ask(&mut self, now: Timestamp, jobs: &mut Vec<Job>) {
        let Some(at) = self.broadcast().filter(|at| at.stage.wants_room() && !self.asking) else { return };
        jobs.push(Job::Ask(room_of(at.id)));
        self.asking = true;
        self.asked_at = now;
        self.ask_at = now.plus(MEDIA_ASK_EVERY);
    }

    pub(super) fn want_room(&mut self, now: Timestamp, id: BroadcastId, answer: Answer, jobs: &mut Vec<Job>) {
        let wanted = self.broadcast().filter(|at| at.id == id);
        match wanted {
            None => answer.send(Err(CommandFault::NoSuchBroadcast)),
            Some(at) if !at.stage.wants_room() => {
                let (refusal, state) = (Refusal::IllegalTransition, at.stage.name());
                answer.send(Err(CommandFault::Refused { refusal, state }));
            }
            Some(_) if self.room_open => answer.send(Ok(self.view(now))),
            Some(_) => {
                self.rooms_wanted.push(answer);
                self.ask(now, jobs);
            }
        }
    }

    pub(super) fn asked(
        &mut self,
        now: Timestamp,
        asked_at: Timestamp,
        answer: Result<Vec<Participant>, MediaFault>,
        jobs: &mut Vec<Job>,
    ) {
        self.asking = false;
        if !self.wants_room() {
            return;
        }
        let came_back = self.degraded && answer.is_ok();
        self.degraded = answer.is_err();
        self.room_open = answer.is_ok();
        match answer {
            Ok(people) => {
                self.answered_at = now;
                let browsers = people.iter().filter(|person| !person.encoder);
                self.police(browsers.map(|person| person.identity.as_str()), jobs);
                let on_air = people.iter().find(|person| person.publishing);
                let event = on_air.map_or(Event::NobodyOnAir { asked_at }, |person| Event::OnAir {
                    asked_at,
                    feed: if person.encoder { Feed::Encoder } else { Feed::Browser },
                });
                self.forget_answers();
                self.waiting.push_back((event, None));
                let closely = now < self.watch_closely_until || self.is_reconnecting();
                self.ask_at = now.plus(if closely { MEDIA_ASK_AGAIN } else { MEDIA_ASK_EVERY });
            }
            Err(_) => {
                self.waiting.push_back((Event::NoAnswer { silent_since: self.answered_at }, None));
                self.ask_at = now.plus(MEDIA_ASK_AGAIN);
            }
        }
        self.announce();
        if came_back && self.is_on_air() {
            // the room is new: everybody needs a fresh way in
            self.speaker.say_playback_again();
        }
        let told = |view: View| if self.room_open { Ok(view) } else { Err(CommandFault::MediaAway) };
        for answer in std::mem::take(&mut self.rooms_wanted) {
            answer.send(told(self.view(now)));
        }
    }

    pub(super) fn is_reconnecting(&self) -> bool {
        self.broadcast().is_some_and(|at| matches!(at.stage, Stage::Reconnecting { .. }))
    }

    /// Puts out everybody in the room who has no right to be there now; those nobody knows are asked about first.
    pub(super) fn police<'a>(&self, identities: impl Iterator<Item = &'a str>, jobs: &mut Vec<Job>) -> bool {
        let (mut out, mut unknown) = (vec![], vec![]);
        for identity in identities {
            match self.right(identity) {
                Right::Yes { .. } => {}
                Right::No(_) => out.push(identity.to_owned()),
                Right::Unknown => unknown.push(identity.to_owned()),
            }
        }
        let anybody = !out.is_empty();
        self.remove(out, jobs);
        if !unknown.is_empty() {
            jobs.push(Job::Learn(unknown));
        }
        anybody
    }

    pub(super) fn remove(&self, identities: Vec<String>, jobs: &mut Vec<Job>) {
        if let Some(at) = self.broadcast().filter(|at| at.stage.wants_room() && !identities.is_empty()) {
            jobs.push(Job::Remove(room_of(at.id), identities));
        }
    }

    pub(super) fn right(&self, identity: &str) -> Right {
        let Some(user) = user_of(identity) else { return Right::No("no_grant".into()) };
        if identity.rsplit_once(':').is_some_and(|(_, device)| device == STUDIO_DEVICE) {
            self.rights.may_run(user, self.experience)
        } else if self.is_on_air() {
            self.rights.may_watch(user, self.experience)
        } else {
            Right::No("not_yet".into()) // nobody watches what is still backstage
        }
    }

    pub(super) fn hooked(&mut self, now: Timestamp, hook: &Hook, jobs: &mut Vec<Job>) {
        let Some(_ours) = self.broadcast().filter(|at| room_of(at.id) == hook.room) else { return };
        match hook.kind {
            // an encoder is nobody's device; the list says whether it is one
            HookKind::Joined if user_of(&hook.identity).is_none() => self.ask_soon(now, jobs),
            HookKind::Joined => {
                if self.police(std::iter::once(hook.identity.as_str()), jobs) {
                    self.watch_closely(now);
                }
            }
            // fresh media is news at once; that media went away is asked about, for a second track may go on
            HookKind::Published { encoder } => {
                let feed = if encoder { Feed::Encoder } else { Feed::Browser };
                self.media_up(feed, Witness::Server);
            }
            HookKind::Unpublished | HookKind::Left | HookKind::RoomFinished => self.ask_soon(now, jobs),
            HookKind::RoomStarted | HookKind::Other => {}
        }
    }

    pub(super) fn ask_soon(&mut self, now: Timestamp, jobs: &mut Vec<Job>) {
        if self.asking {
            self.ask_at = now;
        } else {
            self.ask(now, jobs);
        }
    }

    pub(super) fn watch_closely(&mut self, now: Timestamp) {
        self.watch_closely_until = now.plus(MEDIA_WATCH_CLOSELY);
        self.ask_at = self.ask_at.min(now.plus(MEDIA_ASK_AGAIN));
    }

    pub(super) fn evict(&mut self, now: Timestamp, user: UserId, jobs: &mut Vec<Job>) {
        let devices = self.crowd.evict(user);
        let Some(at) = self.broadcast().filter(|at| at.stage.wants_room()) else { return };
        let out: Vec<String> = devices.iter().map(|device| identity_of(user, device)).collect();
        if !out.is_empty() {
            jobs.push(Job::Remove(room_of(at.id), out));
        }
        // devices that hold a token but no socket are found by asking
        self.watch_closely(now);
        self.ask_soon(now, jobs);
    }
}
