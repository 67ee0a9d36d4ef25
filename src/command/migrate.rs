//! `backstage migrate`: brings the database to this version.

use secrecy::ExposeSecret;

use crate::{
    config::Config,
    entropy::SystemEntropy,
    local::{LocalStack, Need},
    store::migrate,
};

/// Runs the pending migrations.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let stack = LocalStack::start(config, &Need::Database, &SystemEntropy)?;
    let applied = migrate::run_pending(stack.database_url().expose_secret())?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("The database is at this version.");
    Ok(())
}
