//! The support itself.

use diesel_async::RunQueryDsl;
use futures_util::FutureExt;

use crate::support::Database;
use backstage::store::StoreError;

#[tokio::test]
async fn every_test_has_a_migrated_database_of_its_own() {
    let (one, other) = (Database::fresh(), Database::fresh());
    assert_ne!(one.url, other.url);
    for database in [&one, &other] {
        let written: Result<usize, StoreError> = database
            .store
            .run(|connection| {
                async move {
                    let sql = "insert into teams (id, name, created_at) values (gen_random_uuid(), 'A', now())";
                    Ok(diesel::sql_query(sql).execute(connection).await?)
                }
                .boxed()
            })
            .await;
        assert_eq!(written.unwrap(), 1);
    }
}
