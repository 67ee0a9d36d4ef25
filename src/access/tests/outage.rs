//! The database away, and changes that only its log tells of.

use super::*;
use crate::limits::CHANGES_LOOK_EVERY;

#[tokio::test(start_paused = true)]
async fn survive_097_without_the_database_known_answers_last_a_minute_and_then_every_door_fails_closed() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        pass(20_000).await;
        stage.truth.away.store(true, Ordering::SeqCst);
        let away_at = stage.clock.now();
        assert_eq!(stage.enter(person(2)).await, Err(RightsUnknown), "a newcomer is told to try again");
        pass(50_000).await;
        assert_eq!(stage.enter(person(1)).await, Ok("grant"), "50 s later what is known still counts");
        pass(12_000).await;
        let out = stage.out();
        assert_eq!(out.len(), 1);
        let after = out[0].2.0 - away_at.0;
        assert!(out[0].1 == "rights_unknown" && (50_000..=60_000).contains(&after), "{after} ms");
        assert_eq!(stage.doorkeeper.glance(person(1), STAGE), None);
        assert_eq!(stage.enter(person(1)).await, Err(RightsUnknown));
        stage.truth.away.store(false, Ordering::SeqCst);
        pass(6_000).await;
        assert_eq!(stage.enter(person(1)).await, Ok("grant"), "and when it is back, so are the doors");
        stage.truth.away.store(true, Ordering::SeqCst);
        pass(66_000).await;
        assert_eq!(stage.out().len(), 2, "the second time like the first");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_well_nobody_is_ever_put_out_or_read_again_for_age() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        let read = stage.doorkeeper.hall.rights.queries();
        pass(3_600_000).await;
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        assert_eq!(stage.out(), []);
        assert_eq!(stage.doorkeeper.hall.rights.queries(), read);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unread_change_is_read_as_soon_as_the_database_is_back() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        stage.truth.hold(person(1), []);
        stage.truth.away.store(true, Ordering::SeqCst);
        stage.doorkeeper.changed(&[person(1)]);
        pass(20_000).await;
        assert_eq!(stage.out(), []);
        stage.truth.away.store(false, Ordering::SeqCst);
        pass(6_000).await;
        assert_eq!(stage.out()[0].1, "no_grant");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_node_is_heard_from_the_log() {
    run(async {
        let stage = Stage::new();
        stage.truth.hold(person(1), [grant(1)]);
        assert_eq!(stage.enter(person(1)).await, Ok("grant"));
        stage.truth.hold(person(1), []);
        stage.truth.log(person(1));
        pass(u64::try_from(CHANGES_LOOK_EVERY.as_millis()).unwrap() + 200).await;
        assert_eq!(stage.out().len(), 1);
        let told = stage.inside.told.load(Ordering::SeqCst);
        pass(60_000).await;
        assert_eq!(stage.inside.told.load(Ordering::SeqCst), told, "each change is heard once");
    })
    .await;
}
