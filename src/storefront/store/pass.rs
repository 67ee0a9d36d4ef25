//! Passes of a space in the seller's order, and what each opens.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, ExpressionMethods, Insertable, JoinOnDsl, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper,
    sql_types::{Array, Nullable, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::{
    By, experience, read_slug, read_word,
    rights::{Holders, record_changes},
    sight::{self, Thing},
    slug_taken, write_down,
};
use crate::{
    clock::Timestamp,
    commerce::{core::stock as rules, store::stock},
    identity::core::role::Permission,
    ids::{ExperienceId, PassId, SpaceId, UserId},
    limits::{PASSES_PER_SPACE_MAX, STOCK_MAX},
    store::{
        Denied, StoreError,
        schema::{access_pass_experiences, access_passes, experiences, pass_slug_history},
    },
    storefront::core::{
        Refusal, order,
        pass::{Pass, PassFields, PassPatch, PassStatus, ProductType, Terms},
        slug::Slug,
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = access_passes)]
struct Row {
    id: Uuid,
    space_id: Uuid,
    slug: String,
    name: String,
    internal_name: Option<String>,
    product_type: String,
    status: String,
    position: i32,
    headline: Option<String>,
    description: Option<String>,
    benefits: Vec<Option<String>>,
    created_at: DateTime<Utc>,
    stock: Option<i32>,
    questions: serde_json::Value,
    redirect_url: Option<String>,
    auto_expire_at: Option<DateTime<Utc>>,
}

fn read_row(
    row: Row,
    opened: &mut HashMap<Uuid, Vec<ExperienceId>>,
    left: &HashMap<PassId, i64>,
) -> Result<Pass, StoreError> {
    let questions = serde_json::from_value(row.questions)
        .map_err(|e| StoreError::Corrupt { table: "access_passes", why: format!("questions: {e}") })?;
    Ok(Pass {
        stock_left: row.stock.map(|_| left.get(&row.id.into()).copied().unwrap_or(0)),
        id: row.id.into(),
        space: row.space_id.into(),
        position: row.position,
        experiences: opened.remove(&row.id).unwrap_or_default(),
        fields: PassFields {
            slug: read_slug("access_passes", &row.slug)?,
            name: row.name,
            internal_name: row.internal_name,
            product_type: read_word("access_passes", &row.product_type, ProductType::of)?,
            status: read_word("access_passes", &row.status, PassStatus::of)?,
            headline: row.headline,
            description: row.description,
            benefits: row.benefits.into_iter().flatten().collect(),
            terms: Terms {
                stock: row.stock,
                questions,
                redirect_url: row.redirect_url,
                auto_expire_at: row.auto_expire_at.map(Into::into),
            },
        },
        created_at: row.created_at.into(),
    })
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = access_passes, treat_none_as_null = true)]
struct Written<'f> {
    slug: &'f str,
    name: &'f str,
    internal_name: Option<&'f str>,
    product_type: &'f str,
    status: &'f str,
    headline: Option<&'f str>,
    description: Option<&'f str>,
    benefits: Vec<Option<&'f str>>,
    stock: Option<i32>,
    questions: serde_json::Value,
    redirect_url: Option<&'f str>,
    auto_expire_at: Option<DateTime<Utc>>,
}

fn written(fields: &PassFields) -> Written<'_> {
    Written {
        slug: fields.slug.as_str(),
        name: &fields.name,
        internal_name: fields.internal_name.as_deref(),
        product_type: fields.product_type.word(),
        status: fields.status.word(),
        headline: fields.headline.as_deref(),
        description: fields.description.as_deref(),
        benefits: fields.benefits.iter().map(|line| Some(line.as_str())).collect(),
        stock: fields.terms.stock,
        questions: json!(fields.terms.questions),
        redirect_url: fields.terms.redirect_url.as_deref(),
        auto_expire_at: fields.terms.auto_expire_at.map(Timestamp::to_utc),
    }
}

/// Adds to each row what its pass opens, in the order of the experiences, and how many units are left, counted up to
/// `count_to`: one statement each for all.
async fn completed(connection: &mut AsyncPgConnection, rows: Vec<Row>, count_to: i64) -> Result<Vec<Pass>, StoreError> {
    let passes: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let pairs: Vec<(Uuid, Uuid)> = access_pass_experiences::table
        .inner_join(experiences::table.on(experiences::id.eq(access_pass_experiences::experience_id)))
        .filter(access_pass_experiences::pass_id.eq_any(passes))
        .filter(experiences::deleted_at.is_null())
        .order((experiences::position, experiences::id))
        .select((access_pass_experiences::pass_id, experiences::id))
        .load(connection)
        .await?;
    let mut opened: HashMap<Uuid, Vec<ExperienceId>> = HashMap::new();
    for (pass, experience) in pairs {
        opened.entry(pass).or_default().push(experience.into());
    }
    let limited: Vec<PassId> = rows.iter().filter(|row| row.stock.is_some()).map(|row| row.id.into()).collect();
    let left = if limited.is_empty() { Vec::new() } else { stock::left(connection, &limited, count_to).await? };
    let left = left.into_iter().collect();
    rows.into_iter().map(|row| read_row(row, &mut opened, &left)).collect()
}

/// All passes of a space, in the seller's order; units that are left are counted up to `count_to`.
///
/// # Errors
/// When the database cannot say.
pub async fn all_of(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    count_to: i64,
) -> Result<Vec<Pass>, StoreError> {
    let rows = access_passes::table
        .filter(access_passes::space_id.eq(space.0))
        .filter(access_passes::deleted_at.is_null())
        .order((access_passes::position, access_passes::id))
        .select(Row::as_select())
        .load(connection)
        .await?;
    completed(connection, rows, count_to).await
}

async fn load(connection: &mut AsyncPgConnection, id: PassId) -> Result<Pass, StoreError> {
    let row = access_passes::table.find(id.0).select(Row::as_select()).first(connection).await?;
    let mut found = completed(connection, vec![row], STOCK_MAX).await?;
    found.pop().ok_or_else(|| StoreError::Query(diesel::result::Error::NotFound))
}

/// Makes a pass, last in the seller's order. It opens the space's member page and no experience yet.
///
/// # Errors
/// When the role does not allow it, a field is wrong, the slug is another's in the space, or there are too many.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    by: By,
    (id, space): (PassId, SpaceId),
    patch: PassPatch,
) -> Result<Pass, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Space(space)).await?;
    let fields = patch.over(None).map_err(|wrong| Denied::Refused(wrong.into()))?;
    if fields.terms.over(by.at) {
        return Err(Denied::Refused(Refusal::wrong("auto_expire_at", "Choose a time to come.")));
    }
    let here =
        access_passes::table.filter(access_passes::space_id.eq(space.0)).filter(access_passes::deleted_at.is_null());
    let present: i64 = here.count().get_result(connection).await?;
    if present >= PASSES_PER_SPACE_MAX {
        return Err(Denied::Refused(Refusal::TooMany("passes")));
    }
    let last: Option<i32> = here.select(diesel::dsl::max(access_passes::position)).first(connection).await?;
    let position = last.map_or(0, |last| last.saturating_add(1));
    diesel::insert_into(access_passes::table)
        .values((
            access_passes::id.eq(id.0),
            access_passes::space_id.eq(space.0),
            access_passes::position.eq(position),
            access_passes::created_at.eq(by.at.to_utc()),
            written(&fields),
        ))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "one_pass_slug_in_a_space"))?;
    forget_former(connection, space, fields.slug.as_str()).await?;
    let stock_left = put_stock(connection, id, (None, fields.terms.stock)).await?;
    write_down(connection, by, sight.team, "pass.created", (id.to_string(), json!({ "slug": fields.slug }))).await?;
    Ok(Pass { id, space, position, fields, experiences: Vec::new(), stock_left, created_at: by.at })
}

/// Lets there be as many units as are wanted; how many of them are free.
async fn put_stock(
    connection: &mut AsyncPgConnection,
    pass: PassId,
    (before, wanted): (Option<i32>, Option<i32>),
) -> Result<Option<i64>, Denied<Refusal>> {
    if before.is_none() && wanted.is_none() {
        return Ok(None);
    }
    match stock::set(connection, pass, wanted).await {
        Ok(count) => Ok(wanted.map(|_| count.free)),
        Err(Denied::Refused(rules::Refusal::BelowSold(count))) => {
            Err(Denied::Refused(Refusal::StockBelowSold { sold: count.sold, held: count.held }))
        }
        Err(Denied::Fault(fault)) => Err(Denied::Fault(fault)),
    }
}

/// A name that is taken up leads nowhere else any more.
async fn forget_former(connection: &mut AsyncPgConnection, space: SpaceId, slug: &str) -> Result<(), StoreError> {
    diesel::delete(pass_slug_history::table.find((space.0, slug))).execute(connection).await?;
    Ok(())
}

/// The pass of a space that gave this name up.
///
/// # Errors
/// When the database cannot say.
pub async fn find_former(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    slug: &Slug,
) -> Result<Option<PassId>, StoreError> {
    let found: Option<Uuid> = pass_slug_history::table
        .find((space.0, slug.as_str()))
        .select(pass_slug_history::pass_id)
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(Into::into))
}

/// The passes of a space in the seller's order, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    space: SpaceId,
) -> Result<Vec<Pass>, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Space(space), Permission::ReadTeam).await?;
    Ok(all_of(connection, space, STOCK_MAX).await?)
}

/// A pass, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn read(connection: &mut AsyncPgConnection, user: UserId, id: PassId) -> Result<Pass, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Pass(id), Permission::ReadTeam).await?;
    Ok(load(connection, id).await?)
}

/// Lets the grants of a pass end with it, or as long after as is their own; whose rights change by it.
async fn put_end(
    connection: &mut AsyncPgConnection,
    by: By,
    id: PassId,
    (before, end): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<UserId>, Denied<Refusal>> {
    if before == end {
        return Ok(Vec::new());
    }
    if end.is_some_and(|end| end <= by.at) {
        return Err(Denied::Refused(Refusal::wrong("auto_expire_at", "Choose a time to come.")));
    }
    diesel::sql_query(
        "update access_grants g
            set expires_at = case when e.ends is not null then greatest(e.ends, g.starts_at) end, version = version + 1
           from (select id, least(lasts_until, $2) as ends from access_grants where access_pass_id = $1) e
          where g.id = e.id and g.status in ('active', 'trialing', 'past_due', 'paused')
            and (g.expires_at is null or g.expires_at > $3)",
    )
    .bind::<SqlUuid, _>(id.0)
    .bind::<Nullable<Timestamptz>, _>(end.map(Timestamp::to_utc))
    .bind::<Timestamptz, _>(by.at.to_utc())
    .execute(connection)
    .await
    .map_err(StoreError::from)?;
    Ok(record_changes(connection, by.at, Holders::OfPass(id)).await?)
}

/// Lays a patch over a pass; whose rights change by it.
///
/// # Errors
/// When the role does not allow it, a field is wrong, the slug is another's in the space, or more units are sold than wanted.
pub async fn change(
    connection: &mut AsyncPgConnection,
    by: By,
    id: PassId,
    patch: PassPatch,
) -> Result<(Pass, Vec<UserId>), Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Pass(id)).await?;
    let before = load(connection, id).await?;
    let fields = patch.over(Some(&before.fields)).map_err(|wrong| Denied::Refused(wrong.into()))?;
    let stock_left = put_stock(connection, id, (before.fields.terms.stock, fields.terms.stock)).await?;
    diesel::update(access_passes::table.find(id.0))
        .set(written(&fields))
        .execute(connection)
        .await
        .map_err(|e| slug_taken(e, "one_pass_slug_in_a_space"))?;
    let ends = (before.fields.terms.auto_expire_at, fields.terms.auto_expire_at);
    let holders = put_end(connection, by, id, ends).await?;
    if fields.slug != before.fields.slug {
        forget_former(connection, before.space, fields.slug.as_str()).await?;
        diesel::insert_into(pass_slug_history::table)
            .values((
                pass_slug_history::space_id.eq(before.space.0),
                pass_slug_history::slug.eq(before.fields.slug.as_str()),
                pass_slug_history::pass_id.eq(id.0),
            ))
            .execute(connection)
            .await?;
    }
    let details = json!({ "slug": fields.slug, "status": fields.status.word(), "stock": fields.terms.stock });
    write_down(connection, by, sight.team, "pass.changed", (id.to_string(), details)).await?;
    Ok((Pass { fields, stock_left, ..before }, holders))
}

/// Takes a pass out of the shop for good. Who holds it keeps what it opens.
///
/// # Errors
/// When the role does not allow it.
pub async fn delete(connection: &mut AsyncPgConnection, by: By, id: PassId) -> Result<(), Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Pass(id)).await?;
    diesel::update(access_passes::table.find(id.0))
        .set((access_passes::deleted_at.eq(by.at.to_utc()), access_passes::status.eq(PassStatus::Withdrawn.word())))
        .execute(connection)
        .await?;
    write_down(connection, by, sight.team, "pass.deleted", (id.to_string(), json!({}))).await?;
    Ok(())
}

/// Puts the passes of a space into this order.
///
/// # Errors
/// When the list is not whole, or the role does not allow it.
pub async fn put_in_order(
    connection: &mut AsyncPgConnection,
    by: By,
    space: SpaceId,
    wanted: Vec<PassId>,
) -> Result<Vec<Pass>, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Space(space)).await?;
    let present: Vec<Uuid> = all_of(connection, space, STOCK_MAX).await?.iter().map(|pass| pass.id.0).collect();
    let wanted: Vec<Uuid> = wanted.into_iter().map(|id| id.0).collect();
    let chosen = order::choose(&present, &wanted).map_err(|why| Denied::Refused(Refusal::wrong("pass_ids", why)))?;
    diesel::sql_query(
        "update access_passes p set position = o.place - 1
           from unnest($1) with ordinality as o (id, place) where p.id = o.id and p.space_id = $2",
    )
    .bind::<Array<SqlUuid>, _>(chosen)
    .bind::<SqlUuid, _>(space.0)
    .execute(connection)
    .await?;
    write_down(connection, by, sight.team, "passes.ordered", (space.to_string(), json!({}))).await?;
    Ok(all_of(connection, space, STOCK_MAX).await?)
}

/// Lets a pass open these experiences and no others, at once also for those who hold it, and says who they are.
///
/// # Errors
/// When one of them is not in the pass's space (or not at all: the same answer), or the role does not allow it.
pub async fn put_experiences(
    connection: &mut AsyncPgConnection,
    by: By,
    id: PassId,
    wanted: Vec<ExperienceId>,
) -> Result<(Pass, Vec<UserId>), Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Pass(id)).await?;
    let present = experience::ids_of(connection, sight.space).await?;
    if wanted.iter().any(|one| !present.contains(&one.0)) {
        let why = "Name experiences of this pass's own space.";
        return Err(Denied::Refused(Refusal::wrong("experience_ids", why)));
    }
    let before = load(connection, id).await?;
    let ids: Vec<Uuid> = wanted.iter().map(|one| one.0).collect();
    diesel::delete(
        access_pass_experiences::table
            .filter(access_pass_experiences::pass_id.eq(id.0))
            .filter(access_pass_experiences::experience_id.ne_all(ids.clone())),
    )
    .execute(connection)
    .await?;
    diesel::sql_query(
        "insert into access_pass_experiences (pass_id, experience_id, space_id)
         select $1, wanted, $3 from unnest($2) as wanted on conflict do nothing",
    )
    .bind::<SqlUuid, _>(id.0)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<SqlUuid, _>(sight.space.0)
    .execute(connection)
    .await?;
    let pass = load(connection, id).await?;
    let holders = if pass.experiences == before.experiences {
        Vec::new()
    } else {
        record_changes(connection, by.at, Holders::OfPass(id)).await?
    };
    let details = json!({ "experience_ids": pass.experiences });
    write_down(connection, by, sight.team, "pass.experiences_set", (id.to_string(), details)).await?;
    Ok((pass, holders))
}
