//! What is read of broadcasts and their journal, for pages, answers and the reconciler.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    prelude::*,
    sql_types::{Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;
use futures_util::FutureExt;
use uuid::Uuid;

use super::{BroadcastRow, LEASE_KIND, PgLedger, profile_row};
use crate::{
    ids::{BroadcastId, ExperienceId, TeamId},
    limits::{LEASE_SECS, PAGE_ITEMS_MAX},
    live::ledger::{HookKnown, Leased, Saved},
    store::{
        StoreError,
        schema::{broadcast_events, broadcasts, experiences, leases, provider_events, spaces},
    },
};

/// The provider of the webhooks that are stored here.
const HOOKS_OF: &str = "livekit";

/// Where a broadcast belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its experience.
    pub experience: ExperienceId,
    /// The experience's team.
    pub team: TeamId,
}

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct JournalRow {
    /// Its number, without a hole.
    pub number: i64,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
    /// The activation that wrote it.
    pub epoch: i64,
    /// What happened and where it led.
    pub event: serde_json::Value,
}

impl PgLedger {
    /// Where a broadcast belongs.
    pub async fn find_broadcast(&self, id: BroadcastId) -> Result<Option<Whereabouts>, StoreError> {
        let found = self.store.run(move |connection| {
            async move {
                let row = broadcasts::table
                    .inner_join(experiences::table.inner_join(spaces::table))
                    .filter(broadcasts::id.eq(id.0))
                    .select((broadcasts::experience_id, spaces::team_id))
                    .first::<(Uuid, Uuid)>(connection)
                    .await
                    .optional()?;
                Ok::<_, StoreError>(row)
            }
            .boxed()
        });
        let whereabouts = |(experience, team)| Whereabouts { experience: ExperienceId(experience), team: TeamId(team) };
        Ok(found.await?.map(whereabouts))
    }

    /// Where a live experience belongs.
    pub async fn find_experience(&self, id: ExperienceId) -> Result<Option<Whereabouts>, StoreError> {
        let row = self.store.run(move |connection| profile_row(connection, id).boxed()).await?;
        Ok(row.map(|row| Whereabouts { experience: id, team: TeamId(row.team_id) }))
    }

    /// A broadcast as it is saved, the audience's numbers with it.
    pub async fn load(&self, id: BroadcastId) -> Result<Option<Saved>, StoreError> {
        let found = self.store.run(move |connection| {
            async move {
                let row = broadcasts::table
                    .find(id.0)
                    .select(BroadcastRow::as_select())
                    .first(connection)
                    .await
                    .optional()?;
                Ok::<_, StoreError>(row)
            }
            .boxed()
        });
        found.await?.map(Saved::try_from).transpose()
    }

    /// The broadcasts of an experience, newest first, at most a page.
    pub async fn list(&self, experience: ExperienceId) -> Result<Vec<Saved>, StoreError> {
        let found = self.store.run(move |connection| {
            async move {
                let rows = broadcasts::table
                    .filter(broadcasts::experience_id.eq(experience.0))
                    .order(broadcasts::created_at.desc())
                    .limit(PAGE_ITEMS_MAX)
                    .select(BroadcastRow::as_select())
                    .load(connection)
                    .await?;
                Ok::<_, StoreError>(rows)
            }
            .boxed()
        });
        found.await?.into_iter().map(Saved::try_from).collect()
    }

    /// The journal of a broadcast after `number`, oldest first, at most a page.
    pub async fn journal(&self, id: BroadcastId, after: i64) -> Result<Vec<JournalRow>, StoreError> {
        let found = self.store.run(move |connection| {
            async move {
                let rows = broadcast_events::table
                    .filter(broadcast_events::broadcast_id.eq(id.0))
                    .filter(broadcast_events::number.gt(after))
                    .order(broadcast_events::number)
                    .limit(PAGE_ITEMS_MAX)
                    .select((
                        broadcast_events::number,
                        broadcast_events::at,
                        broadcast_events::epoch,
                        broadcast_events::event,
                    ))
                    .load(connection)
                    .await?;
                Ok::<_, StoreError>(rows)
            }
            .boxed()
        });
        found.await
    }

    /// The experiences with an open broadcast that no other node holds: those that have to be on duty here.
    pub async fn ownerless_experiences(&self) -> Result<Vec<ExperienceId>, StoreError> {
        let node = self.node.clone();
        let found = self.store.run(move |connection| {
            async move {
                let lease = leases::kind.eq(LEASE_KIND).and(leases::key.eq(broadcasts::experience_id));
                let (owner, until) = (leases::node.nullable(), leases::until.nullable());
                let now = sql::<Nullable<Timestamptz>>("now()"); // leases alone live by the database's own clock
                let free = owner.is_null().or(owner.eq(node)).or(until.le(now));
                let rows: Vec<Uuid> = broadcasts::table
                    .left_join(leases::table.on(lease))
                    .filter(broadcasts::ended_at.is_null())
                    .filter(free)
                    .order(broadcasts::experience_id)
                    .select(broadcasts::experience_id)
                    .load(connection)
                    .await?;
                Ok::<_, StoreError>(rows)
            }
            .boxed()
        });
        Ok(found.await?.into_iter().map(ExperienceId).collect())
    }

    /// Which of these broadcasts want a room.
    pub async fn wanting_rooms(&self, of: Vec<BroadcastId>) -> Result<Vec<BroadcastId>, StoreError> {
        let found = self.store.run(move |connection| {
            async move {
                let ids: Vec<Uuid> = of.iter().map(|id| id.0).collect();
                let rows: Vec<Uuid> = broadcasts::table
                    .filter(broadcasts::id.eq_any(ids))
                    .filter(broadcasts::state.eq_any(["lobby", "live", "reconnecting"]))
                    .select(broadcasts::id)
                    .load(connection)
                    .await?;
                Ok::<_, StoreError>(rows)
            }
            .boxed()
        });
        Ok(found.await?.into_iter().map(BroadcastId).collect())
    }

    /// Stores a webhook once.
    pub async fn record_hook(&self, id: String, body: serde_json::Value) -> Result<HookKnown, StoreError> {
        let now = self.clock.now().to_utc();
        let known = self.store.run(move |connection| {
            async move {
                let stored = diesel::insert_into(provider_events::table)
                    .values((
                        provider_events::provider.eq(HOOKS_OF),
                        provider_events::event_id.eq(&id),
                        provider_events::received_at.eq(now),
                        provider_events::body.eq(body),
                    ))
                    .on_conflict_do_nothing()
                    .execute(connection)
                    .await?;
                if stored == 1 {
                    return Ok::<_, StoreError>(HookKnown::New);
                }
                let row = provider_events::table.find((HOOKS_OF, id)).select(provider_events::applied_at.is_not_null());
                let applied: Option<bool> = row.first(connection).await.optional()?;
                Ok(if applied == Some(true) { HookKnown::Applied } else { HookKnown::Unapplied })
            }
            .boxed()
        });
        known.await
    }

    /// Notes that a webhook was applied.
    pub async fn hook_applied(&self, id: String) -> Result<(), StoreError> {
        let now = self.clock.now().to_utc();
        let noted = self.store.run(move |connection| {
            async move {
                diesel::update(provider_events::table.find((HOOKS_OF, id)))
                    .set(provider_events::applied_at.eq(now))
                    .execute(connection)
                    .await?;
                Ok::<_, StoreError>(())
            }
            .boxed()
        });
        noted.await
    }

    /// Renews these leases in one statement; those that still are this node's.
    pub async fn renew_leases(&self, held: Leased) -> Result<Leased, StoreError> {
        let node = self.node.clone();
        let keys: Vec<Uuid> = held.iter().map(|(experience, _)| experience.0).collect();
        let renewed = self.store.run(move |connection| {
            async move {
                let until = sql::<Timestamptz>(&format!("now() + interval '{LEASE_SECS} seconds'"));
                let rows: Vec<(Uuid, i64)> = diesel::update(leases::table)
                    .filter(leases::kind.eq(LEASE_KIND))
                    .filter(leases::key.eq_any(keys))
                    .filter(leases::node.eq(node))
                    .set(leases::until.eq(until))
                    .returning((leases::key, leases::epoch))
                    .get_results(connection)
                    .await?;
                Ok::<_, StoreError>(rows)
            }
            .boxed()
        });
        Ok(renewed.await?.into_iter().map(|(key, epoch)| (ExperienceId(key), epoch)).collect())
    }
}
