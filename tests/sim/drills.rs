//! What is tried on purpose and not by chance: one fault at a time in a calm world, and what follows from it to the millisecond.

use std::{sync::Arc, time::Duration};

use backstage::{
    clock::Timestamp,
    identity::Basis,
    ids::{BroadcastId, LoginId, UserId},
    live::{
        media::{Hook, HookKind, room_of},
        order::Coming,
    },
    socket::door::{Kind, Seat},
};

use crate::{
    books::{Books, some_settings},
    checker,
    house::{Change, Engine, House, MAILBOX, person},
    hush,
    people::press,
    play::{creators, paused},
    shards::Held,
    stage::Stage,
    world::{Answer, Deed, EXPERIENCES, Line, Noted, PHANTOM, Seen, Trap, World, experience, experiences},
};

/// The one that is hurt; the others are to notice nothing.
const HURT: usize = 0;
/// Within this an actor that panicked is back.
const BACK: u64 = 100;

/// A calm world in which every experience is live with a picture, and has an audience of three.
struct Scene {
    house: House,
    broadcasts: Vec<BroadcastId>,
    /// Kept, or their sockets would be closed.
    _audience: Vec<(Engine, Held)>,
}

impl Scene {
    async fn set() -> Self {
        hush();
        let world = World::new(7, None);
        world.calm_down();
        let settings = some_settings(&world);
        let books = Books::new(world.clone(), settings);
        let house = House::new(world.clone(), books, Stage::new(world.clone()));
        let (mut broadcasts, mut audience) = (vec![], vec![]);
        for (of, at) in experiences().enumerate() {
            let creator = creators(of)[0];
            house.truth.set(creator, at, true, true);
            let Answer::Done { broadcast, .. } = press(&house, at, Deed::Create, None, creator).await else {
                panic!("a calm world makes a broadcast");
            };
            let id = BroadcastId(uuid::Uuid::from_u128(broadcast));
            assert!(matches!(press(&house, at, Deed::GoLive, Some(id), creator).await, Answer::Done { .. }));
            world.pause(1_000).await;
            assert!(house.engine().stage.join(&room_of(id), "encoder", true, true));
            broadcasts.push(id);
            for number in 0..3 {
                let seat = viewer(&house, of, person(20 + number));
                audience.push(house.knock(seat, None, Coming::Anew).await.expect("a place"));
            }
        }
        world.pause(2_000).await;
        Self { house, broadcasts, _audience: audience }
    }

    fn world(&self) -> &World {
        &self.house.world
    }

    fn grace(&self) -> Duration {
        self.house.engine().books.settings.publisher_grace
    }

    /// How many the engine says are there.
    async fn counted(&self, of: usize) -> Option<u32> {
        self.house.engine().directory.glance(experience(of)).await.map(|view| view.audience.now)
    }

    async fn end(self) {
        self.house.close();
        self.world().pause(1).await; // an actor that never began cannot be dropped
    }
}

fn viewer(house: &House, of: usize, user: UserId) -> Arc<Seat> {
    for at in experiences() {
        if !house.truth.may(user, at, false) {
            house.truth.set(user, at, false, true);
        }
    }
    Arc::new(Seat {
        experience: experience(of),
        user,
        device: "1".to_owned(),
        session: house.fresh_viewer(),
        kind: Kind::Viewer,
        staff: false,
        basis: Basis::Login(LoginId(user.0)),
        good_until: Timestamp(i64::MAX),
    })
}

/// When an engine was given an experience, from `since` on.
fn activations(history: &[Noted], of: usize, since: u64) -> Vec<u64> {
    let mine = |noted: &&Noted| matches!(noted.seen, Seen::Activated { engine, .. } if engine != PHANTOM);
    let later = history.iter().filter(|noted| noted.of == Some(of) && noted.at >= since);
    later.filter(mine).map(|noted| noted.at).collect()
}

/// When an engine last spoke of an experience, or ordered something for it, before `until`.
fn acts(history: &[Noted], of: usize, from: u64, until: u64) -> Vec<u64> {
    let acts = |seen: &Seen| matches!(seen, Seen::Told { .. } | Seen::Asked { .. } | Seen::Ordered { .. });
    let then = history.iter().filter(|noted| noted.of == Some(of) && (from..until).contains(&noted.at));
    then.filter(|noted| acts(&noted.seen)).map(|noted| noted.at).collect()
}

fn gone(history: &[Noted], of: usize) -> usize {
    history.iter().filter(|noted| noted.of == Some(of) && matches!(noted.seen, Seen::Gone { .. })).count()
}

/// Every numbered frame that was told since then was heard by each of three sockets.
fn heard_by_all(history: &[Noted], of: usize, since: u64) -> bool {
    let numbered = |line: &Line| matches!(line.kind.as_str(), "state" | "playback");
    let here = || history.iter().filter(|noted| noted.of == Some(of) && noted.at >= since);
    let told = here().filter(|noted| matches!(&noted.seen, Seen::Told { line, .. } if numbered(line))).count();
    let heard = here().filter(|noted| matches!(&noted.seen, Seen::Heard { line, .. } if numbered(line))).count();
    told > 0 && heard == 3 * told
}

/// Hurts one experience with `panic` while it is live, and looks whether all that is promised holds.
fn panic_drill(hurt: fn(&House)) {
    paused(async move {
        let scene = Scene::set().await;
        let since = scene.world().ms();
        hurt(&scene.house);
        scene.world().pause(BACK).await;
        let view = scene.house.engine().directory.describe(experience(HURT)).await.expect("an answer");
        assert_eq!(view.broadcast.map(|at| at.stage.name()), Some("live"), "the same state");
        assert_eq!(view.audience.now, 3, "and the same audience");
        for of in 1..EXPERIENCES {
            let end = press(&scene.house, experience(of), Deed::End, Some(scene.broadcasts[of]), creators(of)[0]);
            assert!(matches!(end.await, Answer::Done { state: "ended", .. }), "the others answer");
        }
        scene.world().pause(1_000).await;
        let history = scene.world().history();
        let back = activations(&history, HURT, since);
        assert!(back.first().is_some_and(|at| *at <= since + BACK), "{back:?}, hurt at {since}");
        assert!(history.iter().any(|noted| noted.at >= since && noted.seen == Seen::Drilled), "it was hurt");
        for of in 0..EXPERIENCES {
            assert_eq!(gone(&history, of), 0, "sockets stay open");
            assert!(of == HURT || (activations(&history, of, since).is_empty() && heard_by_all(&history, of, since)));
        }
        assert_eq!(checker::check(&history, scene.grace()), Ok(()), "no gap without a snapshot");
        scene.end().await;
    });
}

#[test]
fn survive_001_a_panic_in_a_handler_costs_a_live_experience_a_tenth_of_a_second_and_the_others_nothing() {
    panic_drill(|house| {
        house.world.note(HURT, Seen::Drilled);
        house.engine().directory.drill(experience(HURT));
    });
}

#[test]
fn survive_001_a_panic_in_a_spawned_future_costs_no_more() {
    panic_drill(|house| {
        house.world.set_trap(HURT, Trap::Future);
        let room = house.engine().books.last(experience(HURT)).map(|at| room_of(at.id)).unwrap_or_default();
        let hook = Hook { id: "EV_0".into(), kind: HookKind::Left, name: String::new(), room, identity: String::new() };
        house.engine().directory.hooked(experience(HURT), hook);
    });
}

#[test]
fn survive_001_a_panic_while_it_starts_again_costs_no_more() {
    panic_drill(|house| {
        house.world.set_trap(HURT, Trap::Start);
        house.engine().directory.drill(experience(HURT));
    });
}

#[test]
fn survive_014_an_owner_that_was_replaced_changes_no_row_steps_down_within_a_second_and_takes_nothing_back() {
    paused(async {
        let scene = Scene::set().await;
        let since = scene.world().ms();
        scene.house.engine().books.seize(experience(HURT), 25_000);
        let end = press(&scene.house, experience(HURT), Deed::End, Some(scene.broadcasts[HURT]), creators(HURT)[0]);
        assert_eq!(end.await, Answer::Later);
        scene.world().pause(20_000).await;
        let again = press(&scene.house, experience(HURT), Deed::End, Some(scene.broadcasts[HURT]), creators(HURT)[0]);
        assert_eq!(again.await, Answer::Later, "it is another's still, and says so at once");
        assert!(scene.world().ms() < since + 21_000);
        assert_eq!((scene.counted(1).await, scene.counted(2).await), (Some(3), Some(3)));
        // once the other has let go, the broadcast that is open is found by itself
        scene.world().pause(25_000).await;
        let view = scene.house.engine().directory.describe(experience(HURT)).await.expect("an answer");
        assert_eq!(view.broadcast.map(|at| at.stage.name()), Some("live"));
        let history = scene.world().history();
        let replaced = history.iter().find(|noted| matches!(noted.seen, Seen::Replaced { .. })).expect("a refusal").at;
        assert_eq!(acts(&history, HURT, replaced + 1_000, since + 25_000), [0; 0]);
        assert!(activations(&history, HURT, since).iter().all(|at| *at >= since + 25_000), "not before it was free");
        let closed = |noted: &&Noted| matches!(noted.seen, Seen::Closed { code: 4010, .. });
        assert_eq!(history.iter().filter(closed).count(), 3, "its viewers are told to come back");
        assert_eq!((gone(&history, HURT), gone(&history, 1), gone(&history, 2)), (3, 0, 0));
        assert_eq!(checker::check(&history, scene.grace()), Ok(()), "no row of the stale epoch");
        scene.end().await;
    });
}

#[test]
fn survive_014_and_020_an_owner_that_wakes_from_a_long_pause_does_nothing_before_it_has_looked_at_its_lease() {
    paused(async {
        let scene = Scene::set().await;
        scene.house.engine().books.seize(experience(HURT), 120_000);
        // no timer runs in between, as when the whole process stands still
        tokio::time::advance(Duration::from_secs(40)).await;
        let woken = scene.world().ms();
        let end = press(&scene.house, experience(HURT), Deed::End, Some(scene.broadcasts[HURT]), creators(HURT)[0]);
        assert_eq!(end.await, Answer::Later);
        scene.world().pause(5_000).await;
        let history = scene.world().history();
        assert_eq!(acts(&history, HURT, woken, woken + 5_000), [0; 0], "not a word");
        let closed = |noted: &&Noted| noted.of == Some(HURT) && matches!(noted.seen, Seen::Closed { .. });
        assert!(history.iter().filter(closed).all(|noted| noted.at <= woken + 1_000));
        assert_eq!(history.iter().filter(closed).count(), 3);
        // what nobody took is simply gone on with
        assert!((1..EXPERIENCES).all(|of| gone(&history, of) == 0 && !activations(&history, of, woken).is_empty()));
        scene.end().await;
    });
}

#[test]
fn survive_015_an_owner_that_is_cut_from_the_store_stops_before_its_lease_ends_and_keeps_its_sockets() {
    paused(async {
        let scene = Scene::set().await;
        scene.house.engine().books.sever(true);
        scene.world().pause(45_000).await;
        let silent = scene.world().ms();
        scene.house.engine().books.sever(false);
        scene.world().pause(2_000).await;
        assert_eq!(scene.counted(HURT).await, Some(3));
        let history = scene.world().history();
        for of in 0..EXPERIENCES {
            let ends = history.iter().filter(|noted| noted.of == Some(of) && noted.at < silent);
            let ends = ends.filter_map(|noted| match noted.seen {
                Seen::Activated { until, .. } | Seen::Renewed { until, .. } => Some(until),
                _ => None,
            });
            let until = ends.max().expect("a lease");
            assert!(until < silent, "long enough to see it end");
            assert!(acts(&history, of, 0, silent).iter().all(|at| *at + 1_000 <= until), "a second before it at least");
            assert!(!activations(&history, of, silent).is_empty(), "and is back as soon as the store is");
            assert_eq!(gone(&history, of), 0);
        }
        scene.end().await;
    });
}

#[test]
fn survive_005_those_who_leave_while_the_mailbox_is_full_are_not_counted_and_those_who_stay_are() {
    paused(async {
        let scene = Scene::set().await;
        scene.house.engine().shards.flood(experience(HURT), 2 * MAILBOX, 70);
        scene.world().pause(40_000).await;
        let counted = scene.counted(HURT).await.expect("an answer");
        let history = scene.world().history();
        let left = gone(&history, HURT);
        assert!((1..3).contains(&left), "some left in the middle of it: {left}");
        assert_eq!(counted as usize, 3 - left);
        scene.end().await;
    });
}

#[test]
fn survive_009_a_killed_engine_that_is_started_again_takes_its_experiences_back_at_once() {
    paused(async {
        let scene = Scene::set().await;
        let since = scene.world().ms();
        scene.house.take_over(Change::Restart);
        scene.world().pause(1_000).await;
        let history = scene.world().history();
        assert!((0..EXPERIENCES).all(|of| !activations(&history, of, since).is_empty()));
        scene.end().await;
    });
}
