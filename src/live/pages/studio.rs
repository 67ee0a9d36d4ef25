//! The pages of live experiences: the member's room or its closed door, and the creator's studio.

use actix_web::{HttpRequest, web};

use super::{
    core::broadcast::{Broadcast, Stage},
    core::reaction::REACTIONS,
    desk::Desk,
    ledger::Saved,
    order::View,
    page_store::{self, Facts},
};
use crate::{
    access::{
        Doorkeeper,
        core::{Entitlement, Grant, Reason, Refusal},
    },
    clock::Timestamp,
    identity::{Signed, core::role::Permission},
    web::{
        page::Pages,
        problem::{Code, Problem},
        view::{
            experience::{Door, ExperiencePage, OpenBecause, PassLink, Room, Shut, ShutReason, WatchState},
            layout::Section,
            parts::{Cue, Moment},
            studio::{
                LiveSettings, May, OpenBroadcast, PastBroadcast, SpaceStatus, StageState, StudioLivePage,
                StudioSettingsPage, StudioSpace,
            },
        },
    },
};

/// Registers the pages.
pub fn register(app: &mut web::ServiceConfig) {
    app.route("/account/purchased_spaces/{space}/experiences/{experience}", web::get().to(experience))
        .route("/account/purchased_spaces/{space}/experiences/{experience}/stream", web::get().to(experience))
        .route("/studio/{space}/experiences/{experience}", web::get().to(studio))
        .route("/studio/{space}/experiences/{experience}/settings", web::get().to(settings));
}

type Place = web::Path<(String, String)>;

async fn experience(
    request: HttpRequest,
    desk: web::Data<Desk>,
    doorkeeper: web::Data<Doorkeeper>,
    pages: web::Data<Pages>,
    signed: Signed,
    place: Place,
) -> Result<ExperiencePage, Problem> {
    let facts = facts(&desk, place).await?;
    let now = desk.clock.now();
    let judged = match (doorkeeper.judge(signed.user, facts.experience).await, doorkeeper.rights(signed.user).await) {
        (Ok(Some(told)), Ok(rights)) => Some((told, rights)),
        (Ok(None), _) => return Err(Code::NotFound.into()),
        (Err(_), _) | (_, Err(_)) => None,
    };
    let staff = judged.as_ref().is_some_and(|(told, _)| told.reason == Reason::Staff);
    if facts.space_status != "published" && !staff {
        return Err(Code::NotFound.into());
    }
    let door = match judged {
        None => Door::Unknown,
        Some((told, rights)) => {
            let grant = told.rests_on().and_then(|id| rights.grant(id));
            if told.allowed {
                let view = desk.directory.describe(facts.experience).await?;
                Door::Open(Box::new(room(&desk, now, &facts, &view, &told, grant).await?))
            } else {
                Door::Shut(shut(&desk, &facts, &told, grant).await?)
            }
        }
    };
    Ok(ExperiencePage {
        layout: pages.layout(&request, Some(&signed), &facts.name, Section::Spaces),
        space_slug: facts.space_slug,
        space_name: facts.space_name,
        slug: facts.slug,
        name: facts.name,
        text: facts.text,
        staff,
        door,
    })
}

async fn facts(desk: &Desk, place: Place) -> Result<Facts, Problem> {
    let (space, experience) = place.into_inner();
    Ok(page_store::find(&desk.store, space, experience).await?.ok_or(Code::NotFound)?)
}

async fn room(
    desk: &Desk,
    now: Timestamp,
    facts: &Facts,
    view: &View,
    told: &Entitlement,
    grant: Option<&Grant>,
) -> Result<Room, Problem> {
    let at = view.broadcast.as_ref();
    let cue = at.map_or(Cue::Offline, cue);
    let starts_at = at.filter(|_| matches!(cue, Cue::Scheduled | Cue::Lobby)).and_then(|at| at.scheduled_at);
    let until = at.and_then(until);
    let pass = match grant.and_then(|grant| grant.opens.pass()) {
        None => None,
        Some(pass) => {
            let passes = page_store::opened_by(&desk.store, facts.experience).await?;
            passes.into_iter().find(|known| known.id == pass).map(|known| known.name)
        }
    };
    let because = match grant {
        Some(grant) => OpenBecause::Grant {
            pass,
            source: grant.source.word().to_owned(),
            since: grant.starts_at.into(),
            until: told.expires_at.map(Moment::from),
        },
        None => OpenBecause::Staff { role: "team".to_owned() },
    };
    debug_assert!(told.expires_at.is_none_or(|end| end > now), "an open door whose right is over");
    Ok(Room {
        cue,
        title: at.and_then(|at| at.title.clone()).unwrap_or_default(),
        starts_at: starts_at.map(Moment::from),
        until: until.map(Moment::from),
        ended_at: at.and_then(Broadcast::ended_at).map(Moment::from),
        audience: view.audience.now.into(),
        peak: view.audience.peak.into(),
        because,
        device_limit: facts.device_limit,
        state: WatchState {
            experience: facts.experience.to_string(),
            socket: format!("/api/v1/experiences/{}/live", facts.experience),
            state: cue,
            starts_at: starts_at.map(|at| at.to_string()),
            until: until.map(|at| at.to_string()),
            loopback: is_loopback(&desk.media_url),
            picture: desk.picture,
            reactions: REACTIONS.map(str::to_owned).to_vec(),
        },
    })
}

async fn shut(desk: &Desk, facts: &Facts, told: &Entitlement, grant: Option<&Grant>) -> Result<Shut, Problem> {
    let passes = page_store::opened_by(&desk.store, facts.experience).await?;
    let held = grant.and_then(|grant| grant.opens.pass());
    let pass = held.and_then(|held| passes.iter().find(|known| known.id == held)).map(|known| known.name.clone());
    let refusal = told.refusal().unwrap_or(Refusal::NoGrant);
    let at = grant.and_then(|grant| match refusal {
        Refusal::NotYet => Some(grant.starts_at),
        Refusal::Expired => grant.expires_at,
        Refusal::PastDueOver => grant.past_due_until,
        Refusal::Banned
        | Refusal::DeviceLimit
        | Refusal::Disputed
        | Refusal::Refunded
        | Refusal::Revoked
        | Refusal::Paused
        | Refusal::NotIncluded
        | Refusal::SpaceUnpublished
        | Refusal::NoGrant => None,
    });
    Ok(Shut {
        reason: shut_reason(refusal),
        pass,
        at: at.map(Moment::from),
        words: None,
        device_limit: facts.device_limit,
        opened_by: passes
            .into_iter()
            .map(|pass| PassLink { slug: pass.slug, name: pass.name, free: pass.free })
            .collect(),
        still_open: vec![],
    })
}

fn shut_reason(refusal: Refusal) -> ShutReason {
    match refusal {
        Refusal::Banned => ShutReason::Banned,
        Refusal::DeviceLimit => ShutReason::DeviceLimit,
        Refusal::Disputed => ShutReason::Disputed,
        Refusal::Refunded => ShutReason::Refunded,
        Refusal::Revoked => ShutReason::Revoked,
        Refusal::PastDueOver => ShutReason::PastDueOver,
        Refusal::Paused => ShutReason::Paused,
        Refusal::Expired => ShutReason::Expired,
        Refusal::NotYet => ShutReason::NotYet,
        Refusal::NotIncluded => ShutReason::NotIncluded,
        Refusal::SpaceUnpublished => ShutReason::SpaceUnpublished,
        Refusal::NoGrant => ShutReason::NoGrant,
    }
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
    }
}

async fn studio(
    request: HttpRequest,
    desk: web::Data<Desk>,
    pages: web::Data<Pages>,
    signed: Signed,
    place: Place,
) -> Result<StudioLivePage, Problem> {
    let (facts, space) = backstage(&desk, &signed, place).await?;
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
    Ok(StudioLivePage {
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
    })
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
) -> Result<StudioSettingsPage, Problem> {
    let (facts, space) = backstage(&desk, &signed, place).await?;
    Ok(StudioSettingsPage {
        layout: pages.layout(&request, Some(&signed), &facts.name, Section::Studio),
        settings: live_settings(&facts),
        space,
        id: facts.experience.to_string(),
        slug: facts.slug,
        name: facts.name,
        description: facts.text,
    })
}
