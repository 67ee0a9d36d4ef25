//! The table of jobs: written once, claimed by one runner at a time, deleted when done.

use diesel::{
    ExpressionMethods, QueryDsl,
    dsl::min,
    sql_types::{BigInt, Binary, Double, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{NewJob, Queue};
use crate::{
    clock::Timestamp,
    ids::JobId,
    limits::{JOB_ERROR_CHARS_MAX, JOB_LOCK},
    store::{StoreError, schema::jobs},
};

/// A job that this runner works on.
#[derive(Clone, Debug, diesel::QueryableByName)]
pub struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// Which handler runs it.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Its payload, still sealed.
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
    /// Which try this is, from 1.
    #[diesel(sql_type = SmallInt)]
    pub tries: i16,
}

impl Claimed {
    /// Its id; the same at every try, so it may serve as the key of a call that must not happen twice.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id.into()
    }
}

/// Whether the job was written; not when one of its kind and key waits already.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    id: JobId,
    job: &NewJob,
    sealed: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let written = diesel::insert_into(jobs::table)
        .values((
            jobs::id.eq(id.0),
            jobs::queue.eq(job.queue.word()),
            jobs::kind.eq(job.kind),
            jobs::payload.eq(sealed),
            jobs::dedupe_key.eq(job.dedupe_key.as_deref()),
            jobs::run_at.eq(job.run_at.unwrap_or(now).to_utc()),
            jobs::created_at.eq(now.to_utc()),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    Ok(written == 1)
}

/// Locks are measured by the database's clock, which nobody moves: a job whose runner died is free again after [`JOB_LOCK`].
const CLAIM: &str = "
    update jobs set tries = tries + 1, locked_until = clock_timestamp() + $4 * interval '1 second'
     where id in (select id from jobs
                   where queue = $1 and failed_at is null and run_at <= $2
                     and (locked_until is null or locked_until < clock_timestamp())
                   order by run_at limit $3 for update skip locked)
    returning id, kind, payload, tries";

/// Takes up to `most` jobs that are due at `now`.
pub async fn claim(
    connection: &mut AsyncPgConnection,
    queue: Queue,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Claimed>, StoreError> {
    Ok(diesel::sql_query(CLAIM)
        .bind::<Text, _>(queue.word())
        .bind::<Timestamptz, _>(now.to_utc())
        .bind::<BigInt, _>(i64::try_from(most).unwrap_or(i64::MAX))
        .bind::<Double, _>(JOB_LOCK.as_secs_f64())
        .load(connection)
        .await?)
}

/// When the next job that nobody works on is due.
pub async fn next_due(connection: &mut AsyncPgConnection, queue: Queue) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<chrono::DateTime<chrono::Utc>> = jobs::table
        .filter(jobs::queue.eq(queue.word()))
        .filter(jobs::failed_at.is_null())
        .filter(jobs::locked_until.is_null())
        .select(min(jobs::run_at))
        .first(connection)
        .await?;
    Ok(at.map(Into::into))
}

/// What becomes of a job after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// It is done.
    Done,
    /// Again at this time.
    Again {
        /// When.
        at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// Set aside for a person to look at.
    Failed {
        /// When it was given up.
        at: Timestamp,
        /// What went wrong.
        error: String,
    },
}

/// Writes down what became of a job, unless another runner has taken it since.
pub async fn settle(connection: &mut AsyncPgConnection, job: &Claimed, after: &After) -> Result<bool, StoreError> {
    let mine = jobs::table.filter(jobs::id.eq(job.id)).filter(jobs::tries.eq(job.tries));
    let changed = match after {
        After::Done => diesel::delete(mine).execute(connection).await?,
        After::Again { at, error } => {
            diesel::update(mine)
                .set((
                    jobs::run_at.eq(at.to_utc()),
                    jobs::locked_until.eq(None::<chrono::DateTime<chrono::Utc>>),
                    jobs::error.eq(shortened(error)),
                ))
                .execute(connection)
                .await?
        }
        After::Failed { at, error } => {
            diesel::update(mine)
                .set((jobs::failed_at.eq(at.to_utc()), jobs::error.eq(shortened(error))))
                .execute(connection)
                .await?
        }
    };
    Ok(changed == 1)
}

fn shortened(error: &str) -> String {
    error.chars().take(JOB_ERROR_CHARS_MAX).collect()
}
