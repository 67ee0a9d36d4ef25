//! The migrations, built in. They need a multi-threaded runtime, so they run before the server starts.

use diesel::{QueryableByName, migration::MigrationSource, pg::Pg, sql_types::Text};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
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
        let connection = AsyncPgConnection::establish(url).await.map_err(|fault| {
            anyhow::anyhow!(
                "it cannot be reached ({fault}); start it, or set database.url to the address of one that runs"
            )
        })?;
        tokio::task::block_in_place(|| {
            let mut harness = AsyncMigrationHarness::new(connection);
            let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|e| anyhow::anyhow!("{e}"))?;
            Ok(applied.iter().map(ToString::to_string).collect())
        })
    })
}

/// The oldest server whose behaviour we rely on, as the server itself writes it.
pub const OLDEST_SERVER: u32 = 150_000;

/// What a database says about itself.
#[derive(Debug)]
pub struct Seen {
    /// Such as 150018 for 15.18.
    pub server_version_num: u32,
    /// Migrations of this version that it does not have yet.
    pub pending: Vec<String>,
}

/// Looks at a database and changes nothing in it.
///
/// # Errors
/// When the database cannot be reached.
pub fn inspect(url: &str) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let mut connection = AsyncPgConnection::establish(url).await?;
        let said: Shown = diesel::sql_query("select current_setting('server_version_num') as said")
            .get_result(&mut connection)
            .await?;
        let known: Shown =
            diesel::sql_query("select coalesce(to_regclass('__diesel_schema_migrations')::text, '') as said")
                .get_result(&mut connection)
                .await?;
        let applied: Vec<Shown> = match known.said.as_str() {
            "" => vec![],
            _ => {
                diesel::sql_query("select version as said from __diesel_schema_migrations")
                    .load(&mut connection)
                    .await?
            }
        };
        let ours = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(|e| anyhow::anyhow!("{e}"))?;
        let pending = ours.iter().filter(|one| !applied.iter().any(|row| row.said == one.name().version().to_string()));
        Ok(Seen {
            server_version_num: said.said.parse()?,
            pending: pending.map(|one| one.name().to_string()).collect(),
        })
    })
}

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    said: String,
}
