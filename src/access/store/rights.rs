//! Reads the rights of many people in one query, and what opens many experiences in another.

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

/// One row of [`RIGHTS`]; what its columns mean depends on `kind`.
#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    /// The user; the pass for an experience that is ticked.
    #[diesel(sql_type = SqlUuid)]
    of: Uuid,
    /// The space; the team of a membership; the experience that is ticked.
    #[diesel(sql_type = SqlUuid)]
    at: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    grant_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    experience_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pass_id: Option<Uuid>,
    /// The source of a grant; the role of a membership.
    #[diesel(sql_type = Nullable<Text>)]
    word: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    starts_at: Option<Time>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    until: Option<Time>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    past_due_until: Option<Time>,
}

/// One statement, so that all of it is of one moment.
const RIGHTS: &str = "
    select 'grant' as kind, g.user_id as of, g.space_id as at, g.id as grant_id, g.experience_id, g.access_pass_id as pass_id,
           g.source as word, g.status, g.starts_at, g.expires_at as until, g.past_due_until
      from access_grants g where g.user_id = any($1)
    union all
    select 'member', m.user_id, m.team_id, null, null, null, m.role::text, null, null, null, null
      from memberships m join teams t on t.id = m.team_id
     where m.user_id = any($1) and m.left_at is null and t.deleted_at is null
    union all
    select 'ban', u.id, b.space_id, null, null, null, null, null, null, b.until, null
      from users u join space_bans b on b.email_norm = u.email_norm
     where u.id = any($1)
    union all
    select 'tick', x.pass_id, x.experience_id, null, null, null, null, null, null, null, null
      from access_pass_experiences x
     where x.pass_id in (select g.access_pass_id from access_grants g where g.user_id = any($1))";

/// The rights of each of `users`; somebody unknown has none.
///
/// # Errors
/// When the database cannot say.
pub async fn rights(connection: &mut AsyncPgConnection, users: &[UserId]) -> Result<Vec<Rights>, StoreError> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows: Vec<Row> = diesel::sql_query(RIGHTS).bind::<Array<SqlUuid>, _>(&ids).load(connection).await?;

    let mut grants: Vec<Row> = vec![];
    let mut staff: HashMap<Uuid, Vec<Staff>> = HashMap::new();
    let mut bans: HashMap<Uuid, Vec<Ban>> = HashMap::new();
    let mut ticked: HashMap<Uuid, Vec<ExperienceId>> = HashMap::new();
    for row in rows {
        match row.kind.as_str() {
            "member" => staff.entry(row.of).or_default().push(staff_of(&row)?),
            "ban" => {
                let ban = Ban { space: row.at.into(), until: row.until.map(Timestamp::from) };
                bans.entry(row.of).or_default().push(ban);
            }
            "tick" => ticked.entry(row.of).or_default().push(row.at.into()),
            _ => grants.push(row),
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
        held.entry(row.of).or_default().push(grant_of(&row, &ticked)?);
    }
    let all = users.iter().map(|user| Rights {
        user: *user,
        grants: held.remove(&user.0).unwrap_or_default().into(),
        staff: staff.remove(&user.0).unwrap_or_default().into(),
        bans: bans.remove(&user.0).unwrap_or_default().into(),
    });
    Ok(all.collect())
}

fn staff_of(row: &Row) -> Result<Staff, StoreError> {
    let word = row.word.as_deref().unwrap_or_default();
    let role: Role =
        word.parse().map_err(|_| StoreError::Corrupt { table: "memberships", why: format!("role {word:?}") })?;
    Ok(Staff {
        team: row.at.into(),
        enters: permits(role, Permission::EnterAsStaff),
        runs: permits(role, Permission::RunBroadcast),
    })
}

fn grant_of(row: &Row, ticked: &HashMap<Uuid, Arc<[ExperienceId]>>) -> Result<Grant, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { table: "access_grants", why };
    let (Some(id), Some(starts_at)) = (row.grant_id, row.starts_at) else {
        return Err(corrupt(format!("a row of kind {:?}", row.kind)));
    };
    let opens = match (row.pass_id, row.experience_id) {
        (Some(pass), _) => Opens::Pass(PassId(pass), ticked.get(&pass).cloned().unwrap_or_else(|| Arc::from([]))),
        (None, Some(experience)) => Opens::Experience(experience.into()),
        (None, None) => Opens::Space,
    };
    Ok(Grant {
        id: id.into(),
        space: row.at.into(),
        opens,
        source: row.word.as_deref().unwrap_or_default().parse().map_err(|e| corrupt(format!("source: {e}")))?,
        status: row.status.as_deref().unwrap_or_default().parse().map_err(|e| corrupt(format!("status: {e}")))?,
        starts_at: starts_at.into(),
        expires_at: row.until.map(Timestamp::from),
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
