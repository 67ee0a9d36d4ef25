//! The broadcast that a run drives, from the schedule to the end.

use anyhow::{Context, anyhow};

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

/// Does `run` and then ends the broadcast, however `run` went, also when it is stopped by hand.
pub(super) async fn during(
    stage: &Stage<'_>,
    broadcast: &Broadcast,
    run: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let ran = tokio::select! {
        ran = run => ran,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped by hand")),
    };
    let ended = put_away(stage, broadcast).await;
    ran?;
    ended
}

/// Ends what was opened; a broadcast that never was live is cancelled.
async fn put_away(stage: &Stage<'_>, broadcast: &Broadcast) -> anyhow::Result<()> {
    match stage.api.order(broadcast, "end").await {
        Ok(()) => Ok(()),
        Err(refused) => stage.api.order(broadcast, "cancel").await.map_err(|_| refused),
    }
}
