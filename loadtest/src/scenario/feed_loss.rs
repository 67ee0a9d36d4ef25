//! `feed-loss`: the creator's media is lost and comes back; nobody may see an end.

use std::time::Duration;

use anyhow::{Context, ensure};
use url::Url;

use crate::{
    api::{Broadcast, Publisher},
    clock,
    conductor::Conductor,
    figures::Name,
    histogram::Histogram,
    limits::STATE_LIMIT,
    message::State,
    report::Outcome,
    scenario::{Stage, broadcast, rejoin},
    tally::Wave,
};

/// How long media is steady before it is lost, and away before it is back: longer than any tick of the engine, shorter than any grace.
const STEADY: Duration = Duration::from_secs(2);

pub(super) async fn run(stage: &Stage<'_>, conductor: &mut Conductor, outcome: &mut Outcome) -> anyhow::Result<()> {
    ensure!(stage.args.creator_token.is_some(), "feed-loss needs --creator-token: somebody must go live");
    let standins = stage.args.standins.as_ref().context(
        "feed-loss needs --standins: only the media stand-in lets the tester play the creator's camera; with a real media server this part is not possible",
    )?;
    let broadcast = broadcast::open_lobby(stage).await?;
    let run = lose_and_regain(stage, standins, &broadcast, conductor, outcome);
    broadcast::during(stage, &broadcast, run).await
}

async fn lose_and_regain(
    stage: &Stage<'_>,
    standins: &Url,
    broadcast: &Broadcast,
    conductor: &mut Conductor,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    conductor.join_all().await?;
    broadcast::go_live(stage, broadcast).await?;
    let publisher = stage.api.publisher(broadcast).await?;
    appear(stage, standins, &publisher).await?;
    conductor.listen("on air", STEADY).await?;

    let lost_us = clock::now_us();
    stage.api.act(standins, &publisher, "drop").await?;
    let lost = told(conductor, "media lost", State::Reconnecting, lost_us).await?;
    conductor.listen("media away", STEADY).await?;

    let back_us = clock::now_us();
    appear(stage, standins, &publisher).await?;
    let back = told(conductor, "media back", State::Live, back_us).await?;
    let ended_seen = conductor.total.ended_seen;

    let inside = conductor.inside() as u64;
    let figures = &mut outcome.figures;
    figures.set(Name::ReconnectingP50Ms, lost.quantile_ms(0.5));
    figures.set(Name::ReconnectingP99Ms, lost.quantile_ms(0.99));
    figures.set(Name::ReconnectingAllMs, lost.quantile_ms(1.0));
    figures.count(Name::NotToldLost, inside.saturating_sub(lost.count()));
    figures.set(Name::LiveAgainP99Ms, back.quantile_ms(0.99));
    figures.set(Name::LiveAgainAllMs, back.quantile_ms(1.0));
    figures.count(Name::NotToldBack, inside.saturating_sub(back.count()));
    figures.count(Name::EndedSeen, ended_seen);
    outcome.histograms.push(("Media lost to reconnecting told".to_owned(), lost));
    outcome.histograms.push(("Media back to live told".to_owned(), back));
    if stage.args.rejoin {
        rejoin::run(conductor, outcome).await?;
        outcome.figures.count(Name::EndedSeen, conductor.total.ended_seen);
    }
    conductor.stop().await
}

async fn appear(stage: &Stage<'_>, standins: &Url, publisher: &Publisher) -> anyhow::Result<()> {
    stage.api.act(standins, publisher, "join").await?;
    stage.api.act(standins, publisher, "publish").await
}

/// Waits until everybody inside was told `state` after `since_us`; returns how long it took each.
async fn told(conductor: &mut Conductor, doing: &str, state: State, since_us: u64) -> anyhow::Result<Histogram> {
    let everybody = |conductor: &Conductor| heard(conductor, state, since_us).count() >= conductor.inside() as u64;
    conductor.until(doing, STATE_LIMIT, everybody).await?;
    Ok(heard(conductor, state, since_us))
}

fn heard(conductor: &Conductor, wanted: State, since_us: u64) -> Histogram {
    let mut times = Histogram::default();
    for (wave, moments) in &conductor.total.waves {
        let is_it = matches!(wave, Wave::Numbered { state: Some(state), .. } if *state == wanted);
        if is_it && moments.min().is_some_and(|first| first >= since_us) {
            times.merge(&moments.since(since_us));
        }
    }
    times
}
