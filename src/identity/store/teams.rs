//! Teams, and what a person's role in one permits.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
    sql_types::{Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::members;
use crate::{
    clock::Timestamp,
    identity::core::role::{self, Permission, Refusal, Role},
    ids::{MembershipId, TeamId, UserId},
    store::{Denied, StoreError, schema::teams},
};

/// A team.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = teams)]
pub struct Team {
    id: Uuid,
    /// Its name.
    pub name: String,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl Team {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TeamId {
        self.id.into()
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at.into()
    }
}

#[derive(diesel::QueryableByName)]
struct RoleRow {
    #[diesel(sql_type = Text)]
    role: String,
}

pub(super) fn read_role(word: &str) -> Result<Role, StoreError> {
    word.parse().map_err(|_| StoreError::Corrupt { table: "memberships", why: format!("role {word:?}") })
}

/// The role of `user` in `team`; `None` for somebody who is no member (any more), and for a team that is gone.
///
/// # Errors
/// When the database cannot say.
pub async fn role_of(
    connection: &mut AsyncPgConnection,
    user: UserId,
    team: TeamId,
) -> Result<Option<Role>, StoreError> {
    let rows: Vec<RoleRow> = diesel::sql_query(
        "select m.role::text from memberships m join teams t on t.id = m.team_id
          where m.user_id = $1 and m.team_id = $2 and m.left_at is null and t.deleted_at is null",
    )
    .bind::<SqlUuid, _>(user.0)
    .bind::<SqlUuid, _>(team.0)
    .load(connection)
    .await?;
    rows.into_iter().next().map(|row| read_role(&row.role)).transpose()
}

/// The role of `user` in `team` when it permits this.
///
/// # Errors
/// [`Refusal::Unseen`] for a stranger (404), [`Refusal::NotPermitted`] for a member who may not (403).
pub async fn require(
    connection: &mut AsyncPgConnection,
    user: UserId,
    team: TeamId,
    permission: Permission,
) -> Result<Role, Denied<Refusal>> {
    let role = role_of(connection, user, team).await?;
    role::judge(role, permission).map_err(Denied::Refused)
}

/// A team somebody belongs to.
#[derive(Clone, Debug)]
pub struct TeamOfUser {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Their role.
    pub role: Role,
}

#[derive(diesel::QueryableByName)]
struct TeamOfUserRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    role: String,
}

/// The teams somebody belongs to, by name.
///
/// # Errors
/// When the database cannot.
pub async fn list_of_user(connection: &mut AsyncPgConnection, user: UserId) -> Result<Vec<TeamOfUser>, StoreError> {
    let rows: Vec<TeamOfUserRow> = diesel::sql_query(
        "select t.id, t.name, m.role::text from memberships m join teams t on t.id = m.team_id
          where m.user_id = $1 and m.left_at is null and t.deleted_at is null order by t.name, t.id limit 100",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok(TeamOfUser { id: row.id.into(), name: row.name, role: read_role(&row.role)? }))
        .collect()
}

/// Makes a team whose owner is `owner`.
///
/// # Errors
/// When the database cannot.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    id: TeamId,
    name: &str,
    owner: (MembershipId, UserId),
    now: Timestamp,
) -> Result<Team, StoreError> {
    let team = diesel::insert_into(teams::table)
        .values((teams::id.eq(id.0), teams::name.eq(name), teams::created_at.eq(now.to_utc())))
        .returning(Team::as_select())
        .get_result(connection)
        .await?;
    members::insert(connection, owner.0, id, owner.1, Role::Owner, now).await?;
    Ok(team)
}

/// A team that was not closed.
///
/// # Errors
/// When the database cannot.
pub async fn find(connection: &mut AsyncPgConnection, id: TeamId) -> Result<Option<Team>, StoreError> {
    Ok(teams::table
        .find(id.0)
        .filter(teams::deleted_at.is_null())
        .select(Team::as_select())
        .first(connection)
        .await
        .optional()?)
}

/// Gives a team another name.
///
/// # Errors
/// When the database cannot.
pub async fn rename(connection: &mut AsyncPgConnection, id: TeamId, name: &str) -> Result<Team, StoreError> {
    Ok(diesel::update(teams::table.find(id.0))
        .set(teams::name.eq(name))
        .returning(Team::as_select())
        .get_result(connection)
        .await?)
}
