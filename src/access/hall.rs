//! What this node knows of people's rights and of what they open: written by the entitlement actors, read by every door
//! without a mailbox between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashmap::DashMap;

use super::{
    RightsUnknown,
    core::{Opening, Rights},
    eviction::Eviction,
    expiry::Wheel,
    loader::Loader,
};
use crate::{
    clock::SharedClock,
    ids::{ExperienceId, UserId},
    limits::{OPENING_FRESH, OPENING_IDLE, RIGHTS_IDLE, RIGHTS_KNOWN},
};

/// A moment on the monotonic clock that many threads may move, in milliseconds.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn of(at: Duration) -> Self {
        let moment = Self::default();
        moment.set(at);
        moment
    }

    fn set(&self, at: Duration) {
        self.0.store(u64::try_from(at.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }
}

/// What is known of one person.
struct Known {
    rights: Option<Arc<Rights>>,
    /// When the read that brought them began.
    read_at: Duration,
    /// How often they were doubted before that read began.
    confirmed: u64,
    /// How often something was changed that bears on them.
    doubts: AtomicU64,
    doubted_at: Moment,
    used_at: Moment,
    /// Those who hold doors open were told that nothing is known.
    told_unknown: AtomicBool,
}

impl Known {
    fn nothing(now: Duration) -> Self {
        Self {
            rights: None,
            read_at: now,
            confirmed: 0,
            doubts: AtomicU64::new(0),
            doubted_at: Moment::default(),
            used_at: Moment::of(now),
            told_unknown: AtomicBool::new(false),
        }
    }

    fn is_doubted(&self) -> bool {
        self.doubts.load(Relaxed) != self.confirmed
    }

    fn is_stale(&self, heard_at: Duration, now: Duration) -> bool {
        now >= self.read_at.max(heard_at) + RIGHTS_KNOWN
    }
}

/// A read that has begun: what it brings is good unless something is doubted after it.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at: Duration,
    doubts: u64,
}

struct KnownOpening {
    opening: Opening,
    read_at: Duration,
    /// Something was changed since: read it again before a new door is judged by it.
    doubted: bool,
    used_at: Moment,
}

/// What this node knows.
pub struct Hall {
    pub(super) clock: SharedClock,
    pub(super) rights: Loader<UserId, Rights>,
    pub(super) openings: Loader<ExperienceId, Opening>,
    pub(super) wheel: Wheel,
    known: DashMap<UserId, Known>,
    open: DashMap<ExperienceId, KnownOpening>,
    /// When the last good look at the log of changes began: up to then, what was not doubted is good.
    heard_at: Moment,
    eviction: Arc<dyn Eviction>,
}

impl Hall {
    pub(super) fn new(
        clock: SharedClock,
        rights: Loader<UserId, Rights>,
        openings: Loader<ExperienceId, Opening>,
        eviction: Arc<dyn Eviction>,
    ) -> Self {
        Self {
            clock,
            rights,
            openings,
            wheel: Wheel::default(),
            known: DashMap::new(),
            open: DashMap::new(),
            heard_at: Moment::default(),
            eviction,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// The rights of `user`, if they are known to be good now.
    pub fn known(&self, user: UserId) -> Result<Arc<Rights>, RightsUnknown> {
        let known = self.known.get(&user).ok_or(RightsUnknown)?;
        let now = self.clock.monotonic();
        known.used_at.set(now);
        match &known.rights {
            Some(rights) if !known.is_doubted() && !known.is_stale(self.heard_at.get(), now) => Ok(rights.clone()),
            _ => Err(RightsUnknown),
        }
    }

    /// A read of the rights of `user` begins.
    pub(super) fn begin(&self, user: UserId) -> Begun {
        let at = self.clock.monotonic();
        let known = self.known.entry(user).or_insert_with(|| Known::nothing(at));
        Begun { at, doubts: known.doubts.load(Relaxed) }
    }

    /// What a read brought. Those who hold doors open are told, since any answer can be another now.
    pub(super) fn publish(&self, user: UserId, rights: Arc<Rights>, begun: Begun) {
        self.wheel.arm(user, rights.next_change(self.clock.now()));
        {
            let mut known = self.known.entry(user).or_insert_with(|| Known::nothing(begun.at));
            known.rights = Some(rights.clone());
            known.read_at = begun.at;
            known.confirmed = begun.doubts;
            known.told_unknown.store(false, Relaxed);
        }
        self.judge_again(user, rights);
    }

    fn judge_again(&self, user: UserId, rights: Arc<Rights>) {
        if self.eviction.is_inside(user) {
            self.eviction.rights_changed(user, rights);
        }
    }

    /// Time has changed what `user` may open: tells so, and arms the wheel for the next time.
    pub(super) fn look_again(&self, user: UserId) {
        let Some(rights) = self.known.get(&user).and_then(|known| known.rights.clone()) else { return };
        self.wheel.arm(user, rights.next_change(self.clock.now()));
        self.judge_again(user, rights);
    }

    /// Something was changed that bears on `user`: what is known is not good until it was read again.
    pub(super) fn doubt(&self, user: UserId) {
        if let Some(known) = self.known.get(&user) {
            if !known.is_doubted() {
                known.doubted_at.set(self.clock.monotonic());
            }
            known.doubts.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn is_doubted(&self, user: UserId) -> bool {
        self.known.get(&user).is_some_and(|known| known.is_doubted())
    }

    /// Forgets `user` when nobody asked for a while and they are nowhere inside; whether it did.
    pub(super) fn forget_if_idle(&self, user: UserId) -> bool {
        let now = self.clock.monotonic();
        if self.eviction.is_inside(user) || self.known.remove_if(&user, |_, known| is_idle(known, now)).is_none() {
            return false;
        }
        self.wheel.arm(user, None);
        true
    }

    /// Those nobody asked about for a while and who are nowhere inside.
    pub(super) fn idle(&self) -> Vec<UserId> {
        let now = self.clock.monotonic();
        let idle: Vec<UserId> =
            self.known.iter().filter(|known| is_idle(known, now)).map(|known| *known.key()).collect();
        idle.into_iter().filter(|user| !self.eviction.is_inside(*user)).collect()
    }

    /// A look at the log of changes that began at `at` was good, and what it showed is doubted already.
    pub(super) fn heard(&self, at: Duration) {
        self.heard_at.set(at);
    }

    /// Tells of those inside whose rights are not known any more, each once.
    pub(super) fn fail_closed(&self) {
        let (now, heard_at) = (self.clock.monotonic(), self.heard_at.get());
        let lost = |known: &Known| {
            let lost = known.rights.is_some()
                && (known.is_stale(heard_at, now)
                    || (known.is_doubted() && now >= known.doubted_at.get() + RIGHTS_KNOWN));
            !known.told_unknown.swap(lost, Relaxed) && lost
        };
        let users: Vec<UserId> = self.known.iter().filter(|known| lost(known)).map(|known| *known.key()).collect();
        for user in users.into_iter().filter(|user| self.eviction.is_inside(*user)) {
            self.eviction.rights_unknown(user);
        }
    }

    /// What opens `experience`, if that is known well enough for a door that is open already: where it is doubted, whoever
    /// is inside is judged again once it was read.
    pub(super) fn known_opening(&self, experience: ExperienceId) -> Option<Opening> {
        let known = self.open.get(&experience)?;
        let now = self.clock.monotonic();
        known.used_at.set(now);
        (now < known.read_at + RIGHTS_KNOWN).then_some(known.opening)
    }

    fn fresh_opening(&self, experience: ExperienceId) -> Option<Opening> {
        let known = self.open.get(&experience)?;
        let now = self.clock.monotonic();
        known.used_at.set(now);
        (!known.doubted && now < known.read_at + OPENING_FRESH).then_some(known.opening)
    }

    /// What opens `experience`; `None` when there is no such experience.
    pub(super) async fn opening(&self, experience: ExperienceId) -> Result<Option<Opening>, RightsUnknown> {
        if let Some(opening) = self.fresh_opening(experience) {
            return Ok(Some(opening));
        }
        match self.read_opening(experience).await {
            Ok(opening) => Ok(opening),
            Err(unknown) => self.known_opening(experience).map(Some).ok_or(unknown),
        }
    }

    async fn read_opening(&self, experience: ExperienceId) -> Result<Option<Opening>, RightsUnknown> {
        let read_at = self.clock.monotonic();
        let opening = self.openings.load(experience).await?;
        let before = match opening {
            Some(opening) => {
                let used_at = self.open.get(&experience).map_or(read_at, |known| known.used_at.get());
                let known = KnownOpening { opening, read_at, doubted: false, used_at: Moment::of(used_at) };
                self.open.insert(experience, known).map(|known| known.opening)
            }
            None => self.open.remove(&experience).map(|(_, known)| known.opening),
        };
        if before.is_some() && before != opening {
            self.judge_all_again();
        }
        Ok(opening)
    }

    /// What opened an experience is another now: everybody inside is judged again.
    fn judge_all_again(&self) {
        let all: Vec<(UserId, Arc<Rights>)> =
            self.known.iter().filter_map(|known| Some((*known.key(), known.rights.clone()?))).collect();
        for (user, rights) in all {
            self.judge_again(user, rights);
        }
    }

    /// The experiences whose opening is known and was asked for lately; the others are forgotten.
    pub(super) fn openings_in_use(&self) -> Vec<ExperienceId> {
        let now = self.clock.monotonic();
        self.open.retain(|_, known| now < known.used_at.get() + OPENING_IDLE);
        self.open.iter().map(|known| *known.key()).collect()
    }

    /// What is known of how experiences open is not good for new doors until it was read again; whose it is.
    pub(super) fn doubt_openings(&self) -> Vec<ExperienceId> {
        let mut doubted = vec![];
        for mut known in self.open.iter_mut() {
            known.doubted = true;
            doubted.push(*known.key());
        }
        doubted
    }

    /// Reads what opens these experiences again; failures stand in the log, and the next look tries again.
    pub(super) async fn read_openings(&self, experiences: Vec<ExperienceId>) {
        futures_util::future::join_all(experiences.into_iter().map(|one| self.read_opening(one))).await;
    }
}

fn is_idle(known: &Known, now: Duration) -> bool {
    now >= known.used_at.get() + RIGHTS_IDLE
}
