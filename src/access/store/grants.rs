//! Grants: made, taken away, listed. Every change is written into the log of changes in the same transaction.

use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::record_changes;
use crate::{
    access::core::{Source, Status},
    clock::Timestamp,
    ids::{ExperienceId, GrantId, PassId, PriceId, PurchaseId, SpaceId, TeamId, UserId},
    store::StoreError,
};

/// What a new grant opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// All of its space.
    Space,
    /// One experience of the space.
    Experience(ExperienceId),
    /// A pass of the space.
    Pass(PassId),
}

/// A grant to be made.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Its id.
    pub id: GrantId,
    /// For whom.
    pub user: UserId,
    /// In which space.
    pub space: SpaceId,
    /// What it opens there; must belong to the space.
    pub opens: Target,
    /// The price that was chosen, if one was.
    pub price: Option<PriceId>,
    /// Where it comes from.
    pub source: Source,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when; `None` lasts for ever. The end of its pass may come before.
    pub expires_at: Option<Timestamp>,
    /// The purchase it comes from, if from one.
    pub purchase: Option<PurchaseId>,
    /// Who gave it; must be somebody for [`Source::Comp`] and [`Source::Direct`].
    pub granted_by: Option<UserId>,
    /// Now.
    pub at: Timestamp,
}

/// A grant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// Which.
    pub id: GrantId,
    /// Whose.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// The space's team.
    pub team: TeamId,
    /// The space.
    pub space: SpaceId,
    /// The one experience it opens, if it is for one.
    pub experience: Option<ExperienceId>,
    /// The pass it came with, if with one.
    pub pass: Option<PassId>,
    /// Where it came from.
    pub source: Source,
    /// Where it stands, as it was last written down.
    pub status: Status,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl GrantRecord {
    /// Where it stands at `now`: what was active is expired once its time is up, written down or not.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        match self.status {
            Status::Active | Status::Trialing if self.expires_at.is_some_and(|end| now >= end) => Status::Expired,
            status => status,
        }
    }
}

/// What came of making a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is new.
    New(GrantRecord),
    /// They hold this free pass already, by this grant; nothing was made.
    AlreadyHeld(GrantRecord),
}

impl Granted {
    /// The grant, new or not.
    #[must_use]
    pub fn into_grant(self) -> GrantRecord {
        match self {
            Self::New(grant) | Self::AlreadyHeld(grant) => grant,
        }
    }

    /// The grant, new or not.
    #[must_use]
    pub fn grant(&self) -> &GrantRecord {
        match self {
            Self::New(grant) | Self::AlreadyHeld(grant) => grant,
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = SqlUuid)]
    team_id: Uuid,
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
    starts_at: chrono::DateTime<chrono::Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
    #[diesel(sql_type = Timestamptz)]
    created_at: chrono::DateTime<chrono::Utc>,
}

impl TryFrom<Row> for GrantRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt { table: "access_grants", why };
        Ok(Self {
            id: row.id.into(),
            user: row.user_id.into(),
            email: row.email,
            team: row.team_id.into(),
            space: row.space_id.into(),
            experience: row.experience_id.map(Into::into),
            pass: row.access_pass_id.map(Into::into),
            source: row.source.parse().map_err(|e| corrupt(format!("source: {e}")))?,
            status: row.status.parse().map_err(|e| corrupt(format!("status: {e}")))?,
            starts_at: row.starts_at.into(),
            expires_at: row.expires_at.map(Timestamp::from),
            created_at: row.created_at.into(),
        })
    }
}

/// The columns of a grant `g` with its holder's address; the table is `access_grants` or one of its changed rows.
macro_rules! grant_columns {
    () => {
        "g.id, g.user_id, (select u.email from users u where u.id = g.user_id) as email, g.team_id, g.space_id,
         g.experience_id, g.access_pass_id, g.source, g.status, g.starts_at, g.expires_at, g.created_at"
    };
}

const EXPIRE_FREE: &str = "
    update access_grants set status = 'expired', ended_at = expires_at, version = version + 1
     where user_id = $1 and access_pass_id = $2 and source = 'free' and status = 'active' and expires_at <= $3";

const INSERT: &str = concat!(
    "with g as (
        insert into access_grants (id, user_id, team_id, space_id, experience_id, access_pass_id, price_id, source,
                                   starts_at, lasts_until, expires_at, granted_by, created_at, purchase_id)
        select $1, $2, s.team_id, s.id, $4, $5, $6, $7, $8, $9,
               case when e.ends is not null then greatest(e.ends, $8) end, $10, $11, $12
          from spaces s,
               lateral (select least($9, (select p.auto_expire_at from access_passes p where p.id = $5)) as ends) e
         where s.id = $3
        on conflict (user_id, access_pass_id) where source = 'free' and status = 'active' do nothing
        returning *)
     select ",
    grant_columns!(),
    " from g"
);

const RUNNING_FREE: &str = concat!(
    "select ",
    grant_columns!(),
    " from access_grants g where g.user_id = $1 and g.access_pass_id = $2 and g.source = 'free' and g.status = 'active'"
);

/// Makes a grant. A free pass somebody holds already is not made twice, however often and at once it is asked for.
///
/// Call it inside a transaction, and `Doorkeeper::changed` after it.
///
/// # Errors
/// [`StoreError::Constraint`] when the pass or experience is not of the space, or there is no such person.
pub async fn insert_grant(connection: &mut AsyncPgConnection, new: NewGrant) -> Result<Granted, StoreError> {
    let (experience, pass) = match new.opens {
        Target::Space => (None, None),
        Target::Experience(experience) => (Some(experience.0), None),
        Target::Pass(pass) => (None, Some(pass.0)),
    };
    if let (Source::Free, Some(pass)) = (new.source, pass) {
        diesel::sql_query(EXPIRE_FREE)
            .bind::<SqlUuid, _>(new.user.0)
            .bind::<SqlUuid, _>(pass)
            .bind::<Timestamptz, _>(new.at.to_utc())
            .execute(connection)
            .await?;
    }
    let made: Vec<Row> = diesel::sql_query(INSERT)
        .bind::<SqlUuid, _>(new.id.0)
        .bind::<SqlUuid, _>(new.user.0)
        .bind::<SqlUuid, _>(new.space.0)
        .bind::<Nullable<SqlUuid>, _>(experience)
        .bind::<Nullable<SqlUuid>, _>(pass)
        .bind::<Nullable<SqlUuid>, _>(new.price.map(|price| price.0))
        .bind::<Text, _>(new.source.word())
        .bind::<Timestamptz, _>(new.starts_at.to_utc())
        .bind::<Nullable<Timestamptz>, _>(new.expires_at.map(Timestamp::to_utc))
        .bind::<Nullable<SqlUuid>, _>(new.granted_by.map(|user| user.0))
        .bind::<Timestamptz, _>(new.at.to_utc())
        .bind::<Nullable<SqlUuid>, _>(new.purchase.map(|purchase| purchase.0))
        .load(connection)
        .await?;
    if let Some(row) = made.into_iter().next() {
        record_changes(connection, &[new.user], new.at).await?;
        return Ok(Granted::New(row.try_into()?));
    }
    let held: Vec<Row> = diesel::sql_query(RUNNING_FREE)
        .bind::<SqlUuid, _>(new.user.0)
        .bind::<Nullable<SqlUuid>, _>(pass)
        .load(connection)
        .await?;
    match held.into_iter().next() {
        Some(row) => Ok(Granted::AlreadyHeld(row.try_into()?)),
        None => Err(StoreError::Query(diesel::result::Error::NotFound)), // no such space
    }
}

const FIND: &str = concat!("select ", grant_columns!(), " from access_grants g where g.id = $1");

/// One grant.
///
/// # Errors
/// When the database cannot say.
pub async fn find(connection: &mut AsyncPgConnection, id: GrantId) -> Result<Option<GrantRecord>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(FIND).bind::<SqlUuid, _>(id.0).load(connection).await?;
    rows.into_iter().next().map(TryInto::try_into).transpose()
}

const REVOKE: &str = concat!(
    "with g as (
        update access_grants set status = 'revoked', ended_by = $2, ended_at = $3, version = version + 1
         where id = $1 and status in ('active', 'trialing', 'past_due', 'paused')
        returning *)
     select ",
    grant_columns!(),
    " from g"
);

/// Takes a grant away. `None` when it is over already, or there is none.
///
/// # Errors
/// When the database cannot.
pub async fn revoke(
    connection: &mut AsyncPgConnection,
    id: GrantId,
    by: UserId,
    at: Timestamp,
) -> Result<Option<GrantRecord>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(REVOKE)
        .bind::<SqlUuid, _>(id.0)
        .bind::<SqlUuid, _>(by.0)
        .bind::<Timestamptz, _>(at.to_utc())
        .load(connection)
        .await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let revoked = GrantRecord::try_from(row)?;
    record_changes(connection, &[revoked.user], at).await?;
    Ok(Some(revoked))
}

/// Whose grants are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Those of a pass.
    OfPass(PassId),
    /// Those in a space.
    OfSpace(SpaceId),
    /// Those in all spaces of a team.
    OfTeam(TeamId),
    /// Those of a person.
    OfUser(UserId),
}

/// Where a list of grants goes on: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// When the last one listed was made.
    pub created_at: Timestamp,
    /// Which it was.
    pub id: GrantId,
}

/// At most `most` grants, the newest first.
///
/// # Errors
/// When the database cannot say.
pub async fn list(
    connection: &mut AsyncPgConnection,
    listed: Listed,
    after: Option<After>,
    most: i64,
) -> Result<Vec<GrantRecord>, StoreError> {
    let (id, which) = match listed {
        Listed::OfPass(id) => (id.0, "g.access_pass_id = $1"),
        Listed::OfSpace(id) => (id.0, "g.space_id = $1"),
        Listed::OfTeam(id) => (id.0, "g.space_id in (select s.id from spaces s where s.team_id = $1)"),
        Listed::OfUser(id) => (id.0, "g.user_id = $1"),
    };
    let text = format!(
        "select {} from access_grants g
          where {which} and ($2::timestamptz is null or (g.created_at, g.id) < ($2, $3))
          order by g.created_at desc, g.id desc limit $4",
        grant_columns!()
    );
    let rows: Vec<Row> = diesel::sql_query(text)
        .bind::<SqlUuid, _>(id)
        .bind::<Nullable<Timestamptz>, _>(after.map(|after| after.created_at.to_utc()))
        .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.id.0))
        .bind::<BigInt, _>(most)
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
