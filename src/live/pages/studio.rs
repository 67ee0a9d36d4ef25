//! The creator's studio of a live experience, and its settings.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{Place, cue, facts, is_loopback, until};
use crate::{
    identity::{Signed, core::role::Permission},
    live::{
        desk::Desk,
        ledger::Saved,
        page_store::{self, Facts},
    },
    web::{
        page::{Pages, moved, page},
        problem::Problem,
        view::{
            layout::Section,
            parts::{Cue, Moment},
            studio::{
                LiveSettings, May, OpenBroadcast, PastBroadcast, SpaceStatus, StageState, StudioLivePage,
                StudioSettingsPage, StudioSpace,
            },
        },
    },
};

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/studio/{space}/experiences/{experience}", web::get().to(studio))
        .route("/studio/{space}/experiences/{experience}/settings", web::get().to(settings));
}

/// The facts of an experience that this person may see in the studio, and what they may do there.
async fn backstage(desk: &Desk, signed: &Signed, place: Place) -> Result<(Facts, StudioSpace), Problem> {
    let facts = facts(desk, place).await?;
    let role = desk.permitted(signed, facts.team, Permission::ReadTeam).await?;
    let permits = |permission| crate::identity::core::role::permits(role, permission);
    let status = match facts.space_status.as_str() {
        "published" => SpaceStatus::Published,
        "archived" => SpaceStatus::Archived,
        _ => SpaceStatus::Draft,
    };
    let space = StudioSpace {
        id: facts.space.to_string(),
        team: facts.team.to_string(),
        slug: facts.space_slug.clone(),
        name: facts.space_name.clone(),
        tagline: facts.tagline.clone(),
        description: facts.space_text.clone(),
        status,
        private: facts.private,
        may: May { edit: permits(Permission::EditContent), admit: permits(Permission::ManageAccess) },
        stage: Some(facts.slug.clone()),
    };
    Ok((facts, space))
}

fn live_settings(facts: &Facts) -> LiveSettings {
    LiveSettings {
        lobby_lead_secs: facts.lobby_lead_secs,
        publisher_grace_secs: facts.publisher_grace_secs,
        auto_start: facts.auto_start,
        device_limit: facts.device_limit,
        drops_oldest: facts.drops_oldest,
    }
}

async fn studio(
    request: HttpRequest,
    desk: web::Data<Desk>,
    pages: web::Data<Pages>,
    signed: Signed,
    place: Place,
) -> Result<HttpResponse, Problem> {
    let (facts, space) = backstage(&desk, &signed, place).await?;
    if let Some(elsewhere) = moved(&request, &format!("/studio/{}/experiences/{}", facts.space_slug, facts.slug)) {
        return Ok(elsewhere);
    }
    let view = desk.directory.describe(facts.experience).await?;
    let at = view.broadcast.as_ref();
    let open = at.filter(|at| !at.stage.is_over()).map(|at| OpenBroadcast {
        id: at.id.to_string(),
        title: at.title.clone().unwrap_or_default(),
        state: cue(at),
        scheduled_at: at.scheduled_at.map(|at| at.to_string()),
        live_at: at.live_at().map(|at| at.to_string()),
        until: until(at).map(|at| at.to_string()),
    });
    let saved = desk.ledger.list(facts.experience).await?;
    let past = saved.iter().filter(|saved| saved.broadcast.stage.is_over()).map(past).collect();
    let shown = StudioLivePage {
        layout: pages.layout(&request, Some(&signed), &facts.name, Section::Studio),
        cue: at.map_or(Cue::Offline, cue),
        audience: view.audience.now.into(),
        peak: view.audience.peak.into(),
        entitled: page_store::holders(&desk.store, facts.space).await?,
        past,
        state: StageState {
            experience: facts.experience.to_string(),
            socket: format!("/api/v1/experiences/{}/studio", facts.experience),
            broadcast: open,
            settings: live_settings(&facts),
            loopback: is_loopback(&desk.media_url),
            picture: desk.picture,
            may_run: space.may.edit,
        },
        slug: facts.slug,
        name: facts.name,
        space,
    };
    page(StatusCode::OK, &shown)
}

fn past(saved: &Saved) -> PastBroadcast {
    let at = &saved.broadcast;
    let length = match (at.live_at(), at.ended_at()) {
        (Some(from), Some(to)) => {
            let minutes = to.since(from).as_secs().div_ceil(60);
            if minutes < 60 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
        }
        _ => String::new(),
    };
    PastBroadcast {
        title: at.title.clone().unwrap_or_default(),
        cue: cue(at),
        at: at.live_at().or(at.ended_at()).map(Moment::from),
        length,
        peak: saved.peak.into(),
    }
}

async fn settings(
    request: HttpRequest,
    desk: web::Data<Desk>,
    pages: web::Data<Pages>,
    signed: Signed,
    place: Place,
) -> Result<HttpResponse, Problem> {
    let (facts, space) = backstage(&desk, &signed, place).await?;
    let path = format!("/studio/{}/experiences/{}/settings", facts.space_slug, facts.slug);
    if let Some(elsewhere) = moved(&request, &path) {
        return Ok(elsewhere);
    }
    let shown = StudioSettingsPage {
        layout: pages.layout(&request, Some(&signed), &facts.name, Section::Studio),
        settings: live_settings(&facts),
        space,
        id: facts.experience.to_string(),
        slug: facts.slug,
        name: facts.name,
        description: facts.text,
    };
    page(StatusCode::OK, &shown)
}
