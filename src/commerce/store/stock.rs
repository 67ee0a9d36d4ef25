//! Units of stock: one row each, claimed without waiting for other buyers, sold or given back, and never deleted. Whoever
//! claims holds the pass's row shared, whoever changes how many there are holds it alone: the two never meet.

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    commerce::core::stock::{self, Change, Count, Refusal},
    ids::{PassId, PurchaseId},
    store::{Denied, StoreError},
};

/// What a claim makes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the buyer's for good.
    Sold,
    /// It is kept for the buyer until then.
    Held {
        /// When it goes back by itself.
        until: Timestamp,
    },
}

// The innermost select is done once: it takes a unit that nobody else is taking, and passes over those that somebody is.
const CLAIM: &str = "
    update stock_units set state = $3, purchase_id = $2, held_until = $4
     where pass_id = $1 and unit = (select unit from stock_units
                                     where pass_id = $1 and state = 'free' order by unit limit 1 for update skip locked)";

/// Claims a unit for a purchase; `false` when none is free. The caller holds the pass's row shared.
///
/// # Errors
/// When the database cannot, or the purchase has a unit already.
pub async fn claim(
    connection: &mut AsyncPgConnection,
    (pass, purchase): (PassId, PurchaseId),
    claim: Claim,
) -> Result<bool, StoreError> {
    let (state, until) = match claim {
        Claim::Sold => ("sold", None),
        Claim::Held { until } => ("held", Some(until.to_utc())),
    };
    let claimed = diesel::sql_query(CLAIM)
        .bind::<SqlUuid, _>(pass.0)
        .bind::<SqlUuid, _>(purchase.0)
        .bind::<Text, _>(state)
        .bind::<Nullable<Timestamptz>, _>(until)
        .execute(connection)
        .await?;
    Ok(claimed == 1)
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

/// How many units of a pass are in which state.
///
/// # Errors
/// When the database cannot say.
pub async fn count(connection: &mut AsyncPgConnection, pass: PassId) -> Result<Count, StoreError> {
    let rows: Vec<Counted> =
        diesel::sql_query("select state, count(*) as units from stock_units where pass_id = $1 group by state")
            .bind::<SqlUuid, _>(pass.0)
            .load(connection)
            .await?;
    let of = |state: &str| rows.iter().find(|row| row.state == state).map_or(0, |row| row.units);
    Ok(Count { free: of("free"), held: of("held"), sold: of("sold"), withdrawn: of("withdrawn") })
}

/// How many units of each of these passes are free, at most `most` of each; passes without any are missing.
///
/// # Errors
/// When the database cannot say.
pub async fn left(
    connection: &mut AsyncPgConnection,
    passes: &[PassId],
    most: i64,
) -> Result<Vec<(PassId, i64)>, StoreError> {
    #[derive(QueryableByName)]
    struct Left {
        #[diesel(sql_type = SqlUuid)]
        pass_id: Uuid,
        #[diesel(sql_type = BigInt)]
        units: i64,
    }
    let rows: Vec<Left> = diesel::sql_query(
        "select p.id as pass_id,
                (select count(*) from (select from stock_units u where u.pass_id = p.id and u.state = 'free' limit $2) f) as units
           from unnest($1) p(id)",
    )
    .bind::<Array<SqlUuid>, _>(passes.iter().map(|pass| pass.0).collect::<Vec<_>>())
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.pass_id.into(), row.units)).collect())
}

const WITHDRAW: &str = "
    update stock_units set state = 'withdrawn'
     where pass_id = $1 and unit in (select unit from stock_units where pass_id = $1 and state = 'free'
                                      order by unit desc limit $2 for update)";
const BRING_BACK: &str = "
    update stock_units set state = 'free'
     where pass_id = $1 and unit in (select unit from stock_units where pass_id = $1 and state = 'withdrawn'
                                      order by unit limit $2 for update)";
const MAKE: &str = "
    insert into stock_units (pass_id, unit)
    select $1, made + n from (select coalesce(max(unit), 0) as made from stock_units where pass_id = $1) m,
                             generate_series(1, $2) n";

/// Lets there be `wanted` units, those sold and held included, or no limit. The pass's row is locked until the transaction ends,
/// so that nobody claims meanwhile; a hold that runs out only gives back what is counted as held.
///
/// # Errors
/// [`Refusal::BelowSold`] when more are sold or held.
pub async fn set(
    connection: &mut AsyncPgConnection,
    pass: PassId,
    wanted: Option<i32>,
) -> Result<Count, Denied<Refusal>> {
    diesel::sql_query("select from access_passes where id = $1 for no key update")
        .bind::<SqlUuid, _>(pass.0)
        .execute(connection)
        .await?;
    let before = count(connection, pass).await?;
    let change = stock::change(before, wanted).map_err(Denied::Refused)?;
    let Change { withdraw, bring_back, make } = change;
    for (statement, units) in [(WITHDRAW, withdraw), (BRING_BACK, bring_back)] {
        if units > 0 {
            diesel::sql_query(statement)
                .bind::<SqlUuid, _>(pass.0)
                .bind::<BigInt, _>(units)
                .execute(connection)
                .await?;
        }
    }
    if make > 0 {
        let make = i32::try_from(make).unwrap_or(i32::MAX);
        diesel::sql_query(MAKE).bind::<SqlUuid, _>(pass.0).bind::<Integer, _>(make).execute(connection).await?;
    }
    Ok(count(connection, pass).await?)
}
