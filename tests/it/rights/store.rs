//! The statements.

use std::{sync::Arc, time::Duration};

use backstage::{
    access::{
        PgRights,
        core::{Opens, Source, Status, judge},
        source::RightsSource,
        store::{
            self,
            bans::{self, BanRecord},
            grants::{self, Granted, Listed, NewGrant, Target},
        },
    },
    clock::Timestamp,
    ids::UserId,
    store::{Store, StoreError},
};
use futures_util::FutureExt;

use super::{House, id, someone, sql};
use crate::support::Database;

const NOW: Timestamp = Timestamp(1_795_262_400_000);

fn free(user: UserId, house: &House) -> NewGrant {
    NewGrant {
        purchase: None,
        id: id(),
        user,
        space: house.space,
        opens: Target::Pass(house.pass),
        price: None,
        source: Source::Free,
        starts_at: NOW,
        expires_at: Some(NOW.plus(Duration::from_secs(7 * 86_400))),
        granted_by: None,
        at: NOW,
    }
}

async fn insert(store: &Store, new: NewGrant) -> Result<Granted, StoreError> {
    store.transaction(move |connection| grants::insert_grant(connection, new).boxed()).await
}

#[tokio::test]
async fn all_that_bears_on_many_people_is_read_in_one_statement() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let (ann, bob, eve, nobody) = (
        someone(&store, "ann@x.test").await,
        someone(&store, "bob@x.test").await,
        someone(&store, "eve@x.test").await,
        id(),
    );
    insert(&store, free(ann, &house)).await.unwrap();
    house.employ(&store, bob, "editor").await;
    let ban = BanRecord { space: house.space, email: "eve@x.test".into(), reason: None, until: None, at: NOW };
    let by = bob;
    let told: Result<_, StoreError> =
        store.transaction(move |connection| async move { bans::insert(connection, &ban, by).await }.boxed()).await;
    assert_eq!(told.unwrap(), [eve]);

    let source = PgRights::new(store.clone());
    let read = source.rights(vec![ann, bob, eve, nobody]).await.unwrap();
    let openings = source.openings(vec![house.stage, id()]).await.unwrap();
    assert_eq!(openings.len(), 1, "what does not exist is left out");
    let answers: Vec<_> = read.iter().map(|rights| judge(NOW, rights, &openings[0].1).reason.word()).collect();
    assert_eq!(answers, ["grant", "staff", "banned", "no_grant"]);
    assert_eq!(read[0].grants[0].opens, Opens::Pass(house.pass, Arc::from([house.stage])));
    assert!(read[1].runs(house.team) && !read[0].runs(house.team));

    house.tick(&store, false).await;
    let read = source.rights(vec![ann]).await.unwrap();
    assert_eq!(judge(NOW, &read[0], &openings[0].1).reason.word(), "not_included");
}

#[tokio::test]
async fn a_member_who_left_is_staff_no_more_and_the_record_stays() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let bob = someone(&store, "bob@x.test").await;
    house.employ(&store, bob, "owner").await;
    sql(&store, format!("update memberships set left_at = '2026-02-01' where user_id = '{}'", bob.0)).await;
    let read = PgRights::new(store.clone()).rights(vec![bob]).await.unwrap();
    assert!(read[0].staff.is_empty());
}

#[tokio::test]
async fn a_free_pass_joined_twenty_times_at_once_is_held_once() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let ann = someone(&store, "ann@x.test").await;
    let all = futures_util::future::join_all((0..20).map(|_| insert(&store, free(ann, &house)))).await;
    let made: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|one| matches!(one, Granted::New(_))).count(), 1);
    assert!(made.iter().all(|one| one.grant().id == made[0].grant().id));
    let changes = PgRights::new(store.clone()).changes(NOW.minus(Duration::from_secs(1))).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.user).collect::<Vec<_>>(), [ann], "and told once");
}

#[tokio::test]
async fn a_free_pass_whose_time_is_up_can_be_joined_again() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let ann = someone(&store, "ann@x.test").await;
    let first = insert(&store, free(ann, &house)).await.unwrap().into_grant();
    let later = NOW.plus(Duration::from_secs(8 * 86_400));
    let again = NewGrant {
        at: later,
        starts_at: later,
        expires_at: Some(later.plus(Duration::from_secs(60))),
        ..free(ann, &house)
    };
    let second = insert(&store, again).await.unwrap();
    assert!(matches!(&second, Granted::New(grant) if grant.id != first.id));
    let found: Result<_, StoreError> =
        store.run(move |connection| async move { grants::find(connection, first.id).await }.boxed()).await;
    assert_eq!(found.unwrap().unwrap().status, Status::Expired);
}

#[tokio::test]
async fn a_pass_of_another_space_cannot_be_granted_here() {
    let Database { store, .. } = Database::fresh();
    let (house, other) = (House::build(&store).await, House::build(&store).await);
    let ann = someone(&store, "ann@x.test").await;
    let crossed = NewGrant { opens: Target::Pass(other.pass), ..free(ann, &house) };
    assert!(matches!(insert(&store, crossed).await, Err(StoreError::Constraint { .. })));
    let given_by_nobody = NewGrant { source: Source::Comp, ..free(ann, &house) };
    assert!(matches!(insert(&store, given_by_nobody).await, Err(StoreError::Constraint { .. })));
}

#[tokio::test]
async fn a_revoked_grant_is_revoked_once_and_told_once() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let (ann, boss) = (someone(&store, "ann@x.test").await, someone(&store, "boss@x.test").await);
    let grant = insert(&store, free(ann, &house)).await.unwrap().into_grant().id;
    let revoke = |store: Store| async move {
        let done: Result<_, StoreError> = store
            .transaction(move |connection| async move { grants::revoke(connection, grant, boss, NOW).await }.boxed())
            .await;
        done.unwrap().map(|grant| grant.status)
    };
    assert_eq!(revoke(store.clone()).await, Some(Status::Revoked));
    assert_eq!(revoke(store.clone()).await, None);
    let changes = PgRights::new(store.clone()).changes(NOW.minus(Duration::from_secs(1))).await.unwrap();
    assert_eq!(changes.len(), 2);
}

#[tokio::test]
async fn tidying_writes_down_what_has_expired_and_changes_no_answer() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let ann = someone(&store, "ann@x.test").await;
    insert(&store, free(ann, &house)).await.unwrap();
    let source = PgRights::new(store.clone());
    let opening = source.openings(vec![house.stage]).await.unwrap()[0].1;
    let later = NOW.plus(Duration::from_secs(8 * 86_400));
    let before = judge(later, &source.rights(vec![ann]).await.unwrap()[0], &opening);
    source.tidy(later).await.unwrap();
    let rights = source.rights(vec![ann]).await.unwrap();
    assert_eq!(rights[0].grants[0].status, Status::Expired);
    assert_eq!(judge(later, &rights[0], &opening), before);
    assert!(
        source.changes(NOW.minus(Duration::from_secs(1))).await.unwrap().is_empty(),
        "a day later the log is short"
    );
}

#[tokio::test]
async fn a_late_payment_whose_grace_and_time_are_over_is_told_alike_before_and_after_tidying() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    let ann = someone(&store, "ann@x.test").await;
    insert(&store, free(ann, &house)).await.unwrap();
    super::sql(&store, "update access_grants set status = 'past_due', past_due_until = expires_at".to_owned()).await;
    let source = PgRights::new(store.clone());
    let opening = source.openings(vec![house.stage]).await.unwrap()[0].1;
    let later = NOW.plus(Duration::from_secs(8 * 86_400));
    for _ in 0..2 {
        assert_eq!(judge(later, &source.rights(vec![ann]).await.unwrap()[0], &opening).reason.word(), "past_due_over");
        source.tidy(later).await.unwrap();
    }
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_without_a_hole_or_a_double() {
    let Database { store, .. } = Database::fresh();
    let house = House::build(&store).await;
    for number in 0..25 {
        let user = someone(&store, &format!("u{number}@x.test")).await;
        // several of one moment, so that the id has to tell them apart
        let at = NOW.plus(Duration::from_secs(number / 4));
        insert(&store, NewGrant { at, starts_at: at, ..free(user, &house) }).await.unwrap();
    }
    let listed = [Listed::OfPass(house.pass), Listed::OfSpace(house.space), Listed::OfTeam(house.team)];
    for listed in listed {
        let (mut seen, mut after) = (vec![], None);
        loop {
            let page: Result<Vec<_>, StoreError> = store
                .run(move |connection| async move { grants::list(connection, listed, after, 7).await }.boxed())
                .await;
            let page = page.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(grants::After { created_at: last.created_at, id: last.id });
            seen.extend(page.into_iter().map(|grant| grant.email));
        }
        assert_eq!(seen.len(), 25);
        assert_eq!((seen[0].as_str(), seen[24].as_str()), ("u24@x.test", "u0@x.test"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 25);
    }
    let opening: Result<_, StoreError> = store
        .run(move |connection| async move { store::opening_of_space(connection, house.space).await }.boxed())
        .await;
    assert_eq!(opening.unwrap().unwrap().team, house.team);
}
