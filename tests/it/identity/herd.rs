//! Many credentials at once.

use backstage::identity::Credential;
use diesel_async::RunQueryDsl;
use futures_util::{FutureExt, future::join_all};

use crate::support::World;
use backstage::{identity::authenticator::token_hash, store::StoreError};

#[actix_web::test]
async fn a_herd_of_two_thousand_is_at_most_a_dozen_queries() {
    let world = World::open();
    let hashes: Vec<String> = (0..2_000)
        .map(|n| token_hash(&world.identity.ring, &format!("bps_{n}")).iter().map(|b| format!("{b:02x}")).collect())
        .collect();
    let written: Result<(), StoreError> = world
        .database
        .store
        .run(move |connection| {
            async move {
                let user = "insert into users (id, email, email_norm, created_at) values ('00000000-0000-7000-8000-000000000001', 'a', 'a', now())";
                diesel::sql_query(user).execute(connection).await?;
                diesel::sql_query(
                    "insert into sessions (id, user_id, token_hash, created_at, seen_at, expires_at)
                     select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', decode(hash, 'hex'),
                            '2026-11-21 12:00Z', '2026-11-21 12:00Z', '2026-12-21 12:00Z' from unnest($1) hash",
                )
                .bind::<diesel::sql_types::Array<diesel::sql_types::Text>, _>(hashes)
                .execute(connection)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await;
    written.unwrap();
    let desk = &world.identity.authenticator;
    let before = desk.queries();
    let herd = (0..2_001).map(|n| {
        let credential = Credential::Cookie(format!("bps_{n}"));
        async move { desk.authenticate(&credential).await.unwrap().is_some() }
    });
    let known = join_all(herd).await;
    assert_eq!(known.iter().filter(|known| **known).count(), 2_000);
    let queries = desk.queries() - before;
    // The first eight may start at once; what comes meanwhile waits for the next.
    assert!(queries <= 12, "{queries} queries");
}
