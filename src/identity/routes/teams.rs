//! Teams and their members over HTTP.

use std::sync::{Arc, OnceLock};

use actix_web::{HttpResponse, delete, get, patch, post, web};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{checked_name, needs_all};
use crate::{
    clock::Timestamp,
    identity::{
        Identity, Signed,
        core::{address::Address, role::Role},
        store::{members::Member, teams::Team},
        team::Refusal,
    },
    ids::{MembershipId, TeamId, UserId},
    store::Denied,
    web::{
        idempotency::{Idempotency, Replays, Reply},
        list::List,
        problem::{Code, Problem},
    },
};

/// Adds these routes to the application and to its description.
pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(make_team)
        .service(read_team)
        .service(rename_team)
        .service(list_members)
        .service(add_member)
        .service(change_member)
        .service(remove_member);
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Role(refusal) => refusal.into(),
            Refusal::NoSuchMember => Code::NotFound.into(),
            Refusal::AlreadyMember => Code::AlreadyMember.into(),
            Refusal::LastOwner => Code::LastOwner.into(),
            Refusal::TooMany => Code::LimitReached.into(),
        }
    }
}

/// A team.
#[derive(Serialize, ToSchema)]
struct TeamShown {
    #[schema(value_type = String)]
    id: TeamId,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Team> for TeamShown {
    fn from(team: Team) -> Self {
        Self { id: team.id(), created_at: team.created_at(), name: team.name }
    }
}

/// The name of a team.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TeamNamed {
    name: String,
}

/// Makes a team that belongs to whoever asks.
#[utoipa::path(tag = "Teams", request_body = TeamNamed, responses((status = 201, body = TeamShown)))]
#[post("/api/v1/teams")]
async fn make_team(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    body: web::Json<TeamNamed>,
) -> Result<HttpResponse, Problem> {
    let name = checked_name(&body.name)?;
    let (me, by) = (identity.clone(), signed.clone());
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let team = me.make_team(connection, &by, &name).await?;
                Ok::<_, Denied<Refusal>>(Reply::created(&TeamShown::from(team)))
            }
            .boxed()
        })
        .await?;
    identity.membership_changed(signed.user);
    Ok(answer)
}

/// A team, for its members.
#[utoipa::path(tag = "Teams", params(("id" = String, Path)),
    responses((status = 200, body = TeamShown), (status = 404, description = "Not a team of this person")))]
#[get("/api/v1/teams/{id}")]
async fn read_team(
    identity: web::Data<Identity>,
    signed: Signed,
    id: web::Path<TeamId>,
) -> Result<HttpResponse, Problem> {
    let (me, by, id) = (identity.clone(), signed, *id);
    let (team, _) =
        identity.store.run(move |connection| async move { me.read_team(connection, &by, id).await }.boxed()).await?;
    Ok(HttpResponse::Ok().json(TeamShown::from(team)))
}

/// Gives a team another name.
#[utoipa::path(tag = "Teams", params(("id" = String, Path)), request_body = TeamNamed,
    responses((status = 200, body = TeamShown), (status = 403, description = "`forbidden`")))]
#[patch("/api/v1/teams/{id}")]
async fn rename_team(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<TeamId>,
    body: web::Json<TeamNamed>,
) -> Result<HttpResponse, Problem> {
    let name = checked_name(&body.name)?;
    let (me, by, id) = (identity.clone(), signed.clone(), *id);
    once.once(&replays, &signed, &*body, move |connection| {
        async move {
            let team = me.rename_team(connection, &by, id, &name).await?;
            Ok::<_, Denied<Refusal>>(Reply::ok(&TeamShown::from(team)))
        }
        .boxed()
    })
    .await
}

/// The person of a membership.
#[derive(Serialize, ToSchema)]
struct MemberUser {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: Option<String>,
}

/// A member.
#[derive(Serialize, ToSchema)]
struct MemberShown {
    #[schema(value_type = String)]
    id: MembershipId,
    user: MemberUser,
    #[schema(value_type = String)]
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
}

impl From<Member> for MemberShown {
    fn from(member: Member) -> Self {
        let Member { id, user, email, name, role, joined_at } = member;
        Self { id, user: MemberUser { id: user, email, name }, role, joined_at }
    }
}

/// The members of a team, for members.
#[utoipa::path(tag = "Teams", params(("id" = String, Path)), responses((status = 200, body = List<MemberShown>)))]
#[get("/api/v1/teams/{id}/members")]
async fn list_members(
    identity: web::Data<Identity>,
    signed: Signed,
    id: web::Path<TeamId>,
) -> Result<HttpResponse, Problem> {
    let (me, by, id) = (identity.clone(), signed, *id);
    let members =
        identity.store.run(move |connection| async move { me.list_members(connection, &by, id).await }.boxed()).await?;
    Ok(HttpResponse::Ok().json(List::<MemberShown>::whole(members.into_iter().map(Into::into).collect())))
}

/// Somebody who shall belong to the team.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberWanted {
    email: String,
    #[schema(value_type = String)]
    role: Role,
}

/// Takes somebody into the team.
#[utoipa::path(tag = "Teams", params(("id" = String, Path)), request_body = MemberWanted,
    responses((status = 201, body = MemberShown), (status = 409, description = "`already_member`")))]
#[post("/api/v1/teams/{id}/members")]
async fn add_member(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    id: web::Path<TeamId>,
    body: web::Json<MemberWanted>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let (address, role) = (Address::parse(&body.email)?, body.role);
    let (me, by, team) = (identity.clone(), signed.clone(), *id);
    let joined = Arc::new(OnceLock::new());
    let seen = joined.clone();
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let member = me.add_member(connection, &by, team, &address, role).await?;
                _ = seen.set(member.user);
                Ok::<_, Denied<Refusal>>(Reply::created(&MemberShown::from(member)))
            }
            .boxed()
        })
        .await?;
    follow(&identity, &joined);
    Ok(answer)
}

/// The role a member shall have.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleWanted {
    #[schema(value_type = String)]
    role: Role,
}

/// Gives a member another role.
#[utoipa::path(tag = "Teams", params(("id" = String, Path), ("member" = String, Path)), request_body = RoleWanted,
    responses((status = 200, body = MemberShown), (status = 409, description = "`last_owner`")))]
#[patch("/api/v1/teams/{id}/members/{member}")]
async fn change_member(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    place: web::Path<(TeamId, MembershipId)>,
    body: web::Json<RoleWanted>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let (me, by, place, role) = (identity.clone(), signed.clone(), place.into_inner(), body.role);
    let changed = Arc::new(OnceLock::new());
    let seen = changed.clone();
    let answer = once
        .once(&replays, &signed, &*body, move |connection| {
            async move {
                let member = me.change_role(connection, &by, place, role).await?;
                _ = seen.set(member.user);
                Ok::<_, Denied<Refusal>>(Reply::ok(&MemberShown::from(member)))
            }
            .boxed()
        })
        .await?;
    follow(&identity, &changed);
    Ok(answer)
}

/// A member leaves, by themselves or sent away.
#[utoipa::path(tag = "Teams", params(("id" = String, Path), ("member" = String, Path)),
    responses((status = 204, description = "Left"), (status = 409, description = "`last_owner`")))]
#[delete("/api/v1/teams/{id}/members/{member}")]
async fn remove_member(
    identity: web::Data<Identity>,
    replays: web::Data<Replays>,
    signed: Signed,
    once: Idempotency,
    place: web::Path<(TeamId, MembershipId)>,
) -> Result<HttpResponse, Problem> {
    needs_all(&signed)?;
    let (me, by, place) = (identity.clone(), signed.clone(), place.into_inner());
    let removed = Arc::new(OnceLock::new());
    let seen = removed.clone();
    let answer = once
        .once(&replays, &signed, &(), move |connection| {
            async move {
                let member = me.remove_member(connection, &by, place).await?;
                _ = seen.set(member.user);
                Ok::<_, Denied<Refusal>>(Reply::nothing())
            }
            .boxed()
        })
        .await?;
    follow(&identity, &removed);
    Ok(answer)
}

/// Reads the rights anew of whom a change concerned; nobody when an answer was only given again.
fn follow(identity: &Identity, whom: &OnceLock<UserId>) {
    if let Some(user) = whom.get() {
        identity.membership_changed(*user);
    }
}
