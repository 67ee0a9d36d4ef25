//! Which experiences this node owns, and until when: by its own monotonic clock, and always shorter than the database's word,
//! so that an owner who cannot renew has stopped before anybody else may begin.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::time::timeout;

use super::{directory::Directory, ledger::Ledger};
use crate::{
    clock::SharedClock,
    ids::ExperienceId,
    limits::{LEASE_MARGIN, LEASE_RENEW_AGAIN, LEASE_RENEW_EVERY, LEASE_SECS},
    store::StoreError,
};

#[derive(Clone, Copy)]
struct Held {
    epoch: i64,
    until: Duration,
}

struct Book {
    clock: SharedClock,
    held: DashMap<ExperienceId, Held>,
}

/// How an activation stands with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// It holds it, for this much longer.
    Holds(Duration),
    /// It could not be renewed in time: whose it is can only the store say.
    Lapsed,
    /// It belongs to somebody else by now.
    Lost,
}

/// The leases of this node. Cheap to clone.
#[derive(Clone)]
pub struct Leases(Arc<Book>);

impl Leases {
    /// No lease yet. Only the clock's monotonic side is used: nobody moves that.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self(Arc::new(Book { clock, held: DashMap::new() }))
    }

    /// The moment to note before the store is asked: the lease it gives ends by this, not by when the answer came.
    #[must_use]
    pub fn asking(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// The store gave an experience to this activation.
    pub fn hold(&self, experience: ExperienceId, epoch: i64, asked_at: Duration) {
        self.0.held.insert(experience, Held { epoch, until: end_of(asked_at) });
    }

    /// The activation is over.
    pub fn release(&self, experience: ExperienceId, epoch: i64) {
        self.0.held.remove_if(&experience, |_, held| held.epoch == epoch);
    }

    /// How an activation stands with its lease.
    #[must_use]
    pub fn tenure(&self, experience: ExperienceId, epoch: i64) -> Tenure {
        match self.0.held.get(&experience).map(|held| *held) {
            Some(held) if held.epoch == epoch => match held.until.checked_sub(self.0.clock.monotonic()) {
                Some(left) if !left.is_zero() => Tenure::Holds(left),
                _ => Tenure::Lapsed,
            },
            _ => Tenure::Lost,
        }
    }

    /// Whether an activation may act.
    #[must_use]
    pub fn holds(&self, experience: ExperienceId, epoch: i64) -> bool {
        matches!(self.tenure(experience, epoch), Tenure::Holds(_))
    }

    /// Asks for more time, for everything at once; gives back what belongs to somebody else by now.
    ///
    /// # Errors
    /// When the store cannot be asked; nothing is longer or shorter for it.
    pub async fn renew(&self, ledger: &dyn Ledger) -> Result<Vec<ExperienceId>, StoreError> {
        let mut asked: Vec<_> = self.0.held.iter().map(|held| (*held.key(), held.epoch)).collect();
        asked.sort_unstable();
        if asked.is_empty() {
            return Ok(vec![]);
        }
        let asked_at = self.asking();
        let renewed = ledger.renew(asked.clone()).await?;
        let mut lost = vec![];
        for (experience, epoch) in asked {
            if !renewed.contains(&(experience, epoch)) {
                self.release(experience, epoch);
                lost.push(experience);
            } else if let Some(mut held) = self.0.held.get_mut(&experience).filter(|held| held.epoch == epoch) {
                held.until = end_of(asked_at);
            }
        }
        Ok(lost)
    }
}

fn end_of(asked_at: Duration) -> Duration {
    asked_at + Duration::from_secs(LEASE_SECS.into()).saturating_sub(LEASE_MARGIN)
}

/// Renews what this node owns and puts on duty what nobody owns, for as long as the node lives.
pub async fn keep(leases: Leases, ledger: Arc<dyn Ledger>, directory: Directory) {
    loop {
        // by tokio's clock: a wall clock that is moved must neither hurry nor delay it
        tokio::time::sleep(LEASE_RENEW_EVERY).await;
        // a question that hangs must not outlive the connection it hangs on
        loop {
            match timeout(LEASE_RENEW_EVERY, round(&leases, ledger.as_ref(), &directory)).await {
                Ok(Ok(())) => break,
                Ok(Err(fault)) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "leases could not be renewed yet");
                }
                Err(_) => tracing::warn!("the store did not answer about leases"),
            }
            tokio::time::sleep(LEASE_RENEW_AGAIN).await;
        }
    }
}

/// Renews everything, tells those that have lost theirs, and starts what has no owner.
async fn round(leases: &Leases, ledger: &dyn Ledger, directory: &Directory) -> Result<(), StoreError> {
    for experience in leases.renew(ledger).await? {
        tracing::warn!(%experience, "another node owns it by now");
        directory.look_at_lease(experience);
    }
    ledger.ownerless().await?.into_iter().for_each(|experience| directory.start(experience));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::{FutureExt, future::BoxFuture};
    use uuid::Uuid;

    use super::*;
    use crate::clock::{Clock, Timestamp};

    /// A wall clock that jumps and a monotonic one that does not.
    #[derive(Default)]
    struct TwoClocks {
        wall: Mutex<Timestamp>,
        running: Mutex<Duration>,
    }

    impl Clock for TwoClocks {
        fn now(&self) -> Timestamp {
            *self.wall.lock().unwrap()
        }
        fn monotonic(&self) -> Duration {
            *self.running.lock().unwrap()
        }
        fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
            std::future::pending().boxed()
        }
    }

    const LASTS: Duration = Duration::from_secs(LEASE_SECS as u64);
    const HOUR: Duration = Duration::from_secs(3600);

    fn experience() -> ExperienceId {
        ExperienceId(Uuid::from_u128(1))
    }

    #[test]
    fn survive_018_a_wall_clock_that_jumps_an_hour_neither_ends_nor_prolongs_a_lease() {
        let clock = Arc::new(TwoClocks::default());
        let leases = Leases::new(clock.clone());
        leases.hold(experience(), 1, leases.asking());
        for jump in [Timestamp(0).plus(HOUR), Timestamp(0).minus(HOUR)] {
            *clock.wall.lock().unwrap() = jump;
            assert_eq!(leases.tenure(experience(), 1), Tenure::Holds(LASTS - LEASE_MARGIN));
        }
        *clock.running.lock().unwrap() = LASTS;
        assert_eq!(leases.tenure(experience(), 1), Tenure::Lapsed, "and no wall clock brings it back");
    }

    #[test]
    fn survive_015_a_lease_ends_a_second_before_the_database_says_so_at_least() {
        let clock = Arc::new(TwoClocks::default());
        let leases = Leases::new(clock.clone());
        let asked_at = leases.asking();
        // the answer came late: what counts is when it was asked
        *clock.running.lock().unwrap() = Duration::from_secs(4);
        leases.hold(experience(), 1, asked_at);
        *clock.running.lock().unwrap() = LASTS - Duration::from_secs(1);
        assert!(!leases.holds(experience(), 1));
        assert!(LEASE_MARGIN >= Duration::from_secs(1));
    }

    #[test]
    fn an_earlier_activation_holds_nothing_and_releases_nothing() {
        let leases = Leases::new(Arc::new(TwoClocks::default()));
        leases.hold(experience(), 2, Duration::ZERO);
        assert_eq!(leases.tenure(experience(), 1), Tenure::Lost);
        leases.release(experience(), 1);
        assert!(leases.holds(experience(), 2));
        leases.release(experience(), 2);
        assert_eq!(leases.tenure(experience(), 2), Tenure::Lost);
    }
}
