//! Prices of passes. What a price says never changes; it is only offered or not.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::{
    By, read_word,
    sight::{self, Thing},
    write_down,
};
use crate::{
    identity::core::role::Permission,
    ids::{PassId, PriceId, UserId},
    limits::PRICES_PER_PASS_MAX,
    store::{Denied, StoreError, schema::prices},
    storefront::core::{
        Refusal,
        price::{NewPrice, Price, PriceFields, PriceKind},
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = prices)]
struct Row {
    id: Uuid,
    pass_id: Uuid,
    kind: String,
    amount_minor: i64,
    currency: String,
    access_days: Option<i32>,
    active: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Price {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            pass: row.pass_id.into(),
            fields: PriceFields {
                kind: read_word("prices", &row.kind, PriceKind::of)?,
                amount_minor: row.amount_minor,
                currency: row.currency,
                access_days: row.access_days,
            },
            active: row.active,
            created_at: row.created_at.into(),
        })
    }
}

/// Offers a pass at a price.
///
/// # Errors
/// When the role does not allow it, the price cannot be sold, or there are too many.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    by: By,
    (id, pass): (PriceId, PassId),
    new: NewPrice,
) -> Result<Price, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Pass(pass)).await?;
    let fields = new.judged().map_err(Denied::Refused)?;
    let present: i64 = prices::table.filter(prices::pass_id.eq(pass.0)).count().get_result(connection).await?;
    if present >= PRICES_PER_PASS_MAX {
        return Err(Denied::Refused(Refusal::TooMany("prices")));
    }
    diesel::insert_into(prices::table)
        .values((
            prices::id.eq(id.0),
            prices::pass_id.eq(pass.0),
            prices::kind.eq(fields.kind.word()),
            prices::amount_minor.eq(fields.amount_minor),
            prices::currency.eq(fields.currency.as_str()),
            prices::access_days.eq(fields.access_days),
            prices::created_at.eq(by.at.to_utc()),
        ))
        .execute(connection)
        .await?;
    let details = json!({ "pass": pass, "kind": fields.kind.word(), "access_days": fields.access_days });
    write_down(connection, by, sight.team, "price.created", (id.to_string(), details)).await?;
    Ok(Price { id, pass, fields, active: true, created_at: by.at })
}

/// The prices of these passes, oldest first.
///
/// # Errors
/// When the database cannot say.
pub async fn all_of(connection: &mut AsyncPgConnection, passes: &[PassId]) -> Result<Vec<Price>, StoreError> {
    let rows: Vec<Row> = prices::table
        .filter(prices::pass_id.eq_any(passes.iter().map(|pass| pass.0).collect::<Vec<_>>()))
        .order(prices::id)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The prices of a pass, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    pass: PassId,
) -> Result<Vec<Price>, Denied<Refusal>> {
    sight::to_read(connection, user, Thing::Pass(pass), Permission::ReadTeam).await?;
    Ok(all_of(connection, &[pass]).await?)
}

/// Offers a price, or stops offering it.
///
/// # Errors
/// When the role does not allow it.
pub async fn set_active(
    connection: &mut AsyncPgConnection,
    by: By,
    id: PriceId,
    active: bool,
) -> Result<Price, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, Thing::Price(id)).await?;
    let row: Row = diesel::update(prices::table.find(id.0))
        .set(prices::active.eq(active))
        .returning(Row::as_returning())
        .get_result(connection)
        .await?;
    write_down(connection, by, sight.team, "price.changed", (id.to_string(), json!({ "active": active }))).await?;
    Ok(row.try_into()?)
}
