//! What the member's experience page and the live studio show of an experience, in few questions.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, dsl::count_star, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::{
    ids::{ExperienceId, PassId, SpaceId, TeamId},
    limits::PAGE_ITEMS_MAX,
    store::{
        Store, StoreError,
        schema::{access_grants, access_pass_experiences, access_passes, experiences, prices, spaces},
    },
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

#[derive(Queryable)]
struct Row {
    space: Uuid,
    team: Uuid,
    space_slug: String,
    space_name: String,
    tagline: Option<String>,
    space_text: Option<String>,
    space_status: String,
    visibility: String,
    experience: Uuid,
    slug: String,
    name: String,
    text: Option<String>,
    lobby_lead_secs: i32,
    publisher_grace_secs: i32,
    auto_start: bool,
    device_limit: i16,
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
        }
    }
}

/// Finds a live experience by the names in its address.
pub async fn find(store: &Store, space: String, slug: String) -> Result<Option<Facts>, StoreError> {
    let found = store.run(move |connection| {
        async move {
            let row = experiences::table
                .inner_join(spaces::table)
                .filter(spaces::slug.eq(space))
                .filter(experiences::slug.eq(slug))
                .filter(experiences::deleted_at.is_null())
                .filter(experiences::kind.eq("live_stream"))
                .select((
                    (spaces::id, spaces::team_id, spaces::slug, spaces::name),
                    (spaces::tagline, spaces::description, spaces::status, spaces::visibility),
                    (experiences::id, experiences::slug, experiences::name, experiences::description),
                    (experiences::lobby_lead_secs, experiences::publisher_grace_secs),
                    (experiences::auto_start, experiences::device_limit),
                ))
                .first(connection)
                .await
                .optional()?;
            Ok::<_, StoreError>(row)
        }
        .boxed()
    });
    type Read = (
        (Uuid, Uuid, String, String),
        (Option<String>, Option<String>, String, String),
        (Uuid, String, String, Option<String>),
        (i32, i32),
        (bool, i16),
    );
    let row: Option<Read> = found.await?;
    Ok(row.map(|(space, about, experience, times, rest)| {
        Facts::from(Row {
            space: space.0,
            team: space.1,
            space_slug: space.2,
            space_name: space.3,
            tagline: about.0,
            space_text: about.1,
            space_status: about.2,
            visibility: about.3,
            experience: experience.0,
            slug: experience.1,
            name: experience.2,
            text: experience.3,
            lobby_lead_secs: times.0,
            publisher_grace_secs: times.1,
            auto_start: rest.0,
            device_limit: rest.1,
        })
    }))
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
        .filter(prices::pass_id.eq(access_passes::id))
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
