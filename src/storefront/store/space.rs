//! Spaces, and the slugs they had before.

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
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
    identity::{
        core::role::Permission,
        teams::{self},
    },
    ids::{SpaceId, TeamId, UserId},
    limits::SPACES_PER_TEAM_MAX,
    store::{
        Denied, StoreError,
        schema::{slug_history, spaces},
    },
    storefront::core::{
        Refusal,
        space::{Space, SpaceFields, SpacePatch, SpaceStatus, Visibility},
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = spaces)]
pub(super) struct Row {
    id: Uuid,
    team_id: Uuid,
    slug: String,
    name: String,
    tagline: Option<String>,
    description: Option<String>,
    status: String,
    visibility: String,
    refund_policy: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Space {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            team: row.team_id.into(),
            fields: SpaceFields {
                slug: read_slug("spaces", &row.slug)?,
                name: row.name,
                tagline: row.tagline,
                description: row.description,
                status: read_word("spaces", &row.status, SpaceStatus::of)?,
                visibility: read_word("spaces", &row.visibility, Visibility::of)?,
                refund_policy: row.refund_policy,
            },
            created_at: row.created_at.into(),
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = spaces, treat_none_as_null = true)]
struct Written<'f> {
    slug: &'f str,
    name: &'f str,
    tagline: Option<&'f str>,
    description: Option<&'f str>,
    status: &'f str,
    visibility: &'f str,
    refund_policy: Option<&'f str>,
}

fn written(fields: &SpaceFields) -> Written<'_> {
    Written {
        slug: fields.slug.as_str(),
        name: &fields.name,
        tagline: fields.tagline.as_deref(),
        description: fields.description.as_deref(),
        status: fields.status.word(),
        visibility: fields.visibility.word(),
        refund_policy: fields.refund_policy.as_deref(),
    }
}

/// A slug that another space had is never handed on. Looked at after our own row stands in the unique index, so that whoever
/// is giving the slug up at this moment has either finished, and is seen here, or still holds it.
async fn never_anothers(connection: &mut AsyncPgConnection, id: SpaceId, slug: &str) -> Result<(), Denied<Refusal>> {
    let owner: Option<Uuid> =
        slug_history::table.find(slug).select(slug_history::space_id).first(connection).await.optional()?;
    if owner.is_some_and(|owner| owner != id.0) { Err(Denied::Refused(Refusal::SlugTaken)) } else { Ok(()) }
}

/// Makes a space in a team.
///
/// # Errors
/// When the role does not allow it, a field is wrong, the slug is or was another's, or the team has too many.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    by: By,
    (id, team): (SpaceId, TeamId),
    patch: SpacePatch,
) -> Result<Space, Denied<Refusal>> {
    may_edit(connection, by.user, team).await?;
    let fields = patch.over(None).map_err(|wrong| Denied::Refused(wrong.into()))?;
    let present: i64 = spaces::table.filter(spaces::team_id.eq(team.0)).count().get_result(connection).await?;
    if present >= SPACES_PER_TEAM_MAX {
        return Err(Denied::Refused(Refusal::TooMany("spaces")));
    }
    diesel::insert_into(spaces::table)
        .values((
            spaces::id.eq(id.0),
            spaces::team_id.eq(team.0),
            spaces::created_at.eq(by.at.to_utc()),
            written(&fields),
        ))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "spaces_slug_key"))?;
    never_anothers(connection, id, fields.slug.as_str()).await?;
    diesel::sql_query(
        "insert into space_creators (space_id, profile_id, role) select $1, id, 'owner' from creator_profiles where user_id = $2",
    )
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<diesel::sql_types::Uuid, _>(by.user.0)
    .execute(connection)
    .await?;
    write_down(connection, by, team, "space.created", (id.to_string(), json!({ "slug": fields.slug }))).await?;
    Ok(Space { id, team, fields, created_at: by.at })
}

async fn may_edit(connection: &mut AsyncPgConnection, user: UserId, team: TeamId) -> Result<(), Denied<Refusal>> {
    match teams::require(connection, user, team, Permission::EditContent).await {
        Ok(_) => Ok(()),
        Err(Denied::Refused(refusal)) => Err(Denied::Refused(refusal.into())),
        Err(Denied::Fault(fault)) => Err(Denied::Fault(fault)),
    }
}

/// The space with this id.
///
/// # Errors
/// When it is gone, or the database cannot say.
pub async fn load(connection: &mut AsyncPgConnection, id: SpaceId) -> Result<Space, StoreError> {
    spaces::table.find(id.0).select(Row::as_select()).first(connection).await?.try_into()
}

/// The spaces with these ids, in no order.
///
/// # Errors
/// When the database cannot say.
pub async fn load_many(connection: &mut AsyncPgConnection, ids: &[SpaceId]) -> Result<Vec<Space>, StoreError> {
    let rows: Vec<Row> = spaces::table
        .filter(spaces::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>()))
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The space with this id, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn read(connection: &mut AsyncPgConnection, user: UserId, id: SpaceId) -> Result<Space, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Space(id), Permission::ReadTeam).await?;
    Ok(load(connection, id).await?)
}

/// The spaces of a team, oldest first, those after `after`.
///
/// # Errors
/// When the database cannot say.
pub async fn of_team(
    connection: &mut AsyncPgConnection,
    team: TeamId,
    (after, most): (Option<Uuid>, i64),
) -> Result<Vec<Space>, StoreError> {
    let rows: Vec<Row> = spaces::table
        .filter(spaces::team_id.eq(team.0))
        .filter(spaces::id.gt(after.unwrap_or_default()))
        .order(spaces::id)
        .limit(most)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The spaces of a team, for somebody who belongs to it; pages as in [`of_team`].
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    team: TeamId,
    page: (Option<Uuid>, i64),
) -> Result<Vec<Space>, Denied<Refusal>> {
    if teams::role_of(connection, user, team).await?.is_none() {
        return Err(Denied::Refused(Refusal::Unseen));
    }
    Ok(of_team(connection, team, page).await?)
}

/// Lays a patch over a space. Says who held something in it when its status changed, since the doors then answer otherwise.
///
/// # Errors
/// When the role does not allow it, a field is wrong, or the slug is or was another's.
pub async fn change(
    connection: &mut AsyncPgConnection,
    by: By,
    id: SpaceId,
    patch: SpacePatch,
) -> Result<(Space, Vec<UserId>), Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Space(id)).await?;
    let before = load(connection, id).await?;
    let fields = patch.over(Some(&before.fields)).map_err(|wrong| Denied::Refused(wrong.into()))?;
    diesel::update(spaces::table.find(id.0))
        .set(written(&fields))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "spaces_slug_key"))?;
    if fields.slug != before.fields.slug {
        never_anothers(connection, id, fields.slug.as_str()).await?;
        diesel::delete(slug_history::table.find(fields.slug.as_str())).execute(connection).await?;
        diesel::insert_into(slug_history::table)
            .values((slug_history::slug.eq(before.fields.slug.as_str()), slug_history::space_id.eq(id.0)))
            .execute(connection)
            .await?;
    }
    let holders = if fields.status == before.fields.status {
        Vec::new()
    } else {
        record_changes(connection, by.at, Holders::OfSpace(id)).await?
    };
    let details = json!({ "slug": fields.slug, "status": fields.status.word(), "before": before.fields.slug });
    write_down(connection, by, sight.team, "space.changed", (id.to_string(), details)).await?;
    Ok((Space { fields, ..before }, holders))
}

/// Puts a space away: its pages are gone for everybody but its team.
///
/// # Errors
/// When the role does not allow it.
pub async fn archive(connection: &mut AsyncPgConnection, by: By, id: SpaceId) -> Result<Vec<UserId>, Denied<Refusal>> {
    let patch = SpacePatch { status: Some(SpaceStatus::Archived.word().to_owned()), ..SpacePatch::default() };
    Ok(change(connection, by, id, patch).await?.1)
}
