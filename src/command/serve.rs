//! `backstage serve`: the engine, until it is told to stop.

use crate::config::Config;

/// Runs the engine.
///
/// # Errors
/// When something it needs is missing; one sentence says what and how to mend it.
pub fn run(_config: &Config, _demo: bool) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
