//! Tells whose rights a change of the catalogue bears on: a row for each in the log of changes, in the same transaction.

use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, SpaceId, UserId},
    store::StoreError,
};

/// Whose rights.
#[derive(Clone, Copy, Debug)]
pub enum Holders {
    /// Of anything in a space.
    OfSpace(SpaceId),
    /// Of a pass.
    OfPass(PassId),
    /// Of whatever opens an experience: a pass that includes it, the experience itself, or its whole space.
    OfExperience(ExperienceId),
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// Writes a change for everybody who holds one of these, and says who they are.
///
/// # Errors
/// When the database cannot.
pub async fn record_changes(
    connection: &mut AsyncPgConnection,
    at: Timestamp,
    holders: Holders,
) -> Result<Vec<UserId>, StoreError> {
    let (id, which) = match holders {
        Holders::OfSpace(id) => (id.0, "g.space_id = $1"),
        Holders::OfPass(id) => (id.0, "g.access_pass_id = $1"),
        Holders::OfExperience(id) => (
            id.0,
            "g.space_id = (select e.space_id from experiences e where e.id = $1)
              and (g.experience_id = $1 or (g.experience_id is null and g.access_pass_id is null)
                   or g.access_pass_id in (select x.pass_id from access_pass_experiences x where x.experience_id = $1))",
        ),
    };
    let text = format!(
        "insert into rights_changes (user_id, at)
         select distinct g.user_id, $2::timestamptz from access_grants g
          where {which} and g.status in ('active', 'trialing', 'past_due', 'paused')
         returning user_id"
    );
    let query = diesel::sql_query(text).bind::<SqlUuid, _>(id).bind::<Timestamptz, _>(at.to_utc());
    let rows: Vec<Row> = query.load(connection).await?;
    Ok(rows.into_iter().map(|row| row.user_id.into()).collect())
}
