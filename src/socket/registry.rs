//! The way from the live core to the shards: a bounded mailbox for each shard, and the registry that knows them all.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{sync::Notify, time::timeout};

use super::{
    admission::Turnstile,
    codes::CloseCode,
    hub::{Hub, Publication, Reason, ShardId},
};
use crate::{
    clock::SharedClock,
    identity::Basis,
    ids::{ExperienceId, UserId, ViewerId},
    limits::{DRAIN_WAIT, SHARD_ORDERS_MAX, SHARD_PUBLICATIONS_MAX},
};

/// Whose sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whom {
    /// All of an experience.
    Experience(ExperienceId),
    /// A user's, in one experience or in all.
    User(UserId, Option<ExperienceId>),
    /// Those that rest on one sign-in or one API token.
    Basis(Basis),
    /// Those of one place in an audience.
    Session(ViewerId),
}

/// What a shard is told.
#[derive(Debug)]
pub enum Command {
    /// The live core speaks.
    Publish {
        /// Of what.
        experience: ExperienceId,
        /// What it says.
        publication: Publication,
        /// When it said so, on the monotonic clock.
        at: Duration,
    },
    /// Close some sockets.
    Close {
        /// Whose.
        whom: Whom,
        /// Why.
        code: CloseCode,
        /// The word for `bye`.
        reason: Reason,
        /// When it was ordered, on the monotonic clock.
        at: Duration,
    },
    /// Say that everything before this has been done.
    #[cfg(test)]
    Settled(tokio::sync::oneshot::Sender<()>),
    /// Send everybody away, to come back within this time.
    Drain(Duration),
    /// Publications of this experience found the mailbox full.
    Behind(ExperienceId),
    /// Orders found the mailbox full: whoever was to be closed is not known any more, so everybody is.
    Overwhelmed,
}

/// One shard's mailbox. Publications that do not fit mark their experience; orders that do not fit empty the shard.
#[derive(Debug, Default)]
pub struct Mailbox {
    letters: Mutex<Letters>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    queue: VecDeque<Command>,
    publications: usize,
    attended: HashSet<ExperienceId>,
    behind: HashSet<ExperienceId>,
    overwhelmed: bool,
}

impl Mailbox {
    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publications of `experience` are wanted from now on.
    pub fn attend(&self, experience: ExperienceId) {
        self.letters().attended.insert(experience);
    }

    /// Publications of `experience` are not wanted any more.
    pub fn forget(&self, experience: ExperienceId) {
        let mut letters = self.letters();
        letters.attended.remove(&experience);
        letters.behind.remove(&experience);
    }

    /// Puts in what the live core says, if anybody here listens.
    pub fn publish(&self, experience: ExperienceId, publication: Publication, at: Duration) {
        let mut letters = self.letters();
        if !letters.attended.contains(&experience) {
            return;
        }
        if letters.publications < SHARD_PUBLICATIONS_MAX {
            letters.publications += 1;
            letters.queue.push_back(Command::Publish { experience, publication, at });
        } else if letters.behind.insert(experience) {
            tracing::warn!(%experience, "a shard's mailbox is full; its viewers get a fresh board");
        }
        drop(letters);
        self.arrived.notify_one();
    }

    /// Puts in an order.
    pub fn order(&self, order: Command) {
        let mut letters = self.letters();
        if letters.queue.len() - letters.publications < SHARD_ORDERS_MAX {
            letters.queue.push_back(order);
        } else if !std::mem::replace(&mut letters.overwhelmed, true) {
            tracing::error!("a shard cannot follow its orders; it sends everybody away");
        }
        drop(letters);
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<Command> {
        let mut letters = self.letters();
        if std::mem::take(&mut letters.overwhelmed) {
            return Some(Command::Overwhelmed);
        }
        let Some(command) = letters.queue.pop_front() else {
            let experience = letters.behind.iter().next().copied()?;
            letters.behind.remove(&experience);
            return Some(Command::Behind(experience));
        };
        if matches!(command, Command::Publish { .. }) {
            letters.publications -= 1;
        }
        if letters.queue.is_empty() {
            letters.queue = VecDeque::new(); // a storm leaves no memory behind
        }
        Some(command)
    }

    /// Waits for what comes next.
    pub async fn next(&self) -> Command {
        loop {
            if let Some(command) = self.take() {
                return command;
            }
            self.arrived.notified().await;
        }
    }
}

/// All shards of one engine: the [`Hub`] the live core speaks to.
pub struct Registry {
    shards: RwLock<Vec<(ShardId, Arc<Mailbox>)>>,
    next: AtomicU32,
    clock: SharedClock,
    turnstile: Arc<Turnstile>,
}

impl Registry {
    /// A registry without shards; they come with the server's workers.
    pub fn new(clock: SharedClock, turnstile: Arc<Turnstile>) -> Arc<Self> {
        Arc::new(Self { shards: RwLock::default(), next: AtomicU32::new(0), clock, turnstile })
    }

    /// Makes a shard known for as long as the registration is kept.
    pub fn register(self: &Arc<Self>) -> Registration {
        let shard = ShardId(self.next.fetch_add(1, Ordering::Relaxed));
        let mailbox = Arc::<Mailbox>::default();
        self.shards.write().unwrap_or_else(PoisonError::into_inner).push((shard, mailbox.clone()));
        Registration { shard, mailbox, registry: self.clone() }
    }

    /// How many sockets there are, and how fast they may come.
    #[must_use]
    pub fn turnstile(&self) -> &Arc<Turnstile> {
        &self.turnstile
    }

    /// The clock the shards share.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    fn mailboxes(&self) -> Vec<(ShardId, Arc<Mailbox>)> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every shard has done what it was told before.
    #[cfg(test)]
    pub async fn settled(&self) {
        let done = self.mailboxes().into_iter().map(|(_, mailbox)| {
            let (reply, done) = tokio::sync::oneshot::channel();
            mailbox.order(Command::Settled(reply));
            done
        });
        futures_util::future::join_all(done).await;
    }

    fn close(&self, whom: Whom, code: CloseCode, reason: &Reason) {
        let at = self.clock.monotonic();
        for (_, mailbox) in self.mailboxes() {
            mailbox.order(Command::Close { whom, code, reason: reason.clone(), at });
        }
    }
}

/// A shard's place in the registry.
pub struct Registration {
    /// Which shard it is.
    pub shard: ShardId,
    /// What it is told.
    pub mailbox: Arc<Mailbox>,
    registry: Arc<Registry>,
}

impl Registration {
    /// Where it is registered.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut shards = self.registry.shards.write().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|(shard, _)| *shard != self.shard);
    }
}

impl Hub for Registry {
    fn publish(&self, experience: ExperienceId, publication: Publication) {
        let at = self.clock.monotonic();
        for (_, mailbox) in self.shards.read().unwrap_or_else(PoisonError::into_inner).iter() {
            mailbox.publish(experience, publication.clone(), at);
        }
    }

    fn publish_to(&self, shard: ShardId, experience: ExperienceId, publication: Publication) {
        let at = self.clock.monotonic();
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, mailbox)) = shards.iter().find(|(id, _)| *id == shard) {
            mailbox.publish(experience, publication, at);
        }
    }

    fn close_experience(&self, experience: ExperienceId, code: CloseCode, reason: Reason) {
        self.close(Whom::Experience(experience), code, &reason);
    }

    fn close_user(&self, user: UserId, experience: Option<ExperienceId>, code: CloseCode, reason: Reason) {
        self.close(Whom::User(user, experience), code, &reason);
    }

    fn close_basis(&self, basis: Basis, code: CloseCode, reason: Reason) {
        self.close(Whom::Basis(basis), code, &reason);
    }

    fn close_session(&self, session: ViewerId, code: CloseCode, reason: Reason) {
        self.close(Whom::Session(session), code, &reason);
    }

    fn drain(&self, spread: Duration) -> BoxFuture<'static, ()> {
        let (mailboxes, turnstile) = (self.mailboxes(), self.turnstile.clone());
        Box::pin(async move {
            turnstile.close();
            for (_, mailbox) in mailboxes {
                mailbox.order(Command::Drain(spread));
            }
            if timeout(DRAIN_WAIT, turnstile.emptied()).await.is_err() {
                tracing::warn!(left = turnstile.inside(), "some sockets did not leave in time");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn experience(id: u128) -> ExperienceId {
        ExperienceId(Uuid::from_u128(id))
    }

    fn publication() -> Publication {
        Publication::Studio { frame: "x".into() }
    }

    #[test]
    fn an_experience_whose_publications_do_not_fit_is_marked_once_and_after_the_rest() {
        let mailbox = Mailbox::default();
        mailbox.attend(experience(1));
        for _ in 0..SHARD_PUBLICATIONS_MAX + 3 {
            mailbox.publish(experience(1), publication(), Duration::ZERO);
        }
        for _ in 0..SHARD_PUBLICATIONS_MAX {
            assert!(matches!(mailbox.take(), Some(Command::Publish { .. })));
        }
        assert!(matches!(mailbox.take(), Some(Command::Behind(behind)) if behind == experience(1)));
        assert!(mailbox.take().is_none());
    }

    #[test]
    fn orders_fit_when_publications_do_not_and_a_flood_of_them_empties_the_shard() {
        let mailbox = Mailbox::default();
        mailbox.attend(experience(1));
        for _ in 0..=SHARD_PUBLICATIONS_MAX {
            mailbox.publish(experience(1), publication(), Duration::ZERO);
        }
        for _ in 0..SHARD_ORDERS_MAX {
            mailbox.order(Command::Drain(Duration::ZERO));
        }
        assert!(matches!(mailbox.take(), Some(Command::Publish { .. })), "all orders fit");
        mailbox.order(Command::Drain(Duration::ZERO));
        assert!(matches!(mailbox.take(), Some(Command::Overwhelmed)));
        assert!(matches!(mailbox.take(), Some(Command::Publish { .. })));
    }

    #[test]
    fn what_nobody_listens_to_is_not_kept() {
        let mailbox = Mailbox::default();
        mailbox.publish(experience(2), publication(), Duration::ZERO);
        assert!(mailbox.take().is_none());
        mailbox.attend(experience(2));
        mailbox.forget(experience(2));
        mailbox.publish(experience(2), publication(), Duration::ZERO);
        assert!(mailbox.take().is_none());
    }
}
