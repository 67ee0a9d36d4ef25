//! The program: reads the command line, runs the scenario, shows and writes the outcome, and judges it by its exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use loadtest::{args::Args, process, report, scenario};

/// A stated limit is broken.
const BROKEN: u8 = 1;
/// The run could not be done, so nothing is known.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match std::env::args().nth(1) {
        Some(word) if word == process::CROWD_WORD => process::be_a_crowd().map(|()| true),
        _ => conduct(&Args::parse()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(fault) => {
            eprintln!("loadtest: {fault:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn conduct(args: &Args) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(scenario::run(args))?;
    print!("{}", report::table(&outcome));
    if let Some(file) = &args.json {
        std::fs::write(file, outcome.json()?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.report {
        std::fs::write(file, report::page(&outcome)).with_context(|| format!("cannot write {}", file.display()))?;
        println!("\n  The report with plots is in {}.", file.display());
    }
    Ok(outcome.holds())
}
