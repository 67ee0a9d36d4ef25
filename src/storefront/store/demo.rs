//! What `seed` writes: the demo's people, space and passes, each made once, and a crowd of viewers for load tests.

use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{By, experience, pass, price, space};
use crate::{
    access::{
        core::Source,
        store::grants::{self, NewGrant, Target},
    },
    clock::Timestamp,
    entropy::Ids,
    identity::{core::address::Address, teams, users},
    ids::{ExperienceId, PassId, SpaceId, TeamId, UserId},
    store::{Denied, StoreError},
    storefront::core::{
        Refusal,
        experience::ExperiencePatch,
        pass::PassPatch,
        price::{NewPrice, PriceOf},
        space::SpacePatch,
    },
};

const TEAM: &str = "Demo Studio";
const SPACE: &str = "demo";

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

async fn find(connection: &mut AsyncPgConnection, sql: &str, text: &str) -> Result<Option<Uuid>, StoreError> {
    let found: Option<Id> = diesel::sql_query(sql).bind::<Text, _>(text).get_result(connection).await.optional()?;
    Ok(found.map(|row| row.id))
}

/// Makes whatever of the demo is not there yet, in the caller's transaction.
///
/// # Errors
/// When the database cannot, or the demo's names belong to somebody else.
pub async fn seed(connection: &mut AsyncPgConnection, now: Timestamp, ids: &Ids) -> Result<(), Denied<Refusal>> {
    // two engines that start at once seed one after the other
    diesel::sql_query("select pg_advisory_xact_lock(hashtext('backstage demo'))").execute(connection).await?;
    let creator = person(connection, now, (ids, "creator@demo.test", "Casey Creator")).await?;
    let member = person(connection, now, (ids, "member@demo.test", "Mika Member")).await?;
    person(connection, now, (ids, "visitor@demo.test", "Vic Visitor")).await?;
    let operator = person(connection, now, (ids, "operator@demo.test", "Olu Operator")).await?;
    diesel::sql_query("update users set platform_admin = true where id = $1 and not platform_admin")
        .bind::<SqlUuid, _>(operator.0)
        .execute(connection)
        .await?;
    let by = By { user: creator, at: now };
    let team = team(connection, now, (ids, creator)).await?;
    let space = space_of(connection, by, (ids, team)).await?;
    let stage = stage(connection, by, (ids, space)).await?;
    let (basic, fresh) = offered(connection, by, (ids, space, stage), basic_pass()).await?;
    if fresh {
        let free = NewPrice { kind: Some("free".into()), access_days: Some(7), ..NewPrice::default() };
        price::insert(connection, by, (ids.fresh(), PriceOf::Pass(basic)), free).await?;
    }
    let (vip, fresh) = offered(connection, by, (ids, space, stage), vip_pass()).await?;
    if fresh {
        let comp = NewGrant {
            id: ids.fresh(),
            user: member,
            space,
            opens: Target::Pass(vip),
            price: None,
            source: Source::Comp,
            starts_at: now,
            expires_at: None,
            purchase: None,
            granted_by: Some(creator),
            at: now,
        };
        grants::insert_grant(connection, comp).await?;
    }
    Ok(())
}

async fn person(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    (ids, email, name): (&Ids, &str, &str),
) -> Result<UserId, StoreError> {
    let address = Address::parse(email)
        .map_err(|_| StoreError::Corrupt { table: "users", why: "an address of the demo is none".into() })?;
    let user = users::find_or_insert(connection, ids.fresh(), &address, now).await?.id();
    diesel::sql_query("update users set name = $2 where id = $1 and name is null")
        .bind::<SqlUuid, _>(user.0)
        .bind::<Text, _>(name)
        .execute(connection)
        .await?;
    Ok(user)
}

async fn team(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    (ids, owner): (&Ids, UserId),
) -> Result<TeamId, StoreError> {
    let mine = teams::list_of_user(connection, owner).await?;
    match mine.into_iter().find(|team| team.name == TEAM) {
        Some(team) => Ok(team.id),
        None => Ok(teams::insert(connection, ids.fresh(), TEAM, (ids.fresh(), owner), now).await?.id()),
    }
}

async fn space_of(
    connection: &mut AsyncPgConnection,
    by: By,
    (ids, team): (&Ids, TeamId),
) -> Result<SpaceId, Denied<Refusal>> {
    if let Some(id) = find(connection, "select id from spaces where slug = $1", SPACE).await? {
        return Ok(id.into());
    }
    let patch = SpacePatch {
        slug: Some(SPACE.into()),
        name: Some("The Demo Room".into()),
        tagline: Some(Some("Rehearsals, first nights and the talk after.".into())),
        description: Some(Some(
            "A small stage that goes live on most evenings.\nCome early: the lobby opens a quarter of an hour before."
                .into(),
        )),
        status: Some("published".into()),
        refund_policy: Some(Some("Everything here is free, so there is nothing to give back.".into())),
        ..SpacePatch::default()
    };
    Ok(space::insert(connection, by, (ids.fresh(), team), patch).await?.id)
}

async fn stage(
    connection: &mut AsyncPgConnection,
    by: By,
    (ids, space): (&Ids, SpaceId),
) -> Result<ExperienceId, Denied<Refusal>> {
    let there = experience::all_of(connection, space).await?;
    if let Some(stage) = there.iter().find(|one| one.fields.slug.as_str() == "main-stage") {
        return Ok(stage.id);
    }
    let patch = ExperiencePatch {
        kind: Some("live_stream".into()),
        slug: Some("main-stage".into()),
        name: Some("Main Stage".into()),
        description: Some(Some("Where it happens, live.".into())),
        ..ExperiencePatch::default()
    };
    Ok(experience::insert(connection, by, (ids.fresh(), space), patch).await?.0.id)
}

fn basic_pass() -> PassPatch {
    PassPatch {
        slug: Some("basic".into()),
        name: Some("Basic".into()),
        headline: Some(Some("A week on the main stage, for nothing.".into())),
        description: Some(Some("Look in for seven days and see whether you want to stay.".into())),
        benefits: Some(vec!["The main stage, live".into(), "Hearts for the people on it".into()]),
        ..PassPatch::default()
    }
}

fn vip_pass() -> PassPatch {
    PassPatch {
        slug: Some("vip".into()),
        name: Some("VIP".into()),
        headline: Some(Some("For friends of the house.".into())),
        description: Some(Some("Given by hand, and without an end.".into())),
        benefits: Some(vec!["The main stage, live".into(), "Stays yours".into()]),
        ..PassPatch::default()
    }
}

/// The pass of this slug that opens `stage`, and whether it was made just now.
async fn offered(
    connection: &mut AsyncPgConnection,
    by: By,
    (ids, space, stage): (&Ids, SpaceId, ExperienceId),
    patch: PassPatch,
) -> Result<(PassId, bool), Denied<Refusal>> {
    let there = pass::all_of(connection, space, 0).await?;
    if let Some(pass) = there.iter().find(|one| Some(one.fields.slug.as_str()) == patch.slug.as_deref()) {
        return Ok((pass.id, false));
    }
    let made = pass::insert(connection, by, (ids.fresh(), space), patch).await?;
    pass::put_experiences(connection, by, made.id, vec![stage]).await?;
    Ok((made.id, true))
}

/// Where a crowd goes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The experience.
    pub experience: ExperienceId,
    /// Its space.
    pub space: SpaceId,
    team: Uuid,
    pass: Option<Uuid>,
    owner: Uuid,
}

/// The experience with these slugs, and a pass that opens it, those given by hand first.
///
/// # Errors
/// When the database cannot say.
pub async fn find_place(
    connection: &mut AsyncPgConnection,
    (space, experience): (&str, &str),
) -> Result<Option<Place>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        experience: Uuid,
        #[diesel(sql_type = SqlUuid)]
        space: Uuid,
        #[diesel(sql_type = SqlUuid)]
        team: Uuid,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        pass: Option<Uuid>,
        #[diesel(sql_type = SqlUuid)]
        owner: Uuid,
    }
    let row: Option<Row> = diesel::sql_query(
        "select e.id as experience, s.id as space, s.team_id as team,
                (select p.id from access_pass_experiences x join access_passes p on p.id = x.pass_id
                  where x.experience_id = e.id and p.deleted_at is null
                  order by exists (select from prices r where r.pass_id = p.id and r.active), p.position limit 1) as pass,
                (select m.user_id from memberships m where m.team_id = s.team_id and m.role = 'owner' and m.left_at is null
                  order by m.joined_at limit 1) as owner
           from experiences e join spaces s on s.id = e.space_id
          where s.slug = $1 and e.slug = $2 and e.deleted_at is null",
    )
    .bind::<Text, _>(space)
    .bind::<Text, _>(experience)
    .get_result(connection)
    .await
    .optional()?;
    Ok(row.map(|row| Place {
        experience: row.experience.into(),
        space: row.space.into(),
        team: row.team,
        pass: row.pass,
        owner: row.owner,
    }))
}

/// One of a crowd.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The person.
    pub user: Uuid,
    /// Their grant.
    pub grant: Uuid,
    /// Their token's id.
    pub token: Uuid,
    /// Its hash.
    pub token_hash: Vec<u8>,
    /// Their address.
    pub email: String,
}

/// Makes these people, their grants and their tokens; a few statements however many they are.
///
/// # Errors
/// When the database cannot.
pub async fn insert_crowd(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    place: Place,
    crowd: Vec<Viewer>,
) -> Result<(), StoreError> {
    let users: Vec<Uuid> = crowd.iter().map(|one| one.user).collect();
    let grants: Vec<Uuid> = crowd.iter().map(|one| one.grant).collect();
    let tokens: Vec<Uuid> = crowd.iter().map(|one| one.token).collect();
    let (emails, hashes): (Vec<String>, Vec<Vec<u8>>) =
        crowd.into_iter().map(|one| (one.email, one.token_hash)).unzip();
    diesel::sql_query(
        "insert into users (id, email, email_norm, email_proven_at, created_at)
         select id, email, email, $3, $3 from unnest($1, $2) as c (id, email)",
    )
    .bind::<Array<SqlUuid>, _>(&users)
    .bind::<Array<Text>, _>(emails)
    .bind::<Timestamptz, _>(now.to_utc())
    .execute(connection)
    .await?;
    diesel::sql_query(
        "insert into access_grants (id, user_id, team_id, space_id, experience_id, access_pass_id, source, starts_at,
                                    granted_by, created_at)
         select id, user_id, $3, $4, $5, $6, case when $9 then 'comp' else 'direct' end, $7, $8, $7
           from unnest($1, $2) as c (id, user_id)",
    )
    .bind::<Array<SqlUuid>, _>(grants)
    .bind::<Array<SqlUuid>, _>(&users)
    .bind::<SqlUuid, _>(place.team)
    .bind::<SqlUuid, _>(place.space.0)
    .bind::<Nullable<SqlUuid>, _>(place.pass.is_none().then_some(place.experience.0))
    .bind::<Nullable<SqlUuid>, _>(place.pass)
    .bind::<Timestamptz, _>(now.to_utc())
    .bind::<SqlUuid, _>(place.owner)
    .bind::<Bool, _>(place.pass.is_some())
    .execute(connection)
    .await?;
    diesel::sql_query(
        "insert into api_tokens (id, user_id, token_hash, name, scopes, created_at)
         select id, user_id, hash, 'crowd', array['live', 'read'], $4 from unnest($1, $2, $3) as c (id, user_id, hash)",
    )
    .bind::<Array<SqlUuid>, _>(tokens)
    .bind::<Array<SqlUuid>, _>(&users)
    .bind::<Array<Binary>, _>(hashes)
    .bind::<Timestamptz, _>(now.to_utc())
    .execute(connection)
    .await?;
    diesel::sql_query("insert into rights_changes (user_id, at) select u, $2 from unnest($1) as u")
        .bind::<Array<SqlUuid>, _>(&users)
        .bind::<Timestamptz, _>(now.to_utc())
        .execute(connection)
        .await?;
    Ok(())
}
