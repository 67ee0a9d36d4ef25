//! Who may be here, as the live core sees it: from memory, which may be empty, late, or too old to be believed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backstage::{
    ids::{ExperienceId, UserId},
    live::rights::{LiveRights, Right},
};
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    books::Books,
    world::{Seen, World, experiences, number_of},
};

/// Whether somebody may watch, and whether they may run it.
type May = (bool, bool);

/// The rights as they really are. Cheap to clone.
#[derive(Clone)]
pub struct Truth {
    world: World,
    held: Arc<Mutex<BTreeMap<(UserId, ExperienceId), May>>>,
}

impl Truth {
    pub fn new(world: World) -> Self {
        Self { world, held: Arc::default() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<(UserId, ExperienceId), May>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives or takes the right to watch, or to run.
    pub fn set(&self, user: UserId, at: ExperienceId, run: bool, held: bool) {
        let mut all = self.held();
        let now = all.entry((user, at)).or_default();
        *(if run { &mut now.1 } else { &mut now.0 }) = held;
        drop(all);
        self.world.note(number_of(at), Seen::Right { user: user.0.as_u128(), run, held });
    }

    pub fn may(&self, user: UserId, at: ExperienceId, run: bool) -> bool {
        self.held().get(&(user, at)).is_some_and(|(watch, runs)| if run { *runs } else { *watch })
    }

    /// Everything that is so of one person.
    fn of(&self, user: UserId) -> BTreeMap<ExperienceId, May> {
        experiences().map(|at| (at, (self.may(user, at, false), self.may(user, at, true)))).collect()
    }
}

/// What one engine knows of them. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    world: World,
    books: Books,
    truth: Truth,
    known: Arc<Mutex<BTreeMap<UserId, BTreeMap<ExperienceId, May>>>>,
}

impl Memory {
    pub fn new(world: World, books: Books, truth: Truth) -> Self {
        Self { world, books, truth, known: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<UserId, BTreeMap<ExperienceId, May>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one person's rights again, if they are in memory.
    pub fn refresh(&self, user: UserId) {
        let now = self.truth.of(user);
        self.known().entry(user).and_modify(|known| *known = now);
    }

    /// Everything known has become too old; whose it was.
    pub fn forget_all(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *self.known()).into_keys().collect()
    }

    fn judge(&self, user: UserId, at: ExperienceId, run: bool) -> Right {
        match self.known().get(&user).map(|all| all.get(&at).copied().unwrap_or_default()) {
            None => Right::Unknown,
            Some((watch, runs)) if if run { runs } else { watch } => Right::Yes { staff: run },
            Some(_) => Right::No("revoked".into()),
        }
    }
}

impl LiveRights for Memory {
    fn may_watch(&self, user: UserId, at: ExperienceId) -> Right {
        self.judge(user, at, false)
    }

    fn may_run(&self, user: UserId, at: ExperienceId) -> Right {
        self.judge(user, at, true)
    }

    fn learn(&self, user: UserId, _at: ExperienceId) -> BoxFuture<'static, bool> {
        let this = self.clone();
        async move {
            if this.known().contains_key(&user) {
                return true;
            }
            this.world.some_time(20).await;
            if !this.books.is_away() {
                let now = this.truth.of(user);
                this.known().insert(user, now);
            }
            true
        }
        .boxed()
    }
}
