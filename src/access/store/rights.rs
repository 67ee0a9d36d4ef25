//! Reads the rights of many people in two queries, and what opens many experiences in one.

use std::{collections::HashMap, sync::Arc};

use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    access::core::{Ban, Grant, Opening, Opens, Rights, Staff},
    clock::Timestamp,
    identity::core::role::{Permission, Role, permits},
    ids::{ExperienceId, PassId, SpaceId, UserId},
    store::StoreError,
};

type Time = chrono::DateTime<chrono::Utc>;

#[derive(diesel::QueryableByName)]
struct GrantRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    space_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    experience_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    access_pass_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Timestamptz)]
    starts_at: Time,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<Time>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    past_due_until: Option<Time>,
}

const GRANTS: &str = "
    select user_id, id, space_id, experience_id, access_pass_id, source, status, starts_at, expires_at, past_due_until
      from access_grants where user_id = any($1)";

#[derive(diesel::QueryableByName)]
struct AroundRow {
    #[diesel(sql_type = Text)]
    kind: String,
    /// The user; the pass for an experience that is ticked.
    #[diesel(sql_type = SqlUuid)]
    of: Uuid,
    /// The team, the space, or the experience.
    #[diesel(sql_type = SqlUuid)]
    at: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    until: Option<Time>,
}

const AROUND: &str = "
    select 'member' as kind, m.user_id as of, m.team_id as at, m.role::text as role, null::timestamptz as until
      from memberships m join teams t on t.id = m.team_id
     where m.user_id = any($1) and m.left_at is null and t.deleted_at is null
    union all
    select 'ban', u.id, b.space_id, null, b.until
      from users u join space_bans b on b.email_norm = u.email_norm
     where u.id = any($1)
    union all
    select 'tick', x.pass_id, x.experience_id, null, null
      from access_pass_experiences x
     where x.pass_id in (select g.access_pass_id from access_grants g where g.user_id = any($1))";

/// The rights of each of `users`; somebody unknown has none.
///
/// # Errors
/// When the database cannot say.
pub async fn rights(connection: &mut AsyncPgConnection, users: &[UserId]) -> Result<Vec<Rights>, StoreError> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let grants: Vec<GrantRow> = diesel::sql_query(GRANTS).bind::<Array<SqlUuid>, _>(&ids).load(connection).await?;
    let around: Vec<AroundRow> = diesel::sql_query(AROUND).bind::<Array<SqlUuid>, _>(&ids).load(connection).await?;

    let mut staff: HashMap<Uuid, Vec<Staff>> = HashMap::new();
    let mut bans: HashMap<Uuid, Vec<Ban>> = HashMap::new();
    let mut ticked: HashMap<Uuid, Vec<ExperienceId>> = HashMap::new();
    for row in around {
        match row.kind.as_str() {
            "member" => staff.entry(row.of).or_default().push(staff_of(&row)?),
            "ban" => {
                let ban = Ban { space: row.at.into(), until: row.until.map(Timestamp::from) };
                bans.entry(row.of).or_default().push(ban);
            }
            _ => ticked.entry(row.of).or_default().push(row.at.into()),
        }
    }
    let ticked: HashMap<Uuid, Arc<[ExperienceId]>> = ticked
        .into_iter()
        .map(|(pass, mut experiences)| {
            experiences.sort_unstable();
            (pass, experiences.into())
        })
        .collect();
    let mut held: HashMap<Uuid, Vec<Grant>> = HashMap::new();
    for row in grants {
        held.entry(row.user_id).or_default().push(grant_of(row, &ticked)?);
    }
    let all = users.iter().map(|user| Rights {
        user: *user,
        grants: held.remove(&user.0).unwrap_or_default().into(),
        staff: staff.remove(&user.0).unwrap_or_default().into(),
        bans: bans.remove(&user.0).unwrap_or_default().into(),
    });
    Ok(all.collect())
}

fn staff_of(row: &AroundRow) -> Result<Staff, StoreError> {
    let word = row.role.as_deref().unwrap_or_default();
    let role: Role =
        word.parse().map_err(|_| StoreError::Corrupt { table: "memberships", why: format!("role {word:?}") })?;
    Ok(Staff {
        team: row.at.into(),
        enters: permits(role, Permission::EnterAsStaff),
        runs: permits(role, Permission::RunBroadcast),
    })
}

fn grant_of(row: GrantRow, ticked: &HashMap<Uuid, Arc<[ExperienceId]>>) -> Result<Grant, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { table: "access_grants", why };
    let opens = match (row.access_pass_id, row.experience_id) {
        (Some(pass), _) => Opens::Pass(PassId(pass), ticked.get(&pass).cloned().unwrap_or_else(|| Arc::from([]))),
        (None, Some(experience)) => Opens::Experience(experience.into()),
        (None, None) => Opens::Space,
    };
    Ok(Grant {
        id: row.id.into(),
        space: row.space_id.into(),
        opens,
        source: row.source.parse().map_err(|e| corrupt(format!("source: {e}")))?,
        status: row.status.parse().map_err(|e| corrupt(format!("status: {e}")))?,
        starts_at: row.starts_at.into(),
        expires_at: row.expires_at.map(Timestamp::from),
        past_due_until: row.past_due_until.map(Timestamp::from),
    })
}

#[derive(diesel::QueryableByName)]
struct OpeningRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    space_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    team_id: Uuid,
    #[diesel(sql_type = Bool)]
    published: bool,
}

/// What opens each of `experiences`; those that do not exist (any more) are left out.
///
/// # Errors
/// When the database cannot say.
pub async fn openings(
    connection: &mut AsyncPgConnection,
    experiences: &[ExperienceId],
) -> Result<Vec<(ExperienceId, Opening)>, StoreError> {
    let ids: Vec<Uuid> = experiences.iter().map(|experience| experience.0).collect();
    let rows: Vec<OpeningRow> = diesel::sql_query(
        "select e.id, e.space_id, s.team_id, s.status = 'published' as published
           from experiences e join spaces s on s.id = e.space_id
          where e.id = any($1) and e.deleted_at is null",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.into(), opening_of(&row, Some(row.id.into())))).collect())
}

/// What opens the member page of a space; `None` when there is no such space.
///
/// # Errors
/// When the database cannot say.
pub async fn opening_of_space(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
) -> Result<Option<Opening>, StoreError> {
    let rows: Vec<OpeningRow> = diesel::sql_query(
        "select s.id, s.id as space_id, s.team_id, s.status = 'published' as published from spaces s where s.id = $1",
    )
    .bind::<SqlUuid, _>(space.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| opening_of(&row, None)))
}

fn opening_of(row: &OpeningRow, experience: Option<ExperienceId>) -> Opening {
    Opening { team: row.team_id.into(), space: row.space_id.into(), space_published: row.published, experience }
}
