//! Where a thing that access is given to lies, and which spaces somebody holds something of.

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    ids::{ExperienceId, PassId, SpaceId, TeamId, UserId},
    store::StoreError,
};

/// A space and its team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The team.
    pub team: TeamId,
    /// The space.
    pub space: SpaceId,
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    team_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    space_id: Uuid,
}

async fn look(connection: &mut AsyncPgConnection, text: &'static str, id: Uuid) -> Result<Option<Place>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(text).bind::<SqlUuid, _>(id).load(connection).await?;
    Ok(rows.into_iter().next().map(|row| Place { team: row.team_id.into(), space: row.space_id.into() }))
}

/// Where a space is.
///
/// # Errors
/// When the database cannot say.
pub async fn of_space(connection: &mut AsyncPgConnection, space: SpaceId) -> Result<Option<Place>, StoreError> {
    look(connection, "select s.team_id, s.id as space_id from spaces s where s.id = $1", space.0).await
}

/// Where a pass is.
///
/// # Errors
/// When the database cannot say.
pub async fn of_pass(connection: &mut AsyncPgConnection, pass: PassId) -> Result<Option<Place>, StoreError> {
    let text = "select s.team_id, s.id as space_id from access_passes p join spaces s on s.id = p.space_id
                 where p.id = $1 and p.deleted_at is null";
    look(connection, text, pass.0).await
}

/// Where an experience is.
///
/// # Errors
/// When the database cannot say.
pub async fn of_experience(
    connection: &mut AsyncPgConnection,
    experience: ExperienceId,
) -> Result<Option<Place>, StoreError> {
    let text = "select s.team_id, s.id as space_id from experiences e join spaces s on s.id = e.space_id
                 where e.id = $1 and e.deleted_at is null";
    look(connection, text, experience.0).await
}

/// A space somebody holds or held something of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceHeld {
    /// The space and its team.
    pub place: Place,
    /// The slug.
    pub slug: String,
    /// The name.
    pub name: String,
    /// A line below the name.
    pub tagline: Option<String>,
    /// `draft`, `published` or `archived`.
    pub status: String,
}

#[derive(diesel::QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = SqlUuid)]
    team_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    tagline: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
}

/// At most `most` spaces of which `user` holds or held something, by name, those after the space `after`.
///
/// # Errors
/// When the database cannot say.
pub async fn held_by(
    connection: &mut AsyncPgConnection,
    user: UserId,
    after: Option<SpaceId>,
    most: i64,
) -> Result<Vec<SpaceHeld>, StoreError> {
    let rows: Vec<HeldRow> = diesel::sql_query(
        "select s.team_id, s.id, s.slug, s.name, s.tagline, s.status from spaces s
          where s.id in (select g.space_id from access_grants g where g.user_id = $1)
            and ($2::uuid is null or (s.name, s.id) > (select a.name, a.id from spaces a where a.id = $2))
          order by s.name, s.id limit $3",
    )
    .bind::<SqlUuid, _>(user.0)
    .bind::<Nullable<SqlUuid>, _>(after.map(|space| space.0))
    .bind::<diesel::sql_types::BigInt, _>(most)
    .load(connection)
    .await?;
    let held = rows.into_iter().map(|row| SpaceHeld {
        place: Place { team: row.team_id.into(), space: row.id.into() },
        slug: row.slug,
        name: row.name,
        tagline: row.tagline,
        status: row.status,
    });
    Ok(held.collect())
}
