//! What the public pages show: a space as one person sees it, and what is on.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{experience, pass, price, space};
use crate::{
    clock::Timestamp,
    identity::core::role::Role,
    ids::{BroadcastId, ExperienceId, SpaceId, UserId},
    limits::STOCK_LEFT_SHOWN_MAX,
    store::StoreError,
    storefront::core::{
        experience::Experience,
        page::{self, Standing},
        pass::{Pass, PassStatus},
        price::{Price, PriceOf},
        slug::Slug,
        space::Space,
    },
};

/// A space, and how the one who looks stands to it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The space.
    pub space: Space,
    /// The name of its team.
    pub team_name: String,
    /// The viewer's role in the team.
    pub role: Option<Role>,
    /// How they stand to it.
    pub standing: Standing,
    /// Whether the team has closed the space for them.
    pub banned: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    team_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Bool)]
    holds: bool,
    #[diesel(sql_type = Bool)]
    banned: bool,
}

// A slug of today goes before one of yesterday; the two never belong to different spaces.
const FIND: &str = "
    select s.id, t.name as team_name,
           (select m.role::text from memberships m
             where m.team_id = s.team_id and m.user_id = $2 and m.left_at is null) as role,
           exists (select from access_grants g
                    where g.space_id = s.id and g.user_id = $2 and g.status <> 'revoked') as holds,
           exists (select from space_bans b join users u on u.email_norm = b.email_norm
                    where b.space_id = s.id and u.id = $2 and (b.until is null or b.until > $3)) as banned
      from spaces s join teams t on t.id = s.team_id and t.deleted_at is null
     where s.slug = $1 or s.id = (select h.space_id from slug_history h where h.slug = $1)
     order by (s.slug = $1) desc limit 1";

/// The space with this slug, or that had it, when it shows itself to `viewer`.
///
/// # Errors
/// When the database cannot say.
pub async fn find(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    viewer: Option<UserId>,
    slug: &Slug,
) -> Result<Option<Seen>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(FIND)
        .bind::<Text, _>(slug.as_str())
        .bind::<Nullable<SqlUuid>, _>(viewer.map(|viewer| viewer.0))
        .bind::<Timestamptz, _>(now.to_utc())
        .load(connection)
        .await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let role = row
        .role
        .map(|word| word.parse())
        .transpose()
        .map_err(|_| StoreError::Corrupt { table: "memberships", why: "an unknown role".into() })?;
    let standing = match (role, row.holds) {
        (Some(_), _) => Standing::Member,
        (None, true) => Standing::Holder,
        (None, false) => Standing::Stranger,
    };
    let space = space::load(connection, SpaceId(row.id)).await?;
    let shown = page::shows_space(space.fields.status, space.fields.visibility, standing);
    Ok(shown.then_some(Seen { space, team_name: row.team_name, role, standing, banned: row.banned }))
}

/// An open broadcast, as pages show it.
#[derive(Clone, Debug)]
pub struct Open {
    /// Which.
    pub id: BroadcastId,
    /// In which experience.
    pub experience: ExperienceId,
    /// Its title.
    pub title: Option<String>,
    /// `scheduled`, `lobby`, `live` or `reconnecting`.
    pub state: String,
    /// The planned start.
    pub scheduled_at: Option<Timestamp>,
    /// When it went live.
    pub live_at: Option<Timestamp>,
    /// The most that were there at once, when it was last written down.
    pub peak: i32,
}

#[derive(QueryableByName)]
struct OpenRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    experience_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    title: Option<String>,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    scheduled_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    live_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    audience_peak: i32,
}

/// The open broadcasts of these spaces, the liveliest first in each.
///
/// # Errors
/// When the database cannot say.
pub async fn open_in(
    connection: &mut AsyncPgConnection,
    spaces: &[SpaceId],
) -> Result<Vec<(SpaceId, Open)>, StoreError> {
    #[derive(QueryableByName)]
    struct Whole {
        #[diesel(sql_type = SqlUuid)]
        space_id: Uuid,
        #[diesel(embed)]
        open: OpenRow,
    }
    let rows: Vec<Whole> = diesel::sql_query(
        "select e.space_id, b.id, b.experience_id, b.title, b.state, b.scheduled_at, b.live_at, b.audience_peak
           from broadcasts b join experiences e on e.id = b.experience_id
          where e.space_id = any($1) and e.deleted_at is null and b.state not in ('ended', 'cancelled')
          order by array_position(array['live', 'reconnecting', 'lobby', 'scheduled'], b.state), b.scheduled_at, e.position",
    )
    .bind::<Array<SqlUuid>, _>(spaces.iter().map(|space| space.0).collect::<Vec<_>>())
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.space_id.into(), read_open(row.open))).collect())
}

fn read_open(row: OpenRow) -> Open {
    Open {
        id: row.id.into(),
        experience: row.experience_id.into(),
        title: row.title,
        state: row.state,
        scheduled_at: row.scheduled_at.map(Into::into),
        live_at: row.live_at.map(Into::into),
        peak: row.audience_peak,
    }
}

/// A grant of the viewer, as a sales page needs it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The pass it came from.
    pub pass: Option<Uuid>,
    /// The experience it opens, when it opens one alone.
    pub experience: Option<Uuid>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Everything a space shows to one viewer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The space.
    pub seen: Seen,
    /// Its experiences in order.
    pub experiences: Vec<Experience>,
    /// Its passes in order; drafts only for the team.
    pub passes: Vec<Pass>,
    /// The prices that are offered: of the passes, of the space and of its experiences.
    pub prices: Vec<Price>,
    /// What is on.
    pub open: Vec<Open>,
    /// What the viewer holds and may use now.
    pub held: Vec<Held>,
    /// When it was read.
    pub at: Timestamp,
}

impl Offer {
    /// The prices at which a pass is offered; none when it is not on sale, or has ended.
    pub fn prices_of<'o>(&'o self, pass: &'o Pass) -> impl Iterator<Item = &'o Price> {
        let offered = pass.fields.status == PassStatus::OnSale && !pass.fields.terms.over(self.at);
        self.prices.iter().filter(move |price| offered && price.of == PriceOf::Pass(pass.id))
    }

    /// The prices at which the space, or one of its experiences, is offered without a pass.
    pub fn direct_prices(&self) -> impl Iterator<Item = &Price> {
        self.prices.iter().filter(|price| !matches!(price.of, PriceOf::Pass(_)))
    }
}

/// What the space shows to this viewer.
///
/// # Errors
/// When the database cannot say.
pub async fn offer(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    viewer: Option<UserId>,
    slug: &Slug,
) -> Result<Option<Offer>, StoreError> {
    let Some(seen) = find(connection, now, viewer, slug).await? else { return Ok(None) };
    let id = seen.space.id;
    let experiences = experience::all_of(connection, id).await?;
    let mut passes = pass::all_of(connection, id, STOCK_LEFT_SHOWN_MAX + 1).await?;
    passes.retain(|pass| page::shows_pass(pass.fields.status, seen.standing));
    let ids: Vec<_> = passes.iter().map(|pass| pass.id).collect();
    let mut prices = price::all_in(connection, id, &ids).await?;
    prices.retain(|price| price.active);
    let open = open_in(connection, &[id]).await?.into_iter().map(|(_, open)| open).collect();
    let held = match viewer {
        Some(viewer) => held(connection, now, (viewer, id)).await?,
        None => Vec::new(),
    };
    Ok(Some(Offer { seen, experiences, passes, prices, open, held, at: now }))
}

async fn held(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    (viewer, space): (UserId, SpaceId),
) -> Result<Vec<Held>, StoreError> {
    #[derive(QueryableByName)]
    struct HeldRow {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        access_pass_id: Option<Uuid>,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        experience_id: Option<Uuid>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        expires_at: Option<DateTime<Utc>>,
    }
    let rows: Vec<HeldRow> = diesel::sql_query(
        "select access_pass_id, experience_id, expires_at from access_grants
          where user_id = $1 and space_id = $2 and status in ('active', 'trialing', 'past_due')
            and starts_at <= $3 and (expires_at is null or expires_at > $3)
          order by expires_at desc nulls first",
    )
    .bind::<SqlUuid, _>(viewer.0)
    .bind::<SqlUuid, _>(space.0)
    .bind::<Timestamptz, _>(now.to_utc())
    .load(connection)
    .await?;
    let read = |row: HeldRow| Held {
        pass: row.access_pass_id,
        experience: row.experience_id,
        expires_at: row.expires_at.map(Into::into),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// A published, public space on the home page.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The space.
    pub space: Space,
    /// The name of its team.
    pub team_name: String,
    /// What is on, the liveliest first.
    pub open: Vec<Open>,
}

/// The published, public spaces, newest first, at most `most`.
///
/// # Errors
/// When the database cannot say.
pub async fn listed(connection: &mut AsyncPgConnection, most: i64) -> Result<Vec<Listed>, StoreError> {
    #[derive(QueryableByName)]
    struct ListedRow {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        team_name: String,
    }
    let rows: Vec<ListedRow> = diesel::sql_query(
        "select s.id, t.name as team_name from spaces s join teams t on t.id = s.team_id and t.deleted_at is null
          where s.status = 'published' and s.visibility = 'public' order by s.id desc limit $1",
    )
    .bind::<diesel::sql_types::BigInt, _>(most)
    .load(connection)
    .await?;
    let ids: Vec<SpaceId> = rows.iter().map(|row| row.id.into()).collect();
    let mut spaces = space::load_many(connection, &ids).await?;
    let mut open = open_in(connection, &ids).await?;
    let listed = rows.into_iter().filter_map(|row| {
        let at = spaces.iter().position(|space| space.id.0 == row.id)?;
        let space = spaces.swap_remove(at);
        let here = open.extract_if(.., |(id, _)| *id == space.id).map(|(_, open)| open).collect();
        Some(Listed { space, team_name: row.team_name, open: here })
    });
    Ok(listed.collect())
}
