//! Why somebody may open an experience, or why not; and what they hold.

use actix_web::{
    HttpResponse, get,
    web::{Data, Path, Query},
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    grants::{GrantShown, list},
    sentence,
};
use crate::{
    access::{
        Doorkeeper, RightsUnknown, Seats,
        core::{Entitlement, Opening, Opens, Reason, Rights, judge},
        store::{
            grants::Listed,
            place::{self, SpaceHeld},
        },
    },
    clock::Timestamp,
    identity::{
        Identity, Signed,
        core::{address::Address, role::Permission},
        store::{teams, users},
    },
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
    socket::door::device_name,
    store::{Denied, StoreError},
    web::{
        list::{List, Which},
        problem::{Code, Problem},
    },
};

pub(super) fn register(app: &mut ServiceConfig) {
    app.service(access).service(my_grants).service(my_spaces);
}

/// What an answer rests on.
#[derive(Serialize, ToSchema)]
struct Lineage {
    /// `staff`, or what the grant opens: `space`, `experience` or `pass`.
    through: &'static str,
    #[schema(value_type = Option<String>)]
    team_id: Option<TeamId>,
    #[schema(value_type = Option<String>)]
    grant_id: Option<GrantId>,
    #[schema(value_type = Option<String>)]
    pass_id: Option<PassId>,
    source: Option<&'static str>,
    status: Option<&'static str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Whether somebody may open something now, and why.
#[derive(Serialize, ToSchema)]
struct AccessShown {
    allowed: bool,
    /// `grant`, `staff`, or why not.
    reason: &'static str,
    /// A sentence for people.
    detail: &'static str,
    #[schema(value_type = Option<String>)]
    grant: Option<GrantId>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    lineage: Option<Lineage>,
}

impl AccessShown {
    fn new(answer: &Entitlement, rights: &Rights, opening: &Opening, checked_at: Timestamp) -> Self {
        let detail = match answer.refusal() {
            Some(refusal) => sentence(refusal),
            None if answer.reason.is_staff() => "A role in the team opens this.",
            None => "A grant opens this.",
        };
        Self {
            allowed: answer.allowed,
            reason: answer.reason.word(),
            detail,
            grant: answer.grant,
            expires_at: answer.expires_at,
            checked_at,
            lineage: lineage(answer, rights, opening),
        }
    }
}

fn lineage(answer: &Entitlement, rights: &Rights, opening: &Opening) -> Option<Lineage> {
    if answer.reason.is_staff() {
        return Some(Lineage {
            through: "staff",
            team_id: Some(opening.team),
            grant_id: None,
            pass_id: None,
            source: None,
            status: None,
            starts_at: None,
            expires_at: None,
        });
    }
    let grant = rights.grant(answer.rests_on()?)?;
    Some(Lineage {
        through: match grant.opens {
            Opens::Space => "space",
            Opens::Experience(_) => "experience",
            Opens::Pass(..) => "pass",
        },
        team_id: Some(opening.team),
        grant_id: Some(grant.id),
        pass_id: grant.opens.pass(),
        source: Some(grant.source.word()),
        status: Some(grant.status.word()),
        starts_at: Some(grant.starts_at),
        expires_at: grant.expires_at,
    })
}

/// About whom it is asked.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct About {
    /// An id or an address; whoever asks, where it is absent. About others, admins of the team may ask.
    user: Option<String>,
    /// The device on which they would watch, as `?device=` of the socket names it. With it the answer is the one that the
    /// socket's door would give there now; without it, devices are not counted.
    device: Option<String>,
}

/// Whether somebody may open an experience now, by which grant or role, or for which reason not.
#[utoipa::path(tag = "access", params(("id" = String, Path, description = "The experience"), About),
    responses((status = 200, body = AccessShown), (status = 403), (status = 404), (status = 503)))]
#[get("/api/v1/experiences/{id}/access")]
async fn access(
    (doorkeeper, identity, seats): (Data<Doorkeeper>, Data<Identity>, Data<dyn Seats>),
    signed: Signed,
    experience: Path<ExperienceId>,
    about: Query<About>,
) -> Result<HttpResponse, Problem> {
    let device = about.device.as_deref().filter(|device| !device.is_empty());
    if device.is_some_and(|device| device_name(device).is_none()) {
        return Err(Problem::new(Code::Malformed).detail("A device is named by at most 64 letters, digits, - and _."));
    }
    let opening = doorkeeper.opening(*experience).await?.ok_or(Code::NotFound)?;
    let user = match &about.user {
        None => Some(signed.user),
        Some(user) => somebody(&identity, &signed, opening.team, user).await?,
    };
    let now = identity.clock.now();
    let shown = match user {
        Some(user) => {
            let (mut answer, rights) = doorkeeper.judge_opening(user, &opening).await?;
            if let (Reason::Grant, Some(device)) = (answer.reason, device) {
                let room = seats.has_room(user, *experience, device.to_owned()).await;
                if !room.ok_or(RightsUnknown)? {
                    answer = answer.on_a_device_too_many();
                }
            }
            AccessShown::new(&answer, &rights, &opening, now)
        }
        // nobody has this address: what is told is what is told of somebody who holds nothing
        None => {
            let nobody = Rights::none(UserId(uuid::Uuid::nil()));
            AccessShown::new(&judge(now, &nobody, &opening), &nobody, &opening, now)
        }
    };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(shown))
}

/// The person that is named by id or address, for those who may ask about them; `None` when nobody has the address.
async fn somebody(identity: &Identity, signed: &Signed, team: TeamId, named: &str) -> Result<Option<UserId>, Problem> {
    let (id, address) = match named.parse::<UserId>() {
        Ok(id) => (Some(id), None),
        Err(_) => (None, Some(Address::parse(named)?)),
    };
    if id == Some(signed.user) || address.as_ref().is_some_and(|address| address.as_str() == &*signed.email) {
        return Ok(Some(signed.user));
    }
    let by = signed.user;
    let found = identity
        .store
        .run(move |connection| {
            async move {
                teams::require(connection, by, team, Permission::ManageAccess).await?;
                match address {
                    Some(address) => Ok(users::find_by_address(connection, &address).await?.map(|user| user.id())),
                    None => Ok(id),
                }
            }
            .boxed()
        })
        .await;
    found.map_err(|denied: Denied<crate::identity::core::role::Refusal>| denied.into())
}

/// The grants of whoever asks, the newest first.
#[utoipa::path(tag = "access", params(Which), responses((status = 200, body = List<GrantShown>)))]
#[get("/api/v1/me/grants")]
async fn my_grants(identity: Data<Identity>, signed: Signed, which: Query<Which>) -> Result<HttpResponse, Problem> {
    let mine = Listed::OfUser(signed.user);
    list(&identity, signed, mine, &which).await
}

/// A space of which somebody holds or held something, and whether its member page opens now.
#[derive(Serialize, ToSchema)]
struct SpaceShown {
    #[schema(value_type = String)]
    id: SpaceId,
    #[schema(value_type = String)]
    team_id: TeamId,
    slug: String,
    name: String,
    tagline: Option<String>,
    status: String,
    access: AccessShown,
}

/// The spaces of which whoever asks holds or held something, by name.
#[utoipa::path(tag = "access", params(Which), responses((status = 200, body = List<SpaceShown>), (status = 503)))]
#[get("/api/v1/me/spaces")]
async fn my_spaces(
    (doorkeeper, identity): (Data<Doorkeeper>, Data<Identity>),
    signed: Signed,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let most = which.most()?;
    let after = which.after::<SpaceId>()?;
    let user = signed.user;
    let held: Vec<SpaceHeld> = identity
        .store
        .run(move |connection| async move { place::held_by(connection, user, after, most + 1).await }.boxed())
        .await
        .map_err(|fault: StoreError| Problem::from(fault))?;
    let rights = doorkeeper.rights(user).await?;
    let now = identity.clock.now();
    let shown = |held: SpaceHeld| {
        let opening = Opening {
            team: held.place.team,
            space: held.place.space,
            space_published: held.status == "published",
            experience: None,
        };
        SpaceShown {
            id: held.place.space,
            team_id: held.place.team,
            slug: held.slug,
            name: held.name,
            tagline: held.tagline,
            status: held.status,
            access: AccessShown::new(&judge(now, &rights, &opening), &rights, &opening, now),
        }
    };
    Ok(HttpResponse::Ok().json(List::of(held, most, |held| held.place.space.to_string()).map(shown)))
}
