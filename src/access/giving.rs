//! What teams do with access: give, take away, keep out. Each act is judged by the table of roles, done, and written down in
//! one transaction.

use serde_json::json;

use super::{
    core::Source,
    store::{
        bans::{self, BanRecord},
        grants::{self, GrantRecord, Listed, NewGrant, Target},
        place::{self, Place},
    },
};
use crate::{
    clock::Timestamp,
    identity::{
        Identity, Signed,
        core::{
            address::Address,
            role::{self, Permission},
        },
        store::{
            audit::{self, Act},
            teams, users,
        },
    },
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
    store::{Connection, Denied, StoreError},
};

/// Why access is not given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The table of roles says no.
    Role(role::Refusal),
    /// The experience is not one of the space.
    NotOfTheSpace,
    /// The end does not lie after the beginning.
    EndsBeforeItBegins,
}

impl From<role::Refusal> for Refusal {
    fn from(refusal: role::Refusal) -> Self {
        Self::Role(refusal)
    }
}

/// To whom access is given, and for how long.
#[derive(Clone, Debug)]
pub struct Gift {
    /// The address; somebody new is known by it alone until they sign in.
    pub to: Address,
    /// From when on; from now where it is not said.
    pub starts_at: Option<Timestamp>,
    /// Until when; for ever where it is not said.
    pub expires_at: Option<Timestamp>,
}

async fn require_in(connection: &mut Connection, by: &Signed, team: TeamId) -> Result<(), Denied<Refusal>> {
    match teams::require(connection, by.user, team, Permission::ManageAccess).await {
        Ok(_) => Ok(()),
        Err(Denied::Refused(refusal)) => Err(Denied::Refused(refusal.into())),
        Err(Denied::Fault(fault)) => Err(Denied::Fault(fault)),
    }
}

async fn require(connection: &mut Connection, by: &Signed, place: Option<Place>) -> Result<Place, Denied<Refusal>> {
    let place = place.ok_or(Denied::Refused(Refusal::Role(role::Refusal::Unseen)))?;
    require_in(connection, by, place.team).await?;
    Ok(place)
}

async fn write_down(
    connection: &mut Connection,
    by: &Signed,
    place: Place,
    (action, subject): (&'static str, String),
    (details, at): (serde_json::Value, Timestamp),
) -> Result<(), StoreError> {
    audit::record(connection, &Act { at, actor: Some(by.user), team: Some(place.team), action, subject, details }).await
}

/// Gives a pass away.
///
/// # Errors
/// When the role does not permit it, or the times do not fit.
pub async fn give_pass(
    identity: &Identity,
    connection: &mut Connection,
    by: &Signed,
    pass: PassId,
    gift: Gift,
) -> Result<GrantRecord, Denied<Refusal>> {
    let found = place::of_pass(connection, pass).await?;
    let place = require(connection, by, found).await?;
    give(identity, connection, by, (place, Target::Pass(pass), Source::Comp), gift).await
}

/// Opens a space, or one experience of it, to somebody without a pass.
///
/// # Errors
/// When the role does not permit it, the experience is another space's, or the times do not fit.
pub async fn give_directly(
    identity: &Identity,
    connection: &mut Connection,
    by: &Signed,
    (space, experience): (SpaceId, Option<ExperienceId>),
    gift: Gift,
) -> Result<GrantRecord, Denied<Refusal>> {
    let found = place::of_space(connection, space).await?;
    let place = require(connection, by, found).await?;
    let opens = match experience {
        None => Target::Space,
        Some(experience) if place::of_experience(connection, experience).await? == Some(place) => {
            Target::Experience(experience)
        }
        Some(_) => return Err(Denied::Refused(Refusal::NotOfTheSpace)),
    };
    give(identity, connection, by, (place, opens, Source::Direct), gift).await
}

async fn give(
    identity: &Identity,
    connection: &mut Connection,
    by: &Signed,
    (place, opens, source): (Place, Target, Source),
    gift: Gift,
) -> Result<GrantRecord, Denied<Refusal>> {
    let at = identity.clock.now();
    let starts_at = gift.starts_at.unwrap_or(at);
    if gift.expires_at.is_some_and(|end| end <= starts_at) {
        return Err(Denied::Refused(Refusal::EndsBeforeItBegins));
    }
    let user = users::find_or_insert(connection, identity.ids.fresh(), &gift.to, at).await?;
    let new = NewGrant {
        id: identity.ids.fresh(),
        user: user.id(),
        space: place.space,
        opens,
        price: None,
        source,
        starts_at,
        expires_at: gift.expires_at,
        purchase: None,
        granted_by: Some(by.user),
        at,
    };
    let given = grants::insert_grant(connection, new).await?.into_grant();
    let details = json!({ "user": given.user, "pass": given.pass, "experience": given.experience, "source": source.word(),
        "expires_at": given.expires_at });
    write_down(connection, by, place, ("grant.given", given.id.to_string()), (details, at)).await?;
    Ok(given)
}

/// Takes a grant away; whose it was, or `None` when it was over already.
///
/// # Errors
/// When the role does not permit it.
pub async fn revoke(
    connection: &mut Connection,
    by: &Signed,
    id: GrantId,
    at: Timestamp,
) -> Result<Option<UserId>, Denied<Refusal>> {
    let found = grants::find(connection, id).await?.map(|grant| Place { team: grant.team, space: grant.space });
    let place = require(connection, by, found).await?;
    let Some(revoked) = grants::revoke(connection, id, by.user, at).await? else { return Ok(None) };
    let details = json!({ "user": revoked.user });
    write_down(connection, by, place, ("grant.revoked", id.to_string()), (details, at)).await?;
    Ok(Some(revoked.user))
}

/// May whoever asks see these grants?
///
/// # Errors
/// When the role does not permit it.
pub async fn may_list(connection: &mut Connection, by: &Signed, listed: Listed) -> Result<(), Denied<Refusal>> {
    let found = match listed {
        Listed::OfPass(pass) => place::of_pass(connection, pass).await?,
        Listed::OfSpace(space) => place::of_space(connection, space).await?,
        Listed::OfTeam(team) => return require_in(connection, by, team).await,
        Listed::OfUser(user) if user == by.user => return Ok(()),
        Listed::OfUser(_) => None,
    };
    require(connection, by, found).await.map(|_| ())
}

/// Keeps an address out of a space; whose rights change by it.
///
/// # Errors
/// When the role does not permit it, or the end lies in the past.
pub async fn ban(connection: &mut Connection, by: &Signed, ban: &BanRecord) -> Result<Vec<UserId>, Denied<Refusal>> {
    let found = place::of_space(connection, ban.space).await?;
    let place = require(connection, by, found).await?;
    if ban.until.is_some_and(|until| until <= ban.at) {
        return Err(Denied::Refused(Refusal::EndsBeforeItBegins));
    }
    let users = bans::insert(connection, ban, by.user).await?;
    let details = json!({ "space": ban.space, "reason": ban.reason, "until": ban.until });
    write_down(connection, by, place, ("ban.made", ban.email.clone()), (details, ban.at)).await?;
    Ok(users)
}

/// Lets an address into a space again; whose rights change by it.
///
/// # Errors
/// When the role does not permit it.
pub async fn lift_ban(
    connection: &mut Connection,
    by: &Signed,
    (space, address): (SpaceId, &Address),
    at: Timestamp,
) -> Result<Vec<UserId>, Denied<Refusal>> {
    let found = place::of_space(connection, space).await?;
    let place = require(connection, by, found).await?;
    let Some(users) = bans::delete(connection, space, address.as_str(), at).await? else { return Ok(vec![]) };
    write_down(connection, by, place, ("ban.lifted", address.to_string()), (json!({ "space": space }), at)).await?;
    Ok(users)
}

/// At most `most` bans of a space, those after the address `after`.
///
/// # Errors
/// When the role does not permit it.
pub async fn list_bans(
    connection: &mut Connection,
    by: &Signed,
    space: SpaceId,
    (after, most): (&str, i64),
) -> Result<Vec<BanRecord>, Denied<Refusal>> {
    let found = place::of_space(connection, space).await?;
    require(connection, by, found).await?;
    Ok(bans::list(connection, space, after, most).await?)
}
