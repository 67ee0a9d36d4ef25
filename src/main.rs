//! The command line of the engine.

use std::{path::PathBuf, process::ExitCode};

use backstage::{command, config::Config, identity::core::scope::Scope, local::keep::Keep};
use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

/// Gives memory back within a second (`.cargo/config.toml` says how): a storm of joins must not weigh for ever.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[derive(Parser)]
#[command(
    name = "backstage",
    version,
    about = "Who may enter a creator's space, and what happens inside while it is live."
)]
struct Arguments {
    /// A configuration file over the built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the engine until it is told to stop.
    Serve {
        /// Seeds the demo data once.
        #[arg(long)]
        demo: bool,
    },
    /// Brings the database to this version.
    Migrate,
    /// Looks at everything the engine needs, says what is wrong and how to mend it.
    Doctor,
    /// Makes data for demos and load tests.
    Seed {
        #[command(subcommand)]
        what: SeedCommand,
    },
    /// Bearer tokens for scripts and load tests.
    Token {
        #[command(subcommand)]
        what: TokenCommand,
    },
    /// Validates the configuration.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Becomes another program that ends with the engine; the engine starts its children with it.
    #[command(hide = true)]
    Keep(Keep),
}

#[derive(Subcommand)]
enum SeedCommand {
    /// Makes whatever of the demo data is not there yet.
    Demo,
    /// Makes people who may watch an experience, and writes their tokens into a file, one a line. Local mode only.
    Crowd {
        /// `SPACE/EXPERIENCE`.
        #[arg(long)]
        experience: String,
        /// How many.
        #[arg(long)]
        viewers: usize,
        /// The file.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Makes a token and prints it, alone on the last line; makes the person when the address is new.
    Create {
        /// Whose.
        #[arg(long)]
        email: String,
        /// What it may be used for: all, read, write or live. May be given more than once; none means all.
        #[arg(long = "scope")]
        scopes: Vec<Scope>,
        /// Seconds it lives; none means for ever.
        #[arg(long)]
        ttl_secs: Option<u64>,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Says what is wrong with the configuration, or that nothing is.
    Check,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Keep(keep) = arguments.command {
        eprintln!("backstage: a local program could not be started: {}", keep.run());
        return ExitCode::FAILURE;
    }
    let config = match Config::load(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("backstage: {wrong}");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.command {
        Command::Serve { demo } => command::serve::run(&config, demo),
        Command::Migrate => command::migrate::run(&config),
        Command::Seed { what: SeedCommand::Demo } => command::seed::run_demo(&config),
        Command::Seed { what: SeedCommand::Crowd { experience, viewers, out } } => {
            command::seed::run_crowd(&config, &experience, viewers, &out)
        }
        Command::Token { what: TokenCommand::Create { email, scopes, ttl_secs } } => {
            command::token::create(&config, &email, scopes, ttl_secs)
        }
        Command::Doctor => command::doctor::run(&config),
        Command::Config { what: ConfigCommand::Check } => {
            println!("The configuration is good.");
            Ok(())
        }
        Command::Keep(_) => unreachable!("handled before the configuration is read"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("backstage: {wrong:#}");
            ExitCode::FAILURE
        }
    }
}
