//! Finds, starts and starts again the actors of one kind, and is the only one that knows their addresses.

use std::{
    fmt::{self, Debug},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix::{
    Addr, ArbiterHandle, Context, Handler, Message,
    dev::{ToEnvelope, channel},
    prelude::SendError,
};
use dashmap::{DashMap, Entry};
use metrics::counter;
use tokio::sync::{mpsc, oneshot};

use super::{Budget, Cause, Guarded, Supervision};
use crate::{
    clock::SharedClock,
    limits::{ACTORS_STARTING_MAX, ASK_WAIT, MAILBOX_MESSAGES_MAX, RESTART_WINDOW},
    telemetry::metric::{ACTOR_DEGRADED, ACTOR_RESTARTS, MAILBOX_REFUSED},
};

/// Where actors live: one thread's event loop.
pub trait Ground: Send + Sync + 'static {
    /// Runs `begin` there soon; `false` when the thread is gone or overwhelmed.
    fn begin(&self, begin: Box<dyn FnOnce() + Send>) -> bool;
}

impl Ground for ArbiterHandle {
    fn begin(&self, begin: Box<dyn FnOnce() + Send>) -> bool {
        self.spawn_fn(begin)
    }
}

/// The local task set this was made in: actors beside whoever made it, on one thread, as simulation and tests want it.
#[derive(Debug)]
pub struct Here(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Here {
    /// Starts actors in the current local task set. Must be called inside one.
    #[must_use]
    pub fn new() -> Self {
        let (sender, mut beginnings) = mpsc::channel::<Box<dyn FnOnce() + Send>>(ACTORS_STARTING_MAX);
        actix_rt::spawn(async move {
            while let Some(begin) = beginnings.recv().await {
                begin();
            }
        });
        Self(sender)
    }
}

impl Default for Here {
    fn default() -> Self {
        Self::new()
    }
}

impl Ground for Here {
    fn begin(&self, begin: Box<dyn FnOnce() + Send>) -> bool {
        self.0.try_send(begin).is_ok()
    }
}

/// Why an actor did not hear a message, or did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// Its mailbox is full, or its thread is gone.
    #[error("the actor has too much to do")]
    Busy,
    /// It died too often and rests.
    #[error("the actor failed too often and rests")]
    Degraded,
    /// It panicked on the message.
    #[error("the actor failed while it was answering")]
    Crashed,
    /// It did not answer within [`ASK_WAIT`].
    #[error("the actor did not answer in time")]
    Late,
}

/// Where an actor sends its answer; dropping it unsent is [`Unheard::Crashed`] to the asker.
pub struct Reply<T>(pub(super) oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Answers. Whether anybody still listens is of no interest.
    pub fn send(self, answer: T) {
        drop(self.0.send(answer));
    }

    /// One whose answer a test waits for.
    #[cfg(test)]
    pub fn pair() -> (Self, oneshot::Receiver<T>) {
        let (reply, answer) = oneshot::channel();
        (Self(reply), answer)
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// One actor as its keeper knows it. The address is never cloned: each clone would have a mailbox slot of its own.
struct Place<A: Guarded> {
    address: Addr<A>,
    incarnation: u64,
    deaths: Option<Box<Budget>>,
    resting: bool,
}

type Factory<A> = Box<dyn Fn(<A as Guarded>::Key, Supervision<A>) -> A + Send + Sync>;

/// What keeper and actors share.
pub(super) struct Ring<A: Guarded> {
    places: DashMap<A::Key, Place<A>>,
    ground: Box<dyn Ground>,
    factory: Factory<A>,
    incarnations: AtomicU64,
    mailbox: usize,
    pub(super) clock: SharedClock,
}

impl<A: Guarded> Ring<A> {
    /// Starts an actor; its address works at once, and is closed if the factory panics.
    fn launch(self: &Arc<Self>, key: A::Key) -> (Addr<A>, u64) {
        let incarnation = self.incarnations.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel::channel(self.mailbox);
        let ring = self.clone();
        let begun = self.ground.begin(Box::new(move || {
            let born = catch_unwind(AssertUnwindSafe(|| {
                let supervision =
                    Supervision { ring: ring.clone(), key, incarnation, generation: 0, retired: false, trouble: None };
                (ring.factory)(key, supervision)
            }));
            if let Ok(actor) = born {
                drop(Context::with_receiver(receiver).run(actor));
            }
        }));
        if !begun {
            tracing::warn!(actor = A::KIND, ?key, "an actor cannot be started: its thread is gone or overwhelmed");
        }
        (Addr::new(sender), incarnation)
    }

    /// An actor has ended; runs while it is dropped, perhaps while its thread unwinds.
    pub(super) fn ended(self: &Arc<Self>, key: A::Key, incarnation: u64, retired: bool) {
        if retired {
            self.places.remove_if(&key, |_, place| place.incarnation == incarnation);
            return;
        }
        let Some(mut place) = self.places.get_mut(&key) else { return };
        counter!(ACTOR_RESTARTS, "actor" => A::KIND, "cause" => Cause::Death.as_str()).increment(1);
        let now = self.clock.monotonic();
        if place.deaths.get_or_insert_default().spend(now) {
            if place.incarnation == incarnation && !place.resting {
                (place.address, place.incarnation) = self.launch(key);
            }
        } else if !place.resting {
            counter!(ACTOR_DEGRADED, "actor" => A::KIND).increment(1);
            tracing::error!(actor = A::KIND, ?key, "an actor died too often and rests");
            place.resting = true;
            let ring = self.clone();
            self.ground.begin(Box::new(move || {
                actix_rt::spawn(async move {
                    tokio::time::sleep(RESTART_WINDOW).await;
                    ring.wake(key);
                });
            }));
        }
    }

    /// Tries an actor again that has rested.
    fn wake(self: &Arc<Self>, key: A::Key) {
        if let Some(mut place) = self.places.get_mut(&key)
            && place.resting
        {
            place.resting = false;
            (place.address, place.incarnation) = self.launch(key);
        }
    }
}

/// Finds and starts the actors of one kind. Cheap to clone.
pub struct Keeper<A: Guarded>(Arc<Ring<A>>);

impl<A: Guarded> Clone for Keeper<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Guarded> Debug for Keeper<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("kind", &A::KIND).field("actors", &self.len()).finish()
    }
}

impl<A: Guarded> Keeper<A> {
    /// A keeper whose actors live on `ground` and are made by `factory`, which may fail by panicking.
    pub fn new(
        ground: impl Ground,
        clock: SharedClock,
        factory: impl Fn(A::Key, Supervision<A>) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::with_mailboxes(MAILBOX_MESSAGES_MAX, ground, clock, factory)
    }

    /// The same with mailboxes of another size, as simulation wants them.
    pub fn with_mailboxes(
        mailbox: usize,
        ground: impl Ground,
        clock: SharedClock,
        factory: impl Fn(A::Key, Supervision<A>) -> A + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Ring {
            mailbox,
            places: DashMap::new(),
            ground: Box::new(ground),
            factory: Box::new(factory),
            incarnations: AtomicU64::new(0),
            clock,
        }))
    }

    /// How many actors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.places.is_empty()
    }

    /// Whether there is one for `key`, resting ones included.
    #[must_use]
    pub fn has(&self, key: A::Key) -> bool {
        self.0.places.contains_key(&key)
    }

    /// Whom there are actors for, as a list of this moment.
    #[must_use]
    pub fn keys(&self) -> Vec<A::Key> {
        self.0.places.iter().map(|place| *place.key()).collect()
    }

    /// Starts the actor of `key` where there is none.
    pub fn start(&self, key: A::Key) {
        if let Entry::Vacant(vacant) = self.0.places.entry(key) {
            let (address, incarnation) = self.0.launch(key);
            vacant.insert(Place { address, incarnation, deaths: None, resting: false });
        }
    }

    /// Puts a message into the mailbox of `key`'s actor, started when there is none. A closed mailbox is tried once more
    /// with a fresh actor.
    pub fn tell<M>(&self, key: A::Key, message: M) -> Result<(), Unheard>
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        self.start(key);
        match self.try_tell(key, message) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unheard::Busy), // retired and closed twice in a row
            Err(unheard) => Err(unheard),
        }
    }

    /// Puts a message into the mailbox of `key`'s actor; `false` when there is none.
    pub fn tell_running<M>(&self, key: A::Key, message: M) -> Result<bool, Unheard>
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        self.try_tell(key, message)
    }

    fn try_tell<M>(&self, key: A::Key, message: M) -> Result<bool, Unheard>
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let Some(place) = self.0.places.get(&key) else { return Ok(false) };
        if place.resting {
            return Err(Unheard::Degraded);
        }
        let tried = place.incarnation;
        let sent = place.address.try_send(message);
        drop(place);
        let message = match sent {
            Ok(()) => return Ok(true),
            Err(SendError::Full(_)) => return Err(Self::refused()),
            Err(SendError::Closed(message)) => message,
        };
        let Some(mut place) = self.0.places.get_mut(&key) else { return Ok(false) };
        if place.resting {
            return Err(Unheard::Degraded);
        }
        if place.incarnation == tried {
            (place.address, place.incarnation) = self.0.launch(key);
        }
        place.address.try_send(message).map(|()| true).map_err(|_| Self::refused())
    }

    fn refused() -> Unheard {
        counter!(MAILBOX_REFUSED, "actor" => A::KIND).increment(1);
        Unheard::Busy
    }

    /// Tells the actor of `key` what `message` makes of a place for the answer, and waits for that at most [`ASK_WAIT`].
    pub async fn ask<M, T>(&self, key: A::Key, message: impl FnOnce(Reply<T>) -> M) -> Result<T, Unheard>
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let (reply, answer) = oneshot::channel();
        self.tell(key, message(Reply(reply)))?;
        match tokio::time::timeout(ASK_WAIT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unheard::Crashed),
            Err(_) => Err(Unheard::Late),
        }
    }
}
