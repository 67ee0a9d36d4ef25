//! `watch`: everybody is inside and one message a second goes to everybody.

use std::time::Duration;

use anyhow::ensure;

use crate::{
    api::Broadcast,
    clock,
    conductor::Conductor,
    crowd::Order,
    figures::Name,
    heart::Heart,
    histogram::Histogram,
    limits::{SETTLE_LIMIT, TRIGGER_EVERY, TRIGGER_NOTICE},
    report::{Outcome, Series},
    scenario::{Stage, broadcast, first_line, rejoin},
    tally::Wave,
};

pub(super) async fn run(stage: &Stage<'_>, conductor: &mut Conductor, outcome: &mut Outcome) -> anyhow::Result<()> {
    if stage.args.creator_token.is_none() {
        return attend(stage, None, conductor, outcome).await;
    }
    let driven = broadcast::open_lobby(stage).await?;
    broadcast::during(stage, &driven, attend(stage, Some(&driven), conductor, outcome)).await
}

async fn attend(
    stage: &Stage<'_>,
    driven: Option<&Broadcast>,
    conductor: &mut Conductor,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    conductor.join_all().await?;
    if let Some(driven) = driven {
        broadcast::go_live(stage, driven).await?;
    }
    let triggers = beat(stage, conductor).await?;
    measure(conductor, &triggers, outcome);
    if stage.args.rejoin {
        rejoin::run(conductor, outcome).await?;
    }
    conductor.stop().await
}

/// Reacts once a second for the duration; returns when.
async fn beat(stage: &Stage<'_>, conductor: &mut Conductor) -> anyhow::Result<Vec<u64>> {
    let token = first_line(&stage.args.tokens)?;
    let heart = Heart::join(&stage.args.url, stage.path, &token, stage.args.seed).await?;
    let pause = TRIGGER_EVERY.saturating_sub(TRIGGER_NOTICE);
    let mut triggers = Vec::new();
    for _ in 0..stage.args.duration {
        conductor.listen("watching", pause).await?;
        let at_us = clock::now_us() + u64::try_from(TRIGGER_NOTICE.as_micros()).unwrap_or(0);
        conductor.order(Order::Trigger(at_us)).await?;
        conductor.listen("watching", clock::until(clock::now_us(), at_us)).await?;
        triggers.push(clock::now_us());
        heart.beat().await?;
    }
    let wanted = triggers.len();
    let settled = move |conductor: &Conductor| delivered(conductor) >= wanted as u64 * conductor.joined();
    conductor.until("settling", SETTLE_LIMIT, settled).await?;
    heart.leave().await?;
    ensure!(
        delivered(conductor) > 0,
        "no reactions came back: the experience must have an open lobby or be live (give --creator-token, or open it)"
    );
    Ok(triggers)
}

fn delivered(conductor: &Conductor) -> u64 {
    let reactions = conductor.total.waves.iter().filter(|(wave, _)| matches!(wave, Wave::Reaction(_)));
    reactions.map(|(_, moments)| moments.count()).sum()
}

fn measure(conductor: &Conductor, triggers: &[u64], outcome: &mut Outcome) {
    let (mut fanout, mut spread) = (Histogram::default(), Histogram::default());
    let mut by_second = Series::quantiles("Trigger to delivery, by second");
    for (wave, moments) in &conductor.total.waves {
        spread.merge(&moments.since(moments.min().unwrap_or(0)));
        let Wave::Reaction(number) = wave else { continue };
        let Some(at) = triggers.get(*number) else { continue };
        let times = moments.since(*at);
        let since_start = Duration::from_micros(at.saturating_sub(conductor.started_us));
        by_second.quantiles_at(since_start.as_secs_f64(), &times);
        fanout.merge(&times);
    }
    let figures = &mut outcome.figures;
    figures.count(Name::Triggers, triggers.len() as u64);
    figures.count(Name::Missing, (triggers.len() as u64 * conductor.joined()).saturating_sub(delivered(conductor)));
    figures.set(Name::FanoutP50Ms, fanout.quantile_ms(0.5));
    figures.set(Name::FanoutP99Ms, fanout.quantile_ms(0.99));
    figures.set(Name::FanoutMaxMs, fanout.quantile_ms(1.0));
    figures.set(Name::SpreadP50Ms, spread.quantile_ms(0.5));
    figures.set(Name::SpreadP99Ms, spread.quantile_ms(0.99));
    figures.set(Name::SpreadMaxMs, spread.quantile_ms(1.0));
    if conductor.total.unprompted > 0 {
        let unprompted = conductor.total.unprompted;
        outcome
            .notes
            .push(format!("{unprompted} messages with reactions were not the answer to a trigger of this run."));
    }
    outcome.histograms.push(("Trigger to delivery".to_owned(), fanout));
    outcome.histograms.push(("First to each delivery".to_owned(), spread));
    outcome.series.push(by_second);
}
