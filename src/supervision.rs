//! Keeps actors alive: a panic costs one message and a rebuild from the store, never the mailbox, and never another actor.
//!
//! actix's own supervisor does not restart after a panic, so this is ours, in two lines of defence:
//!
//! 1. Everything an actor runs goes through [`Guarded`]: [`guarded`](Guarded::guarded) for messages,
//!    [`guarded_later`](Guarded::guarded_later) for timers, [`guarded_spawn`](Guarded::guarded_spawn) for futures. A panic
//!    in one of them is caught, the actor rebuilds itself *in place* and its mailbox stays. Timers and futures begun
//!    before the rebuild are forgotten: what they would bring belongs to a state that is gone.
//! 2. What dies all the same (a panic in `started`, in the factory, in a rebuild) drops its [`Supervision`], which tells
//!    the [`Keeper`]; the keeper starts a new actor and puts its address in the old one's place.
//!
//! More than [`RESTARTS_MAX`] in [`RESTART_WINDOW`] is *degraded*: in the first line, the message that did it is set aside
//! with its payload and refused from then on (the others go on); in the second, the actor rests for a window and is then
//! tried again. Both count in `backstage_actor_degraded_total`, which alerts.
//!
//! An actor's own timers and futures are set aside for a window only; one that orders such work meanwhile rebuilds itself
//! afterwards. Nobody sends them again, so it would wait for ever for what was refused.
//!
//! How an actor uses it:
//!
//! ```
//! use actix::prelude::*;
//! use backstage::{ids::UserId, supervision::{Cause, Crash, Guarded, Reply, Supervision}};
//!
//! struct Counter { supervision: Supervision<Self>, count: u64 }
//!
//! impl Actor for Counter {
//!     type Context = Context<Self>;
//!     fn started(&mut self, ctx: &mut Self::Context) {
//!         let _ = self.guarded(ctx, Cause::Start, &"load", |actor, ctx| actor.rebuild(ctx));
//!     }
//! }
//!
//! impl Guarded for Counter {
//!     type Key = UserId;
//!     const KIND: &'static str = "counter";
//!     fn supervision(&mut self) -> &mut Supervision<Self> { &mut self.supervision }
//!     // Forget what was in memory and begin loading; until it is loaded, queue or refuse what comes.
//!     fn rebuild(&mut self, ctx: &mut Context<Self>) {
//!         self.count = 0;
//!         self.guarded_spawn(ctx, "load", async { 41_u64 }, |actor, loaded, _| actor.count = loaded);
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Add { by: u64, reply: Reply<u64> }
//! impl Message for Add { type Result = (); }
//!
//! impl Handler<Add> for Counter {
//!     type Result = ();
//!     fn handle(&mut self, Add { by, reply }: Add, ctx: &mut Self::Context) {
//!         let done: Result<u64, Crash> = self.guarded(ctx, Cause::Message, &("add", by), |actor, _| {
//!             actor.count += by;
//!             actor.count
//!         });
//!         if let Ok(count) = done { reply.send(count); } // a dropped reply is `Unheard::Crashed` to who asked
//!     }
//! }
//! ```
//!
//! `Keeper::new(ground, clock, factory)` finds and starts them; `keeper.tell(key, message)` and
//! `keeper.ask(key, |reply| Add { by: 1, reply })` speak to them. Nobody else keeps an address.

mod keeper;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::VecDeque,
    fmt::{self, Debug, Write as _},
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, SpawnHandle, WrapFuture as _};
use futures_util::FutureExt as _;
use metrics::counter;

pub use keeper::{Ground, Here, Keeper, Reply, Unheard};

use crate::{
    limits::{POISON_BYTES_MAX, POISON_KEPT_MAX, POISON_REST, RESTART_WINDOW, RESTARTS_MAX},
    telemetry::metric::{ACTOR_DEGRADED, ACTOR_RESTARTS},
};

/// What was running when an actor panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its `started`.
    Start,
    /// The handler of a message.
    Message,
    /// A timer.
    Timer,
    /// A future it had spawned.
    Future,
    /// Its own rebuild.
    Rebuild,
    /// Something outside every guard: the actor died.
    Death,
}

impl Cause {
    /// The word in the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Message => "message",
            Self::Timer => "timer",
            Self::Future => "future",
            Self::Rebuild => "rebuild",
            Self::Death => "death",
        }
    }
}

/// Why guarded work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It panicked; the actor has begun to rebuild itself.
    Panicked,
    /// The same work panicked too often and was set aside; it did not run.
    SetAside,
}

/// Work that was set aside because the actor panicked on it too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// What ran.
    pub cause: Cause,
    /// The work as text, at most [`POISON_BYTES_MAX`] bytes of it.
    pub payload: String,
    /// What the panic said.
    pub panic: String,
    /// When, on the monotonic clock.
    pub at: Duration,
}

impl Poison {
    /// For how much longer it is refused at `now` (monotonic); `None` when it may run again.
    fn rests(&self, now: Duration) -> Option<Duration> {
        let rest = if self.cause == Cause::Message { POISON_REST } else { RESTART_WINDOW };
        (self.at + rest).checked_sub(now).filter(|left| !left.is_zero())
    }
}

/// When something last went wrong: at most [`RESTARTS_MAX`] times in [`RESTART_WINDOW`].
#[derive(Debug, Default)]
struct Budget(VecDeque<Duration>);

impl Budget {
    /// Counts one more at `now` (monotonic); whether it is still inside the budget.
    fn spend(&mut self, now: Duration) -> bool {
        while self.0.front().is_some_and(|first| now.saturating_sub(*first) >= RESTART_WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        if self.0.len() > RESTARTS_MAX {
            self.0.pop_front();
            return false;
        }
        true
    }
}

/// What went wrong with one actor; absent as long as nothing did.
#[derive(Debug, Default)]
struct Trouble {
    budget: Budget,
    poison: VecDeque<Poison>,
    /// The generation that was refused work of its own, and is rebuilt after the rest.
    halted: Option<u64>,
}

/// An actor's place under its keeper. The factory is given it, the actor owns it, and dropping it tells the keeper.
pub struct Supervision<A: Guarded> {
    ring: Arc<keeper::Ring<A>>,
    key: A::Key,
    incarnation: u64,
    generation: u64,
    retired: bool,
    trouble: Option<Box<Trouble>>,
}

impl<A: Guarded> Supervision<A> {
    /// Whom this actor is for.
    pub fn key(&self) -> A::Key {
        self.key
    }

    /// Says that the actor ends because it is not needed any more: nobody starts another. Stop the context after it.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether something is set aside just now.
    pub fn is_degraded(&mut self) -> bool {
        let now = self.ring.clock.monotonic();
        self.trouble.as_mut().is_some_and(|trouble| {
            trouble.poison.retain(|poison| poison.rests(now).is_some());
            !trouble.poison.is_empty()
        })
    }

    fn refuses(&mut self, cause: Cause, payload: &dyn Debug) -> bool {
        if !self.is_degraded() {
            return false; // the usual case formats nothing
        }
        let text = clipped(payload);
        self.trouble.iter().flat_map(|t| &t.poison).any(|poison| poison.cause == cause && poison.payload == text)
    }

    /// The actor's own work was refused: how long it rests before it is rebuilt; `None` when that is under way already.
    fn halt(&mut self) -> Option<Duration> {
        let (now, generation) = (self.ring.clock.monotonic(), self.generation);
        let trouble = self.trouble.as_mut().filter(|trouble| trouble.halted != Some(generation))?;
        let own = trouble.poison.iter().filter(|poison| poison.cause != Cause::Message);
        let rest = own.filter_map(|poison| poison.rests(now)).max()?;
        trouble.halted = Some(generation);
        Some(rest)
    }

    /// Counts a panic and returns what is set aside for it, if the budget is spent.
    fn count(&mut self, cause: Cause, payload: &dyn Debug, panic: &str) -> Option<Poison> {
        self.generation += 1;
        let now = self.ring.clock.monotonic();
        let trouble = self.trouble.get_or_insert_default();
        if trouble.budget.spend(now) {
            return None;
        }
        let poison = Poison { cause, payload: clipped(payload), panic: panic.to_owned(), at: now };
        if trouble.poison.len() == POISON_KEPT_MAX {
            trouble.poison.pop_front();
        }
        trouble.poison.push_back(poison.clone());
        Some(poison)
    }
}

impl<A: Guarded> Drop for Supervision<A> {
    fn drop(&mut self) {
        self.ring.ended(self.key, self.incarnation, self.retired);
    }
}

impl<A: Guarded> Debug for Supervision<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervision")
            .field("key", &self.key)
            .field("incarnation", &self.incarnation)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// An actor that survives its own panics. See the module's text for how to be one.
pub trait Guarded: Actor<Context = Context<Self>> + Sized {
    /// Whom it is for.
    type Key: Copy + Eq + Hash + Debug + Send + Sync + 'static;
    /// Its word in metrics and logs.
    const KIND: &'static str;

    /// Its place under the keeper.
    fn supervision(&mut self) -> &mut Supervision<Self>;

    /// Forgets what is in memory and begins to load it again. Runs after every panic; must arm its timers anew.
    fn rebuild(&mut self, ctx: &mut Context<Self>);

    /// Is told that `poison` will not run any more for its rest; called before the rebuild.
    fn set_aside(&mut self, poison: &Poison, ctx: &mut Context<Self>) {
        let _ = (poison, ctx);
    }

    /// Runs `work`; a panic in it is caught and rebuilds the actor. `payload` is what is kept and logged of it.
    fn guarded<R>(
        &mut self,
        ctx: &mut Context<Self>,
        cause: Cause,
        payload: &dyn Debug,
        work: impl FnOnce(&mut Self, &mut Context<Self>) -> R,
    ) -> Result<R, Crash> {
        if self.supervision().refuses(cause, payload) {
            return Err(Crash::SetAside);
        }
        catch_unwind(AssertUnwindSafe(|| work(self, ctx))).map_err(|panic| {
            crashed(self, ctx, cause, payload, panic.as_ref());
            Crash::Panicked
        })
    }

    /// Runs `work` after `wait`, guarded; not at all when the actor was rebuilt meanwhile. `name` is its payload.
    fn guarded_later(
        &mut self,
        ctx: &mut Context<Self>,
        name: &'static str,
        wait: Duration,
        work: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) -> SpawnHandle {
        if self.supervision().refuses(Cause::Timer, &name) {
            return halt(self, ctx);
        }
        let generation = self.supervision().generation;
        ctx.run_later(wait, move |actor, ctx| {
            if actor.supervision().generation == generation {
                let _ = actor.guarded(ctx, Cause::Timer, &name, work);
            }
        })
    }

    /// Runs `future` and gives its result to `then`, both guarded; the result of a future begun before a rebuild is
    /// dropped. `name` is its payload.
    fn guarded_spawn<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        name: &'static str,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) -> SpawnHandle {
        if self.supervision().refuses(Cause::Future, &name) {
            return halt(self, ctx);
        }
        let generation = self.supervision().generation;
        let caught = AssertUnwindSafe(future).catch_unwind().into_actor(self);
        ctx.spawn(caught.map(move |done, actor, ctx| {
            if actor.supervision().generation != generation {
                return;
            }
            match done {
                Ok(value) => {
                    let _ = actor.guarded(ctx, Cause::Future, &name, |actor, ctx| then(actor, value, ctx));
                }
                Err(panic) => crashed(actor, ctx, Cause::Future, &name, panic.as_ref()),
            }
        }))
    }
}

/// An actor orders work of itself that is set aside. It is not done; all begins again by a rebuild after the rest.
fn halt<A: Guarded>(actor: &mut A, ctx: &mut Context<A>) -> SpawnHandle {
    let Some(rest) = actor.supervision().halt() else { return ctx.spawn(std::future::ready(()).into_actor(actor)) };
    let generation = actor.supervision().generation;
    ctx.run_later(rest, move |actor, ctx| {
        if actor.supervision().generation == generation {
            actor.supervision().generation += 1;
            rebuild(actor, ctx, None);
        }
    })
}

fn crashed<A: Guarded>(
    actor: &mut A,
    ctx: &mut Context<A>,
    cause: Cause,
    payload: &dyn Debug,
    panic: &(dyn Any + Send),
) {
    let said = said(panic);
    let key = actor.supervision().key;
    counter!(ACTOR_RESTARTS, "actor" => A::KIND, "cause" => cause.as_str()).increment(1);
    tracing::error!(
        actor = A::KIND,
        ?key,
        cause = cause.as_str(),
        payload = clipped(payload),
        panic = said,
        "an actor panicked and is rebuilt"
    );
    let poison = actor.supervision().count(cause, payload, said);
    rebuild(actor, ctx, poison.as_ref());
}

fn rebuild<A: Guarded>(actor: &mut A, ctx: &mut Context<A>, poison: Option<&Poison>) {
    let key = actor.supervision().key;
    let rebuilt = catch_unwind(AssertUnwindSafe(|| {
        if let Some(poison) = poison {
            counter!(ACTOR_DEGRADED, "actor" => A::KIND).increment(1);
            tracing::error!(actor = A::KIND, ?key, ?poison, "an actor is degraded: what made it panic is set aside");
            actor.set_aside(poison, ctx);
        }
        actor.rebuild(ctx);
    }));
    if let Err(panic) = rebuilt {
        counter!(ACTOR_RESTARTS, "actor" => A::KIND, "cause" => Cause::Rebuild.as_str()).increment(1);
        tracing::error!(
            actor = A::KIND,
            ?key,
            panic = self::said(panic.as_ref()),
            "an actor panicked in its rebuild and ends"
        );
        // not `terminate`: with a cancelled timer in hand, actix 0.13.5 then turns in its poll for ever and takes the thread along
        ctx.stop();
    }
}

/// What a panic said, where it said it in text.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("something that is not text")
}

/// The debug text of `payload`, cut at [`POISON_BYTES_MAX`]. A payload that panics while it is written is named so.
fn clipped(payload: &dyn Debug) -> String {
    struct Clip(String);
    impl fmt::Write for Clip {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = POISON_BYTES_MAX - self.0.len();
            let end = text.floor_char_boundary(room.min(text.len()));
            self.0.push_str(&text[..end]);
            if end < text.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    catch_unwind(AssertUnwindSafe(|| {
        let mut clip = Clip(String::new());
        let _ = write!(clip, "{payload:?}"); // an error only says that it was cut
        clip.0
    }))
    .unwrap_or_else(|_| "a payload that cannot be written".to_owned())
}
