//! What the member's experience page and the live studio show of an experience, in few questions.

use diesel::{
    ExpressionMethods, QueryDsl, QueryableByName,
    dsl::count_star,
    prelude::*,
    sql_types::{Bool, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::{
    ids::{ExperienceId, PassId, SpaceId, TeamId},
    limits::{EXPERIENCES_PER_SPACE_MAX, PAGE_ITEMS_MAX},
    store::{
        Store, StoreError,
        schema::{access_grants, access_pass_experiences, access_passes, experiences, prices},
    },
    storefront::core::slug::Slug,
};

/// An experience and its space, as pages name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The space.
    pub space: SpaceId,
    /// Its team.
    pub team: TeamId,
    /// Its name in addresses.
    pub space_slug: String,
    /// Its name for people.
    pub space_name: String,
    /// One line about it.
    pub tagline: String,
    /// More about it.
    pub space_text: String,
    /// Draft, published or archived.
    pub space_status: String,
    /// Whether only those invited see it.
    pub private: bool,
    /// The experience.
    pub experience: ExperienceId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub text: String,
    /// Seconds the lobby opens before the schedule.
    pub lobby_lead_secs: u32,
    /// Seconds lost media may stay away.
    pub publisher_grace_secs: u32,
    /// Whether media in the lobby takes it live.
    pub auto_start: bool,
    /// Devices of one person that may watch at once.
    pub device_limit: u32,
    /// Whether the oldest device gives way beyond that, instead of the newcomer.
    pub drops_oldest: bool,
}

/// A pass that opens an experience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningPass {
    /// Which.
    pub id: PassId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Whether anybody can join it now without paying.
    pub free: bool,
}

/// A room of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Which.
    pub experience: ExperienceId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    space: Uuid,
    #[diesel(sql_type = SqlUuid)]
    team: Uuid,
    #[diesel(sql_type = Text)]
    space_slug: String,
    #[diesel(sql_type = Text)]
    space_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    tagline: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    space_text: Option<String>,
    #[diesel(sql_type = Text)]
    space_status: String,
    #[diesel(sql_type = Text)]
    visibility: String,
    #[diesel(sql_type = SqlUuid)]
    experience: Uuid,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
    #[diesel(sql_type = Integer)]
    lobby_lead_secs: i32,
    #[diesel(sql_type = Integer)]
    publisher_grace_secs: i32,
    #[diesel(sql_type = Bool)]
    auto_start: bool,
    #[diesel(sql_type = SmallInt)]
    device_limit: i16,
    #[diesel(sql_type = Bool)]
    drops_oldest: bool,
}

impl From<Row> for Facts {
    fn from(row: Row) -> Self {
        let count = |n: i32| u32::try_from(n).unwrap_or(0);
        Self {
            space: SpaceId(row.space),
            team: TeamId(row.team),
            space_slug: row.space_slug,
            space_name: row.space_name,
            tagline: row.tagline.unwrap_or_default(),
            space_text: row.space_text.unwrap_or_default(),
            space_status: row.space_status,
            private: row.visibility == "private",
            experience: ExperienceId(row.experience),
            slug: row.slug,
            name: row.name,
            text: row.text.unwrap_or_default(),
            lobby_lead_secs: count(row.lobby_lead_secs),
            publisher_grace_secs: count(row.publisher_grace_secs),
            auto_start: row.auto_start,
            device_limit: u32::try_from(row.device_limit).unwrap_or(1),
            drops_oldest: row.drops_oldest,
        }
    }
}

// Names of today go before names that were given up.
const FIND: &str = "
    select s.id as space, s.team_id as team, s.slug as space_slug, s.name as space_name, s.tagline,
           s.description as space_text, s.status as space_status, s.visibility, e.id as experience, e.slug, e.name,
           e.description as text, e.lobby_lead_secs, e.publisher_grace_secs, e.auto_start, e.device_limit,
           e.device_policy = 'drop_oldest' as drops_oldest
      from experiences e join spaces s on s.id = e.space_id
     where (s.slug = $1 or s.id = (select h.space_id from slug_history h where h.slug = $1))
       and (e.slug = $2 or e.id = (select h.experience_id from experience_slug_history h
                                    where h.space_id = s.id and h.slug = $2))
       and e.deleted_at is null and e.kind = 'live_stream'
     order by (s.slug = $1) desc, (e.slug = $2) desc limit 1";

/// Finds a live experience by the names in its address, also by those that it or its space gave up.
pub async fn find(store: &Store, (space, slug): (Slug, Slug)) -> Result<Option<Facts>, StoreError> {
    let found: Result<Vec<Row>, StoreError> = store
        .run(move |connection| {
            async move {
                let query = diesel::sql_query(FIND).bind::<Text, _>(space.as_str()).bind::<Text, _>(slug.as_str());
                Ok(query.load(connection).await?)
            }
            .boxed()
        })
        .await;
    Ok(found?.into_iter().next().map(Facts::from))
}

/// The live experiences of a space, in the seller's order.
pub async fn doors(store: &Store, space: SpaceId) -> Result<Vec<Door>, StoreError> {
    let found: Result<Vec<(Uuid, String, String)>, StoreError> = store
        .run(move |connection| {
            async move {
                let rows = experiences::table
                    .filter(experiences::space_id.eq(space.0))
                    .filter(experiences::deleted_at.is_null())
                    .filter(experiences::kind.eq("live_stream"))
                    .order((experiences::position, experiences::id))
                    .limit(EXPERIENCES_PER_SPACE_MAX)
                    .select((experiences::id, experiences::slug, experiences::name))
                    .load(connection)
                    .await?;
                Ok(rows)
            }
            .boxed()
        })
        .await;
    let door = |(id, slug, name): (Uuid, String, String)| Door { experience: ExperienceId(id), slug, name };
    Ok(found?.into_iter().map(door).collect())
}

/// The passes on sale that open an experience, in the seller's order.
pub async fn opened_by(store: &Store, experience: ExperienceId) -> Result<Vec<OpeningPass>, StoreError> {
    let found = store.run(move |connection| opening_passes(connection, experience).boxed());
    let pass = |(id, slug, name, free): (Uuid, String, String, bool)| OpeningPass { id: PassId(id), slug, name, free };
    Ok(found.await?.into_iter().map(pass).collect())
}

async fn opening_passes(
    connection: &mut AsyncPgConnection,
    experience: ExperienceId,
) -> Result<Vec<(Uuid, String, String, bool)>, StoreError> {
    let free = prices::table
        .filter(prices::pass_id.eq(access_passes::id.nullable()))
        .filter(prices::active)
        .filter(prices::kind.eq("free"));
    let rows = access_passes::table
        .inner_join(access_pass_experiences::table.on(access_pass_experiences::pass_id.eq(access_passes::id)))
        .filter(access_pass_experiences::experience_id.eq(experience.0))
        .filter(access_passes::status.eq("on_sale"))
        .filter(access_passes::deleted_at.is_null())
        .order(access_passes::position)
        .limit(PAGE_ITEMS_MAX)
        .select((access_passes::id, access_passes::slug, access_passes::name, diesel::dsl::exists(free)))
        .load(connection)
        .await?;
    Ok(rows)
}

/// How many people hold a running grant in a space.
pub async fn holders(store: &Store, space: SpaceId) -> Result<u64, StoreError> {
    let found = store.run(move |connection| {
        async move {
            let count: i64 = access_grants::table
                .filter(access_grants::space_id.eq(space.0))
                .filter(access_grants::status.eq_any(["active", "trialing", "past_due"]))
                .select(count_star())
                .first(connection)
                .await?;
            Ok::<_, StoreError>(count)
        }
        .boxed()
    });
    Ok(u64::try_from(found.await?).unwrap_or(0))
}
