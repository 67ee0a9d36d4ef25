//! One activation without an actor round it: what it makes of lists, webhooks and a media server that forgot.

mod devices;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Done, Heard, Job, Running, Surroundings};
use crate::{
    clock::Timestamp,
    identity::Basis,
    ids::{BroadcastId, ExperienceId, LoginId, SpaceId, TeamId, UserId, ViewerId},
    live::{
        core::{
            audience::DeviceRule,
            broadcast::{Broadcast, Feed, Settings, Stage},
        },
        ledger::{Activation, Commit, Profile, Saved},
        media::{Hook, HookKind, MediaFault, Participant, RoomSid, room_of},
        order::Order,
        rights::{LiveRights, Right},
        seating::Seating,
    },
    socket::{
        codes::CloseCode,
        door::{Kind, Seat},
        hub::{Hub, MediaChange, Publication, Reason, ShardId},
    },
    storefront::core::experience::DevicePolicy,
};

const T0: Timestamp = Timestamp(1_795_262_400_000);
const SECOND: Duration = Duration::from_secs(1);
const BROADCAST: BroadcastId = BroadcastId(Uuid::from_u128(1));
const EXPERIENCE: ExperienceId = ExperienceId(Uuid::from_u128(2));

/// What sockets were told of where the picture is, and the places that were closed.
#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>, Mutex<Vec<(ViewerId, CloseCode)>>);

impl Hub for Told {
    fn publish(&self, _: ExperienceId, publication: Publication) {
        if let Publication::Numbered { media, .. } = publication {
            let word = match media {
                MediaChange::Keep => return,
                MediaChange::Use(_) => "use",
                MediaChange::Clear => "clear",
            };
            self.0.lock().unwrap().push(word);
        }
    }

    fn publish_to(&self, _: ShardId, _: ExperienceId, _: Publication) {}

    fn close_experience(&self, _: ExperienceId, _: CloseCode, _: Reason) {}

    fn close_user(&self, _: UserId, _: Option<ExperienceId>, _: CloseCode, _: Reason) {}

    fn close_basis(&self, _: Basis, _: CloseCode, _: Reason) {}

    fn close_session(&self, viewer: ViewerId, code: CloseCode, _: Reason) {
        self.1.lock().unwrap().push((viewer, code));
    }

    fn drain(&self, _: Duration) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

/// Everybody may do everything.
struct Open;

impl LiveRights for Open {
    fn may_watch(&self, _: UserId, _: ExperienceId) -> Right {
        Right::Yes { staff: false }
    }

    fn may_run(&self, _: UserId, _: ExperienceId) -> Right {
        Right::Yes { staff: true }
    }

    fn learn(&self, _: UserId, _: ExperienceId) -> BoxFuture<'static, bool> {
        async { true }.boxed()
    }
}

fn seat(user: u128, session: u128, device: &str) -> Arc<Seat> {
    Arc::new(Seat {
        experience: EXPERIENCE,
        user: UserId(Uuid::from_u128(user)),
        device: device.to_owned(),
        session: ViewerId(Uuid::from_u128(session)),
        kind: Kind::Viewer,
        staff: false,
        basis: Basis::Login(LoginId(Uuid::from_u128(1))),
        good_until: Timestamp(i64::MAX),
    })
}

/// An activation whose store is quick, and whose media server answers when the test says so.
struct House {
    running: Running,
    told: Arc<Told>,
    seating: Seating,
    now: Timestamp,
    /// Questions that wait for an answer.
    asked: Vec<Timestamp>,
    questions: usize,
    /// Who was put out of the room.
    removed: Vec<String>,
}

impl House {
    fn new(stage: Stage) -> Self {
        let settings = Settings {
            lobby_lead: 900 * SECOND,
            publisher_grace: 60 * SECOND,
            auto_start: true,
            not_started: 7200 * SECOND,
            unanswered: 1800 * SECOND,
        };
        let devices = DeviceRule { devices_max: 2, policy: DevicePolicy::DropOldest };
        let profile = Profile { team: TeamId(Uuid::nil()), space: SpaceId(Uuid::nil()), settings, devices };
        let broadcast = Broadcast {
            id: BROADCAST,
            experience: EXPERIENCE,
            title: None,
            record: false,
            scheduled_at: None,
            created_at: T0,
            stage,
        };
        let saved = Some(Saved { broadcast, version: 1, peak: 0, total: 0 });
        let told = Arc::new(Told::default());
        let seating = Seating::default();
        for viewer in [1, 2] {
            let seat = seat(viewer, viewer, "tv");
            let chair = seating.arrive(seat.clone());
            assert!(seating.admit(&seat, chair));
        }
        let media_url = "ws://here".to_owned();
        let around = Surroundings { hub: told.clone(), rights: Arc::new(Open), seating: seating.clone(), media_url };
        let activation = Activation { epoch: 1, profile, saved };
        let (running, jobs) = Running::begin(T0, EXPERIENCE, activation, &around);
        let (asked, removed) = (vec![], vec![]);
        let mut house = Self { running, told, seating, now: T0, asked, questions: 0, removed };
        house.perform(jobs);
        house
    }

    fn live() -> Self {
        let at = T0.minus(60 * SECOND);
        Self::new(Stage::Live { live_at: at, since: at, feed: Feed::Browser, media_at: Some(at) })
    }

    fn perform(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            match job {
                Job::Save(_) => {
                    let jobs = self.running.done(self.now, Done::Saved(Ok(Commit::Done)));
                    self.perform(jobs);
                }
                Job::Ask(_) => {
                    self.asked.push(self.now);
                    self.questions += 1;
                }
                Job::Remove(mut removal) => self.removed.append(&mut removal.identities),
                _ => {}
            }
        }
    }

    fn take(&mut self, order: Order) {
        let jobs = self.running.take(self.now, order);
        self.perform(jobs);
    }

    /// Time passes.
    fn wait(&mut self, wait: Duration) {
        self.now = self.now.plus(wait);
        let jobs = self.running.beat(self.now);
        self.perform(jobs);
    }

    /// The media server answers what it was asked: this making of the room, with a publisher or with nobody.
    fn answer(&mut self, making: &str, publishing: bool) {
        let people = |identity: &str| Participant { identity: identity.to_owned(), publishing: true, encoder: false };
        for asked_at in std::mem::take(&mut self.asked) {
            let people = publishing.then(|| people(&studio())).into_iter().collect();
            let heard = Heard { room: RoomSid(making.to_owned()), people };
            let jobs = self.running.done(self.now, Done::Asked(asked_at, Ok(heard)));
            self.perform(jobs);
        }
    }

    fn no_answer(&mut self) {
        for asked_at in std::mem::take(&mut self.asked) {
            let fault = MediaFault::Unreachable("away".into());
            let jobs = self.running.done(self.now, Done::Asked(asked_at, Err(fault)));
            self.perform(jobs);
        }
    }

    /// Asked until nothing changes any more.
    fn settle(&mut self, making: &str, publishing: bool) {
        for _ in 0..4 {
            self.wait(4 * SECOND);
            self.answer(making, publishing);
        }
    }

    fn hook(&mut self, kind: HookKind) {
        let (room, identity) = (room_of(BROADCAST), studio());
        self.take(Order::Hooked(Hook { id: String::new(), kind, name: String::new(), room, identity }));
    }

    fn state(&self) -> (&'static str, Feed, bool) {
        let view = self.running.view(self.now);
        let stage = view.broadcast.unwrap().stage;
        (stage.name(), stage.feed(), view.degraded)
    }

    fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.told.0.lock().unwrap())
    }
}

fn studio() -> String {
    format!("{}:studio", UserId(Uuid::from_u128(9)))
}

#[test]
fn survive_042_a_room_that_was_made_again_is_told_as_degraded_and_everybody_is_sent_into_the_new_one() {
    let mut house = House::live();
    house.answer("RM_1", true);
    assert_eq!((house.state(), house.told()), (("live", Feed::Browser, false), vec!["use"]));
    house.wait(4 * SECOND);
    house.answer("RM_2", false);
    assert_eq!(house.state(), ("reconnecting", Feed::None, true));
    assert_eq!(house.told(), ["clear", "use"], "players leave the old room and come into the new one");
    house.hook(HookKind::Published { encoder: false });
    assert_eq!((house.state(), house.told()), (("live", Feed::Browser, false), vec![]));
}

#[test]
fn survive_042_an_answer_that_is_missing_is_told_and_sends_nobody_away() {
    let mut house = House::live();
    house.answer("RM_1", true);
    assert_eq!(house.told(), ["use"]);
    house.wait(4 * SECOND);
    house.no_answer();
    assert_eq!((house.state(), house.told()), (("live", Feed::Browser, true), vec![]));
    house.wait(SECOND);
    house.answer("RM_1", true);
    assert_eq!((house.state(), house.told()), (("live", Feed::Browser, false), vec![]), "the picture went on");
}

#[test]
fn survive_043_nobody_is_sent_to_a_room_before_it_is_there() {
    let mut house = House::new(Stage::Live { live_at: T0, since: T0, feed: Feed::None, media_at: None });
    house.no_answer();
    assert_eq!((house.state(), house.told()), (("live", Feed::None, true), vec![]));
    house.wait(SECOND);
    house.answer("RM_1", false);
    assert_eq!((house.state(), house.told()), (("live", Feed::None, false), vec!["use"]));
    house.wait(4 * SECOND);
    house.answer("RM_2", false);
    assert_eq!(
        (house.state(), house.told()),
        (("live", Feed::None, false), vec!["clear", "use"]),
        "no picture was lost"
    );
}

#[test]
fn a_picture_that_stands_still_for_somebody_is_asked_about_and_at_most_once_a_second() {
    let mut house = House::live();
    house.answer("RM_1", true);
    let before = house.questions;
    for _ in 0..20 {
        house.now = house.now.plus(SECOND / 10);
        house.take(Order::Frozen(UserId(Uuid::from_u128(1)), true));
        house.answer("RM_1", true);
    }
    assert!((1..=2).contains(&(house.questions - before)), "{}", house.questions - before);
    assert_eq!(house.state(), ("live", Feed::Browser, false), "one line may be at fault");
}

fn any_hook() -> impl Strategy<Value = HookKind> {
    prop_oneof![
        Just(HookKind::RoomStarted),
        Just(HookKind::Joined),
        Just(HookKind::Left),
        Just(HookKind::Published { encoder: false }),
        Just(HookKind::Unpublished),
    ]
}

proptest! {
    /// Whatever webhooks come, how often and in whatever order: the audience is counted by its sockets, and what is shown in
    /// the end is what the list says.
    #[test]
    fn survive_040_webhooks_in_any_order_end_in_what_the_list_says(
        hooks in prop::collection::vec((any_hook(), 1_usize..4, 0_u64..900), 0..30).prop_shuffle(),
        publishing in any::<bool>(),
    ) {
        let mut house = House::live();
        house.answer("RM_1", true);
        for (kind, copies, later) in hooks {
            house.now = house.now.plus(Duration::from_millis(later));
            (0..copies).for_each(|_| house.hook(kind));
            let count = house.running.view(house.now).audience;
            prop_assert_eq!((count.now, count.users), (2, 2));
        }
        house.settle("RM_1", publishing);
        let wanted = if publishing { ("live", Feed::Browser, false) } else { ("reconnecting", Feed::None, false) };
        prop_assert_eq!(house.state(), wanted);
    }
}
