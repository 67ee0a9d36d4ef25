//! What a person is told beside an answer: the name of the pass it rests on, and when a grant ended.

use diesel::sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{clock::Timestamp, ids::GrantId, store::StoreError};

/// About a grant, in the words of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The name of the pass it came with, also when that is not offered any more.
    pub pass: Option<String>,
    /// When it was taken away, paid back or ran out.
    pub ended_at: Option<Timestamp>,
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Text>)]
    pass: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What is told about a grant; `None` when there is no such grant.
///
/// # Errors
/// When the database cannot say.
pub async fn about(connection: &mut AsyncPgConnection, grant: GrantId) -> Result<Option<Told>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "select p.name as pass, g.ended_at from access_grants g left join access_passes p on p.id = g.access_pass_id
          where g.id = $1",
    )
    .bind::<SqlUuid, _>(grant.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| Told { pass: row.pass, ended_at: row.ended_at.map(Timestamp::from) }))
}
