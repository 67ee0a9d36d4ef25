//! The pages of live experiences: the member's room or its closed door, and the creator's studio.

mod door;
mod room;
mod studio;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Deserialize;

use super::{
    core::broadcast::{Broadcast, Stage},
    desk::Desk,
    page_store::{self, Facts},
};
use crate::{
    access::{
        Doorkeeper,
        core::{Entitlement, Reason, Rights, Status},
    },
    clock::Timestamp,
    identity::Signed,
    socket::door::device_name,
    storefront::core::slug::Slug,
    web::{
        page::{Pages, moved, page},
        problem::{Code, Problem},
        view::{
            experience::{Door, ExperiencePage},
            layout::Section,
            parts::Cue,
        },
    },
};

/// Registers the pages.
pub fn register(app: &mut web::ServiceConfig) {
    app.route("/account/purchased_spaces/{space}/experiences/{experience}", web::get().to(experience))
        .route("/account/purchased_spaces/{space}/experiences/{experience}/stream", web::get().to(experience));
    studio::register(app);
}

type Place = web::Path<(String, String)>;

/// Which device asks; a browser names itself here only when the door has already refused it.
#[derive(Deserialize)]
struct On {
    device: Option<String>,
}

async fn experience(
    request: HttpRequest,
    (desk, doorkeeper, pages): (web::Data<Desk>, web::Data<Doorkeeper>, web::Data<Pages>),
    signed: Signed,
    place: Place,
    on: web::Query<On>,
) -> Result<HttpResponse, Problem> {
    let facts = facts(&desk, place).await?;
    let suffix = if request.path().ends_with("/stream") { "/stream" } else { "" };
    let path = format!("/account/purchased_spaces/{}/experiences/{}{suffix}", facts.space_slug, facts.slug);
    let asked = Asked { desk: &desk, doorkeeper: &doorkeeper, signed: &signed, facts: &facts };
    let (staff, door) = match asked.judged(on.into_inner().device).await? {
        None => (false, Door::Unknown),
        Some((told, rights)) => (told.reason == Reason::Staff, asked.door(&told, &rights).await?),
    };
    if let Some(elsewhere) = moved(&request, &path) {
        return Ok(elsewhere);
    }
    let shown = ExperiencePage {
        layout: pages.layout(&request, Some(&signed), &facts.name, Section::Spaces),
        space_slug: facts.space_slug,
        space_name: facts.space_name,
        slug: facts.slug,
        name: facts.name,
        text: facts.text,
        staff,
        door,
    };
    page(StatusCode::OK, &shown)
}

/// Somebody in front of a door.
struct Asked<'a> {
    desk: &'a Desk,
    doorkeeper: &'a Doorkeeper,
    signed: &'a Signed,
    facts: &'a Facts,
}

impl Asked<'_> {
    /// What the doorkeeper says, and the rights it looked at; `None` when it cannot be known just now.
    async fn judged(&self, device: Option<String>) -> Result<Option<(Entitlement, std::sync::Arc<Rights>)>, Problem> {
        let (user, experience) = (self.signed.user, self.facts.experience);
        let known = match self.doorkeeper.opening(experience).await {
            Ok(opening) => self.doorkeeper.judge_opening(user, &opening.ok_or(Code::NotFound)?).await,
            Err(unknown) => Err(unknown),
        };
        let Ok((mut told, rights)) = known else {
            return if self.is_for_everybody() { Ok(None) } else { Err(Code::NotFound.into()) };
        };
        let held = |grant: &&crate::access::core::Grant| grant.space == self.facts.space;
        let holds = rights.grants.iter().filter(held).any(|grant| grant.status != Status::Revoked);
        if !(holds || told.reason.is_staff() || self.is_for_everybody()) {
            return Err(Code::NotFound.into());
        }
        if let Some(device) = device.as_deref().and_then(device_name).filter(|_| told.reason == Reason::Grant)
            && self.desk.directory.has_room(experience, user, device.to_owned()).await == Some(false)
        {
            told = told.on_a_device_too_many();
        }
        Ok(Some((told, rights)))
    }

    /// Whether strangers may know that the space is there.
    fn is_for_everybody(&self) -> bool {
        self.facts.space_status == "published" && !self.facts.private
    }

    async fn door(&self, told: &Entitlement, rights: &Rights) -> Result<Door, Problem> {
        if told.allowed {
            Ok(Door::Open(Box::new(self.room(told, rights).await?)))
        } else {
            Ok(Door::Shut(self.shut(told, rights).await?))
        }
    }
}

/// The live experience that an address means, also by names that were given up.
async fn facts(desk: &Desk, place: Place) -> Result<Facts, Problem> {
    let (space, experience) = place.into_inner();
    let names = Slug::meant_by(&space).zip(Slug::meant_by(&experience)).ok_or(Code::NotFound)?;
    Ok(page_store::find(&desk.store, names).await?.ok_or(Code::NotFound)?)
}

/// The cue lamp of a broadcast.
#[must_use]
pub fn cue(at: &Broadcast) -> Cue {
    match &at.stage {
        Stage::Scheduled => Cue::Scheduled,
        Stage::Lobby { .. } => Cue::Lobby,
        Stage::Live { .. } => Cue::Live,
        Stage::Reconnecting { .. } => Cue::Reconnecting,
        Stage::Ended { .. } => Cue::Ended,
        Stage::Cancelled { .. } => Cue::Cancelled,
    }
}

fn until(at: &Broadcast) -> Option<Timestamp> {
    match &at.stage {
        Stage::Reconnecting { until, .. } => Some(*until),
        Stage::Scheduled | Stage::Lobby { .. } | Stage::Live { .. } | Stage::Ended { .. } | Stage::Cancelled { .. } => {
            None
        }
    }
}

fn is_loopback(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")))
}
