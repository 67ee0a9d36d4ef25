//! No viewer ever misses a numbered frame without a snapshot, whatever is lost, doubled or late on the way to the shard.

use proptest::prelude::*;

use super::*;
use crate::{limits::RESUME_FRAMES_MAX, socket::hub::Ring};

fn frame(epoch: u64, offset: u64) -> Bytes {
    format!("f {epoch} {offset}").into()
}

fn snapshot(epoch: u64, offset: u64) -> Bytes {
    format!("s {epoch} {offset}").into()
}

fn board(epoch: u64, offset: u64) -> Publication {
    let mut ring = Ring::default();
    (1..=offset).for_each(|at| ring.push(at, frame(epoch, at)));
    Publication::Board(Arc::new(Board { epoch, offset, snapshot: snapshot(epoch, offset), ring, media: None }))
}

fn numbered(epoch: u64, offset: u64) -> Publication {
    let media = MediaChange::Keep;
    Publication::Numbered { epoch, offset, frame: frame(epoch, offset), snapshot: snapshot(epoch, offset), media }
}

fn owed(frames: Vec<Bytes>) -> Step {
    Step::Everybody { frames, lane: Lane::Keep, media: false }
}

fn plan(room: &str) -> Arc<MediaPlan> {
    Arc::new(MediaPlan { url: "ws://media".into(), room: room.into() })
}

#[test]
fn frames_follow_the_board_in_order() {
    let mut topic = Topic::default();
    assert!(topic.awaits_board());
    assert_eq!(topic.take(numbered(1, 4)), Step::Nothing, "the board to come has it");
    assert_eq!(topic.greet(None), None);
    assert_eq!(topic.take(board(1, 5)), Step::Nothing);
    assert_eq!(topic.take(numbered(1, 5)), Step::Nothing, "the board has it already");
    assert_eq!(topic.take(numbered(1, 6)), owed(vec![frame(1, 6)]));
    let greeting = Greeting { epoch: 1, offset: 6, recovered: false, frames: vec![snapshot(1, 6)] };
    assert_eq!(topic.greet(None), Some(greeting));
}

#[test]
fn a_hole_asks_for_a_board_and_the_board_fills_it() {
    let mut topic = Topic::default();
    topic.take(board(1, 5));
    assert_eq!(topic.take(numbered(1, 7)), Step::Ask);
    assert!(topic.awaits_board());
    assert_eq!(topic.take(numbered(1, 8)), Step::Nothing, "asked already");
    assert_eq!(topic.greet(None), None, "a newcomer waits for the board too");
    assert_eq!(topic.take(board(1, 4)), Step::Nothing, "an answer to an earlier question");
    assert!(topic.awaits_board());
    assert_eq!(topic.take(board(1, 8)), owed(vec![frame(1, 6), frame(1, 7), frame(1, 8)]));
    assert_eq!(topic.take(numbered(1, 9)), owed(vec![frame(1, 9)]));
}

#[test]
fn a_hole_longer_than_the_ring_is_healed_by_a_snapshot() {
    let mut topic = Topic::default();
    topic.take(board(1, 5));
    topic.fall_behind();
    let far = 6 + RESUME_FRAMES_MAX as u64;
    assert_eq!(topic.take(board(1, far)), owed(vec![snapshot(1, far)]));
}

#[test]
fn a_new_activation_brings_a_snapshot_and_silences_the_old_one() {
    let mut topic = Topic::default();
    topic.take(board(1, 5));
    assert_eq!(topic.take(board(2, 0)), owed(vec![snapshot(2, 0)]));
    assert_eq!(topic.take(numbered(1, 6)), Step::Nothing);
    assert_eq!(topic.take(board(1, 9)), Step::Nothing);
    assert_eq!(topic.take(numbered(2, 1)), owed(vec![frame(2, 1)]));
    assert_eq!(topic.take(numbered(3, 1)), Step::Ask, "an activation whose board has not come");
}

#[test]
fn the_latest_counts_reach_everybody_and_newcomers_but_never_from_another_activation() {
    let latest =
        |epoch| Publication::Latest { epoch, kind: Latest::Audience, frame: "a".into(), snapshot: snapshot(epoch, 77) };
    let mut topic = Topic::default();
    topic.take(board(2, 1));
    assert_eq!(topic.take(latest(1)), Step::Nothing);
    let newest = Step::Everybody { frames: vec!["a".into()], lane: Lane::Newest(Latest::Audience), media: false };
    assert_eq!(topic.take(latest(2)), newest);
    assert_eq!(topic.greet(None).unwrap().frames, [snapshot(2, 77)]);
}

#[test]
fn resume_is_all_or_nothing() {
    let mut topic = Topic::default();
    topic.take(board(3, 9));
    let greet = |epoch, offset| topic.greet(Some(ResumePoint { epoch, offset })).unwrap();
    let whole = Greeting { epoch: 3, offset: 9, recovered: false, frames: vec![snapshot(3, 9)] };
    let missed = Greeting { epoch: 3, offset: 7, recovered: true, frames: vec![frame(3, 8), frame(3, 9)] };
    assert_eq!(greet(3, 7), missed);
    assert_eq!(greet(3, 9), Greeting { epoch: 3, offset: 9, recovered: true, frames: vec![] });
    for (epoch, offset) in [(2, 9), (4, 1), (3, 10), (3, u64::MAX), (u64::MAX, u64::MAX)] {
        assert_eq!(greet(epoch, offset), whole, "{epoch} {offset}");
    }
}

#[test]
fn media_that_changes_means_a_token_for_everybody() {
    let mut topic = Topic::default();
    topic.take(board(1, 1));
    let change = |offset, media| Publication::Numbered {
        epoch: 1,
        offset,
        frame: frame(1, offset),
        snapshot: snapshot(1, offset),
        media,
    };
    let everybody = |offset, media| Step::Everybody { frames: vec![frame(1, offset)], lane: Lane::Keep, media };
    assert_eq!(topic.take(change(2, MediaChange::Use(plan("a")))), everybody(2, true));
    assert_eq!(topic.media(), Some(&plan("a")));
    assert_eq!(topic.take(change(3, MediaChange::Keep)), everybody(3, false));
    assert_eq!(topic.take(change(4, MediaChange::Clear)), everybody(4, false));
    assert_eq!(topic.media(), None);
    let Publication::Board(bare) = board(1, 4) else { unreachable!() };
    let with_media = Board { media: Some(plan("b")), ..(*bare).clone() };
    let token_only = Step::Everybody { frames: vec![], lane: Lane::Keep, media: true };
    assert_eq!(topic.take(Publication::Board(Arc::new(with_media))), token_only);
}

/// What happens to one publication on its way.
#[derive(Clone, Copy, Debug)]
enum Way {
    Arrives,
    Lost,
    Doubled,
}

proptest! {
    /// A core publishes 1, 2, 3 …; the way loses and doubles; every question is answered by a board some frames later.
    /// A viewer that follows what it is told never has a hole, and knows everything in the end.
    #[test]
    fn a_viewer_never_has_a_hole(
        ways in prop::collection::vec(prop_oneof![6 => Just(Way::Arrives), 1 => Just(Way::Lost), 1 => Just(Way::Doubled)], 1..400),
        delay in 0usize..6,
    ) {
        let mut topic = Topic::default();
        topic.take(board(1, 0));
        let (mut knows, mut asked) = (0u64, None::<usize>);
        let hear = |step: Step, knows: &mut u64| -> bool {
            match step {
                Step::Everybody { frames, .. } => {
                    for told in frames {
                        let told = String::from_utf8(told.to_vec()).unwrap();
                        let offset: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
                        assert!(told.starts_with('s') || offset == *knows + 1, "a hole: {offset} after {knows}");
                        *knows = offset;
                    }
                    false
                }
                Step::Ask => true,
                Step::Nothing | Step::Studio(_) => false,
            }
        };
        let total = ways.len() as u64;
        for (at, way) in ways.into_iter().enumerate() {
            let offset = at as u64 + 1;
            let times = match way { Way::Arrives => 1, Way::Lost => 0, Way::Doubled => 2 };
            for _ in 0..times {
                if hear(topic.take(numbered(1, offset)), &mut knows) {
                    asked = Some(at + delay);
                }
            }
            if asked.is_some_and(|answer| at >= answer) {
                asked = None;
                prop_assert!(!hear(topic.take(board(1, offset)), &mut knows));
            }
        }
        topic.fall_behind();
        hear(topic.take(board(1, total)), &mut knows);
        prop_assert_eq!(knows, total);
    }
}
