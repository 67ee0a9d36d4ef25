//! Prices of passes, and of spaces and experiences that are sold directly. What a price says never changes; it is only offered
//! or not.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, Queryable, Selectable,
    SelectableHelper,
};
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
    ids::{ExperienceId, PassId, PriceId, SpaceId, UserId},
    limits::PRICES_MAX,
    money::{Currency, Money},
    store::{
        Denied, StoreError,
        schema::{experiences, prices},
    },
    storefront::core::{
        Refusal,
        price::{Interval, NewPrice, Price, PriceFields, PriceKind, PriceOf},
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = prices)]
struct Row {
    id: Uuid,
    pass_id: Option<Uuid>,
    space_id: Option<Uuid>,
    experience_id: Option<Uuid>,
    kind: String,
    amount_minor: i64,
    currency: String,
    access_days: Option<i32>,
    billing_interval: Option<String>,
    initial_fee_minor: i64,
    trial_days: i16,
    instalments: i16,
    active: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Price {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |why: &str| StoreError::Corrupt { table: "prices", why: why.to_owned() };
        let of = match (row.pass_id, row.space_id, row.experience_id) {
            (Some(pass), None, None) => PriceOf::Pass(pass.into()),
            (None, Some(space), None) => PriceOf::Space(space.into()),
            (None, None, Some(experience)) => PriceOf::Experience(experience.into()),
            _ => return Err(corrupt("a price of none, or of several things")),
        };
        let currency = Currency::parse(&row.currency).map_err(|_| corrupt("an unknown currency"))?;
        let interval = row.billing_interval.map(|word| read_word("prices", &word, Interval::of)).transpose()?;
        Ok(Self {
            id: row.id.into(),
            of,
            fields: PriceFields {
                kind: read_word("prices", &row.kind, PriceKind::of)?,
                amount: Money { minor: row.amount_minor, currency },
                access_days: row.access_days,
                interval,
                initial_fee: row.initial_fee_minor,
                trial_days: row.trial_days,
                instalments: row.instalments,
            },
            active: row.active,
            created_at: row.created_at.into(),
        })
    }
}

/// The thing whose sight decides about a price of it.
#[must_use]
pub fn thing(of: PriceOf) -> Thing {
    match of {
        PriceOf::Pass(id) => Thing::Pass(id),
        PriceOf::Space(id) => Thing::Space(id),
        PriceOf::Experience(id) => Thing::Experience(id),
    }
}

fn columns(of: PriceOf) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
    match of {
        PriceOf::Pass(id) => (Some(id.0), None, None),
        PriceOf::Space(id) => (None, Some(id.0), None),
        PriceOf::Experience(id) => (None, None, Some(id.0)),
    }
}

/// Offers something at a price.
///
/// # Errors
/// When the role does not allow it, a field is wrong, or there are too many.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    by: By,
    (id, of): (PriceId, PriceOf),
    new: NewPrice,
) -> Result<Price, Denied<Refusal>> {
    let sight = sight::to_change(connection, by.user, thing(of)).await?;
    let fields = new.judged().map_err(Denied::Refused)?;
    let present = i64::try_from(all_of(connection, of).await?.len()).unwrap_or(i64::MAX);
    if present >= PRICES_MAX {
        return Err(Denied::Refused(Refusal::TooMany("prices")));
    }
    let (pass, space, experience) = columns(of);
    diesel::insert_into(prices::table)
        .values((
            prices::id.eq(id.0),
            prices::pass_id.eq(pass),
            prices::space_id.eq(space),
            prices::experience_id.eq(experience),
            prices::kind.eq(fields.kind.word()),
            prices::amount_minor.eq(fields.amount.minor),
            prices::currency.eq(fields.amount.currency.code()),
            prices::access_days.eq(fields.access_days),
            prices::billing_interval.eq(fields.interval.map(Interval::word)),
            prices::initial_fee_minor.eq(fields.initial_fee),
            prices::trial_days.eq(fields.trial_days),
            prices::instalments.eq(fields.instalments),
            prices::created_at.eq(by.at.to_utc()),
        ))
        .execute(connection)
        .await?;
    let details = json!({ "pass": pass.map(PassId), "experience": experience.map(ExperienceId), "kind": fields.kind.word(),
        "amount": fields.amount.minor, "currency": fields.amount.currency.code(), "access_days": fields.access_days });
    write_down(connection, by, sight.team, "price.created", (id.to_string(), details)).await?;
    Ok(Price { id, of, fields, active: true, created_at: by.at })
}

/// The prices of one thing, oldest first.
///
/// # Errors
/// When the database cannot say.
pub async fn all_of(connection: &mut AsyncPgConnection, of: PriceOf) -> Result<Vec<Price>, StoreError> {
    let (pass, space, experience) = columns(of);
    let rows: Vec<Row> = prices::table
        .filter(prices::pass_id.eq(pass).or(prices::space_id.eq(space)).or(prices::experience_id.eq(experience)))
        .order(prices::id)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The prices of a space, of its experiences and of these passes of it, oldest first: one statement.
///
/// # Errors
/// When the database cannot say.
pub async fn all_in(
    connection: &mut AsyncPgConnection,
    space: SpaceId,
    passes: &[PassId],
) -> Result<Vec<Price>, StoreError> {
    let passes: Vec<Uuid> = passes.iter().map(|pass| pass.0).collect();
    let inside = experiences::table
        .filter(experiences::space_id.eq(space.0))
        .filter(experiences::deleted_at.is_null())
        .select(experiences::id.nullable());
    let rows: Vec<Row> = prices::table
        .filter(
            prices::pass_id.eq_any(passes).or(prices::space_id.eq(space.0)).or(prices::experience_id.eq_any(inside)),
        )
        .order(prices::id)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The prices of something, for somebody of its team.
///
/// # Errors
/// [`Refusal::Unseen`] for everybody else.
pub async fn list(
    connection: &mut AsyncPgConnection,
    user: UserId,
    of: PriceOf,
) -> Result<Vec<Price>, Denied<Refusal>> {
    sight::to_read(connection, user, thing(of), Permission::ReadTeam).await?;
    Ok(all_of(connection, of).await?)
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
