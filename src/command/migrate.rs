//! `backstage migrate`: brings the database to this version.

use crate::config::Config;

/// Runs the pending migrations.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub fn run(_config: &Config) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
