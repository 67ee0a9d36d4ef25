//! What a running experience asks the media server, what it makes of answers and webhooks, and whom it has put out.

use super::{Answer, Heard, Job, Reach, Removal, Running, job::is_answer};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, UserId},
    limits::{EVICTIONS_TIMED_MAX, MEDIA_ASK_AGAIN, MEDIA_ASK_EVERY, MEDIA_WATCH_CLOSELY},
    live::{
        core::{
            broadcast::{Event, Feed, Refusal, Stage, Witness},
            signal::Verdict,
        },
        media::{Hook, HookKind, MediaFault, RoomSid, device_of, identity_of, is_studio, room_of, user_of},
        order::{CommandFault, Eviction, RightsEnded, View},
        rights::Right,
        tally,
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
            Some(_) if self.reach == Reach::Open => answer.send(Ok(self.view(now))),
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
        answer: Result<Heard, MediaFault>,
        jobs: &mut Vec<Job>,
    ) {
        self.asking = false;
        if !self.wants_room() {
            return;
        }
        self.reach = if answer.is_ok() { Reach::Open } else { Reach::Away };
        match answer {
            Ok(Heard { room, people }) => {
                self.answered_at = now;
                self.found_room(room);
                let browsers = people.iter().filter(|person| !person.encoder);
                self.police(browsers.map(|person| person.identity.as_str()), jobs);
                let on_air = people.iter().find(|person| person.publishing);
                let event = on_air.map_or(Event::NobodyOnAir { asked_at }, |person| Event::OnAir {
                    asked_at,
                    feed: if person.encoder { Feed::Encoder } else { Feed::Browser },
                });
                self.room_lost &= on_air.is_none();
                self.settle_evictions();
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
        let told = |view: View| if self.reach == Reach::Open { Ok(view) } else { Err(CommandFault::MediaAway) };
        for answer in std::mem::take(&mut self.rooms_wanted) {
            answer.send(told(self.view(now)));
        }
    }

    /// A media server that was started again has lost the room with everybody in it: everybody is sent to the new one.
    fn found_room(&mut self, room: RoomSid) {
        let known = self.room.replace(room);
        if known.is_none() || known == self.room {
            return;
        }
        let stage = self.broadcast().map(|at| &at.stage);
        self.room_lost = matches!(stage, Some(Stage::Live { media_at: Some(_), .. } | Stage::Reconnecting { .. }));
        // without this word players would wait in the old room, which nobody serves any more
        self.speaker.say_playback(None);
    }

    /// There is no room, or none is wanted.
    pub(super) fn forget_room(&mut self) {
        self.reach = Reach::Unasked;
        self.room = None;
        self.room_lost = false;
    }

    pub(super) fn is_reconnecting(&self) -> bool {
        self.broadcast().is_some_and(|at| matches!(at.stage, Stage::Reconnecting { .. }))
    }

    /// Puts out everybody in the room who has no right to be there now; those nobody knows are asked about first.
    pub(super) fn police<'a>(&mut self, identities: impl Iterator<Item = &'a str>, jobs: &mut Vec<Job>) -> bool {
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

    pub(super) fn remove(&mut self, identities: Vec<String>, jobs: &mut Vec<Job>) {
        let wanted = self.broadcast().filter(|at| at.stage.wants_room() && !identities.is_empty());
        let Some(room) = wanted.map(|at| room_of(at.id)) else { return };
        let users = identities.iter().filter_map(|identity| user_of(identity));
        let evictions = users.filter_map(|user| self.evicting.remove(&user).map(|eviction| (user, eviction))).collect();
        jobs.push(Job::Remove(Removal { room, identities, evictions }));
    }

    /// Whose right ended and who may still be in the room.
    pub(super) fn remember_evictions(&mut self, evictions: impl IntoIterator<Item = (UserId, Eviction)>) {
        let room_left = EVICTIONS_TIMED_MAX.saturating_sub(self.evicting.len());
        self.evicting.extend(evictions.into_iter().take(room_left));
    }

    /// The list has been worked through: who was in it is being removed, and nobody else of those is there.
    fn settle_evictions(&mut self) {
        for eviction in std::mem::take(&mut self.evicting).into_values().filter(|eviction| eviction.tried) {
            tally::put_out("livekit", &eviction); // the removal's answer was lost, not the removal
        }
    }

    pub(super) fn right(&self, identity: &str) -> Right {
        let Some(user) = user_of(identity) else { return Right::No("no_grant".into()) };
        if is_studio(identity) {
            self.rights.may_run(user, self.experience)
        } else if device_of(identity).is_some_and(|device| self.seating.is_replaced(self.experience, user, device)) {
            Right::No("device_limit".into()) // it gave way, and its tokens are still about
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

    pub(super) fn evict(&mut self, now: Timestamp, ended: RightsEnded, jobs: &mut Vec<Job>) {
        let RightsEnded { user, devices: mut with_tokens, eviction } = ended;
        let mut devices = self.crowd.evict(user);
        devices.append(&mut with_tokens);
        devices.sort_unstable();
        devices.dedup();
        if !self.wants_room() {
            return;
        }
        self.remember_evictions(eviction.map(|eviction| (user, eviction)));
        self.remove(devices.iter().map(|device| identity_of(user, device)).collect(), jobs);
        // devices that hold a token but no socket are found by asking
        self.watch_closely(now);
        self.ask_soon(now, jobs);
    }
}
