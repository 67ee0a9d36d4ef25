//! The sockets from outside: a real server, raw TCP clients, and a live core played by the test.

mod client;
mod faults;
mod world;

use std::{sync::atomic::Ordering, time::Duration};

use client::{CLOSE, Client, Heard, PING, PONG, TEXT, live, masked, upgrade};
use world::{EXPERIENCE, World, plan, user};

use super::{
    admission::Capacity,
    codes::CloseCode,
    frame,
    hub::{Hub, MediaChange, Minted, Publication},
};
use crate::pace::Pace;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn a_viewer_gets_welcome_snapshot_and_then_every_frame_in_order() {
    let world = World::start();
    world.put_board(3, 2, None);
    let mut viewer = Client::join(&world, 1);
    let welcome = viewer.expect("welcome");
    assert_eq!((&welcome["epoch"], &welcome["offset"]), (&3.into(), &2.into()));
    assert_eq!((&welcome["recovered"], &welcome["heartbeat_secs"]), (&false.into(), &25.into()));
    assert!(welcome["session"].as_str().unwrap().starts_with("view_"));
    assert_eq!(viewer.expect("snapshot")["offset"], 2);
    for offset in 3..40 {
        world.publish_numbered(3, offset, MediaChange::Keep);
        world.publish_audience(3, offset);
    }
    for offset in 3..40 {
        assert_eq!(viewer.expect("state")["offset"], offset);
        assert_eq!(viewer.expect("audience")["now"], offset);
    }
}

#[test]
fn the_answer_names_the_subprotocol_only_when_it_was_offered() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut client = Client::connect(&world);
    client.send(upgrade(&live(), &[("sec-websocket-protocol", "backstage.v1, ticket.7")]).as_bytes());
    let head = client.read_head();
    assert!(head.contains("sec-websocket-protocol: backstage.v1\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    client.greeted();
    let mut plain = Client::connect(&world);
    plain.send(upgrade(&live(), &[("authorization", "Bearer 7")]).as_bytes());
    let head = plain.read_head();
    assert!(head.starts_with("HTTP/1.1 101") && !head.contains("protocol:"), "{head}");
}

#[test]
fn survive_115_a_foreign_origin_reaches_the_door_and_is_refused_before_the_upgrade() {
    let world = World::start();
    let headers = [("authorization", "Bearer 1"), ("origin", "https://evil.example")];
    let (head, problem) = Client::refused(&world, &upgrade(&live(), &headers));
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert_eq!(problem["code"], "cross_site");
    assert_eq!(*world.scene.origins.lock().unwrap(), [Some("https://evil.example".to_owned())]);
    let (head, problem) = Client::refused(&world, &upgrade(&live(), &[]));
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    assert_eq!(problem["code"], "sign_in_needed");
}

#[test]
fn upgrades_that_are_not_ours_or_not_whole_are_answered_as_requests() {
    let world = World::start();
    let whole = upgrade(&live(), &[("authorization", "Bearer 1")]);
    let cases = [
        (upgrade("/somewhere", &[]), "404", "not_found"),
        (upgrade("/api/v1/experiences/exp_1/live", &[]), "404", "not_found"),
        (whole.replace("GET ", "POST "), "405", "method_not_allowed"),
        (format!("CONNECT {} HTTP/1.1\r\nhost: x\r\n\r\n", live()), "405", "method_not_allowed"),
        (whole.replace("connection: Upgrade\r\n", ""), "426", "upgrade_required"),
        (whole.replace("version: 13", "version: 12"), "426", "upgrade_required"),
        (whole.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), "400", "malformed"),
        (upgrade(&live(), &[("sec-websocket-protocol", "resume.x")]), "400", "malformed"),
    ];
    for (request, status, code) in cases {
        let (head, problem) = Client::refused(&world, &request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request} -> {head}");
        assert_eq!(problem["code"], code, "{request}");
        assert!(head.contains("connection: close"), "{head}");
    }
    assert_eq!(world.registry.turnstile().inside(), 0, "the refused are not counted");
}

#[test]
fn ordinary_requests_and_other_upgrades_are_the_apps() {
    let world = World::start();
    let mut client = Client::connect(&world);
    client.send(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n");
    assert!(client.read_head().starts_with("HTTP/1.1 200"));
    assert_eq!(client.read_exactly(5), "hello");
}

#[test]
fn a_request_before_the_upgrade_is_answered_before_it_and_a_frame_behind_it_is_heard() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut client = Client::connect(&world);
    let mut bytes = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n".to_vec();
    bytes.extend(upgrade(&live(), &[("authorization", "Bearer 4")]).into_bytes());
    bytes.extend(masked(0x80 | TEXT, r#"{"t":"react","e":"🔥"}"#.as_bytes()));
    bytes.extend(masked(0x80 | PING, b"early"));
    client.send(&bytes);
    assert!(client.read_head().starts_with("HTTP/1.1 200"));
    assert_eq!(client.read_exactly(5), "hello");
    assert!(client.read_head().starts_with("HTTP/1.1 101"));
    world.wait_for("the reaction", |scene| scene.reactions.lock().unwrap().len() == 1);
    assert_eq!(world.scene.reactions.lock().unwrap()[0].0, user(4));
    let mut heard = [client.hear(), client.hear(), client.hear()];
    heard.sort_by_key(|frame| matches!(frame, Heard::Frame(PONG, _)));
    assert_eq!(heard[2], Heard::Frame(PONG, b"early".to_vec()));
}

#[test]
fn survive_111_a_viewer_who_returns_gets_what_it_missed_or_a_snapshot() {
    let world = World::start();
    world.put_board(5, 9, None);
    let mut first = Client::join(&world, 1);
    let welcome = first.expect("welcome");
    let (session, secret) = (welcome["session"].as_str().unwrap(), welcome["resume"].as_str().unwrap());
    let join = |resume: String| {
        let offer = format!("backstage.v1, resume.{resume}");
        let mut client = Client::join_with(&world, &live(), 1, &[("sec-websocket-protocol", &offer)]);
        let welcome = client.expect("welcome");
        (client, welcome)
    };
    let (mut back, welcome) = join(format!("{session}.{secret}.5.7"));
    assert_eq!((&welcome["recovered"], &welcome["offset"]), (&true.into(), &7.into()));
    assert_eq!(welcome["session"], session, "the same place");
    assert_eq!([back.expect("state")["offset"].clone(), back.expect("state")["offset"].clone()], [8, 9]);
    world.publish_numbered(5, 10, MediaChange::Keep);
    assert_eq!(back.expect("state")["offset"], 10);
    for stale in ["4.7", "5.11", "5.18446744073709551615", "6.0"] {
        let (mut back, welcome) = join(format!("{session}.{secret}.{stale}"));
        assert_eq!(welcome["recovered"], false, "{stale}");
        assert_eq!(back.expect("snapshot")["offset"], 10, "{stale}");
    }
    let (mut forger, welcome) = join(format!("{session}.forged.5.7"));
    assert_eq!(welcome["recovered"], false);
    assert_ne!(welcome["session"], session, "a place of its own");
    forger.expect("snapshot");
}

#[test]
fn a_right_that_ends_closes_with_a_reason_and_gives_the_place_back_once() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut out = Client::join(&world, 1).greeted();
    let mut stays = Client::join(&world, 2).greeted();
    world.registry.close_user(user(1), Some(EXPERIENCE), CloseCode::AccessEnded, "revoked".into());
    let bye = out.expect_bye(4003);
    assert_eq!((&bye["reason"], &bye["reconnect"]), (&"revoked".into(), &false.into()));
    world.wait_for_gone(1);
    world.publish_numbered(1, 1, MediaChange::Keep);
    stays.expect("state");
    world.registry.close_experience(EXPERIENCE, CloseCode::Normal, "ended".into());
    stays.expect_bye(4000);
    world.wait_for_gone(2);
    world.wait_for("the topic to be closed", |scene| {
        scene.subscribed.load(Ordering::SeqCst) == scene.unsubscribed.load(Ordering::SeqCst)
    });
}

#[test]
fn a_sign_out_and_a_replaced_device_close_their_own_sockets_only() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut replaced = Client::join(&world, 1);
    let session = replaced.expect("welcome")["session"].as_str().unwrap().parse().unwrap();
    replaced.expect("snapshot");
    let mut signed_out = Client::join(&world, 2).greeted();
    let mut stays = Client::join(&world, 3).greeted();
    world.registry.close_session(session, CloseCode::Replaced, "replaced".into());
    replaced.expect_bye(4009);
    let basis = crate::identity::Basis::Login(crate::ids::LoginId(user(2).0));
    world.registry.close_basis(basis, CloseCode::SessionOver, "signed_out".into());
    signed_out.expect_bye(4001);
    world.publish_numbered(1, 1, MediaChange::Keep);
    stays.expect("state");
}

#[test]
fn a_right_that_ends_while_its_holder_is_on_the_way_in_lets_nobody_stay() {
    let world = World::start();
    world.put_board(1, 0, None);
    world.scene.held.store(true, Ordering::SeqCst);
    let mut late = Client::connect(&world);
    late.send(upgrade(&live(), &[("authorization", "Bearer 1")]).as_bytes());
    world.wait_for("the judgement to begin", |scene| scene.origins.lock().unwrap().len() == 1);
    world.registry.close_user(user(1), Some(EXPERIENCE), CloseCode::AccessEnded, "revoked".into());
    block_on(world.registry.settled());
    world.scene.release.notify_one();
    assert!(late.read_head().starts_with("HTTP/1.1 101"));
    assert_eq!(late.expect_bye(4003)["reason"], "revoked");
    world.scene.held.store(false, Ordering::SeqCst);
    let mut again = Client::join(&world, 1).greeted();
    world.publish_numbered(1, 1, MediaChange::Keep);
    again.expect("state");
}

#[test]
fn what_is_published_before_a_close_is_read_before_it() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut viewer = Client::join(&world, 1).greeted();
    world.publish_numbered(1, 1, MediaChange::Clear);
    world.registry.close_experience(EXPERIENCE, CloseCode::Normal, "ended".into());
    viewer.expect("state");
    viewer.expect_bye(4000);
}

#[test]
fn a_drain_sends_everybody_away_at_different_times_and_refuses_newcomers() {
    let world = World::start();
    world.put_board(1, 0, None);
    let viewers: Vec<_> = (0..20).map(|number| Client::join(&world, number).greeted()).collect();
    let waits = std::thread::scope(|scope| {
        let readers: Vec<_> = viewers
            .into_iter()
            .map(|mut viewer| scope.spawn(move || viewer.expect_bye(4010)["after_ms"].as_u64().unwrap()))
            .collect();
        block_on(world.registry.drain(Duration::from_secs(4)));
        let mut waits: Vec<u64> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        waits.sort_unstable();
        waits.dedup();
        waits
    });
    assert!(waits.len() > 10 && *waits.last().unwrap() < 4000, "{waits:?}");
    assert_eq!(world.registry.turnstile().inside(), 0);
    let (head, problem) = Client::refused(&world, &upgrade(&live(), &[("authorization", "Bearer 1")]));
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: "), "{head}");
    assert_eq!(problem["code"], "unavailable");
}

#[test]
fn a_stop_sends_the_sockets_away_before_the_workers_end() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut viewer = Client::join(&world, 1).greeted();
    let reader = std::thread::spawn(move || viewer.expect_bye(4010));
    block_on(async { tokio::time::timeout(Duration::from_secs(10), world.stop.stop(Duration::from_secs(1))).await })
        .expect("stopped");
    reader.join().unwrap();
    world.wait_for_gone(1);
}

#[test]
fn survive_110_a_full_engine_answers_503_and_forgets_those_it_refused() {
    let joins = Pace { every: Duration::from_hours(1), burst: 2 };
    let world = World::with(Capacity { joins, ..Capacity::default() });
    world.put_board(1, 0, None);
    let _inside = [Client::join(&world, 1).greeted(), Client::join(&world, 2).greeted()];
    let (head, problem) = Client::refused(&world, &upgrade(&live(), &[("authorization", "Bearer 3")]));
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: "), "{head}");
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(world.registry.turnstile().inside(), 2);
}

#[test]
fn what_is_for_the_studio_stays_in_the_studio() {
    let world = World::start();
    world.put_board(1, 0, None);
    let studio_path = live().replace("/live", "/studio");
    let mut studio = Client::join_with(&world, &studio_path, 1, &[]).greeted();
    let mut viewer = Client::join(&world, 2).greeted();
    world.publish(Publication::Studio { frame: frame::text(br#"{"t":"health","score":93}"#) });
    world.publish_numbered(1, 1, MediaChange::Keep);
    assert_eq!(studio.expect("health")["score"], 93);
    studio.expect("state");
    viewer.expect("state");
    studio.say(r#"{"t":"stats","fps":30,"bitrate_bits":900000}"#);
    world.wait_for("the statistics", |scene| scene.stats.lock().unwrap().len() == 1);
    viewer.say(r#"{"t":"stats","fps":30}"#);
    assert_eq!(viewer.expect("error")["code"], "unknown_type");
    studio.say(r#"{"t":"ping"}"#);
    studio.expect("pong");
}

#[test]
fn media_brings_each_viewer_a_token_of_its_own_and_renews_it_by_the_wall_clock() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut early = Client::join(&world, 1).greeted();
    world.publish_numbered(1, 1, MediaChange::Use(plan("bc_1")));
    early.expect("state");
    assert!(early.expect("token")["token"].as_str().unwrap().starts_with("bc_1-"));
    world.put_board(1, 1, Some("bc_1"));
    let mut late = Client::join(&world, 2);
    late.expect("welcome");
    late.expect("snapshot");
    late.expect("token");
    assert_eq!(world.scene.minted.load(Ordering::SeqCst), 2);
    world.move_wall(Duration::from_secs(301));
    early.expect("token");
    late.expect("token");
    world.scene.rights.lock().unwrap().insert(user(1), Minted::Ended("expired".into()));
    world.scene.rights.lock().unwrap().insert(user(2), Minted::Unknown);
    world.move_wall(Duration::from_secs(301));
    assert_eq!(early.expect_bye(4003)["reason"], "expired");
    assert_eq!(late.expect_bye(4011)["reconnect"], true);
}

#[test]
fn a_right_that_is_unknown_for_a_moment_costs_nobody_the_socket() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut viewer = Client::join(&world, 1).greeted();
    world.scene.rights.lock().unwrap().insert(user(1), Minted::Unknown);
    world.publish_numbered(1, 1, MediaChange::Use(plan("bc_1")));
    viewer.expect("state");
    world.wait_for("two tries", |scene| scene.minted.load(Ordering::SeqCst) >= 2);
    world.scene.rights.lock().unwrap().remove(&user(1));
    world.put_board(1, 1, Some("bc_1"));
    assert!(viewer.expect("token")["token"].as_str().unwrap().starts_with("bc_1-"));
}
