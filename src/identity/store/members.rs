//! Who belongs to a team. Leaving sets `left_at`; nothing is deleted. Every change is told to the log of changed rights, since
//! members enter without a grant.

use diesel::{
    ExpressionMethods, QueryableByName,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::teams::read_role;
use crate::{
    clock::Timestamp,
    identity::core::role::Role,
    ids::{MembershipId, TeamId, UserId},
    limits::MEMBERS_MAX,
    store::{StoreError, schema::rights_changes},
};

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// The membership.
    pub id: MembershipId,
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// What they call themselves.
    pub name: Option<String>,
    /// Their role.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Timestamptz)]
    joined_at: chrono::DateTime<chrono::Utc>,
}

impl Row {
    fn read(self) -> Result<Member, StoreError> {
        Ok(Member {
            id: self.id.into(),
            user: self.user_id.into(),
            email: self.email,
            name: self.name,
            role: read_role(&self.role)?,
            joined_at: self.joined_at.into(),
        })
    }
}

/// The members of a team, those who joined first come first.
///
/// # Errors
/// When the database cannot.
pub async fn list(connection: &mut AsyncPgConnection, team: TeamId) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "select m.id, m.user_id, u.email, u.name, m.role::text, m.joined_at
           from memberships m join users u on u.id = m.user_id
          where m.team_id = $1 and m.left_at is null order by m.joined_at, m.id limit $2",
    )
    .bind::<SqlUuid, _>(team.0)
    .bind::<BigInt, _>(MEMBERS_MAX)
    .load(connection)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// A member by membership, locked until the transaction ends.
///
/// # Errors
/// When the database cannot.
pub async fn find_for_update(
    connection: &mut AsyncPgConnection,
    team: TeamId,
    id: MembershipId,
) -> Result<Option<Member>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "select m.id, m.user_id, u.email, u.name, m.role::text, m.joined_at
           from memberships m join users u on u.id = m.user_id
          where m.team_id = $1 and m.id = $2 and m.left_at is null for update of m",
    )
    .bind::<SqlUuid, _>(team.0)
    .bind::<SqlUuid, _>(id.0)
    .load(connection)
    .await?;
    rows.into_iter().next().map(Row::read).transpose()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    members: i64,
}

/// How many members hold `role`; `None` counts all. The team is locked, so that two owners cannot leave at once.
///
/// # Errors
/// When the database cannot.
pub async fn count(connection: &mut AsyncPgConnection, team: TeamId, role: Option<Role>) -> Result<i64, StoreError> {
    diesel::sql_query("select 1 from teams where id = $1 for update")
        .bind::<SqlUuid, _>(team.0)
        .execute(connection)
        .await?;
    let Count { members } = diesel::sql_query(
        "select count(*) as members from memberships
          where team_id = $1 and left_at is null and ($2 is null or role::text = $2)",
    )
    .bind::<SqlUuid, _>(team.0)
    .bind::<Nullable<Text>, _>(role.map(Role::word))
    .get_result(connection)
    .await?;
    Ok(members)
}

/// Somebody joins. The constraint `one_open_membership` says no to who is there already.
///
/// # Errors
/// When the database cannot.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    id: MembershipId,
    team: TeamId,
    user: UserId,
    role: Role,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "insert into memberships (id, team_id, user_id, role, joined_at) values ($1, $2, $3, $4::team_role, $5)",
    )
    .bind::<SqlUuid, _>(id.0)
    .bind::<SqlUuid, _>(team.0)
    .bind::<SqlUuid, _>(user.0)
    .bind::<Text, _>(role.word())
    .bind::<Timestamptz, _>(now.to_utc())
    .execute(connection)
    .await?;
    record_change(connection, user, now).await
}

/// Somebody gets another role.
///
/// # Errors
/// When the database cannot.
pub async fn change_role(
    connection: &mut AsyncPgConnection,
    member: &Member,
    role: Role,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::sql_query("update memberships set role = $2::team_role where id = $1")
        .bind::<SqlUuid, _>(member.id.0)
        .bind::<Text, _>(role.word())
        .execute(connection)
        .await?;
    record_change(connection, member.user, now).await
}

/// Somebody leaves.
///
/// # Errors
/// When the database cannot.
pub async fn mark_left(connection: &mut AsyncPgConnection, member: &Member, now: Timestamp) -> Result<(), StoreError> {
    diesel::sql_query("update memberships set left_at = greatest($2, joined_at) where id = $1")
        .bind::<SqlUuid, _>(member.id.0)
        .bind::<Timestamptz, _>(now.to_utc())
        .execute(connection)
        .await?;
    record_change(connection, member.user, now).await
}

async fn record_change(connection: &mut AsyncPgConnection, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    diesel::insert_into(rights_changes::table)
        .values((rights_changes::user_id.eq(user.0), rights_changes::at.eq(now.to_utc())))
        .execute(connection)
        .await?;
    Ok(())
}
