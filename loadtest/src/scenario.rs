//! What a run does, from the first socket to the figures.

mod broadcast;
mod feed_loss;
mod join_storm;
mod rejoin;
mod watch;

use anyhow::Context;

use crate::{
    api::Api,
    args::{Args, Scenario},
    clock,
    conductor::Conductor,
    figures::{Figures, Name},
    report::{Outcome, Series},
};

/// Runs the scenario that `args` ask for.
pub async fn run(args: &Args) -> anyhow::Result<Outcome> {
    let token = args.creator_token.as_ref().map(|file| first_line(file)).transpose()?;
    let api = Api::new(args.url.clone(), token)?;
    let experience = api.find_experience(&args.experience).await?;
    let path = format!("/api/v1/experiences/{experience}/live");
    let started_at = clock::unix_secs();
    let mut conductor = Conductor::start(args, &path).await?;
    let mut outcome = Outcome::new(args, started_at);
    let stage = Stage { args, api: &api, experience: &experience, path: &path };
    match args.scenario {
        Scenario::JoinStorm => join_storm::run(&mut conductor, &mut outcome).await?,
        Scenario::Watch => watch::run(&stage, &mut conductor, &mut outcome).await?,
        Scenario::FeedLoss => feed_loss::run(&stage, &mut conductor, &mut outcome).await?,
    }
    outcome.total = conductor.total.clone();
    outcome.series.push(Series::attendance(&conductor.attendance));
    common_figures(&conductor, &mut outcome.figures);
    outcome.judge(&args.limits);
    Ok(outcome)
}

/// What every scenario needs to know.
struct Stage<'a> {
    args: &'a Args,
    api: &'a Api,
    experience: &'a str,
    path: &'a str,
}

fn common_figures(conductor: &Conductor, figures: &mut Figures) {
    let total = &conductor.total;
    figures.count(Name::Viewers, conductor.viewers as u64);
    figures.count(Name::Joined, conductor.joined());
    figures.count(Name::NotJoined, (conductor.viewers as u64).saturating_sub(conductor.joined()));
    figures.count(Name::GaveUp, total.gave_up);
    figures.set(Name::JoinedP50Ms, total.joined.quantile_ms(0.5));
    figures.set(Name::JoinedP99Ms, total.joined.quantile_ms(0.99));
    figures.set(Name::JoinedAllMs, total.joined.quantile_ms(1.0));
    figures.set(Name::OpeningP50Ms, total.opening.quantile_ms(0.5));
    figures.set(Name::OpeningP99Ms, total.opening.quantile_ms(0.99));
    figures.count(Name::Messages, total.heard());
    figures.set(Name::Megabytes, total.bytes as f64 / 1e6);
    figures.count(Name::Dropped, total.dropped);
    figures.count(Name::Recovered, total.recovered);
    figures.count(Name::Holes, total.faults.holes);
    figures.count(Name::Duplicates, total.faults.duplicates);
    figures.count(Name::OutOfOrder, total.faults.out_of_order);
    figures.count(Name::Unannounced, total.faults.unannounced);
    figures.count(Name::Unreadable, total.faults.unreadable);
}

/// The first line of a file with a token.
fn first_line(file: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned).with_context(|| format!("{} is empty", file.display()))
}
