//! Whether somebody sees a thing of a team, and what their role lets them do with it: one statement, the same for a thing that
//! does not exist and for one of another team.

use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::super::core::Refusal;
use crate::{
    identity::core::role::{self, Permission, Role},
    ids::{ExperienceId, PassId, PriceId, SpaceId, TeamId, UserId},
    store::{Denied, StoreError},
};

/// A thing that belongs to a space.
#[derive(Clone, Copy, Debug)]
pub enum Thing {
    /// The space itself.
    Space(SpaceId),
    /// An experience.
    Experience(ExperienceId),
    /// A pass.
    Pass(PassId),
    /// A price of something.
    Price(PriceId),
}

/// Where a thing lies, and the role of who asks.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// The team it belongs to.
    pub team: TeamId,
    /// The space it lies in.
    pub space: SpaceId,
    /// The asker's role.
    pub role: Role,
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    team_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    space_id: Uuid,
    #[diesel(sql_type = Text)]
    role: String,
}

fn question(thing: Thing) -> (Uuid, &'static str, &'static str) {
    match thing {
        Thing::Space(id) => (id.0, "spaces s", "s.id = $2"),
        Thing::Experience(id) => {
            (id.0, "experiences e join spaces s on s.id = e.space_id", "e.id = $2 and e.deleted_at is null")
        }
        Thing::Pass(id) => {
            (id.0, "access_passes p join spaces s on s.id = p.space_id", "p.id = $2 and p.deleted_at is null")
        }
        Thing::Price(id) => (
            id.0,
            "prices r left join access_passes p on p.id = r.pass_id and p.deleted_at is null
                      left join experiences e on e.id = r.experience_id and e.deleted_at is null
                      join spaces s on s.id = coalesce(p.space_id, e.space_id, r.space_id)",
            "r.id = $2",
        ),
    }
}

async fn look(
    connection: &mut AsyncPgConnection,
    user: UserId,
    thing: Thing,
    (permission, lock): (Permission, &'static str),
) -> Result<Sight, Denied<Refusal>> {
    let (id, from, which) = question(thing);
    let text = format!(
        "select s.team_id, s.id as space_id, m.role::text as role from {from}
           join memberships m on m.team_id = s.team_id and m.user_id = $1 and m.left_at is null
           join teams t on t.id = s.team_id and t.deleted_at is null
          where {which} {lock}"
    );
    let query = diesel::sql_query(text).bind::<SqlUuid, _>(user.0).bind::<SqlUuid, _>(id);
    let rows: Vec<Row> = query.load(connection).await.map_err(StoreError::from)?;
    let Some(row) = rows.into_iter().next() else { return Err(Denied::Refused(Refusal::Unseen)) };
    let role = row
        .role
        .parse()
        .map_err(|_| StoreError::Corrupt { table: "memberships", why: format!("role {:?}", row.role) })?;
    role::judge(Some(role), permission).map_err(|refusal| Denied::Refused(refusal.into()))?;
    Ok(Sight { team: row.team_id.into(), space: row.space_id.into(), role })
}

/// Looks at a thing in order to read it.
///
/// # Errors
/// [`Refusal::Unseen`] or [`Refusal::NotPermitted`].
pub async fn to_read(
    connection: &mut AsyncPgConnection,
    user: UserId,
    thing: Thing,
    permission: Permission,
) -> Result<Sight, Denied<Refusal>> {
    look(connection, user, thing, (permission, "")).await
}

/// Looks at a thing in order to change it: its space is locked until the transaction ends, so that changes inside one space
/// come one after another, while grants may still be given.
///
/// # Errors
/// [`Refusal::Unseen`] or [`Refusal::NotPermitted`].
pub async fn to_change(
    connection: &mut AsyncPgConnection,
    user: UserId,
    thing: Thing,
) -> Result<Sight, Denied<Refusal>> {
    look(connection, user, thing, (Permission::EditContent, "for no key update of s")).await
}

impl From<role::Refusal> for Refusal {
    fn from(refusal: role::Refusal) -> Self {
        match refusal {
            role::Refusal::Unseen => Self::Unseen,
            role::Refusal::NotPermitted => Self::NotPermitted,
        }
    }
}
