//! The rules of a broadcast, by table and by property.

mod devices;

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::{
    audience::{Audience, DeviceLimit, DeviceRule},
    broadcast::{Broadcast, CancelReason, Effect, EndReason, Event, Feed, Refusal, Settings, Stage, Witness, step},
    health::{Complaint, Gauge, Health, Stats, judge},
    invariant::breaches,
    signal::{Signal, Verdict},
};
use crate::{
    clock::Timestamp,
    ids::{BroadcastId, ExperienceId, UserId, ViewerId},
    limits::{HEALTH_SILENCE, STUDIO_SILENCE, VIEWER_GRACE},
    storefront::core::experience::DevicePolicy,
};

const T0: Timestamp = Timestamp(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings {
        lobby_lead: 15 * MINUTE,
        publisher_grace: MINUTE,
        auto_start: true,
        not_started: 120 * MINUTE,
        unanswered: 30 * MINUTE,
    }
}

fn broadcast(stage: Stage) -> Broadcast {
    Broadcast {
        id: BroadcastId(Uuid::from_u128(1)),
        experience: ExperienceId(Uuid::from_u128(2)),
        title: None,
        record: false,
        scheduled_at: Some(T0.plus(60 * MINUTE)),
        created_at: T0,
        stage,
    }
}

fn live() -> Stage {
    Stage::Live { live_at: T0, since: T0, feed: Feed::Browser, media_at: Some(T0) }
}

fn lobby(feed: Feed) -> Stage {
    Stage::Lobby { since: T0, feed }
}

fn reconnecting(witness: Witness) -> Stage {
    Stage::Reconnecting { live_at: T0, since: T0, until: T0.plus(MINUTE), feed: Feed::Browser, witness }
}

fn ended() -> Stage {
    Stage::Ended { live_at: T0, at: T0, why: EndReason::Creator }
}

fn cancelled() -> Stage {
    Stage::Cancelled { at: T0, why: CancelReason::Creator }
}

fn after(stage: Stage, secs: u64, event: Event) -> (Stage, Vec<Effect>) {
    let at = broadcast(stage);
    let done = step(T0.plus(Duration::from_secs(secs)), &at, &settings(), event).unwrap();
    (done.next.unwrap_or(at.stage), done.effects)
}

/// state, command => where it leads, or a refusal
#[test]
fn what_a_creator_may_do_in_each_state() {
    let (lobby_, live_, over) = (lobby(Feed::None), live(), ended());
    let table: [(Stage, Event, Result<&str, Refusal>); 24] = [
        (Stage::Scheduled, Event::OpenLobby, Ok("lobby")),
        (Stage::Scheduled, Event::GoLive, Ok("live")),
        (Stage::Scheduled, Event::End, Err(Refusal::IllegalTransition)),
        (Stage::Scheduled, Event::Cancel, Ok("cancelled")),
        (lobby_.clone(), Event::OpenLobby, Ok("lobby")),
        (lobby_.clone(), Event::GoLive, Ok("live")),
        (lobby_.clone(), Event::End, Err(Refusal::IllegalTransition)),
        (lobby_, Event::Cancel, Ok("cancelled")),
        (live_.clone(), Event::OpenLobby, Err(Refusal::IllegalTransition)),
        (live_.clone(), Event::GoLive, Ok("live")),
        (live_.clone(), Event::End, Ok("ended")),
        (live_, Event::Cancel, Err(Refusal::IllegalTransition)),
        (reconnecting(Witness::Server), Event::OpenLobby, Err(Refusal::IllegalTransition)),
        (reconnecting(Witness::Server), Event::GoLive, Ok("reconnecting")),
        (reconnecting(Witness::Server), Event::End, Ok("ended")),
        (reconnecting(Witness::Server), Event::Cancel, Err(Refusal::IllegalTransition)),
        (over.clone(), Event::OpenLobby, Err(Refusal::IllegalTransition)),
        (over.clone(), Event::GoLive, Err(Refusal::IllegalTransition)),
        (over.clone(), Event::End, Ok("ended")),
        (over, Event::Cancel, Err(Refusal::IllegalTransition)),
        (cancelled(), Event::OpenLobby, Err(Refusal::IllegalTransition)),
        (cancelled(), Event::GoLive, Err(Refusal::IllegalTransition)),
        (cancelled(), Event::End, Err(Refusal::IllegalTransition)),
        (cancelled(), Event::Cancel, Ok("cancelled")),
    ];
    for (stage, event, expected) in table {
        let at = broadcast(stage.clone());
        let got = step(T0, &at, &settings(), event).map(|done| done.next.unwrap_or(at.stage.clone()).name());
        assert_eq!(got, expected, "{stage:?} {event:?}");
    }
}

#[test]
fn the_lobby_opens_by_itself_before_the_schedule_and_not_earlier() {
    assert_eq!(after(Stage::Scheduled, 45 * 60 - 1, Event::Tick).0, Stage::Scheduled);
    let (stage, effects) = after(Stage::Scheduled, 45 * 60, Event::Tick);
    assert_eq!((stage.name(), effects), ("lobby", vec![Effect::OpenRoom]));
}

#[test]
fn media_that_starts_in_the_lobby_takes_it_live_and_media_before_stays_backstage() {
    let up = Event::MediaUp { feed: Feed::Browser, witness: Witness::Server };
    assert_eq!(after(Stage::Scheduled, 1, up).0, Stage::Scheduled);
    assert_eq!(after(lobby(Feed::None), 1, up).0.name(), "live");
    let manual = Settings { auto_start: false, ..settings() };
    let kept = step(T0, &broadcast(lobby(Feed::None)), &manual, up).unwrap().next.unwrap();
    assert_eq!(kept, lobby(Feed::Browser));
    let (stage, _) = after(kept, 2, Event::GoLive);
    assert_eq!(stage.feed(), Feed::Browser);
}

#[test]
fn going_live_without_media_starts_no_grace_until_media_was_seen() {
    let (stage, _) = after(lobby(Feed::None), 1, Event::GoLive);
    let (stage, _) = after(stage, 2, Event::MediaDown { witness: Witness::Server });
    assert_eq!(stage.name(), "live");
    let (stage, _) = after(stage, 3, Event::MediaUp { feed: Feed::Browser, witness: Witness::Server });
    let (stage, _) = after(stage, 4, Event::MediaDown { witness: Witness::Studio });
    assert_eq!(stage.name(), "reconnecting");
}

#[test]
fn survive_036_a_publisher_back_inside_the_grace_keeps_the_same_broadcast() {
    let (stage, _) = after(live(), 10, Event::MediaDown { witness: Witness::Studio });
    let (stage, effects) = after(stage, 15, Event::MediaUp { feed: Feed::Browser, witness: Witness::Studio });
    assert!(matches!(stage, Stage::Live { live_at: T0, .. }) && effects.is_empty(), "{stage:?}");
}

#[test]
fn survive_037_a_deadline_asks_and_only_an_answer_after_it_ends() {
    let at = |secs| T0.plus(Duration::from_secs(secs));
    let lost = reconnecting(Witness::Studio);
    assert_eq!(after(lost.clone(), 59, Event::Tick).1, vec![]);
    assert_eq!(after(lost.clone(), 60, Event::Tick), (lost.clone(), vec![Effect::Ask]));
    assert_eq!(after(lost.clone(), 61, Event::NobodyOnAir { asked_at: at(59) }).0.name(), "reconnecting");
    let (stage, effects) = after(lost.clone(), 61, Event::NobodyOnAir { asked_at: at(60) });
    assert!(matches!(stage, Stage::Ended { why: EndReason::PublisherGone, .. }), "{stage:?}");
    assert_eq!(effects, [Effect::CloseRoom]);
    assert_eq!(after(lost.clone(), 60 + 1799, Event::NoAnswer { silent_since: T0 }).0.name(), "reconnecting");
    let once = Event::NoAnswer { silent_since: at(61) };
    assert_eq!(after(lost.clone(), 60 + 1800, once).0.name(), "reconnecting", "it answered after the deadline");
    let (stage, _) = after(lost, 60 + 1800, Event::NoAnswer { silent_since: T0 });
    assert!(matches!(stage, Stage::Ended { why: EndReason::MediaServerSilent, .. }), "{stage:?}");
}

#[test]
fn a_listing_takes_back_the_servers_own_word_and_not_our_fresh_silence() {
    let listed = |secs| Event::OnAir { asked_at: T0.plus(Duration::from_secs(secs)), feed: Feed::Browser };
    assert_eq!(after(reconnecting(Witness::Server), 20, listed(20)).0.name(), "live");
    for witness in [Witness::Studio, Witness::Viewers] {
        assert_eq!(after(reconnecting(witness), 24, listed(24)).0.name(), "reconnecting");
        assert_eq!(
            after(reconnecting(witness), 25, listed(25)).0.name(),
            "live",
            "a dead browser is not listed any more"
        );
    }
    let (known, _) = after(reconnecting(Witness::Studio), 15, Event::NobodyOnAir { asked_at: T0.plus(MINUTE / 6) });
    assert_eq!(after(known, 20, listed(20)).0.name(), "live");
}

#[test]
fn an_answer_to_a_question_asked_before_media_appeared_says_nothing_about_it() {
    assert_eq!(after(live(), 1, Event::NobodyOnAir { asked_at: T0 }).0, live());
    assert_eq!(after(live(), 2, Event::NobodyOnAir { asked_at: T0.plus(MINUTE) }).0.name(), "reconnecting");
}

#[test]
fn what_has_not_started_two_hours_after_its_schedule_is_cancelled() {
    for stage in [Stage::Scheduled, lobby(Feed::None)] {
        let (stage, _) = after(stage, 180 * 60, Event::Tick);
        assert!(matches!(stage, Stage::Cancelled { why: CancelReason::NeverStarted, .. }), "{stage:?}");
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let feed = prop_oneof![Just(Feed::Browser), Just(Feed::Encoder)];
    let witness = prop_oneof![Just(Witness::Studio), Just(Witness::Viewers), Just(Witness::Server)];
    let ago = 0_u64..90;
    prop_oneof![
        1 => Just(Event::OpenLobby),
        1 => Just(Event::GoLive),
        1 => Just(Event::End),
        1 => Just(Event::Cancel),
        1 => Just(Event::NoAnswer { silent_since: T0 }),
        4 => Just(Event::Tick),
        4 => (feed.clone(), witness.clone()).prop_map(|(feed, witness)| Event::MediaUp { feed, witness }),
        4 => witness.prop_map(|witness| Event::MediaDown { witness }),
        // `asked_at` is made relative to now by the test
        2 => (ago.clone(), feed).prop_map(|(s, feed)| Event::OnAir { asked_at: Timestamp(i64::try_from(s).unwrap()), feed }),
        2 => ago.prop_map(|s| Event::NobodyOnAir { asked_at: Timestamp(i64::try_from(s).unwrap()) }),
    ]
}

proptest! {
    /// Whatever happens in whatever order: over is over, live begins once, the room is closed once and nothing follows.
    #[test]
    fn no_story_breaks_an_invariant(events in prop::collection::vec((any_event(), 0_u64..120), 0..120)) {
        let (mut now, mut at, mut closed) = (T0, broadcast(Stage::Scheduled), 0);
        for (event, later) in events {
            now = now.plus(Duration::from_secs(later));
            let event = match event {
                Event::OnAir { asked_at, feed } =>
                    Event::OnAir { asked_at: Timestamp(now.0 - asked_at.0 * 1000), feed },
                Event::NobodyOnAir { asked_at } => Event::NobodyOnAir { asked_at: Timestamp(now.0 - asked_at.0 * 1000) },
                other => other,
            };
            let Ok(done) = step(now, &at, &settings(), event) else { continue };
            closed += done.effects.iter().filter(|effect| **effect == Effect::CloseRoom).count();
            if let Some(next) = done.next {
                prop_assert!(next != at.stage, "a step that changes nothing needs no saving");
                let before = std::mem::replace(&mut at.stage, next);
                prop_assert_eq!(breaches(&before, &at, super::audience::Count::default()), Vec::<&str>::new());
            }
        }
        prop_assert!(closed <= 1);
    }
}

fn viewer(n: u128) -> ViewerId {
    ViewerId(Uuid::from_u128(n))
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn refusing(devices_max: usize) -> DeviceRule {
    DeviceRule { devices_max, policy: DevicePolicy::RefuseNewcomer }
}

#[test]
fn a_device_that_is_back_is_away_nowhere_any_more() {
    let mut audience = Audience::default();
    for who in [1, 2] {
        audience.admit(viewer(who), user(1), "tv", false, refusing(3)).unwrap();
    }
    audience.settle(T0, viewer(1), 0);
    audience.settle(T0, viewer(2), 0);
    audience.admit(viewer(3), user(1), "tv", false, refusing(3)).unwrap();
    assert_eq!(audience.count().now, 1);
}

#[test]
fn a_device_that_sits_elsewhere_when_its_half_open_socket_is_noticed_is_not_counted_twice() {
    let mut audience = Audience::default();
    audience.admit(viewer(1), user(1), "tv", false, refusing(3)).unwrap();
    audience.admit(viewer(2), user(1), "tv", false, refusing(3)).unwrap();
    audience.settle(T0, viewer(1), 0);
    assert_eq!((audience.count().now, audience.total()), (1, 2));
    audience.settle(T0, viewer(2), 0);
    assert_eq!(audience.count().now, 1, "the last one is kept");
}

#[test]
fn a_viewer_back_inside_the_grace_keeps_the_place_and_the_count_does_not_flap() {
    let mut audience = Audience::default();
    audience.admit(viewer(1), user(1), "tv", false, refusing(3)).unwrap();
    audience.settle(T0, viewer(1), 0);
    assert!(!audience.expire(T0.plus(VIEWER_GRACE).minus(Duration::from_millis(1))));
    assert_eq!(audience.count().now, 1);
    audience.admit(viewer(1), user(1), "tv", false, refusing(3)).unwrap();
    assert!(!audience.expire(T0.plus(2 * VIEWER_GRACE)));
    assert_eq!((audience.count().now, audience.total()), (1, 1));
}

#[test]
fn a_reloaded_page_without_its_ticket_is_not_counted_twice() {
    let mut audience = Audience::default();
    audience.admit(viewer(1), user(1), "tv", false, refusing(3)).unwrap();
    audience.settle(T0, viewer(1), 0);
    audience.admit(viewer(2), user(1), "tv", false, refusing(3)).unwrap();
    assert_eq!((audience.count().now, audience.count().peak, audience.total()), (1, 1, 1));
}

#[test]
fn survive_093_a_device_too_many_is_refused_and_staff_is_exempt() {
    let mut audience = Audience::default();
    audience.admit(viewer(1), user(1), "tv", false, refusing(2)).unwrap();
    audience.admit(viewer(2), user(1), "phone", false, refusing(2)).unwrap();
    assert_eq!(audience.admit(viewer(3), user(1), "laptop", false, refusing(2)), Err(DeviceLimit));
    assert_eq!(audience.admit(viewer(3), user(1), "phone", false, refusing(2)), Ok(vec![]));
    assert_eq!(audience.admit(viewer(4), user(2), "laptop", false, refusing(2)), Ok(vec![]));
    assert_eq!(audience.admit(viewer(5), user(1), "desk", true, refusing(2)), Ok(vec![]));
    audience.evict(user(1));
    assert_eq!((audience.count().now, audience.count().users), (1, 1));
}

proptest! {
    /// Counted by itself from the same story, the audience agrees with a naive list.
    #[test]
    fn the_audience_agrees_with_a_naive_list(story in prop::collection::vec((0_u8..4, 0_u128..6, 0_u64..20), 0..200)) {
        let (mut now, mut audience) = (T0, Audience::default());
        let mut naive: Vec<(u128, u32, Option<Timestamp>)> = vec![]; // viewer (= user = device), sockets, away since
        for (act, who, later) in story {
            now = now.plus(Duration::from_secs(later));
            audience.expire(now);
            naive.retain(|(_, _, away)| away.is_none_or(|at| now < at.plus(VIEWER_GRACE)));
            if matches!(act, 0 | 1) {
                audience.admit(viewer(who), user(who), "d", false, refusing(1)).unwrap();
                match naive.iter_mut().find(|(v, _, _)| *v == who) {
                    Some((_, sockets, away)) => { *sockets += 1; *away = None; }
                    None => naive.push((who, 1, None)),
                }
            } else if act == 2 {
                // one socket leaves at most once: only where one is
                if let Some((_, sockets, away)) = naive.iter_mut().find(|(v, s, _)| *v == who && *s > 0) {
                    *sockets -= 1;
                    if *sockets == 0 { *away = Some(now); }
                    audience.settle(now, viewer(who), *sockets);
                }
            } else {
                audience.evict(user(who));
                naive.retain(|(v, _, _)| *v != who);
            }
            prop_assert_eq!(audience.count().now as usize, naive.len());
            prop_assert!(audience.count().peak >= audience.count().now && audience.count().users <= audience.count().now);
        }
    }
}

#[test]
fn a_silent_studio_has_lost_its_media_in_time_for_the_five_seconds() {
    let mut signal = Signal::default();
    assert_eq!(signal.studio(T0, true), Some(Verdict::Up(Feed::Browser, Witness::Studio)));
    assert_eq!(signal.tick(T0.plus(STUDIO_SILENCE).minus(Duration::from_millis(1))), None);
    assert_eq!(signal.tick(T0.plus(STUDIO_SILENCE)), Some(Verdict::Down(Witness::Studio)));
    assert_eq!(signal.tick(T0.plus(MINUTE)), None);
}

#[test]
fn one_frozen_viewer_is_its_own_line_and_two_are_evidence_unless_the_studio_speaks() {
    let mut signal = Signal::default();
    assert_eq!(signal.viewer(T0, user(1), true), None);
    assert_eq!(signal.viewer(T0, user(1), true), None);
    assert_eq!(signal.viewer(T0, user(2), true), Some(Verdict::Down(Witness::Viewers)));
    let mut signal = Signal::default();
    signal.studio(T0, true);
    signal.viewer(T0, user(1), true);
    assert_eq!(signal.viewer(T0.plus(Duration::from_secs(1)), user(2), true), None);
}

#[test]
fn survive_054_health_is_unknown_after_silence_and_never_good_by_default() {
    let mut gauge = Gauge::default();
    assert_eq!(gauge.health(T0), Health::Unknown);
    gauge.measure(T0, Stats { bitrate_bps: 1.5e6, fps: 30.0, loss_ratio: 0.0, rtt_ms: 40.0 });
    assert_eq!(gauge.health(T0), Health::Known { score: 100, reasons: vec![] });
    assert_eq!(gauge.health(T0.plus(HEALTH_SILENCE)), Health::Unknown);
}

#[test]
fn a_bad_line_loses_points_with_a_reason() {
    let nothing = judge(&Stats::default());
    assert_eq!(nothing, Health::Known { score: 0, reasons: vec![Complaint::NoMedia] });
    let lossy = judge(&Stats { bitrate_bps: 1e6, fps: 30.0, loss_ratio: 0.2, rtt_ms: 40.0 });
    assert_eq!(lossy, Health::Known { score: 40, reasons: vec![Complaint::PacketLoss] });
    let mut gauge = Gauge::default();
    gauge.measure(T0, Stats { bitrate_bps: f64::NAN, fps: -1.0, loss_ratio: 7.0, rtt_ms: f64::INFINITY });
    assert_eq!(gauge.health(T0), nothing);
}
