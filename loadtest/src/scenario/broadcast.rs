//! The broadcast that a run drives, from the schedule to the end.

use anyhow::Context;

use crate::{api::Broadcast, scenario::Stage};

/// Schedules a broadcast (or adopts the open one) and opens the lobby.
pub(super) async fn open_lobby(stage: &Stage<'_>) -> anyhow::Result<Broadcast> {
    let broadcast = stage.api.open_broadcast(stage.experience, stage.args.adopt).await?;
    if broadcast.state == "scheduled" {
        stage.api.order(&broadcast, "lobby").await?;
    }
    Ok(broadcast)
}

/// Goes live, unless that has happened.
pub(super) async fn go_live(stage: &Stage<'_>, broadcast: &Broadcast) -> anyhow::Result<()> {
    match broadcast.state.as_str() {
        "live" | "reconnecting" => Ok(()),
        _ => stage.api.order(broadcast, "go-live").await.context("the broadcast did not go live"),
    }
}

/// Ends what was opened, whatever happened in between; a broadcast that never was live is cancelled.
pub(super) async fn put_away(stage: &Stage<'_>, broadcast: &Broadcast) -> anyhow::Result<()> {
    match stage.api.order(broadcast, "end").await {
        Ok(()) => Ok(()),
        Err(refused) => stage.api.order(broadcast, "cancel").await.map_err(|_| refused),
    }
}
