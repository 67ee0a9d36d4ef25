//! What the engine relies on of a media server, tried on the stand-in and on the real one alike.

mod stage;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backstage::{
    limits::BAR_EVERY,
    live::media::{HookKind, MediaFault, RoomSid},
    provider::livekit::{HookRefusal, LiveKit, MediaKey, publisher_token, viewer_token},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use livekit_api::services::room::UpdateParticipantOptions;
use livekit_protocol::ParticipantPermission;
use serde_json::Value;
use stage::{Kind, Stage, now, on};

const TTL: Duration = Duration::from_secs(600);
const ROOM: &str = "bc_contract";
const FAN: &str = "usr_1:tv";
const HOST: &str = "usr_2:studio";

/// Every test of the contract, once for each server. `bin/test --without livekit` leaves the real one out by its name.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod stand_in {
            $(#[test] fn $test() { super::on(super::Kind::StandIn, super::$test); })*
        }
        mod real_livekit {
            $(#[test] fn $test() { super::on(super::Kind::Real, super::$test); })*
        }
    };
}

on_both! {
    a_room_is_made_once_listed_and_closed_once
    a_room_that_was_closed_and_opened_again_is_another_making
    whoever_is_in_a_room_is_listed_and_put_out_and_one_who_is_absent_is_fine
    one_who_was_put_out_comes_in_again_with_the_same_token_so_bans_are_checked_on_every_join
    survive_049_one_who_is_kept_out_is_out_again_at_once_and_welcome_when_the_right_is_back
    survive_038_an_identity_that_comes_again_ousts_the_one_before
    survive_048_nobody_opens_a_room_by_joining_it_and_no_old_token_opens_it_again
    survive_050_a_viewer_cannot_publish_and_an_altered_token_is_refused
    a_token_opens_the_door_from_its_beginning_to_its_end_and_with_the_right_key_alone
    permissions_are_replaced_as_a_whole_and_an_unknown_person_has_none
    what_the_server_does_not_know_is_nothing_and_a_wrong_key_is_a_fault
    survive_041_webhooks_verify_on_the_raw_body_and_no_altered_one_does
}

fn fan(stage: &Stage) -> String {
    viewer_token(&stage.key, now(), TTL, ROOM, FAN)
}

fn host(stage: &Stage) -> String {
    publisher_token(&stage.key, now(), TTL, ROOM, HOST)
}

async fn inside(stage: &Stage) -> Vec<String> {
    let people = stage.media.participants(ROOM).await.unwrap();
    let mut names: Vec<String> = people.into_iter().map(|person| person.identity).collect();
    names.sort();
    names
}

async fn open(stage: &Stage) -> RoomSid {
    stage.media.open_room(ROOM).await.unwrap()
}

async fn a_room_is_made_once_listed_and_closed_once(stage: Stage) {
    assert!(stage.media.rooms().await.unwrap().is_empty());
    let made = open(&stage).await;
    assert!(!made.0.is_empty());
    assert_eq!(open(&stage).await, made, "opening it again changes nothing");
    assert_eq!(stage.media.rooms().await.unwrap(), [ROOM]);
    assert_eq!(inside(&stage).await, Vec::<String>::new());
    let told = stage.official.list_rooms(vec![ROOM.to_owned()]).await.unwrap();
    assert!(told[0].empty_timeout >= 3600 && told[0].departure_timeout > 1800, "longer than any lobby and any grace");
    stage.media.close_room(ROOM).await.unwrap();
    assert!(stage.media.rooms().await.unwrap().is_empty());
    stage.media.close_room(ROOM).await.unwrap();
}

async fn a_room_that_was_closed_and_opened_again_is_another_making(stage: Stage) {
    let first = open(&stage).await;
    stage.media.close_room(ROOM).await.unwrap();
    assert_ne!(open(&stage).await, first);
}

async fn whoever_is_in_a_room_is_listed_and_put_out_and_one_who_is_absent_is_fine(stage: Stage) {
    open(&stage).await;
    let _fan = stage.join(&fan(&stage)).await.unwrap();
    let _host = stage.join(&host(&stage)).await.unwrap();
    assert_eq!(inside(&stage).await, [FAN, HOST], "hidden ones are listed too");
    let people = stage.media.participants(ROOM).await.unwrap();
    assert!(people.iter().all(|person| !person.publishing && !person.encoder));
    stage.media.remove(ROOM, FAN).await.unwrap();
    assert_eq!(inside(&stage).await, [HOST]);
    stage.media.remove(ROOM, FAN).await.unwrap();
    stage.media.remove("bc_nowhere", FAN).await.unwrap();
    stage.media.close_room(ROOM).await.unwrap();
    assert_eq!(inside(&stage).await, Vec::<String>::new(), "whoever was in it is out with it");
}

async fn one_who_was_put_out_comes_in_again_with_the_same_token_so_bans_are_checked_on_every_join(stage: Stage) {
    open(&stage).await;
    let token = fan(&stage);
    for _ in 0..3 {
        let _fan = stage.join(&token).await.unwrap();
        assert_eq!(inside(&stage).await, [FAN]);
        stage.media.remove(ROOM, FAN).await.unwrap();
        assert_eq!(inside(&stage).await, Vec::<String>::new());
    }
}

async fn survive_049_one_who_is_kept_out_is_out_again_at_once_and_welcome_when_the_right_is_back(stage: Stage) {
    open(&stage).await;
    let (token, barred, lifted) = (fan(&stage), Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let _host = stage.join(&host(&stage)).await.unwrap();
    let (asked, told) = (barred.clone(), lifted.clone());
    let still = move || {
        let still = asked.load(Ordering::SeqCst);
        told.fetch_or(!still, Ordering::SeqCst);
        still
    };
    stage.media.keep_out(ROOM, FAN, Arc::new(still));
    for _ in 0..10 {
        let _fan = stage.join(&token).await.unwrap();
        let out = async {
            while inside(&stage).await != [HOST] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(2 * BAR_EVERY + Duration::from_millis(300), out).await.expect("still in");
    }
    barred.store(false, Ordering::SeqCst);
    let heard = async {
        while !lifted.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(5 * BAR_EVERY + Duration::from_secs(1), heard).await.expect("nobody asks any more");
    let _fan = stage.join(&token).await.unwrap();
    assert_eq!(inside(&stage).await, [FAN, HOST]);
}

async fn survive_038_an_identity_that_comes_again_ousts_the_one_before(stage: Stage) {
    open(&stage).await;
    let mut first = stage.join(&host(&stage)).await.unwrap();
    let _second = stage.join(&host(&stage)).await.unwrap();
    assert_eq!(inside(&stage).await, [HOST], "one publisher at a time");
    if stage.kind == Kind::Real {
        let told = first.next(|said| said.get("leave").is_some()).await;
        assert_eq!(told["leave"]["reason"], "DUPLICATE_IDENTITY", "{told}");
    }
}

async fn survive_048_nobody_opens_a_room_by_joining_it_and_no_old_token_opens_it_again(stage: Stage) {
    let token = fan(&stage);
    assert_eq!(stage.join(&token).await.err(), Some(404), "never opened");
    open(&stage).await;
    let _fan = stage.join(&token).await.unwrap();
    stage.media.close_room(ROOM).await.unwrap();
    assert_eq!(stage.join(&token).await.err(), Some(404), "over");
    assert_eq!(stage.join(&host(&stage)).await.err(), Some(404), "a publisher neither");
    assert!(stage.media.rooms().await.unwrap().is_empty());
}

/// The token with other claims, and the signature it had.
fn altered(token: &str, alter: impl FnOnce(&mut Value)) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    alter(&mut claims);
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

async fn survive_050_a_viewer_cannot_publish_and_an_altered_token_is_refused(stage: Stage) {
    open(&stage).await;
    let forged = altered(&fan(&stage), |claims| claims["video"]["canPublish"] = true.into());
    assert_eq!(stage.join(&forged).await.err(), Some(401), "altered grants");
    let other = MediaKey { secret: "another-secret-of-at-least-32-bytes!".to_owned().into(), ..stage.key.clone() };
    let resigned = publisher_token(&other, now(), TTL, ROOM, FAN);
    assert_eq!(stage.join(&resigned).await.err(), Some(401), "altered and signed with another secret");

    let mut guest = stage.join(&fan(&stage)).await.unwrap();
    assert!(!stage.may_publish(&mut guest, ROOM, FAN).await, "an honest viewer's token forbids it");
    let mut sender = stage.join(&host(&stage)).await.unwrap();
    assert!(stage.may_publish(&mut sender, ROOM, HOST).await);
    let people = stage.media.participants(ROOM).await.unwrap();
    assert!(people.iter().filter(|person| person.identity == FAN).all(|person| !person.publishing));
    let allowed = stage.official.get_participant(ROOM, FAN).await.unwrap().permission.unwrap();
    assert!(allowed.can_subscribe && allowed.hidden);
    assert!(!allowed.can_publish && !allowed.can_publish_data && !allowed.can_update_metadata);
}

async fn a_token_opens_the_door_from_its_beginning_to_its_end_and_with_the_right_key_alone(stage: Stage) {
    open(&stage).await;
    let now = now();
    let made = |ago: u64, ttl: u64| {
        viewer_token(&stage.key, now.minus(Duration::from_secs(ago)), Duration::from_secs(ttl), ROOM, FAN)
    };
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), fan(&stage).split('.').nth(1).unwrap());
    let early = viewer_token(&stage.key, now.plus(Duration::from_secs(300)), TTL, ROOM, FAN);
    let stranger = MediaKey { key: "stranger".to_owned(), ..stage.key.clone() };
    let table = [
        ("good", fan(&stage), None),
        ("over for less than the server's leeway of a minute", made(630, 600), None),
        ("over for longer", made(670, 600), Some(401)),
        ("not yet", early, Some(401)),
        ("an unknown key", viewer_token(&stranger, now, TTL, ROOM, FAN), Some(401)),
        ("another room in it", altered(&fan(&stage), |claims| claims["video"]["room"] = "bc_other".into()), Some(401)),
        (
            "another end in it",
            altered(&made(670, 600), |claims| claims["exp"] = (now.0 / 1000 + 600).into()),
            Some(401),
        ),
        ("no algorithm", unsigned, Some(401)),
        ("nonsense", "nonsense".to_owned(), Some(401)),
    ];
    for (what, token, refused) in table {
        assert_eq!(stage.join(&token).await.err(), refused, "{what}");
    }
}

async fn permissions_are_replaced_as_a_whole_and_an_unknown_person_has_none(stage: Stage) {
    open(&stage).await;
    let mut sender = stage.join(&host(&stage)).await.unwrap();
    let none = || UpdateParticipantOptions {
        permission: Some(ParticipantPermission::default()),
        ..UpdateParticipantOptions::default()
    };
    let told = stage.official.update_participant(ROOM, HOST, none()).await.unwrap().permission.unwrap();
    assert!(!told.can_publish && !told.can_subscribe, "what is not named is forbidden");
    assert!(!stage.may_publish(&mut sender, ROOM, HOST).await);
    assert!(stage.official.update_participant(ROOM, FAN, none()).await.is_err(), "nobody of that name");
    assert!(stage.official.get_participant(ROOM, FAN).await.is_err());
}

async fn what_the_server_does_not_know_is_nothing_and_a_wrong_key_is_a_fault(stage: Stage) {
    assert!(stage.media.participants("bc_nowhere").await.unwrap().is_empty());
    stage.media.remove("bc_nowhere", FAN).await.unwrap();
    stage.media.close_room("bc_nowhere").await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let stranger = LiveKit::new(&stage.url, &stage.key.key, "another-secret-of-at-least-32-bytes!", runtime.clone());
    let stranger: &dyn backstage::live::media::MediaServer = &stranger;
    assert!(matches!(stranger.rooms().await, Err(MediaFault::Unreachable(_) | MediaFault::Refused(_))));
    let nobody = LiveKit::new("http://127.0.0.1:1", &stage.key.key, "x", runtime);
    let nobody: &dyn backstage::live::media::MediaServer = &nobody;
    assert!(matches!(nobody.open_room(ROOM).await, Err(MediaFault::Unreachable(_))));
    assert!(stage.media.rooms().await.unwrap().is_empty(), "no stranger made a room");
}

async fn survive_041_webhooks_verify_on_the_raw_body_and_no_altered_one_does(mut stage: Stage) {
    open(&stage).await;
    let (started, delivery) = stage.hook("the room's start", |hook| hook.kind == HookKind::RoomStarted).await;
    assert_eq!((started.room.as_str(), started.identity.as_str()), (ROOM, ""));

    let (good, body) = (delivery.authorization.as_str(), delivery.body.as_slice());
    let mut bent = body.to_vec();
    let at = bent.iter().position(|byte| *byte == b':').unwrap();
    bent.insert(at + 1, b' ');
    let spaced: Vec<u8> = serde_json::to_vec(&serde_json::from_slice::<Value>(body).unwrap()).unwrap();
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap());
    let ended = altered(good, |claims| claims["exp"] = 1.into());
    let longer = altered(good, |claims| claims["exp"] = 4_102_444_800_i64.into());
    for (what, authorization, body) in [
        ("one space more", good, bent.as_slice()),
        ("written again by us", good, spaced.as_slice()),
        ("no algorithm", none.as_str(), body),
        ("ended long ago", ended.as_str(), body),
        ("made to last", longer.as_str(), body),
        ("nothing", "", body),
    ] {
        assert_eq!(stage.read(authorization, body).unwrap_err(), HookRefusal::BadSignature, "{what}");
    }
    let later = now().plus(Duration::from_secs(3600));
    let replayed = backstage::provider::livekit::read_hook(&stage.key, later, good, body);
    assert_eq!(replayed.unwrap_err(), HookRefusal::BadSignature, "replayed an hour later");

    let guest = stage.join(&fan(&stage)).await.unwrap();
    guest.leave(&stage, ROOM, FAN).await;
    let (left, _) = stage.hook("somebody's leaving", |hook| hook.kind == HookKind::Left).await;
    assert_eq!((left.room.as_str(), left.identity.as_str()), (ROOM, FAN));
    stage.media.close_room(ROOM).await.unwrap();
    let (finished, _) = stage.hook("the room's end", |hook| hook.kind == HookKind::RoomFinished).await;
    assert_eq!(finished.room, ROOM);
    assert_ne!(finished.id, started.id);
}
