//! Teams and who belongs to them.

use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    identity::core::role::{self, Permission, Refusal, Role},
    ids::{TeamId, UserId},
    store::{Denied, StoreError},
};

#[derive(diesel::QueryableByName)]
struct RoleRow {
    #[diesel(sql_type = Text)]
    role: String,
}

fn read_role(word: &str) -> Result<Role, StoreError> {
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
