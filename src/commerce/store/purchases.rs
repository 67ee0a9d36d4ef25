//! Purchases: written down, found, listed.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use crate::{
    access::store::place,
    clock::Timestamp,
    commerce::core::purchase::{Purchase, PurchaseStatus},
    identity::{core::role::Permission, store::teams},
    ids::{PurchaseId, UserId},
    money::{Currency, Money},
    store::{
        Denied, StoreError,
        schema::{access_passes, purchases, spaces},
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = purchases)]
struct Row {
    id: Uuid,
    price_id: Uuid,
    space_id: Uuid,
    pass_id: Option<Uuid>,
    user_id: Uuid,
    status: String,
    amount_minor: i64,
    currency: String,
    answers: serde_json::Value,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Purchase {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt { table: "purchases", why };
        let currency = Currency::parse(&row.currency).map_err(|e| corrupt(e.to_string()))?;
        Ok(Self {
            id: row.id.into(),
            price: row.price_id.into(),
            space: row.space_id.into(),
            pass: row.pass_id.map(Into::into),
            user: row.user_id.into(),
            status: PurchaseStatus::of(&row.status).ok_or_else(|| corrupt(format!("status {:?}", row.status)))?,
            amount: Money { minor: row.amount_minor, currency },
            answers: serde_json::from_value(row.answers).map_err(|e| corrupt(format!("answers: {e}")))?,
            created_at: row.created_at.into(),
            completed_at: row.completed_at.map(Into::into),
        })
    }
}

/// Writes a new purchase down.
///
/// # Errors
/// When the database cannot, or there is one with this id.
pub async fn insert(connection: &mut AsyncPgConnection, new: &Purchase) -> Result<(), StoreError> {
    diesel::insert_into(purchases::table)
        .values((
            purchases::id.eq(new.id.0),
            purchases::price_id.eq(new.price.0),
            purchases::space_id.eq(new.space.0),
            purchases::pass_id.eq(new.pass.map(|pass| pass.0)),
            purchases::user_id.eq(new.user.0),
            purchases::status.eq(new.status.word()),
            purchases::amount_minor.eq(new.amount.minor),
            purchases::currency.eq(new.amount.currency.code()),
            purchases::answers.eq(json!(new.answers)),
            purchases::created_at.eq(new.created_at.to_utc()),
            purchases::completed_at.eq(new.completed_at.map(Timestamp::to_utc)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// A purchase.
///
/// # Errors
/// When the database cannot say.
pub async fn find(connection: &mut AsyncPgConnection, id: PurchaseId) -> Result<Option<Purchase>, StoreError> {
    let row: Option<Row> = purchases::table.find(id.0).select(Row::as_select()).first(connection).await.optional()?;
    row.map(TryInto::try_into).transpose()
}

/// A purchase, when it is this person's, or of a space whose team lets them give and take access.
///
/// # Errors
/// When the database cannot say.
pub async fn find_for(
    connection: &mut AsyncPgConnection,
    id: PurchaseId,
    user: UserId,
) -> Result<Option<Purchase>, StoreError> {
    let Some(found) = find(connection, id).await? else { return Ok(None) };
    if found.user == user {
        return Ok(Some(found));
    }
    let Some(place) = place::of_space(connection, found.space).await? else { return Ok(None) };
    match teams::require(connection, user, place.team, Permission::ManageAccess).await {
        Ok(_) => Ok(Some(found)),
        Err(Denied::Refused(_)) => Ok(None),
        Err(Denied::Fault(fault)) => Err(fault),
    }
}

/// Where a seller sends the buyer of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Onward {
    /// The address.
    pub url: Option<String>,
    /// The name of the pass.
    pub pass: String,
    /// The name of the space.
    pub space_name: String,
    /// The slug of the space.
    pub space: String,
}

/// Where the seller sends the buyer of this purchase; `None` when it is of no pass, or somebody else's.
///
/// # Errors
/// When the database cannot say.
pub async fn onward_of(
    connection: &mut AsyncPgConnection,
    id: PurchaseId,
    user: UserId,
) -> Result<Option<Onward>, StoreError> {
    let found = purchases::table
        .inner_join(access_passes::table.on(access_passes::id.nullable().eq(purchases::pass_id)))
        .inner_join(spaces::table.on(spaces::id.eq(purchases::space_id)))
        .filter(purchases::id.eq(id.0))
        .filter(purchases::user_id.eq(user.0))
        .select((access_passes::redirect_url, access_passes::name, spaces::name, spaces::slug))
        .first(connection)
        .await
        .optional()?;
    Ok(found)
}

/// At most `most` purchases of a person, the newest first, those before `before`.
///
/// # Errors
/// When the database cannot say.
pub async fn list_of(
    connection: &mut AsyncPgConnection,
    user: UserId,
    before: Option<PurchaseId>,
    most: i64,
) -> Result<Vec<Purchase>, StoreError> {
    // ids are made in the order of time
    let mut query = purchases::table.filter(purchases::user_id.eq(user.0)).into_boxed();
    if let Some(before) = before {
        query = query.filter(purchases::id.lt(before.0));
    }
    let rows: Vec<Row> =
        query.order(purchases::id.desc()).limit(most).select(Row::as_select()).load(connection).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
