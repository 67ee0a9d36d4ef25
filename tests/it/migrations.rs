//! Migrations go up, down and up again, and `schema.rs` says what the migrated database has.

use std::collections::{BTreeMap, BTreeSet};

use backstage::store::{StoreError, migrate};
use diesel::{QueryableByName, sql_types::Text};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::MigrationHarness;
use futures_util::FutureExt;
use regex::Regex;

use super::support::{Database, runtime};

const SCHEMA: &str = include_str!("../../src/store/schema.rs");

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

type Tables = BTreeMap<String, BTreeSet<(String, String)>>;

/// What the database has, in the words of `schema.rs`.
async fn in_the_database(database: &Database) -> Tables {
    let columns: Result<Vec<Column>, StoreError> = database
        .store
        .run(|connection| {
            async move {
                let asked = "select table_name::text, column_name::text,
                        case when is_nullable = 'YES' then 'Nullable<' else '' end || udt_name ||
                        case when is_nullable = 'YES' then '>' else '' end as kind
                   from information_schema.columns
                  where table_schema = 'public' and table_name not like '\\_\\_diesel%'";
                Ok(diesel::sql_query(asked).load(connection).await?)
            }
            .boxed()
        })
        .await;
    let mut tables = Tables::new();
    for Column { table_name, column_name, kind } in columns.unwrap() {
        let mut kind = kind;
        for (theirs, ours) in [
            ("timestamptz", "Timestamptz"),
            ("_text", "Array<Nullable<Text>>"),
            ("team_role", "TeamRole"),
            ("uuid", "Uuid"),
            ("bytea", "Bytea"),
            ("jsonb", "Jsonb"),
            ("bool", "Bool"),
            ("int2", "Int2"),
            ("int4", "Int4"),
            ("int8", "Int8"),
        ] {
            kind = kind.replace(theirs, ours);
        }
        if !kind.contains("Text") {
            kind = kind.replace("text", "Text");
        }
        tables.entry(table_name).or_default().insert((column_name, kind));
    }
    tables
}

/// What `schema.rs` says.
fn in_the_source() -> Tables {
    let table = Regex::new(r"(?s)diesel::table! \{.*?\n    (\w+) \([^)]*\) \{\n(.*?)\n    \}\n\}").unwrap();
    let column = Regex::new(r"(?m)^\s+(\w+) -> (.+),$").unwrap();
    table
        .captures_iter(SCHEMA)
        .map(|found| {
            let columns = column.captures_iter(&found[2]).map(|one| (one[1].to_owned(), one[2].to_owned()));
            (found[1].to_owned(), columns.collect())
        })
        .collect()
}

#[test]
fn the_source_says_what_the_migrated_database_has() {
    let database = Database::fresh();
    let (there, said) = (runtime().block_on(in_the_database(&database)), in_the_source());
    assert!(there.len() > 20, "{} tables", there.len());
    assert_eq!(there, said, "print the schema again: diesel print-schema > src/store/schema.rs");
}

#[test]
fn every_migration_goes_down_and_up_again() {
    let database = Database::fresh();
    let before = runtime().block_on(in_the_database(&database));
    runtime().block_on(async {
        let connection = AsyncPgConnection::establish(&database.url).await.unwrap();
        tokio::task::block_in_place(|| {
            let mut harness = AsyncMigrationHarness::new(connection);
            harness.revert_all_migrations(migrate::MIGRATIONS).map(|_| ()).unwrap();
        });
    });
    assert_eq!(runtime().block_on(in_the_database(&database)), Tables::new(), "nothing of ours is left");
    migrate::run_pending(&database.url).unwrap();
    assert_eq!(runtime().block_on(in_the_database(&database)), before);
}
