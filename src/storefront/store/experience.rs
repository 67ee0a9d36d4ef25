//! Experiences of a space, in the seller's order.

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
    sql_types::{Array, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::{
    By, read_slug, read_word,
    rights::{Holders, record_changes},
    sight::{self, Thing},
    slug_taken, write_down,
};
use crate::{
    identity::core::role::Permission,
    ids::{ExperienceId, SpaceId, UserId},
    limits::EXPERIENCES_PER_SPACE_MAX,
    store::{
        Denied, StoreError,
        schema::{access_pass_experiences, broadcasts, experience_slug_history, experiences},
    },
    storefront::core::{
        Refusal,
        experience::{DevicePolicy, Experience, ExperienceFields, ExperiencePatch, Kind, Settings},
        order,
        slug::Slug,
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = experiences)]
struct Row {
    id: Uuid,
    space_id: Uuid,
    slug: String,
    name: String,
    description: Option<String>,
    kind: String,
    category: Option<String>,
    position: i32,
    lobby_lead_secs: i32,
    publisher_grace_secs: i32,
    auto_start: bool,
    device_limit: i16,
    device_policy: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Experience {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            space: row.space_id.into(),
            position: row.position,
            fields: ExperienceFields {
                kind: read_word("experiences", &row.kind, Kind::of)?,
                slug: read_slug("experiences", &row.slug)?,
                name: row.name,
                description: row.description,
                category: row.category,
                settings: Settings {
                    lobby_lead_secs: row.lobby_lead_secs,
                    publisher_grace_secs: row.publisher_grace_secs,
                    auto_start: row.auto_start,
                    device_limit: row.device_limit,
                    device_policy: read_word("experiences", &row.device_policy, DevicePolicy::of)?,
                },
            },
            created_at: row.created_at.into(),
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = experiences, treat_none_as_null = true)]
struct Written<'f> {
    slug: &'f str,
    name: &'f str,
    description: Option<&'f str>,
    kind: &'f str,
    category: Option<&'f str>,
    lobby_lead_secs: i32,
    publisher_grace_secs: i32,
    auto_start: bool,
    device_limit: i16,
    device_policy: &'f str,
}

fn written(fields: &ExperienceFields) -> Written<'_> {
    let settings = fields.settings;
    Written {
        slug: fields.slug.as_str(),
        name: &fields.name,
        description: fields.description.as_deref(),
        kind: fields.kind.word(),
        category: fields.category.as_deref(),
        lobby_lead_secs: settings.lobby_lead_secs,
        publisher_grace_secs: settings.publisher_grace_secs,
        auto_start: settings.auto_start,
        device_limit: settings.device_limit,
        device_policy: settings.device_policy.word(),
    }
}

/// Makes an experience, last in the seller's order, and says who holds the whole space and so may open it.
///
/// # Errors
/// When the role does not allow it, a field is wrong, the slug is another's in the space, or there are too many.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    by: By,
    (id, space): (ExperienceId, SpaceId),
    patch: ExperiencePatch,
) -> Result<(Experience, Vec<UserId>), Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Space(space)).await?;
    let fields = patch.over(None).map_err(|wrong| Denied::Refused(wrong.into()))?;
    let present = ids_of(connection, space).await?;
    if i64::try_from(present.len()).unwrap_or(i64::MAX) >= EXPERIENCES_PER_SPACE_MAX {
        return Err(Denied::Refused(Refusal::TooMany("experiences")));
    }
    let last: Option<i32> = experiences::table
        .filter(experiences::space_id.eq(space.0))
        .filter(experiences::deleted_at.is_null())
        .select(diesel::dsl::max(experiences::position))
        .first(connection)
        .await?;
    let position = last.map_or(0, |last| last.saturating_add(1));
    diesel::insert_into(experiences::table)
        .values((
            experiences::id.eq(id.0),
            experiences::space_id.eq(space.0),
            experiences::position.eq(position),
            experiences::created_at.eq(by.at.to_utc()),
            written(&fields),
        ))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "one_slug_in_a_space"))?;
    forget_former(connection, space, fields.slug.as_str()).await?;
    // A grant on the whole space opens it at once.
    let holders = record_changes(connection, by.at, Holders::OfExperience(id)).await?;
    write_down(connection, by, sight.team, "experience.created", (id.to_string(), json!({ "slug": fields.slug })))
        .await?;
    Ok((Experience { id, space, position, fields, created_at: by.at }, holders))
}

/// A name that is taken up leads nowhere else any more.
async fn forget_former(connection: &mut AsyncPgConnection, space: SpaceId, slug: &str) -> Result<(), StoreError> {
    diesel::delete(experience_slug_history::table.find((space.0, slug))).execute(connection).await?;
    Ok(())
}

/// The experience of a space that gave this name up, and that is still there.
///
/// # Errors
/// When the database cannot say.
pub async fn find_former(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    slug: &Slug,
) -> Result<Option<ExperienceId>, StoreError> {
    let found: Option<Uuid> = experience_slug_history::table
        .find((space.0, slug.as_str()))
        .select(experience_slug_history::experience_id)
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(Into::into))
}

/// The ids of a space's experiences, in the seller's order.
///
/// # Errors
/// When the database cannot say.
pub async fn ids_of(connection: &mut AsyncPgConnection, space: SpaceId) -> Result<Vec<Uuid>, StoreError> {
    Ok(experiences::table
        .filter(experiences::space_id.eq(space.0))
        .filter(experiences::deleted_at.is_null())
        .order((experiences::position, experiences::id))
        .select(experiences::id)
        .load(connection)
        .await?)
}

/// All experiences of a space, in the seller's order.
///
/// # Errors
/// When the database cannot say.
pub async fn all_of(connection: &mut AsyncPgConnection, space: SpaceId) -> Result<Vec<Experience>, StoreError> {
    let rows: Vec<Row> = experiences::table
        .filter(experiences::space_id.eq(space.0))
        .filter(experiences::deleted_at.is_null())
        .order((experiences::position, experiences::id))
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The experiences of a space in the seller's order, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    space: SpaceId,
) -> Result<Vec<Experience>, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Space(space), Permission::ReadTeam).await?;
    Ok(all_of(connection, space).await?)
}

async fn load(connection: &mut AsyncPgConnection, id: ExperienceId) -> Result<Experience, StoreError> {
    experiences::table.find(id.0).select(Row::as_select()).first(connection).await?.try_into()
}

/// An experience, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn read(
    connection: &mut AsyncPgConnection,
    user: UserId,
    id: ExperienceId,
) -> Result<Experience, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Experience(id), Permission::ReadTeam).await?;
    Ok(load(connection, id).await?)
}

/// Lays a patch over an experience.
///
/// # Errors
/// When the role does not allow it, a field is wrong, or the slug is another's in the space.
pub async fn change(
    connection: &mut AsyncPgConnection,
    by: By,
    id: ExperienceId,
    patch: ExperiencePatch,
) -> Result<Experience, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Experience(id)).await?;
    let before = load(connection, id).await?;
    let fields = patch.over(Some(&before.fields)).map_err(|wrong| Denied::Refused(wrong.into()))?;
    diesel::update(experiences::table.find(id.0))
        .set(written(&fields))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "one_slug_in_a_space"))?;
    if fields.slug != before.fields.slug {
        forget_former(connection, before.space, fields.slug.as_str()).await?;
        diesel::insert_into(experience_slug_history::table)
            .values((
                experience_slug_history::space_id.eq(before.space.0),
                experience_slug_history::slug.eq(before.fields.slug.as_str()),
                experience_slug_history::experience_id.eq(id.0),
            ))
            .execute(connection)
            .await?;
    }
    write_down(connection, by, sight.team, "experience.changed", (id.to_string(), json!({ "slug": fields.slug })))
        .await?;
    Ok(Experience { fields, ..before })
}

/// Takes an experience away, also out of every pass, and says whose rights that changes. Not while a broadcast is open in it.
///
/// # Errors
/// [`Refusal::BroadcastOpen`], or when the role does not allow it.
pub async fn delete(
    connection: &mut AsyncPgConnection,
    by: By,
    id: ExperienceId,
) -> Result<Vec<UserId>, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Experience(id)).await?;
    // Waits for a broadcast that is being made: its foreign key holds the row.
    let _: Uuid = experiences::table.find(id.0).for_update().select(experiences::id).first(connection).await?;
    let open: Option<Uuid> = broadcasts::table
        .filter(broadcasts::experience_id.eq(id.0))
        .filter(broadcasts::state.ne_all(["ended", "cancelled"]))
        .select(broadcasts::id)
        .first(connection)
        .await
        .optional()?;
    if let Some(open) = open {
        return Err(Denied::Refused(Refusal::BroadcastOpen(open.into())));
    }
    let holders = record_changes(connection, by.at, Holders::OfExperience(id)).await?;
    diesel::delete(access_pass_experiences::table.filter(access_pass_experiences::experience_id.eq(id.0)))
        .execute(connection)
        .await?;
    diesel::update(experiences::table.find(id.0))
        .set(experiences::deleted_at.eq(by.at.to_utc()))
        .execute(connection)
        .await?;
    write_down(connection, by, sight.team, "experience.deleted", (id.to_string(), json!({}))).await?;
    Ok(holders)
}

/// Puts the experiences of a space into this order.
///
/// # Errors
/// When the list is not whole, or the role does not allow it.
pub async fn put_in_order(
    connection: &mut AsyncPgConnection,
    by: By,
    space: SpaceId,
    wanted: Vec<ExperienceId>,
) -> Result<Vec<Experience>, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Space(space)).await?;
    let present = ids_of(connection, space).await?;
    let wanted: Vec<Uuid> = wanted.into_iter().map(|id| id.0).collect();
    let chosen =
        order::choose(&present, &wanted).map_err(|why| Denied::Refused(Refusal::wrong("experience_ids", why)))?;
    diesel::sql_query(
        "update experiences e set position = o.place - 1
           from unnest($1) with ordinality as o (id, place) where e.id = o.id and e.space_id = $2",
    )
    .bind::<Array<SqlUuid>, _>(chosen)
    .bind::<SqlUuid, _>(space.0)
    .execute(connection)
    .await?;
    write_down(connection, by, sight.team, "experiences.ordered", (space.to_string(), json!({}))).await?;
    Ok(all_of(connection, space).await?)
}
