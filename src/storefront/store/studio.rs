//! What the studio and the member's own pages show of spaces, in few questions.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    public::{self, Open},
    space,
};
use crate::{
    access::{
        core::{Entitlement, judge},
        store::{
            self as access,
            grants::{self, GrantRecord, Listed},
        },
    },
    clock::Timestamp,
    identity::{
        core::role::Role,
        store::members::{self, Member},
        teams::{self, TeamOfUser},
    },
    ids::{ExperienceId, PassId, SpaceId, TeamId, UserId},
    limits::{HOLDERS_SHOWN_MAX, PAGE_ITEMS_MAX, SPACES_PER_TEAM_MAX},
    store::StoreError,
    storefront::core::space::{Space, SpaceStatus},
};

/// A team with its spaces, for somebody who belongs to it.
#[derive(Clone, Debug)]
pub struct TeamHome {
    /// The team and the person's role.
    pub team: TeamOfUser,
    /// Its spaces, oldest first.
    pub spaces: Vec<SpaceHome>,
}

/// A space on the studio's home.
#[derive(Clone, Debug)]
pub struct SpaceHome {
    /// The space.
    pub space: Space,
    /// How many people hold access now.
    pub holders: u64,
    /// What is on.
    pub open: Vec<Open>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    holders: i64,
}

/// The teams of a person and their spaces.
///
/// # Errors
/// When the database cannot say.
pub async fn home(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    user: UserId,
) -> Result<Vec<TeamHome>, StoreError> {
    let mut homes = Vec::new();
    for team in teams::list_of_user(connection, user).await? {
        let spaces = space::of_team(connection, team.id, (None, SPACES_PER_TEAM_MAX)).await?;
        let ids: Vec<SpaceId> = spaces.iter().map(|space| space.id).collect();
        let holders = holders_of_spaces(connection, now, &ids).await?;
        let mut open = public::open_in(connection, &ids).await?;
        let spaces = spaces.into_iter().map(|space| SpaceHome {
            holders: holders.get(&space.id.0).copied().unwrap_or(0),
            open: open.extract_if(.., |(id, _)| *id == space.id).map(|(_, open)| open).collect(),
            space,
        });
        homes.push(TeamHome { team, spaces: spaces.collect() });
    }
    Ok(homes)
}

fn counted(rows: Vec<Count>) -> HashMap<Uuid, u64> {
    rows.into_iter().map(|row| (row.id, u64::try_from(row.holders).unwrap_or(0))).collect()
}

async fn holders_of_spaces(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    spaces: &[SpaceId],
) -> Result<HashMap<Uuid, u64>, StoreError> {
    let rows: Vec<Count> = diesel::sql_query(
        "select space_id as id, count(distinct user_id) as holders from access_grants
          where space_id = any($1) and status in ('active', 'trialing', 'past_due')
            and starts_at <= $2 and (expires_at is null or expires_at > $2) group by space_id",
    )
    .bind::<Array<SqlUuid>, _>(spaces.iter().map(|space| space.0).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now.to_utc())
    .load(connection)
    .await?;
    Ok(counted(rows))
}

/// How many people hold each pass of a space now.
///
/// # Errors
/// When the database cannot say.
pub async fn holders_of_passes(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    space: SpaceId,
) -> Result<HashMap<Uuid, u64>, StoreError> {
    let rows: Vec<Count> = diesel::sql_query(
        "select access_pass_id as id, count(distinct user_id) as holders from access_grants
          where space_id = $1 and access_pass_id is not null and status in ('active', 'trialing', 'past_due')
            and starts_at <= $2 and (expires_at is null or expires_at > $2) group by access_pass_id",
    )
    .bind::<SqlUuid, _>(space.0)
    .bind::<Timestamptz, _>(now.to_utc())
    .load(connection)
    .await?;
    Ok(counted(rows))
}

/// The newest grants of a pass, or of a whole space.
///
/// # Errors
/// When the database cannot say.
pub async fn holders(
    connection: &mut AsyncPgConnection,
    (space, pass): (SpaceId, Option<PassId>),
) -> Result<Vec<GrantRecord>, StoreError> {
    let listed = pass.map_or(Listed::OfSpace(space), Listed::OfPass);
    grants::list(connection, listed, None, HOLDERS_SHOWN_MAX).await
}

/// Who belongs to a team.
///
/// # Errors
/// When the database cannot say.
pub async fn members(connection: &mut AsyncPgConnection, team: TeamId) -> Result<Vec<Member>, StoreError> {
    members::list(connection, team).await
}

/// A space somebody holds access to, or belongs to.
#[derive(Clone, Debug)]
pub struct Mine {
    /// The space.
    pub space: Space,
    /// Their role in its team.
    pub role: Option<Role>,
    /// Their grants in it, newest first.
    pub grants: Vec<GrantRecord>,
    /// What is on.
    pub open: Vec<Open>,
}

/// The spaces of a person: those they hold something in and that are open, and those of their teams that are not put away.
///
/// # Errors
/// When the database cannot say.
pub async fn mine(connection: &mut AsyncPgConnection, user: UserId) -> Result<Vec<Mine>, StoreError> {
    let held = grants::list(connection, Listed::OfUser(user), None, PAGE_ITEMS_MAX).await?;
    let mut ids: Vec<SpaceId> = held.iter().map(|grant| grant.space).collect();
    let mut roles: HashMap<TeamId, Role> = HashMap::new();
    for team in teams::list_of_user(connection, user).await? {
        roles.insert(team.id, team.role);
        let spaces = space::of_team(connection, team.id, (None, PAGE_ITEMS_MAX)).await?;
        ids.extend(spaces.into_iter().map(|space| space.id));
    }
    ids.sort_unstable();
    ids.dedup();
    let mut open = public::open_in(connection, &ids).await?;
    let spaces = space::load_many(connection, &ids).await?;
    let mut mine: Vec<Mine> = spaces
        .into_iter()
        .filter_map(|space| {
            let role = roles.get(&space.team).copied();
            let shown = match space.fields.status {
                SpaceStatus::Published => true,
                SpaceStatus::Draft => role.is_some(),
                SpaceStatus::Archived => false,
            };
            let grants = held.iter().filter(|grant| grant.space == space.id).cloned().collect();
            let here = open.extract_if(.., |(id, _)| *id == space.id).map(|(_, open)| open).collect();
            shown.then_some(Mine { space, role, grants, open: here })
        })
        .collect();
    mine.sort_by_key(|mine| (mine.open.is_empty(), std::cmp::Reverse(mine.space.id)));
    Ok(mine)
}

/// What each of these doors says to a person.
///
/// # Errors
/// When the database cannot say.
pub async fn doors(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    (user, experiences): (UserId, &[ExperienceId]),
) -> Result<HashMap<ExperienceId, Entitlement>, StoreError> {
    let rights = access::rights(connection, &[user]).await?;
    let openings = access::openings(connection, experiences).await?;
    let Some(rights) = rights.as_slice().first() else { return Ok(HashMap::new()) };
    Ok(openings.iter().map(|(experience, opening)| (*experience, judge(now, rights, opening))).collect())
}

/// The names of the passes a person's grants came from.
///
/// # Errors
/// When the database cannot say.
pub async fn pass_names(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<HashMap<PassId, String>, StoreError> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let rows: Vec<Named> = diesel::sql_query(
        "select p.id, p.name from access_passes p
          where p.id in (select g.access_pass_id from access_grants g where g.user_id = $1)",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.into(), row.name)).collect())
}
