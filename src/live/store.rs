//! The only SQL of live experiences: activations that fence, durable steps with their journal, and lists for reading.

mod read;

use std::time::Duration;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, dsl::sql, prelude::*, query_dsl::methods};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    core::{
        audience::DeviceRule,
        broadcast::{Broadcast, Settings, Stage},
    },
    ledger::{Activation, Claim, Commit, Creation, Leased, Ledger, Profile, Record, Saved},
};
use crate::{
    clock::{SharedClock, Timestamp},
    ids::{BroadcastId, ExperienceId, SpaceId, TeamId, UserId},
    limits::{LEASE_SECS, OVER_IS_SHOWN},
    store::{
        Store, StoreError,
        schema::{broadcast_events, broadcasts, experiences, leases, spaces},
    },
    storefront::core::experience::DevicePolicy,
};

pub use read::{JournalRow, Whereabouts};

const LEASE_KIND: &str = "experience";

/// Live experiences in Postgres.
#[derive(Clone)]
pub struct PgLedger {
    store: Store,
    clock: SharedClock,
    node: String,
    not_started: Duration,
    unanswered: Duration,
}

impl PgLedger {
    /// A ledger for this node; the two durations are the operator's settings of the same names.
    pub fn new(store: Store, clock: SharedClock, node: String, not_started: Duration, unanswered: Duration) -> Self {
        Self { store, clock, node, not_started, unanswered }
    }

    fn settings(&self, row: &ProfileRow) -> Result<Profile, StoreError> {
        let secs = |n: i32| Duration::from_secs(u64::try_from(n).unwrap_or(0));
        let policy = DevicePolicy::of(&row.device_policy).ok_or_else(|| StoreError::Corrupt {
            table: "experiences",
            why: format!("device_policy {:?}", row.device_policy),
        })?;
        Ok(Profile {
            team: TeamId(row.team_id),
            space: SpaceId(row.space_id),
            settings: Settings {
                lobby_lead: secs(row.lobby_lead_secs),
                publisher_grace: secs(row.publisher_grace_secs),
                auto_start: row.auto_start,
                not_started: self.not_started,
                unanswered: self.unanswered,
            },
            devices: DeviceRule { devices_max: usize::try_from(row.device_limit).unwrap_or(1), policy },
        })
    }
}

#[derive(Queryable)]
struct ProfileRow {
    team_id: Uuid,
    space_id: Uuid,
    lobby_lead_secs: i32,
    publisher_grace_secs: i32,
    auto_start: bool,
    device_limit: i16,
    device_policy: String,
}

/// What the state carries, as the database keeps it.
#[derive(Serialize, Deserialize)]
struct Facts {
    #[serde(flatten)]
    stage: Stage,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = broadcasts)]
struct BroadcastRow {
    id: Uuid,
    experience_id: Uuid,
    title: Option<String>,
    facts: serde_json::Value,
    version: i64,
    record: bool,
    scheduled_at: Option<chrono::DateTime<chrono::Utc>>,
    audience_peak: i32,
    audience_total: i32,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl TryFrom<BroadcastRow> for Saved {
    type Error = StoreError;

    fn try_from(row: BroadcastRow) -> Result<Self, StoreError> {
        let facts: Facts = serde_json::from_value(row.facts)
            .map_err(|e| StoreError::Corrupt { table: "broadcasts", why: format!("{}: {e}", row.id) })?;
        Ok(Self {
            broadcast: Broadcast {
                id: BroadcastId(row.id),
                experience: ExperienceId(row.experience_id),
                title: row.title,
                record: row.record,
                scheduled_at: row.scheduled_at.map(Timestamp::from),
                created_at: row.created_at.into(),
                stage: facts.stage,
            },
            version: row.version,
            peak: u32::try_from(row.audience_peak).unwrap_or(0),
            total: u32::try_from(row.audience_total).unwrap_or(0),
        })
    }
}

fn facts(stage: &Stage) -> serde_json::Value {
    serde_json::to_value(stage).unwrap_or_default()
}

async fn profile_row(
    connection: &mut AsyncPgConnection,
    experience: ExperienceId,
) -> Result<Option<ProfileRow>, StoreError> {
    let row = experiences::table
        .inner_join(spaces::table)
        .filter(experiences::id.eq(experience.0))
        .filter(experiences::deleted_at.is_null())
        .filter(experiences::kind.eq("live_stream"))
        .select((
            spaces::team_id,
            spaces::id,
            experiences::lobby_lead_secs,
            experiences::publisher_grace_secs,
            experiences::auto_start,
            experiences::device_limit,
            experiences::device_policy,
        ))
        .first(connection)
        .await
        .optional()?;
    Ok(row)
}

/// Takes the lease where it is this node's, or nobody's: its epoch goes up, and so does that of the open broadcast, so that no
/// step of an earlier owner passes. `None` while another node holds it.
async fn take_over(
    connection: &mut AsyncPgConnection,
    experience: ExperienceId,
    node: &str,
) -> Result<Option<i64>, StoreError> {
    // leases alone live by the database's own clock
    let until = || sql::<diesel::sql_types::Timestamptz>(&format!("now() + interval '{LEASE_SECS} seconds'"));
    let claim = diesel::insert_into(leases::table)
        .values((
            leases::kind.eq(LEASE_KIND),
            leases::key.eq(experience.0),
            leases::node.eq(node),
            leases::epoch.eq(1_i64),
            leases::until.eq(until()),
        ))
        .on_conflict((leases::kind, leases::key))
        .do_update()
        .set((leases::node.eq(node), leases::epoch.eq(leases::epoch + 1), leases::until.eq(until())));
    let free = leases::node.eq(node).or(leases::until.le(diesel::dsl::now));
    let claim = methods::FilterDsl::filter(claim, free).returning(leases::epoch);
    let epoch: Option<i64> = claim.get_result(connection).await.optional()?;
    let Some(epoch) = epoch else { return Ok(None) };
    diesel::update(broadcasts::table)
        .filter(broadcasts::experience_id.eq(experience.0))
        .filter(broadcasts::ended_at.is_null())
        .set(broadcasts::epoch.eq(epoch))
        .execute(connection)
        .await?;
    Ok(Some(epoch))
}

impl Ledger for PgLedger {
    fn activate(&self, experience: ExperienceId) -> BoxFuture<'static, Result<Claim, StoreError>> {
        let this = self.clone();
        async move {
            let node = this.node.clone();
            let shown_since = this.clock.now().minus(OVER_IS_SHOWN).to_utc();
            let found = this.store.transaction(move |connection| {
                async move {
                    let Some(profile) = profile_row(connection, experience).await? else { return Ok(None) };
                    let Some(epoch) = take_over(connection, experience, &node).await? else { return Ok(Some(None)) };
                    let row = broadcasts::table
                        .filter(broadcasts::experience_id.eq(experience.0))
                        .filter(broadcasts::ended_at.is_null().or(broadcasts::ended_at.gt(shown_since)))
                        .order((broadcasts::ended_at.is_null().desc(), broadcasts::created_at.desc()))
                        .select(BroadcastRow::as_select())
                        .first(connection)
                        .await
                        .optional()?;
                    Ok::<_, StoreError>(Some(Some((epoch, profile, row))))
                }
                .boxed()
            });
            match found.await? {
                None => Ok(Claim::NoSuchExperience),
                Some(None) => Ok(Claim::Elsewhere),
                Some(Some((epoch, profile, row))) => {
                    let saved = row.map(Saved::try_from).transpose()?;
                    Ok(Claim::Ours(Box::new(Activation { epoch, profile: this.settings(&profile)?, saved })))
                }
            }
        }
        .boxed()
    }

    fn renew(&self, held: Leased) -> BoxFuture<'static, Result<Leased, StoreError>> {
        let this = self.clone();
        async move { this.renew_leases(held).await }.boxed()
    }

    fn ownerless(&self) -> BoxFuture<'static, Result<Vec<ExperienceId>, StoreError>> {
        let this = self.clone();
        async move { this.ownerless_experiences().await }.boxed()
    }

    fn profile(&self, experience: ExperienceId) -> BoxFuture<'static, Result<Option<Profile>, StoreError>> {
        let this = self.clone();
        async move {
            let row = this.store.run(move |connection| profile_row(connection, experience).boxed()).await?;
            row.map(|row| this.settings(&row)).transpose()
        }
        .boxed()
    }

    fn create(&self, epoch: i64, broadcast: Broadcast, by: UserId) -> BoxFuture<'static, Result<Creation, StoreError>> {
        let store = self.store.clone();
        async move {
            let experience = broadcast.experience;
            let inserted = store.transaction(move |connection| insert(connection, epoch, broadcast, by).boxed()).await;
            match inserted {
                Err(refused) if refused.breaks("one_open_broadcast") => {
                    let open = store.run(move |connection| open_of(connection, experience).boxed()).await?;
                    open.map_or(Err(refused), |open| Ok(Creation::AlreadyOpen(open)))
                }
                other => other,
            }
        }
        .boxed()
    }

    fn save(&self, record: Record) -> BoxFuture<'static, Result<Commit, StoreError>> {
        let store = self.store.clone();
        async move {
            match store.transaction(move |connection| save(connection, record).boxed()).await {
                Err(StoreError::OutcomeUnknown(_)) => Ok(Commit::Unknown),
                other => other,
            }
        }
        .boxed()
    }
}

async fn owns(connection: &mut AsyncPgConnection, experience: ExperienceId, epoch: i64) -> Result<bool, StoreError> {
    let held: Option<i64> = leases::table
        .find((LEASE_KIND, experience.0))
        .select(leases::epoch)
        .for_share()
        .first(connection)
        .await
        .optional()?;
    Ok(held == Some(epoch))
}

async fn insert(
    connection: &mut AsyncPgConnection,
    epoch: i64,
    broadcast: Broadcast,
    by: UserId,
) -> Result<Creation, StoreError> {
    if !owns(connection, broadcast.experience, epoch).await? {
        return Ok(Creation::Fenced);
    }
    diesel::insert_into(broadcasts::table)
        .values((
            broadcasts::id.eq(broadcast.id.0),
            broadcasts::experience_id.eq(broadcast.experience.0),
            broadcasts::title.eq(&broadcast.title),
            broadcasts::state.eq(broadcast.stage.name()),
            broadcasts::facts.eq(facts(&broadcast.stage)),
            broadcasts::epoch.eq(epoch),
            broadcasts::version.eq(0_i64),
            broadcasts::record.eq(broadcast.record),
            broadcasts::scheduled_at.eq(broadcast.scheduled_at.map(Timestamp::to_utc)),
            broadcasts::created_by.eq(by.0),
            broadcasts::created_at.eq(broadcast.created_at.to_utc()),
        ))
        .execute(connection)
        .await?;
    let event = serde_json::json!({"event": "created", "by": by, "to": broadcast.stage.name()});
    journal(connection, broadcast.id, 0, broadcast.created_at, epoch, event).await?;
    Ok(Creation::Done)
}

async fn open_of(
    connection: &mut AsyncPgConnection,
    experience: ExperienceId,
) -> Result<Option<BroadcastId>, StoreError> {
    let open = broadcasts::table
        .filter(broadcasts::experience_id.eq(experience.0))
        .filter(broadcasts::ended_at.is_null())
        .select(broadcasts::id)
        .first::<Uuid>(connection)
        .await
        .optional()?;
    Ok(open.map(BroadcastId))
}

async fn save(connection: &mut AsyncPgConnection, record: Record) -> Result<Commit, StoreError> {
    let at = &record.broadcast;
    let changed = diesel::update(broadcasts::table)
        .filter(broadcasts::id.eq(at.id.0))
        .filter(broadcasts::epoch.eq(record.epoch))
        .filter(broadcasts::version.eq(record.version))
        .set((
            broadcasts::state.eq(at.stage.name()),
            broadcasts::facts.eq(facts(&at.stage)),
            broadcasts::version.eq(record.version + 1),
            broadcasts::live_at.eq(at.live_at().map(Timestamp::to_utc)),
            broadcasts::ended_at.eq(at.ended_at().map(Timestamp::to_utc)),
            broadcasts::audience_peak.eq(i32::try_from(record.peak).unwrap_or(i32::MAX)),
            broadcasts::audience_total.eq(i32::try_from(record.total).unwrap_or(i32::MAX)),
        ))
        .execute(connection)
        .await?;
    if changed == 0 {
        return Ok(Commit::Fenced);
    }
    let mut event = serde_json::to_value(record.event).unwrap_or_default();
    if let Some(fields) = event.as_object_mut() {
        fields.insert("to".into(), at.stage.name().into());
        fields.insert("facts".into(), facts(&at.stage));
        fields.insert("peak".into(), record.peak.into());
    }
    journal(connection, at.id, record.version + 1, record.at, record.epoch, event).await?;
    Ok(Commit::Done)
}

async fn journal(
    connection: &mut AsyncPgConnection,
    broadcast: BroadcastId,
    number: i64,
    at: Timestamp,
    epoch: i64,
    event: serde_json::Value,
) -> Result<(), StoreError> {
    diesel::insert_into(broadcast_events::table)
        .values((
            broadcast_events::broadcast_id.eq(broadcast.0),
            broadcast_events::number.eq(number),
            broadcast_events::at.eq(at.to_utc()),
            broadcast_events::epoch.eq(epoch),
            broadcast_events::event.eq(event),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
