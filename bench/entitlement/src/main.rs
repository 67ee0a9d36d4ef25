//! What one answer to "may this person enter" costs: in process, and over HTTP beside the least that actix-web can answer for.

mod dataset;
mod http;
mod inside;

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
enum Bench {
    /// In process, on one thread.
    Inside {
        /// People in memory.
        #[arg(long, default_value_t = 20_000)]
        users: u32,
    },
    /// Over HTTP, against a running engine.
    Http {
        /// The engine's `serve.json`.
        #[arg(long)]
        serve: PathBuf,
        /// Bearer tokens of people with a right, one a line.
        #[arg(long)]
        tokens: PathBuf,
        /// Connections that ask at once.
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// Requests a second of all connections together, in the first table; the second asks as fast as it can.
        #[arg(long, default_value_t = 5_000.0)]
        rate: f64,
        /// Seconds of a round.
        #[arg(long, default_value_t = 5)]
        secs: u64,
    },
}

fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Inside { users } => inside::run(users),
        Bench::Http { serve, tokens, connections, rate, secs } => {
            http::run(&serve, &tokens, http::Load { connections, rate: Some(rate), secs })
        }
    }
}
