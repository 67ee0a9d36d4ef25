//! Takes what costs nothing: purchase, unit of stock and grant in one transaction, once however often the button is pressed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{purchases, stock};
use crate::{
    access::{
        core::Source,
        store::grants::{self, NewGrant, Target},
    },
    clock::Timestamp,
    commerce::core::{
        purchase::{Purchase, PurchaseStatus},
        take::{self, Refusal},
    },
    identity::{core::address::Address, users},
    ids::{GrantId, PassId, PriceId, PurchaseId, UserId},
    store::{Denied, StoreError},
    storefront::{
        core::{
            field::Check,
            page,
            pass::{PassStatus, Terms},
            price::{Price, PriceOf},
            question,
            slug::Slug,
            space::SpaceStatus,
        },
        store::{price, public},
    },
};

/// Who takes it.
#[derive(Clone, Debug)]
pub enum Taker {
    /// Somebody who is signed in.
    Signed(UserId),
    /// Whoever has this address; it need not be proven yet. A new person gets the id beside it.
    Address(Address, UserId),
}

/// What is taken.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The space.
    pub space: Slug,
    /// The pass; without one the price says what it is of, the space or one of its experiences.
    pub pass: Option<Slug>,
    /// The price, when one was chosen.
    pub price: Option<PriceId>,
    /// Answers by the names of their questions.
    pub answers: BTreeMap<String, String>,
}

/// It is done, or was before.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Whose rights have changed.
    pub user: UserId,
    /// The purchase; one that tells nothing when nothing new was granted to an address that need not be theirs.
    pub purchase: Purchase,
    /// Where it leads.
    pub onward: Onward,
}

/// Where somebody goes who has taken something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    /// The slug of the space, as it is today.
    pub space: String,
    /// The slug of the first experience that it opens.
    pub experience: Option<String>,
    /// Where the seller sends buyers instead.
    pub redirect: Option<String>,
}

/// What is offered to somebody.
struct Offered {
    seen: public::Seen,
    pass: Option<PassId>,
    terms: Terms,
    prices: Vec<Price>,
    experience: Option<String>,
}

#[derive(QueryableByName)]
struct PassRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Integer>)]
    stock: Option<i32>,
    #[diesel(sql_type = Jsonb)]
    questions: serde_json::Value,
    #[diesel(sql_type = Nullable<Text>)]
    redirect_url: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    auto_expire_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    experience: Option<String>,
}

// A name of today goes before one that was given up. Shared: a change of the pass that is being made is waited for, another taker
// is not.
const PASS: &str = "
    select p.id, p.status, p.stock, p.questions, p.redirect_url, p.auto_expire_at,
           (select e.slug from access_pass_experiences x join experiences e on e.id = x.experience_id
             where x.pass_id = p.id and e.deleted_at is null order by e.position, e.id limit 1) as experience
      from access_passes p
     where p.space_id = $1 and p.deleted_at is null
       and (p.slug = $2 or p.id = (select h.pass_id from pass_slug_history h where h.space_id = $1 and h.slug = $2))
     order by (p.slug = $2) desc limit 1 for share of p";

async fn offered(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    viewer: Option<UserId>,
    wanted: &Wanted,
) -> Result<Offered, Denied<Refusal>> {
    let unseen = || Denied::Refused(Refusal::Unseen);
    let seen = public::find(connection, now, viewer, &wanted.space).await?.ok_or_else(unseen)?;
    let published = seen.space.fields.status == SpaceStatus::Published;
    let Some(pass) = &wanted.pass else {
        let mut prices = price::all_in(connection, seen.space.id, &[]).await?;
        prices.retain(|price| published && price.active && Some(price.id) == wanted.price);
        let experience = match prices.iter().map(|price| price.of).next() {
            Some(PriceOf::Experience(id)) => slug_of(connection, id.0).await?,
            _ => None,
        };
        return Ok(Offered { seen, pass: None, terms: Terms::default(), prices, experience });
    };
    let rows: Vec<PassRow> = diesel::sql_query(PASS)
        .bind::<SqlUuid, _>(seen.space.id.0)
        .bind::<Text, _>(pass.as_str())
        .load(connection)
        .await?;
    let row = rows.into_iter().next().ok_or_else(unseen)?;
    let status = PassStatus::of(&row.status);
    if !status.is_some_and(|status| page::shows_pass(status, seen.standing)) {
        return Err(unseen());
    }
    let terms = Terms {
        stock: row.stock,
        questions: serde_json::from_value(row.questions)
            .map_err(|e| StoreError::Corrupt { table: "access_passes", why: format!("questions: {e}") })?,
        redirect_url: row.redirect_url,
        auto_expire_at: row.auto_expire_at.map(Into::into),
    };
    let on_sale = status == Some(PassStatus::OnSale) && published && !terms.over(now);
    let mut prices = price::all_of(connection, PriceOf::Pass(row.id.into())).await?;
    prices.retain(|price| on_sale && price.active);
    Ok(Offered { seen, pass: Some(row.id.into()), terms, prices, experience: row.experience })
}

async fn slug_of(connection: &mut AsyncPgConnection, experience: Uuid) -> Result<Option<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        slug: String,
    }
    let rows: Vec<Row> = diesel::sql_query("select slug from experiences where id = $1")
        .bind::<SqlUuid, _>(experience)
        .load(connection)
        .await?;
    Ok(rows.into_iter().next().map(|row| row.slug))
}

/// Takes what is wanted, in the caller's transaction. Somebody who is not signed in is told the same whether or not they hold it.
///
/// # Errors
/// Why not.
pub async fn take(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    id: PurchaseId,
    (taker, wanted): (Taker, Wanted),
) -> Result<Taken, Denied<Refusal>> {
    let viewer = match &taker {
        Taker::Signed(user) => Some(*user),
        Taker::Address(..) => None,
    };
    let offered = offered(connection, now, viewer, &wanted).await?;
    if offered.seen.banned {
        return Err(Denied::Refused(Refusal::Banned));
    }
    let price = take::choose(&offered.prices, wanted.price).map_err(Denied::Refused)?;
    take::costs_nothing(price).map_err(Denied::Refused)?;
    let mut check = Check::new();
    let answers = question::answered(&mut check, &offered.terms.questions, &wanted.answers);
    let answers = check.done(answers).map_err(|wrong| Denied::Refused(Refusal::Wrong(wrong)))?;
    let user = match &taker {
        Taker::Signed(user) => *user,
        Taker::Address(address, fresh) => users::find_or_insert(connection, *fresh, address, now).await?.id(),
    };
    let purchase = Purchase {
        id,
        price: price.id,
        space: offered.seen.space.id,
        pass: offered.pass,
        user,
        status: PurchaseStatus::Completed,
        amount: price.fields.amount,
        answers,
        created_at: now,
        completed_at: Some(now),
    };
    let done = complete(connection, (&purchase, price), &offered.terms).await;
    match done {
        // whoever shows an address alone is told what everybody else is told: sold out, or that it is done
        Err(Denied::Refused(Refusal::AlreadyOwned)) if viewer.is_none() => {
            any_left(connection, &purchase, &offered.terms).await?;
        }
        done => done?,
    }
    let onward = Onward {
        space: offered.seen.space.fields.slug.to_string(),
        experience: offered.experience,
        redirect: offered.terms.redirect_url,
    };
    Ok(Taken { user, purchase, onward })
}

/// Writes down the purchase, takes the unit and makes the grant, unless the person holds it already.
async fn complete(
    connection: &mut AsyncPgConnection,
    (purchase, price): (&Purchase, &Price),
    terms: &Terms,
) -> Result<(), Denied<Refusal>> {
    let (user, now) = (purchase.user, purchase.created_at);
    alone(connection, user, price.of).await?;
    if holds(connection, user, price.of, now).await? {
        return Err(Denied::Refused(Refusal::AlreadyOwned));
    }
    purchases::insert(connection, purchase).await?;
    if let (Some(_), Some(pass)) = (terms.stock, purchase.pass)
        && !stock::claim(connection, (pass, purchase.id), stock::Claim::Sold).await?
    {
        return Err(Denied::Refused(Refusal::SoldOut));
    }
    let grant = NewGrant {
        id: GrantId(purchase.id.0),
        user,
        space: purchase.space,
        opens: match price.of {
            PriceOf::Pass(pass) => Target::Pass(pass),
            PriceOf::Space(_) => Target::Space,
            PriceOf::Experience(experience) => Target::Experience(experience),
        },
        price: Some(price.id),
        source: Source::Free,
        starts_at: now,
        expires_at: take::ends_at(now, price),
        purchase: Some(purchase.id),
        granted_by: None,
        at: now,
    };
    grants::insert_grant(connection, grant).await?;
    diesel::sql_query("update prices set first_sold_at = $2 where id = $1 and first_sold_at is null")
        .bind::<SqlUuid, _>(price.id.0)
        .bind::<Timestamptz, _>(now.to_utc())
        .execute(connection)
        .await?;
    Ok(())
}

fn thing(of: PriceOf) -> Uuid {
    match of {
        PriceOf::Pass(id) => id.0,
        PriceOf::Space(id) => id.0,
        PriceOf::Experience(id) => id.0,
    }
}

/// Takes of the same thing by the same person come one after another, until the transaction ends.
async fn alone(connection: &mut AsyncPgConnection, user: UserId, of: PriceOf) -> Result<(), StoreError> {
    diesel::sql_query("select pg_advisory_xact_lock(hashtextextended($1::text || $2::text, 4712))")
        .bind::<SqlUuid, _>(user.0)
        .bind::<SqlUuid, _>(thing(of))
        .execute(connection)
        .await?;
    Ok(())
}

async fn any_left(
    connection: &mut AsyncPgConnection,
    purchase: &Purchase,
    terms: &Terms,
) -> Result<(), Denied<Refusal>> {
    let (Some(_), Some(pass)) = (terms.stock, purchase.pass) else { return Ok(()) };
    let left = stock::left(connection, &[pass], 1).await?;
    if left.iter().any(|(_, left)| *left > 0) { Ok(()) } else { Err(Denied::Refused(Refusal::SoldOut)) }
}

const HOLDS: &str = "
    select exists (select from access_grants
                    where user_id = $1 and coalesce(access_pass_id, experience_id, space_id) = $2
                      and status in ('active', 'trialing', 'past_due')
                      and starts_at <= $3 and (expires_at is null or expires_at > $3)) as holds";

async fn holds(
    connection: &mut AsyncPgConnection,
    user: UserId,
    of: PriceOf,
    now: Timestamp,
) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Holds {
        #[diesel(sql_type = Bool)]
        holds: bool,
    }
    let found: Holds = diesel::sql_query(HOLDS)
        .bind::<SqlUuid, _>(user.0)
        .bind::<SqlUuid, _>(thing(of))
        .bind::<Timestamptz, _>(now.to_utc())
        .get_result(connection)
        .await?;
    Ok(found.holds)
}
