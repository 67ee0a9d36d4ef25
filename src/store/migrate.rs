//! The migrations, built in. They need a multi-threaded runtime, so they run before the server starts.

use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

/// Every migration of this version.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Applies what is pending and returns the names of what was applied.
///
/// # Errors
/// When the database cannot be reached or a migration fails; nothing of the failed one stays.
pub fn run_pending(url: &str) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let connection = AsyncPgConnection::establish(url).await?;
        tokio::task::block_in_place(|| {
            let mut harness = AsyncMigrationHarness::new(connection);
            let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|e| anyhow::anyhow!("{e}"))?;
            Ok(applied.iter().map(ToString::to_string).collect())
        })
    })
}
