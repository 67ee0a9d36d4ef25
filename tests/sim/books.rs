//! The store as the live core sees it: fenced rows, one open broadcast, slow commits, lost answers, and times when it is away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::{
    ids::{BroadcastId, ExperienceId, SpaceId, TeamId, UserId},
    live::{
        core::broadcast::{Broadcast, EndReason, Settings, Stage},
        ledger::{Activation, Commit, Creation, Ledger, Profile, Record, Saved},
    },
    store::StoreError,
};
use futures_util::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use crate::world::{Bug, Facts, Part, Seen, World};

/// How often in a row a call may fail outside the times when everything is away.
const FAILURES_IN_A_ROW: u8 = 2;

/// The store, and one engine's way to it. Cheap to clone.
#[derive(Clone)]
pub struct Books {
    world: World,
    pub settings: Settings,
    rows: Arc<Mutex<Rows>>,
    cut: Arc<Mutex<bool>>,
}

#[derive(Default)]
struct Rows {
    epoch: i64,
    broadcasts: BTreeMap<BroadcastId, Row>,
    away: bool,
    failures: u8,
}

struct Row {
    saved: Saved,
    epoch: i64,
}

enum Weather {
    Fine,
    Away,
    /// The answer is lost; whether it happens.
    Lost(bool),
}

impl Books {
    pub fn new(world: World, settings: Settings) -> Self {
        Self { world, settings, rows: Arc::default(), cut: Arc::default() }
    }

    /// The same store, for another engine.
    pub fn for_another_engine(&self) -> Self {
        Self { cut: Arc::default(), ..self.clone() }
    }

    /// The engine is dead: it hears nothing more.
    pub fn cut(&self) {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn is_cut(&self) -> bool {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_away(&self, away: bool) {
        let what = Part::Store;
        self.rows().away = away;
        self.world.note(if away { Seen::Away { what } } else { Seen::Back { what } });
    }

    pub fn is_away(&self) -> bool {
        self.rows().away
    }

    /// The open broadcast, or the last one.
    pub fn last(&self) -> Option<Broadcast> {
        self.rows().last().map(|saved| saved.broadcast)
    }

    /// Whether a broadcast wants a room.
    pub fn wants_room(&self, broadcast: BroadcastId) -> bool {
        self.rows().broadcasts.get(&broadcast).is_some_and(|row| row.saved.broadcast.stage.wants_room())
    }

    /// The way to the store and what goes wrong on it.
    async fn reach(&self) -> Weather {
        if self.is_cut() {
            std::future::pending::<()>().await;
        }
        let slow = self.world.fault(30);
        self.world.some_time(if slow { 700 } else { 20 }).await;
        if self.is_away() {
            self.world.some_time(800).await;
            return Weather::Away;
        }
        let (away, lost, happens) = (self.world.fault(20), self.world.fault(20), self.world.chance(50));
        let mut rows = self.rows();
        if (away || lost) && rows.failures < FAILURES_IN_A_ROW {
            rows.failures += 1;
            return if away { Weather::Away } else { Weather::Lost(happens) };
        }
        rows.failures = 0;
        Weather::Fine
    }

    fn profile_now(&self) -> Profile {
        let (team, space) = (TeamId(Uuid::from_u128(1)), SpaceId(Uuid::from_u128(2)));
        Profile { team, space, settings: self.settings, devices_max: 3 }
    }

    fn take_over(&self) -> Activation {
        let mut rows = self.rows();
        rows.epoch += 1;
        let epoch = rows.epoch;
        rows.broadcasts.values_mut().filter(|row| !row.saved.broadcast.stage.is_over()).for_each(|r| r.epoch = epoch);
        let saved = rows.last();
        drop(rows);
        self.world.note(Seen::Activated { epoch });
        Activation { epoch, profile: self.profile_now(), saved }
    }

    fn insert(&self, epoch: i64, broadcast: Broadcast) -> Creation {
        let mut rows = self.rows();
        if rows.epoch != epoch && !self.world.has(Bug::FenceIgnored) {
            return Creation::Fenced;
        }
        let open = rows.broadcasts.values().find(|row| !row.saved.broadcast.stage.is_over());
        if let Some(open) = open {
            return Creation::AlreadyOpen(open.saved.broadcast.id);
        }
        let id = broadcast.id;
        rows.broadcasts.insert(id, Row { saved: Saved { broadcast, version: 0, peak: 0, total: 0 }, epoch });
        drop(rows);
        self.world.note(Seen::Created { broadcast: id.0.as_u128(), epoch });
        Creation::Done
    }

    fn write(&self, record: Record) -> Commit {
        let Record { broadcast, epoch, version, peak, total, .. } = record;
        let fenceless = self.world.has(Bug::FenceIgnored);
        let mut rows = self.rows();
        let Some(row) = rows.broadcasts.get_mut(&broadcast.id) else { return Commit::Fenced };
        if (row.epoch != epoch || row.saved.version != version) && !fenceless {
            return Commit::Fenced;
        }
        let (id, state, facts) = (broadcast.id.0.as_u128(), broadcast.stage.name(), facts(&broadcast));
        row.saved = Saved { broadcast, version: version + 1, peak, total };
        drop(rows);
        self.world.note(Seen::Saved { broadcast: id, epoch, version: version + 1, state, facts });
        Commit::Done
    }
}

impl Rows {
    fn last(&self) -> Option<Saved> {
        let open = self.broadcasts.values().find(|row| !row.saved.broadcast.stage.is_over());
        open.or_else(|| self.broadcasts.values().last()).map(|row| row.saved.clone())
    }
}

fn facts(at: &Broadcast) -> Facts {
    let grace = match &at.stage {
        Stage::Reconnecting { since, until, .. } => Some((since.0, until.0)),
        _ => None,
    };
    let why = match &at.stage {
        Stage::Ended { why: EndReason::Creator, .. } => Some("creator"),
        Stage::Ended { why: EndReason::PublisherGone, .. } => Some("publisher"),
        Stage::Ended { why: EndReason::MediaServerSilent, .. } => Some("silence"),
        _ => None,
    };
    Facts { live_at: at.live_at().map(|at| at.0), grace, why }
}

fn away() -> StoreError {
    StoreError::Unavailable("the simulated store is away".into())
}

fn lost() -> StoreError {
    StoreError::OutcomeUnknown(diesel::result::Error::BrokenTransactionManager)
}

impl Ledger for Books {
    fn activate(&self, _of: ExperienceId) -> BoxFuture<'static, Result<Option<Activation>, StoreError>> {
        let this = self.clone();
        async move {
            match this.reach().await {
                Weather::Away => return Err(away()),
                Weather::Lost(happens) => {
                    if happens {
                        this.take_over();
                    }
                    return Err(lost());
                }
                Weather::Fine => {}
            }
            let activation = this.take_over();
            this.world.some_time(10).await;
            Ok(Some(activation))
        }
        .boxed()
    }

    fn profile(&self, _of: ExperienceId) -> BoxFuture<'static, Result<Option<Profile>, StoreError>> {
        let this = self.clone();
        async move {
            match this.reach().await {
                Weather::Fine => Ok(Some(this.profile_now())),
                Weather::Away | Weather::Lost(_) => Err(away()),
            }
        }
        .boxed()
    }

    fn create(&self, epoch: i64, at: Broadcast, _by: UserId) -> BoxFuture<'static, Result<Creation, StoreError>> {
        let this = self.clone();
        async move {
            let outcome = match this.reach().await {
                Weather::Away => return Err(away()),
                Weather::Lost(happens) => {
                    if happens {
                        this.insert(epoch, at);
                    }
                    return Err(lost());
                }
                Weather::Fine => this.insert(epoch, at),
            };
            this.world.some_time(10).await;
            Ok(outcome)
        }
        .boxed()
    }

    fn save(&self, record: Record) -> BoxFuture<'static, Result<Commit, StoreError>> {
        let this = self.clone();
        async move {
            let outcome = match this.reach().await {
                Weather::Away => return Err(away()),
                Weather::Lost(happens) => {
                    if happens {
                        this.write(record);
                    }
                    return Ok(Commit::Unknown);
                }
                Weather::Fine if this.world.has(Bug::LostAfterDone) && this.world.chance(3) => Commit::Done,
                Weather::Fine => this.write(record),
            };
            this.world.some_time(10).await;
            Ok(outcome)
        }
        .boxed()
    }
}

/// The settings of one life: short enough for much to happen in it.
pub fn some_settings(world: &World) -> Settings {
    Settings {
        lobby_lead: Duration::from_secs(20 + world.below(20)),
        publisher_grace: Duration::from_secs([0, 5, 15, 30, 45, 60][usize::try_from(world.below(6)).unwrap_or(0)]),
        auto_start: world.chance(70),
        not_started: Duration::from_secs(90),
        unanswered: Duration::from_secs(60),
    }
}
