//! The pages of the storefront: the public ones, the member's own, and the studio's, each filled from one look at the database.

pub mod member;
pub mod public;
pub mod studio;
mod words;

use actix_web::web;

use super::{
    Catalog,
    core::experience::Experience,
    store::public::{Held, Open},
};
use crate::{
    access::{
        core::{Source, Status},
        store::grants::GrantRecord,
    },
    clock::Timestamp,
    ids::ExperienceId,
    web::view::{
        member::GrantState,
        parts::{Cue, OnAir},
    },
};

/// Registers every page. They stand last: a space's name is whatever no other route is.
pub fn register(app: &mut web::ServiceConfig) {
    member::register(app);
    studio::register(app);
    public::register(app);
}

/// The lamp of an open broadcast's state.
fn cue(state: Option<&str>) -> Cue {
    match state {
        Some("scheduled") => Cue::Scheduled,
        Some("lobby") => Cue::Lobby,
        Some("live") => Cue::Live,
        Some("reconnecting") => Cue::Reconnecting,
        Some("ended") => Cue::Ended,
        Some("cancelled") => Cue::Cancelled,
        Some(_) | None => Cue::Offline,
    }
}

/// What is on, told of the liveliest of these broadcasts; a title falls back to `fallback`.
fn on_air(catalog: &Catalog, open: Option<&Open>, fallback: &str) -> OnAir {
    let Some(open) = open else { return OnAir::Quiet };
    let title = open.title.clone().unwrap_or_else(|| fallback.to_owned());
    let here = || catalog.watching.watching(open.experience);
    match (cue(Some(&open.state)), open.scheduled_at, open.live_at) {
        (Cue::Live | Cue::Reconnecting, _, Some(since)) => OnAir::Live { title, since: since.into(), watching: here() },
        (Cue::Lobby, at, _) => OnAir::Lobby { title, at: at.map(Into::into), waiting: here() },
        (Cue::Scheduled, Some(at), _) => OnAir::Next { title, at: at.into() },
        _ => OnAir::Quiet,
    }
}

/// The name of the experience a broadcast is in.
fn name_of(experiences: &[Experience], id: ExperienceId) -> &str {
    experiences.iter().find(|one| one.id == id).map_or("", |one| one.fields.name.as_str())
}

/// The address of a member's room.
fn room(space: &str, experience: Option<&str>) -> String {
    match experience {
        Some(experience) => format!("/account/purchased_spaces/{space}/experiences/{experience}"),
        None => format!("/account/purchased_spaces/{space}"),
    }
}

/// Where a grant came from, in words.
fn source_words(source: Source) -> &'static str {
    match source {
        Source::Free => "joined free",
        Source::Comp | Source::Direct => "given by the team",
        Source::Import => "brought along",
    }
}

/// How a grant stands at `now`, in the page's words.
fn grant_state(now: Timestamp, grant: &GrantRecord) -> GrantState {
    match grant.status_at(now) {
        Status::Active | Status::Trialing if grant.starts_at > now => GrantState::NotYet,
        Status::Active | Status::Trialing => GrantState::Active,
        Status::PastDue => GrantState::PastDue,
        Status::Paused => GrantState::Paused,
        Status::Expired => GrantState::Expired,
        Status::Revoked => GrantState::Revoked,
        Status::Refunded => GrantState::Refunded,
        Status::Disputed => GrantState::Disputed,
    }
}

/// Whether something held opens an experience, given what the passes include.
fn opens(held: &Held, experience: ExperienceId, includes: impl Fn(uuid::Uuid) -> bool) -> bool {
    match (held.pass, held.experience) {
        (Some(pass), _) => includes(pass),
        (None, Some(one)) => one == experience.0,
        (None, None) => true,
    }
}
