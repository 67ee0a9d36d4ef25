//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Parser, ValueEnum};
use url::Url;

use crate::{figures::Name, limits::CONNECTING_MAX};

/// Drives the public interface of Backstage Pass with thousands of viewers and shows what they feel.
#[derive(Clone, Debug, Parser)]
#[command(name = "loadtest", version)]
pub struct Args {
    /// Where the engine is, for example <http://127.0.0.1:8080>.
    #[arg(long)]
    pub url: Url,
    /// Bearer tokens of people who may enter, one a line.
    #[arg(long)]
    pub tokens: PathBuf,
    /// How many viewers.
    #[arg(long)]
    pub viewers: usize,
    /// What they do.
    #[arg(long)]
    pub scenario: Scenario,
    /// The experience, as `SPACE/EXPERIENCE` or as an id.
    #[arg(long, default_value = "demo/main-stage")]
    pub experience: String,
    /// Seconds of watching.
    #[arg(long, default_value_t = 20)]
    pub duration: u64,
    /// Processes that share the viewers.
    #[arg(long, default_value_t = 1)]
    pub processes: usize,
    /// A creator's bearer token: lets the tester open and drive a broadcast.
    #[arg(long)]
    pub creator_token: Option<PathBuf>,
    /// The stand-ins, where feed-loss plays the creator's media.
    #[arg(long)]
    pub standins: Option<Url>,
    /// Drive a broadcast that is open already, and end it.
    #[arg(long)]
    pub adopt: bool,
    /// Afterwards wait until all sockets drop, because somebody restarts the engine, and measure how they come back.
    #[arg(long)]
    pub rejoin: bool,
    /// Seconds that --rejoin waits for the drop.
    #[arg(long, default_value_t = 120)]
    pub rejoin_within: u64,
    /// Handshakes in flight in each process.
    #[arg(long, default_value_t = CONNECTING_MAX)]
    pub connecting: usize,
    /// Where the jitter begins; the same seed gives the same waits.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the figures as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write a report with plots.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// A limit that must hold, for example `joined_p99_ms=5000`. May be given more than once; exit 1 when one is broken.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub limits: Vec<Limit>,
}

/// What the viewers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// All come at once.
    JoinStorm,
    /// All are inside; one message a second goes to everybody.
    Watch,
    /// The creator's media is lost and comes back.
    FeedLoss,
}

impl Scenario {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JoinStorm => "join-storm",
            Self::Watch => "watch",
            Self::FeedLoss => "feed-loss",
        }
    }
}

/// The most that a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The figure.
    pub name: Name,
    /// Its unit is in the name.
    pub most: f64,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, most) = text.split_once('=').ok_or("a limit is written name=value")?;
        let name = name.trim().parse()?;
        let most = most.trim().parse::<f64>().ok().filter(|most| most.is_finite() && *most >= 0.0);
        let most = most.ok_or_else(|| format!("{text:?}: the value must be a number that is not negative"))?;
        Ok(Self { name, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_a_known_figure_and_a_number() {
        assert_eq!("joined_p99_ms=5000".parse(), Ok(Limit { name: Name::JoinedP99Ms, most: 5000.0 }));
        assert_eq!("holes = 0".parse(), Ok(Limit { name: Name::Holes, most: 0.0 }));
        assert_eq!("joined_p99_ms".parse::<Limit>(), Err("a limit is written name=value".into()));
        assert!("joined_p99_ms=fast".parse::<Limit>().unwrap_err().contains("must be a number"));
        assert!("joined_p99_ms=-1".parse::<Limit>().unwrap_err().contains("must be a number"));
        let unknown = "joind=1".parse::<Limit>().unwrap_err();
        assert!(unknown.contains("joined_p99_ms"), "an unknown figure is answered with the known ones: {unknown}");
    }

    #[test]
    fn the_command_line_of_the_contract_is_understood() {
        let line = "loadtest --url http://127.0.0.1:8080 --tokens t --viewers 5000 --scenario join-storm --limit joined_all_ms=5000";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((args.viewers, args.scenario, args.limits.len()), (5000, Scenario::JoinStorm, 1));
    }
}
