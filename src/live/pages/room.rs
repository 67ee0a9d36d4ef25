//! The open room: what is on, and why the door is open for this person.

use super::{Asked, cue, is_loopback, until};
use crate::{
    access::{
        core::{Entitlement, Grant, Rights},
        store::told,
    },
    identity::core::role::Permission,
    live::{
        core::{broadcast::Broadcast, reaction::REACTIONS},
        order::View,
    },
    store::StoreError,
    web::{
        problem::Problem,
        view::{
            experience::{OpenBecause, Room, WatchState},
            parts::{Cue, Moment},
        },
    },
};
use futures_util::FutureExt;

impl Asked<'_> {
    pub(super) async fn room(&self, told: &Entitlement, rights: &Rights) -> Result<Room, Problem> {
        let view = self.desk.directory.describe(self.facts.experience).await?;
        let because = match told.grant.and_then(|id| rights.grant(id)) {
            Some(grant) => self.by_grant(told, grant).await?,
            None => {
                let team = self.facts.team;
                let role = self.desk.permitted(self.signed, team, Permission::EnterAsStaff).await?;
                OpenBecause::Staff { role: role.word().to_owned() }
            }
        };
        Ok(self.shown(&view, because))
    }

    async fn by_grant(&self, told: &Entitlement, grant: &Grant) -> Result<OpenBecause, Problem> {
        Ok(OpenBecause::Grant {
            pass: self.told_about(grant).await?.pass,
            source: grant.source.word().to_owned(),
            since: grant.starts_at.into(),
            until: told.expires_at.map(Moment::from),
        })
    }

    /// The pass a grant came with and when it ended, as its holder is told.
    pub(super) async fn told_about(&self, grant: &Grant) -> Result<told::Told, StoreError> {
        let id = grant.id;
        let found: Result<_, StoreError> =
            self.desk.store.run(move |connection| async move { told::about(connection, id).await }.boxed()).await;
        Ok(found?.unwrap_or(told::Told { pass: None, ended_at: None }))
    }

    fn shown(&self, view: &View, because: OpenBecause) -> Room {
        let (desk, facts, at) = (self.desk, self.facts, view.broadcast.as_ref());
        let cue = at.map_or(Cue::Offline, cue);
        let starts_at = at.filter(|_| matches!(cue, Cue::Scheduled | Cue::Lobby)).and_then(|at| at.scheduled_at);
        let until = at.and_then(until);
        Room {
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
        }
    }
}
