//! Writes what a free join brings: one grant a person and pass, however often the button is pressed.

use diesel::{
    QueryableByName,
    sql_types::{Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::core::join::{self, Free, Refusal};
use crate::{
    access::{
        core::Source,
        store::grants::{self, Granted, NewGrant, Target},
    },
    clock::Timestamp,
    identity::{core::address::Address, users},
    ids::{GrantId, PassId, PriceId, PurchaseId, UserId},
    store::{Denied, StoreError},
    storefront::{
        core::{page, pass::PassStatus, slug::Slug, space::SpaceStatus},
        store::public,
    },
};

/// Who joins.
#[derive(Clone, Debug)]
pub enum Joiner {
    /// Somebody who is signed in.
    Signed(UserId),
    /// Whoever has this address; it need not be proven yet. A new person gets the id beside it.
    Address(Address, UserId),
}

/// What is joined.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The space.
    pub space: Slug,
    /// The pass.
    pub pass: Slug,
    /// The price, when one was chosen.
    pub price: Option<PriceId>,
}

/// It is done, or was before.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Whose rights have changed.
    pub user: UserId,
    /// The purchase's id, a fresh one also when nothing new was granted, so that it tells nothing.
    pub purchase: PurchaseId,
    /// The price's currency.
    pub currency: String,
    /// The slug of the space, as it is today.
    pub space: String,
    /// The slug of the first experience that the pass opens.
    pub experience: Option<String>,
}

#[derive(QueryableByName)]
struct PassRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    experience: Option<String>,
}

#[derive(QueryableByName)]
struct PriceRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Integer>)]
    access_days: Option<i32>,
    #[diesel(sql_type = Text)]
    currency: String,
}

// A name of today goes before one that was given up. Shared: a withdrawal that is being made is waited for, another join is not.
const PASS: &str = "
    select p.id, p.status,
           (select e.slug from access_pass_experiences x join experiences e on e.id = x.experience_id
             where x.pass_id = p.id and e.deleted_at is null order by e.position, e.id limit 1) as experience
      from access_passes p
     where p.space_id = $1 and p.deleted_at is null
       and (p.slug = $2 or p.id = (select h.pass_id from pass_slug_history h where h.space_id = $1 and h.slug = $2))
     order by (p.slug = $2) desc limit 1 for share of p";

const PRICES: &str = "
    select id, access_days, currency from prices
     where pass_id = $1 and active and kind = 'free' order by id";

/// Joins, in the caller's transaction. Somebody who is not signed in is told the same whether or not they hold the pass.
///
/// # Errors
/// Why not.
pub async fn join(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    purchase: PurchaseId,
    (joiner, wanted): (Joiner, Wanted),
) -> Result<Joined, Denied<Refusal>> {
    let viewer = match &joiner {
        Joiner::Signed(user) => Some(*user),
        Joiner::Address(..) => None,
    };
    let seen = public::find(connection, now, viewer, &wanted.space).await?.ok_or(Denied::Refused(Refusal::Unseen))?;
    let rows: Vec<PassRow> = diesel::sql_query(PASS)
        .bind::<SqlUuid, _>(seen.space.id.0)
        .bind::<Text, _>(wanted.pass.as_str())
        .load(connection)
        .await?;
    let pass = rows.into_iter().next().ok_or(Denied::Refused(Refusal::Unseen))?;
    let status = PassStatus::of(&pass.status);
    if !status.is_some_and(|status| page::shows_pass(status, seen.standing)) {
        return Err(Denied::Refused(Refusal::Unseen));
    }
    if seen.banned {
        return Err(Denied::Refused(Refusal::Banned));
    }
    let offered = status == Some(PassStatus::OnSale) && seen.space.fields.status == SpaceStatus::Published;
    let rows: Vec<PriceRow> = diesel::sql_query(PRICES).bind::<SqlUuid, _>(pass.id).load(connection).await?;
    let free: Vec<Free> = rows.iter().filter(|_| offered).map(read_price).collect();
    let chosen = join::choose(&free, wanted.price).map_err(Denied::Refused)?;
    let currency = rows.into_iter().find(|row| row.id == chosen.price.0).map_or_else(String::new, |row| row.currency);
    let user = match &joiner {
        Joiner::Signed(user) => *user,
        Joiner::Address(address, fresh) => users::find_or_insert(connection, *fresh, address, now).await?.id(),
    };
    let grant = NewGrant {
        id: GrantId(purchase.0),
        user,
        space: seen.space.id,
        opens: Target::Pass(pass.id.into()),
        price: Some(chosen.price),
        source: Source::Free,
        starts_at: now,
        expires_at: join::ends_at(now, chosen),
        granted_by: None,
        at: now,
    };
    let granted = grant_once(connection, grant, pass.id.into()).await?;
    if !granted && viewer.is_some() {
        return Err(Denied::Refused(Refusal::AlreadyOwned));
    }
    Ok(Joined { user, purchase, currency, space: seen.space.fields.slug.to_string(), experience: pass.experience })
}

fn read_price(row: &PriceRow) -> Free {
    Free { price: row.id.into(), access_days: row.access_days.and_then(|days| u32::try_from(days).ok()) }
}

const HOLDS: &str = "
    select exists (select from access_grants
                    where user_id = $1 and access_pass_id = $2 and status in ('active', 'trialing', 'past_due')
                      and starts_at <= $3 and (expires_at is null or expires_at > $3)) as holds";

/// Whether a grant was made: not when the person holds the pass already, also when a twin of this request was faster.
async fn grant_once(connection: &mut AsyncPgConnection, new: NewGrant, pass: PassId) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Holds {
        #[diesel(sql_type = Bool)]
        holds: bool,
    }
    let now = new.at;
    let holds: Holds = diesel::sql_query(HOLDS)
        .bind::<SqlUuid, _>(new.user.0)
        .bind::<SqlUuid, _>(pass.0)
        .bind::<Timestamptz, _>(now.to_utc())
        .get_result(connection)
        .await?;
    let price = new.price;
    if holds.holds || matches!(grants::insert_grant(connection, new).await?, Granted::AlreadyHeld(_)) {
        return Ok(false);
    }
    diesel::sql_query("update prices set first_sold_at = $2 where id = $1 and first_sold_at is null")
        .bind::<Nullable<SqlUuid>, _>(price.map(|price| price.0))
        .bind::<Timestamptz, _>(now.to_utc())
        .execute(connection)
        .await?;
    Ok(true)
}
