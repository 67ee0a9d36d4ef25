//! The doorkeeper: answers whether somebody may open something, from memory where it is known, and is told of every change.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use metrics::{counter, histogram};
use tokio::runtime::Handle;

use super::{
    RightsUnknown,
    core::{Entitlement, Opening, Rights, judge},
    entitlement_actor::{EntitlementActor, Word},
    eviction::Eviction,
    hall::Hall,
    loader::Loader,
    patrol,
    source::RightsSource,
};
use crate::{
    clock::SharedClock,
    ids::{ExperienceId, UserId},
    supervision::{Ground, Keeper, Unheard},
    telemetry::metric::{ACTOR_RESTARTS, DECISION_SECONDS, DECISIONS, Watch},
};

/// Answers who may open what. Cheap to clone; one for the whole node.
#[derive(Clone)]
pub struct Doorkeeper {
    pub(super) hall: Arc<Hall>,
    pub(super) keeper: Keeper<EntitlementActor>,
    runtime: Handle,
}

impl std::fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doorkeeper").field("known", &self.hall.count()).finish_non_exhaustive()
    }
}

impl Doorkeeper {
    /// A doorkeeper whose truth is `source`, who tells `eviction` of ended rights, whose actors live on `ground`, and whose
    /// reads and rounds run on `runtime`.
    pub fn new(
        source: Arc<dyn RightsSource>,
        clock: SharedClock,
        eviction: Arc<dyn Eviction>,
        ground: impl Ground,
        runtime: Handle,
    ) -> Self {
        let (for_rights, for_openings) = (source.clone(), source.clone());
        let rights = Loader::new("rights", clock.clone(), runtime.clone(), move |users| {
            let read = for_rights.rights(users);
            async move { Ok(read.await?.into_iter().map(|rights| (rights.user, rights)).collect()) }.boxed()
        });
        let openings = Loader::new("openings", clock.clone(), runtime.clone(), move |experiences| {
            for_openings.openings(experiences)
        });
        let hall = Arc::new(Hall::new(clock.clone(), rights, openings, eviction));
        let for_actors = hall.clone();
        let keeper =
            Keeper::new(ground, clock, move |_, supervision| EntitlementActor::new(for_actors.clone(), supervision));
        let doorkeeper = Self { hall, keeper, runtime };
        patrol::begin(&doorkeeper, source);
        doorkeeper
    }

    /// The rights of `user`, read where they are not known.
    ///
    /// # Errors
    /// When they can be neither remembered nor read: answer "try again".
    pub async fn rights(&self, user: UserId) -> Result<Arc<Rights>, RightsUnknown> {
        for _ in 0..2 {
            if let Ok(rights) = self.hall.known(user) {
                return Ok(rights);
            }
            match self.keeper.ask(user, Word::Read).await {
                Ok(answer) => return answer,
                Err(Unheard::Crashed) => {} // it has begun again, or retired in the same moment: once more
                Err(Unheard::Busy | Unheard::Degraded | Unheard::Late) => return Err(RightsUnknown),
            }
        }
        Err(RightsUnknown)
    }

    /// The rights of `user` from memory, without waiting.
    ///
    /// # Errors
    /// When they are not known to be good now.
    pub fn known(&self, user: UserId) -> Result<Arc<Rights>, RightsUnknown> {
        self.hall.known(user)
    }

    /// What opens `experience`; `None` when there is no such experience.
    ///
    /// # Errors
    /// When it can be neither remembered nor read.
    pub async fn opening(&self, experience: ExperienceId) -> Result<Option<Opening>, RightsUnknown> {
        self.hall.opening(experience).await
    }

    /// What opens `experience` from memory, without waiting.
    #[must_use]
    pub fn known_opening(&self, experience: ExperienceId) -> Option<Opening> {
        self.hall.known_opening(experience)
    }

    /// Makes sure that the answers from memory can be given for this person and experience, as far as they can be had; false
    /// when it is known that there is no such experience.
    pub async fn learn(&self, user: UserId, experience: ExperienceId) -> bool {
        let (_, opening) = futures_util::future::join(self.rights(user), self.opening(experience)).await;
        !matches!(opening, Ok(None))
    }

    /// Whether `user` may open `experience` now; `None` when there is no such experience.
    ///
    /// # Errors
    /// When it cannot be known just now.
    pub async fn judge(&self, user: UserId, experience: ExperienceId) -> Result<Option<Entitlement>, RightsUnknown> {
        let watch = Watch::start();
        let (rights, opening) = futures_util::future::join(self.rights(user), self.opening(experience)).await;
        let (rights, Some(opening)) = (count_unknown(rights, &watch)?, count_unknown(opening, &watch)?) else {
            return Ok(None);
        };
        Ok(Some(self.decide(&rights, &opening, &watch)))
    }

    /// Whether `user` may open what `opening` says now, such as the member page of a space, and the rights that say so.
    ///
    /// # Errors
    /// When it cannot be known just now.
    pub async fn judge_opening(
        &self,
        user: UserId,
        opening: &Opening,
    ) -> Result<(Entitlement, Arc<Rights>), RightsUnknown> {
        let watch = Watch::start();
        let rights = count_unknown(self.rights(user).await, &watch)?;
        Ok((self.decide(&rights, opening, &watch), rights))
    }

    /// Whether `user` may open `experience` now, from memory, without waiting; `None` when it is not known, which
    /// [`Doorkeeper::learn`] mends where it can be.
    #[must_use]
    pub fn glance(&self, user: UserId, experience: ExperienceId) -> Option<Entitlement> {
        let watch = Watch::start();
        let opening = self.known_opening(experience).ok_or(RightsUnknown);
        let (rights, opening) = (count_unknown(self.known(user), &watch).ok()?, count_unknown(opening, &watch).ok()?);
        Some(self.decide(&rights, &opening, &watch))
    }

    /// Whether `user` runs the broadcasts of `experience` by a role in its team, from memory; `None` when it is not known.
    #[must_use]
    pub fn runs(&self, user: UserId, experience: ExperienceId) -> Option<bool> {
        let (rights, opening) = (self.known(user).ok()?, self.known_opening(experience)?);
        Some(rights.runs(opening.team))
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn decide(&self, rights: &Rights, opening: &Opening, watch: &Watch) -> Entitlement {
        let entitlement = judge(self.hall.clock.now(), rights, opening);
        let outcome = if entitlement.allowed { "allowed" } else { "refused" };
        counter!(DECISIONS, "outcome" => outcome, "reason" => entitlement.reason.word()).increment(1);
        histogram!(DECISION_SECONDS).record(watch.elapsed());
        entitlement
    }

    /// Something that bears on these people's rights was changed, and is committed: what is known of them is doubted from
    /// this moment, and read again at once where somebody is interested.
    pub fn changed(&self, users: &[UserId]) {
        for user in users {
            self.hall.doubt(*user);
            // A mailbox that refuses is counted by the keeper; the doubt stays, and the log of changes tells once more.
            let _told = self.keeper.tell_running(*user, Word::Changed);
        }
    }

    /// A space, an experience or a pass was changed, and that is committed: what opens experiences is read again before the
    /// next new door, and everybody inside of one that opens otherwise now is judged again.
    pub fn catalog_changed(&self, holders: &[UserId]) {
        let doubted = self.hall.doubt_openings();
        self.changed(holders);
        let hall = self.hall.clone();
        self.runtime.spawn(async move { hall.read_openings(doubted).await });
    }

    /// How many people's rights are held in memory.
    #[must_use]
    pub fn people_known(&self) -> usize {
        self.hall.count()
    }

    /// Queries for rights and openings made since the start.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.hall.rights.queries() + self.hall.openings.queries()
    }

    /// A drill: the person's actor panics on its next message.
    pub fn drill(&self, user: UserId) {
        let _told = self.keeper.tell_running(user, Word::Panic);
    }
}

fn count_unknown<T>(answer: Result<T, RightsUnknown>, watch: &Watch) -> Result<T, RightsUnknown> {
    answer.inspect_err(|_| {
        counter!(DECISIONS, "outcome" => "unknown", "reason" => "rights_unknown").increment(1);
        histogram!(DECISION_SECONDS).record(watch.elapsed());
    })
}

/// Does one round of something that goes on for ever; a panic in it is counted and costs that round.
pub(super) async fn one_round(round: BoxFuture<'_, ()>) {
    if AssertUnwindSafe(round).catch_unwind().await.is_err() {
        counter!(ACTOR_RESTARTS, "actor" => "doorkeeper", "cause" => "future").increment(1);
        tracing::error!("a round of the doorkeeper panicked");
    }
}

/// Waits for `every` on the runtime's clock.
pub(super) async fn pause(every: Duration) {
    tokio::time::sleep(every).await;
}
