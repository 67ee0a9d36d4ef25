//! The store as the live core sees it: leases, fenced rows, one open broadcast an experience, slow commits, lost answers, and
//! times when it is away, for everybody or for one node.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backstage::{
    ids::{BroadcastId, ExperienceId, SpaceId, TeamId, UserId},
    live::{
        core::{
            audience::DeviceRule,
            broadcast::{Broadcast, EndReason, Settings, Stage},
        },
        ledger::{Activation, Claim, Commit, Creation, Leased, Ledger, Profile, Record, Saved},
    },
    store::StoreError,
    storefront::core::experience::DevicePolicy,
};
use futures_util::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use crate::world::{Bug, Facts, PHANTOM, Part, Seen, Trap, World, experiences, number_of};

/// How often in a row a call may fail outside the times when everything is away.
const FAILURES_IN_A_ROW: u8 = 2;
/// How long a lease lasts, as the engine's own limit says.
const LEASE: u64 = backstage::limits::LEASE_SECS as u64 * 1_000;

/// The store, and one engine's way to it. Cheap to clone.
#[derive(Clone)]
pub struct Books {
    world: World,
    pub settings: Settings,
    pub devices: DeviceRule,
    rows: Arc<Mutex<Rows>>,
    engine: u32,
    node: u32,
    way: Arc<Mutex<Way>>,
}

/// What one engine's way to the store is like.
#[derive(Default)]
struct Way {
    /// The engine is dead: it hears nothing more.
    cut: bool,
    /// It cannot reach the store.
    severed: bool,
}

#[derive(Default)]
struct Rows {
    leases: BTreeMap<ExperienceId, Lease>,
    broadcasts: BTreeMap<BroadcastId, Row>,
    away: bool,
    /// Failures in a row, of each experience; under none what concerns a whole node.
    failures: BTreeMap<Option<ExperienceId>, u8>,
}

#[derive(Clone, Copy, Default)]
struct Lease {
    node: u32,
    epoch: i64,
    until: u64,
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
        let devices = DeviceRule { devices_max: 3, policy: DevicePolicy::RefuseNewcomer };
        Self { world, settings, devices, rows: Arc::default(), engine: 0, node: 0, way: Arc::default() }
    }

    /// The same store, for another engine, on the same node or on another.
    pub fn for_another_engine(&self, engine: u32, node: u32) -> Self {
        Self { way: Arc::default(), engine, node, ..self.clone() }
    }

    pub fn node(&self) -> u32 {
        self.node
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine is dead: it hears nothing more.
    pub fn cut(&self) {
        self.way().cut = true;
    }

    /// This engine alone cannot reach the store any more, or can again.
    pub fn sever(&self, severed: bool) {
        self.way().severed = severed;
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_away(&self, away: bool) {
        let what = Part::Store;
        self.rows().away = away;
        self.world.note_all(if away { Seen::Away { what } } else { Seen::Back { what } });
    }

    pub fn is_away(&self) -> bool {
        self.way().severed || self.rows().away
    }

    /// The open broadcast of an experience, or its last one.
    pub fn last(&self, of: ExperienceId) -> Option<Broadcast> {
        self.rows().last(of).map(|saved| saved.broadcast)
    }

    /// Whether a broadcast wants a room.
    pub fn wants_room(&self, broadcast: BroadcastId) -> bool {
        self.rows().broadcasts.get(&broadcast).is_some_and(|row| row.saved.broadcast.stage.wants_room())
    }

    /// A node that is no part of this world takes an experience, whoever holds it, and keeps it for a while.
    pub fn seize(&self, of: ExperienceId, lasting: u64) {
        let until = self.world.ms() + lasting;
        let epoch = self.rows().give(of, PHANTOM, until);
        self.world.note(number_of(of), Seen::Activated { epoch, engine: PHANTOM, until });
    }

    /// It lets everything go.
    pub fn free_seized(&self) {
        let now = self.world.ms();
        self.rows().leases.values_mut().filter(|lease| lease.node == PHANTOM).for_each(|lease| lease.until = now);
    }

    /// The way to the store and what goes wrong on it.
    async fn reach(&self, of: Option<ExperienceId>) -> Weather {
        if self.way().cut {
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
        let failures = rows.failures.entry(of).or_default();
        if (away || lost) && *failures < FAILURES_IN_A_ROW {
            *failures += 1;
            return if away { Weather::Away } else { Weather::Lost(happens) };
        }
        *failures = 0;
        Weather::Fine
    }

    fn profile_now(&self) -> Profile {
        let (team, space) = (TeamId(Uuid::from_u128(1)), SpaceId(Uuid::from_u128(2)));
        Profile { team, space, settings: self.settings, devices: self.devices }
    }

    fn take_over(&self, of: ExperienceId) -> Claim {
        let now = self.world.ms();
        let mut rows = self.rows();
        if rows.leases.get(&of).is_some_and(|lease| lease.node != self.node && lease.until > now) {
            return Claim::Elsewhere;
        }
        let (engine, until) = (self.engine, now + LEASE);
        let epoch = rows.give(of, self.node, until);
        let saved = rows.last(of);
        drop(rows);
        self.world.note(number_of(of), Seen::Activated { epoch, engine, until });
        Claim::Ours(Box::new(Activation { epoch, profile: self.profile_now(), saved }))
    }

    fn insert(&self, epoch: i64, broadcast: Broadcast) -> Creation {
        let of = broadcast.experience;
        let mut rows = self.rows();
        if rows.leases.get(&of).is_none_or(|lease| lease.epoch != epoch) && !self.world.has(Bug::FenceIgnored) {
            return Creation::Fenced;
        }
        if let Some(open) = rows.last(of).filter(|saved| !saved.broadcast.stage.is_over()) {
            return Creation::AlreadyOpen(open.broadcast.id);
        }
        let id = broadcast.id;
        rows.broadcasts.insert(id, Row { saved: Saved { broadcast, version: 0, peak: 0, total: 0 }, epoch });
        drop(rows);
        self.world.note(number_of(of), Seen::Created { broadcast: id.0.as_u128(), epoch });
        Creation::Done
    }

    fn write(&self, record: Record) -> Commit {
        let Record { broadcast, epoch, version, peak, total, .. } = record;
        let (of, fenceless) = (number_of(broadcast.experience), self.world.has(Bug::FenceIgnored));
        let mut rows = self.rows();
        let row = rows.broadcasts.get_mut(&broadcast.id);
        let Some(row) = row.filter(|row| (row.epoch == epoch && row.saved.version == version) || fenceless) else {
            return Commit::Fenced;
        };
        let (id, state, facts) = (broadcast.id.0.as_u128(), broadcast.stage.name(), facts(&broadcast));
        row.saved = Saved { broadcast, version: version + 1, peak, total };
        drop(rows);
        self.world.note(of, Seen::Saved { broadcast: id, epoch, version: version + 1, state, facts });
        Commit::Done
    }

    fn prolong(&self, held: &Leased) -> Leased {
        let (engine, until) = (self.engine, self.world.ms() + LEASE);
        let mut still = vec![];
        for (of, epoch) in held.iter().copied() {
            let mut rows = self.rows();
            let lease = rows.leases.get_mut(&of).filter(|lease| lease.node == self.node && lease.epoch == epoch);
            let Some(lease) = lease else { continue };
            lease.until = until;
            drop(rows);
            still.push((of, epoch));
            self.world.note(number_of(of), Seen::Renewed { engine, epoch, until });
        }
        still
    }

    /// The engine hears that somebody else owns it by now. Not when the store knows it, for that answer may be lost.
    fn replaced(&self, of: ExperienceId, epoch: i64) {
        self.world.note(number_of(of), Seen::Replaced { engine: self.engine, epoch });
    }

    fn nobodys(&self) -> Vec<ExperienceId> {
        let (rows, now) = (self.rows(), self.world.ms());
        let free = |of: &ExperienceId| {
            rows.leases.get(of).is_none_or(|lease| lease.node == self.node || lease.until <= now)
                && rows.last(*of).is_some_and(|saved| !saved.broadcast.stage.is_over())
        };
        experiences().filter(free).collect()
    }
}

impl Rows {
    fn last(&self, of: ExperienceId) -> Option<Saved> {
        let all = || self.broadcasts.values().filter(|row| row.saved.broadcast.experience == of);
        let open = all().find(|row| !row.saved.broadcast.stage.is_over());
        open.or_else(|| all().next_back()).map(|row| row.saved.clone())
    }

    /// Gives an experience to somebody; steps of whoever had it do not pass any more.
    fn give(&mut self, of: ExperienceId, node: u32, until: u64) -> i64 {
        let lease = self.leases.entry(of).or_default();
        *lease = Lease { node, epoch: lease.epoch + 1, until };
        let epoch = lease.epoch;
        let open = self.broadcasts.values_mut().filter(|row| row.saved.broadcast.experience == of);
        open.filter(|row| !row.saved.broadcast.stage.is_over()).for_each(|row| row.epoch = epoch);
        epoch
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
    fn activate(&self, of: ExperienceId) -> BoxFuture<'static, Result<Claim, StoreError>> {
        self.world.step_on(number_of(of), Trap::Start);
        let this = self.clone();
        async move {
            match this.reach(Some(of)).await {
                Weather::Away => return Err(away()),
                Weather::Lost(happens) => {
                    if happens {
                        this.take_over(of);
                    }
                    return Err(lost());
                }
                Weather::Fine => {}
            }
            let claim = this.take_over(of);
            this.world.some_time(10).await;
            Ok(claim)
        }
        .boxed()
    }

    fn renew(&self, held: Leased) -> BoxFuture<'static, Result<Leased, StoreError>> {
        let this = self.clone();
        async move {
            let weather = this.reach(None).await;
            if this.world.has(Bug::LeaseForEver) {
                return Ok(held);
            }
            match weather {
                Weather::Away => return Err(away()),
                Weather::Lost(happens) => {
                    if happens {
                        this.prolong(&held);
                    }
                    return Err(lost());
                }
                Weather::Fine => {}
            }
            let still = this.prolong(&held);
            this.world.some_time(10).await;
            held.iter().filter(|one| !still.contains(one)).for_each(|(of, epoch)| this.replaced(*of, *epoch));
            Ok(still)
        }
        .boxed()
    }

    fn ownerless(&self) -> BoxFuture<'static, Result<Vec<ExperienceId>, StoreError>> {
        let this = self.clone();
        async move {
            match this.reach(None).await {
                Weather::Fine => Ok(this.nobodys()),
                Weather::Away | Weather::Lost(_) => Err(away()),
            }
        }
        .boxed()
    }

    fn profile(&self, of: ExperienceId) -> BoxFuture<'static, Result<Option<Profile>, StoreError>> {
        let this = self.clone();
        async move {
            match this.reach(Some(of)).await {
                Weather::Fine => Ok(Some(this.profile_now())),
                Weather::Away | Weather::Lost(_) => Err(away()),
            }
        }
        .boxed()
    }

    fn create(&self, epoch: i64, at: Broadcast, _by: UserId) -> BoxFuture<'static, Result<Creation, StoreError>> {
        let this = self.clone();
        async move {
            let of = at.experience;
            let outcome = match this.reach(Some(of)).await {
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
            if outcome == Creation::Fenced {
                this.replaced(of, epoch);
            }
            Ok(outcome)
        }
        .boxed()
    }

    fn save(&self, record: Record) -> BoxFuture<'static, Result<Commit, StoreError>> {
        let this = self.clone();
        async move {
            let (of, epoch) = (record.broadcast.experience, record.epoch);
            let outcome = match this.reach(Some(of)).await {
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
            if outcome == Commit::Fenced {
                this.replaced(of, epoch);
            }
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

/// On how many devices people watch in one life: on all they have, or on one, which gives way to the next.
pub fn some_devices(world: &World) -> DeviceRule {
    if world.chance(50) {
        return DeviceRule { devices_max: 3, policy: DevicePolicy::RefuseNewcomer };
    }
    world.note_all(Seen::OneDevice);
    DeviceRule { devices_max: 1, policy: DevicePolicy::DropOldest }
}
