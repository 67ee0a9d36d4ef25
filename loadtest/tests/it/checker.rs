//! A small server speaks the contract's frames, well and badly; the checker must tell the two apart.

use std::time::Duration;

use loadtest::{
    check::Faults,
    crowd::{self, News, Order, Plan},
    message::{Kind, State},
    tally::{Tally, Wave},
};
use tokio::{sync::mpsc, task::LocalSet, time::timeout};

use super::server::{self, Script};

/// Far longer than any of these runs takes; a level that is not reached by then never is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets `viewers` attend what the server plays until `level` is reached; returns what they counted.
async fn attend(script: Script, viewers: usize, level: impl Fn(&Tally, usize) -> bool) -> Tally {
    let (address, _served) = server::start(script).await;
    let tokens = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(tokens.path(), "one\ntwo\n").unwrap();
    let plan = Plan {
        url: format!("http://{address}").parse().unwrap(),
        path: "/live".to_owned(),
        tokens: tokens.path().to_owned(),
        first: 0,
        count: viewers,
        process: 0,
        seed: 1,
        connecting_max: 8,
    };
    let (orders, ordered) = mpsc::channel(8);
    let (news, mut told) = mpsc::channel(64);
    let conduct = async {
        let (mut total, mut is_over) = (Tally::default(), false);
        loop {
            match told.recv().await.expect("the crowd is there") {
                News::Ready => orders.send(Order::Go(loadtest::clock::now_us())).await.unwrap(),
                News::Counted { inside, tally } => {
                    total.merge(&tally);
                    if !is_over && level(&total, inside) {
                        is_over = true;
                        orders.send(Order::Stop).await.unwrap();
                    }
                }
                News::Stopped => return total,
                News::Failed(why) => panic!("{why}"),
            }
        }
    };
    let both = async { tokio::join!(crowd::run(plan, ordered, news), conduct).1 };
    timeout(PATIENCE, LocalSet::new().run_until(both)).await.expect("the level was not reached")
}

fn states(count: u64) -> impl Fn(&Tally, usize) -> bool {
    move |tally, _| tally.of(Kind::State) >= count
}

#[tokio::test]
async fn an_engine_that_keeps_the_contract_is_found_without_fault() {
    let tally = attend(Script::numbered(&[1, 2, 3]), 5, states(15)).await;
    assert_eq!(tally.faults, Faults::default());
    assert_eq!((tally.joined.count(), tally.of(Kind::Snapshot), tally.gave_up), (5, 5, 0));
    let live = Wave::Numbered { epoch: 1, offset: 2, kind: Kind::State, state: Some(State::Live) };
    assert_eq!(tally.waves[&live].count(), 5, "each message is one wave that reaches everybody");
}

#[tokio::test]
async fn a_hole_is_found_at_every_viewer() {
    let tally = attend(Script::numbered(&[1, 3]), 4, states(8)).await;
    assert_eq!(tally.faults, Faults { holes: 4, ..Faults::default() });
}

#[tokio::test]
async fn a_repeated_message_is_found() {
    let tally = attend(Script::numbered(&[1, 1, 2]), 1, states(3)).await;
    assert_eq!(tally.faults, Faults { duplicates: 1, ..Faults::default() });
}

#[tokio::test]
async fn messages_in_the_wrong_order_are_found() {
    let tally = attend(Script::numbered(&[2, 1, 3]), 1, states(3)).await;
    assert_eq!(tally.faults, Faults { out_of_order: 1, ..Faults::default() });
}

#[tokio::test]
async fn a_viewer_that_is_told_to_wait_comes_back_and_gets_in() {
    let tally = attend(Script::numbered(&[1]).full_for(3), 3, states(3)).await;
    assert_eq!(tally.reasons["503 admission_full"], 3);
    assert_eq!((tally.joined.count(), tally.gave_up), (3, 0));
}

#[tokio::test]
async fn a_viewer_without_a_right_goes_away_for_good() {
    let tally = attend(Script::numbered(&[1]).closed(), 2, |tally, _| tally.gave_up == 2).await;
    assert_eq!(tally.reasons["403 no_grant"], 2);
    assert_eq!(tally.joined.count(), 0);
}

#[tokio::test]
async fn a_viewer_that_is_asked_to_come_back_brings_its_ticket_and_its_last_number() {
    let back = |tally: &Tally, inside: usize| tally.back.count() == 1 && inside == 1;
    let tally = attend(Script::numbered(&[1, 2]).leaving_once(), 1, back).await;
    assert_eq!((tally.dropped, tally.recovered, tally.closes[&4010]), (1, 1, 1));
    assert_eq!(tally.faults, Faults::default());
}
