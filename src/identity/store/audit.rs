//! The append-only log of privileged acts.

use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    ids::{TeamId, UserId},
    store::{StoreError, schema::audit_log},
};

/// A privileged act: who did what to what.
#[derive(Clone, Debug)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who; `None` when the operator did it from the command line.
    pub actor: Option<UserId>,
    /// In which team, if in one.
    pub team: Option<TeamId>,
    /// What, as in `member.role_changed`.
    pub action: &'static str,
    /// To what: an id as it is on the wire.
    pub subject: String,
    /// What else is worth knowing; no secret.
    pub details: serde_json::Value,
}

#[derive(Insertable)]
#[diesel(table_name = audit_log)]
struct NewRow<'r> {
    at: chrono::DateTime<chrono::Utc>,
    actor: Option<Uuid>,
    team_id: Option<Uuid>,
    action: &'r str,
    subject: &'r str,
    details: &'r serde_json::Value,
}

/// Writes an act down, in the transaction that does it.
///
/// # Errors
/// When the database cannot.
pub async fn record(connection: &mut AsyncPgConnection, act: &Act) -> Result<(), StoreError> {
    let row = NewRow {
        at: act.at.to_utc(),
        actor: act.actor.map(|id| id.0),
        team_id: act.team.map(|id| id.0),
        action: act.action,
        subject: &act.subject,
        details: &act.details,
    };
    diesel::insert_into(audit_log::table).values(row).execute(connection).await?;
    Ok(())
}

/// An act as the log has it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_log)]
pub struct Entry {
    /// Its place in the log.
    pub number: i64,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
    /// Who.
    pub actor: Option<Uuid>,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// What else.
    pub details: serde_json::Value,
}

/// The newest `most` acts in a team, newest first.
///
/// # Errors
/// When the database cannot.
pub async fn list(connection: &mut AsyncPgConnection, team: TeamId, most: i64) -> Result<Vec<Entry>, StoreError> {
    Ok(audit_log::table
        .filter(audit_log::team_id.eq(team.0))
        .order(audit_log::number.desc())
        .limit(most)
        .select(Entry::as_select())
        .load(connection)
        .await?)
}
