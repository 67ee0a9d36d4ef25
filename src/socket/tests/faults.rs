//! What goes wrong on a wire, one by one: breaches of RFC 6455, floods, silence, readers that stop, and our own bugs.

use super::*;

#[test]
fn survive_100_breaches_of_the_framing_close_with_their_own_code_and_nothing_but_it() {
    let world = World::start();
    world.put_board(1, 0, None);
    let too_long = masked(0x80 | TEXT, &[b'x'; 5000]);
    let continued = [masked(TEXT, &[b'x'; 3000]), masked(0x80, &[b'x'; 3000])].concat();
    let cases: [(&str, Vec<u8>, u16); 9] = [
        ("too long", too_long, 1009),
        ("too long in two", continued, 1009),
        ("unmasked", vec![0x80 | TEXT, 2, b'{', b'}'], 1002),
        ("reserved bit", masked(0xC0 | TEXT, b"{}"), 1002),
        ("unknown opcode", masked(0x83, b""), 1002),
        ("continuation of nothing", masked(0x80, b"x"), 1002),
        ("not UTF-8", masked(0x80 | TEXT, b"\xC0\xAF"), 1007),
        ("close of one byte", masked(0x80 | CLOSE, b"x"), 1002),
        ("close reason not UTF-8", masked(0x80 | CLOSE, b"\x03\xE8\xFF"), 1007),
    ];
    let mut bystander = Client::join(&world, 1).greeted();
    for (count, (what, bytes, number)) in cases.into_iter().enumerate() {
        let mut client = Client::join(&world, 2).greeted();
        client.send(&bytes);
        client.expect_close(number);
        assert_eq!(client.hear(), Heard::End, "{what}");
        drop(client);
        world.wait_for_gone(count + 1);
    }
    world.publish_numbered(1, 1, MediaChange::Keep);
    bystander.expect("state");
}

#[test]
fn control_frames_between_fragments_are_answered_and_the_message_is_whole() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut client = Client::join(&world, 1).greeted();
    let text = r#"{"t":"react","e":"❤️"}"#.as_bytes();
    client.send(&masked(TEXT, &text[..18]));
    client.send(&masked(0x80 | PING, b"amid"));
    for byte in masked(0, &text[18..20]) {
        client.send(&[byte]);
    }
    client.send(&masked(0x80, &text[20..]));
    assert_eq!(client.hear(), Heard::Frame(PONG, b"amid".to_vec()));
    world.wait_for("the reaction", |scene| scene.reactions.lock().unwrap().len() == 1);
}

#[test]
fn survive_104_a_close_of_the_viewers_is_echoed_and_tcp_ends() {
    let world = World::start();
    world.put_board(1, 0, None);
    for payload in [&[][..], &1000u16.to_be_bytes(), b"\x0F\xA0see you"] {
        let mut client = Client::join(&world, 1).greeted();
        client.send(&masked(0x80 | CLOSE, payload));
        let echo = payload[..payload.len().min(2)].to_vec();
        assert_eq!(client.hear(), Heard::Frame(CLOSE, echo));
        assert_eq!(client.hear(), Heard::End);
    }
    world.wait_for_gone(3);
}

#[test]
fn survive_101_three_things_in_a_row_that_nobody_understands_are_enough() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut client = Client::join(&world, 1).greeted();
    client.say("nonsense");
    assert_eq!(client.expect("error")["code"], "not_json");
    client.say(r#"{"t":"ban"}"#);
    assert_eq!(client.expect("error")["code"], "unknown_type");
    client.say(r#"{"t":"react","e":"🎉"}"#);
    world.wait_for("the reaction between", |scene| scene.reactions.lock().unwrap().len() == 1);
    client.send(&masked(0x82, b"binary"));
    assert_eq!(client.expect("error")["code"], "not_text");
    client.say(r#"{"t":"react","e":"no"}"#);
    assert_eq!(client.expect("error")["code"], "invalid_field");
    client.say("again");
    client.expect("error");
    client.expect_bye(4400);
}

#[test]
fn survive_107_a_flood_is_closed_and_quick_reactions_are_not_a_flood() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut eager = Client::join(&world, 1).greeted();
    for _ in 0..30 {
        eager.say(r#"{"t":"react","e":"❤️"}"#);
    }
    world.wait_for("all thirty reactions", |scene| scene.reactions.lock().unwrap().len() == 30);
    for flood in [masked(0x80 | TEXT, br#"{"t":"ping"}"#), masked(0x80 | PING, b""), masked(0x80 | PONG, b"")] {
        let mut client = Client::join(&world, 2).greeted();
        client.send(&flood.repeat(21));
        let bye = loop {
            match client.hear() {
                Heard::Frame(TEXT, payload) if payload.starts_with(br#"{"t":"pong""#) => {}
                Heard::Frame(PONG, _) => {}
                Heard::Frame(TEXT, payload) => break serde_json::from_slice::<serde_json::Value>(&payload).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((&bye["code"], &bye["reconnect"]), (&4029.into(), &true.into()));
        assert!(bye["after_ms"].as_u64().unwrap() >= 12_000, "{bye}");
        client.expect_close(4029);
    }
    world.publish_numbered(1, 1, MediaChange::Keep);
    eager.expect("state");
}

#[test]
fn a_board_that_does_not_come_sends_its_viewers_away_for_a_moment() {
    let world = World::start();
    let mut client = Client::join(&world, 1);
    world.wait_for("a subscription", |scene| scene.subscribed.load(Ordering::SeqCst) == 1);
    world.pass(Duration::from_secs(6));
    let bye = client.expect_bye(4011);
    assert_eq!(bye["reconnect"], true);
    world.wait_for_gone(1);
}

#[test]
fn a_board_that_comes_late_greets_everybody_who_waits() {
    let world = World::start();
    world.put_board(1, 4, None);
    world.scene.mute.store(true, Ordering::SeqCst);
    let waiting: Vec<_> = (0..10).map(|number| Client::join(&world, number)).collect();
    let board = world.scene.boards.lock().unwrap()[&EXPERIENCE].clone();
    world.publish(Publication::Board(board));
    for client in waiting {
        client.greeted();
    }
}

#[test]
fn survive_108_a_viewer_whose_cable_was_pulled_is_gone_within_35_secs_and_one_that_answers_stays() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut silent = Client::join(&world, 1).greeted();
    let mut there = Client::join(&world, 2).greeted();
    world.pass(Duration::from_secs(26));
    assert_eq!(silent.hear(), Heard::Frame(PING, vec![]));
    assert_eq!(there.hear(), Heard::Frame(PING, vec![]));
    there.send(&masked(0x80 | PONG, b""));
    there.say(r#"{"t":"react","e":"👏"}"#);
    world.wait_for("the answer", |scene| scene.reactions.lock().unwrap().len() == 1);
    world.pass(Duration::from_secs(8));
    assert_eq!(silent.hear(), Heard::End);
    world.wait_for_gone(1);
    world.pass(Duration::from_secs(18));
    assert_eq!(there.hear(), Heard::Frame(PING, vec![]), "asked again in time");
    world.publish_numbered(1, 1, MediaChange::Keep);
    there.expect("state");
}

#[test]
fn survive_103_a_reader_that_stops_is_reset_while_the_others_miss_nothing() {
    let world = World::start();
    world.put_board(1, 0, None);
    let stalled = Client::join(&world, 1).greeted();
    let mut reader = Client::join(&world, 2).greeted();
    let padding = "x".repeat(60_000);
    let mut offset = 0;
    let mut read = 0;
    while world.scene.gone.load(Ordering::SeqCst) == 0 {
        offset += 1;
        assert!(offset < 400, "24 MB were swallowed for a reader that does not read");
        let frame = frame::json(&serde_json::json!({"t": "state", "offset": offset, "padding": padding}));
        let snapshot = world::snapshot(1, offset);
        world.publish(Publication::Numbered { epoch: 1, offset, frame, snapshot, media: MediaChange::Keep });
        read += 1;
        assert_eq!(reader.expect("state")["offset"], read);
    }
    assert_eq!(world.scene.gone.load(Ordering::SeqCst), 1);
    world.wait_for("the reset", |_| world.registry.turnstile().inside() == 1);
    drop(stalled);
    world.publish_numbered(1, offset + 1, MediaChange::Keep);
    assert_eq!(reader.expect("state")["offset"], offset + 1);
}

#[test]
fn survive_103_a_reader_that_takes_nothing_for_long_is_closed_long_before_the_limit_of_bytes() {
    /// More bytes than the kernel keeps for one connection, whose receiving side may grow to 32 MB.
    const FRAMES: u64 = 600;
    let world = World::start();
    world.put_board(1, 0, None);
    let mut slow = Client::join(&world, 1).greeted();
    let padding = "x".repeat(100_000);
    let mut filled = 0;
    while filled < FRAMES {
        filled += 1;
        let frame = frame::json(&serde_json::json!({"t": "audience", "now": filled, "padding": padding}));
        let snapshot = world::snapshot(1, 0);
        world.publish(Publication::Latest { epoch: 1, kind: crate::socket::hub::Latest::Audience, frame, snapshot });
        // each is offered to the kernel before the next, so that the last ones find its buffers full
        block_on(world.registry.settled());
    }
    // counts replace each other, so the limit of bytes is never reached
    assert_eq!(world.scene.gone.load(Ordering::SeqCst), 0);
    world.pass(Duration::from_secs(9));
    world.wait_for_gone(1);
    let (mut newest, mut told) = (0, 0);
    let bye = loop {
        let frame = slow.next();
        match frame["t"].as_str() {
            Some("audience") => (newest, told) = (frame["now"].as_u64().unwrap(), told + 1),
            _ => break frame,
        }
    };
    assert!(newest > 0 && told < FRAMES, "what waited is replaced by what is newer: {told} told, the last {newest}");
    assert_eq!((&bye["code"], &bye["reconnect"]), (&4008.into(), &true.into()));
}

#[test]
fn a_panic_in_a_shard_costs_nobody_the_socket_and_no_frame() {
    let world = World::start();
    world.put_board(1, 0, None);
    let mut viewers: Vec<_> = (0..6).map(|number| Client::join(&world, number).greeted()).collect();
    let asked = world.scene.subscribed.load(Ordering::SeqCst);
    world.put_board(1, 1, Some("bc_9"));
    world.scene.panics.store(1, Ordering::SeqCst);
    world.publish_numbered(1, 1, MediaChange::Use(plan("bc_9")));
    world.wait_for("a board to be asked for again", |scene| scene.subscribed.load(Ordering::SeqCst) > asked);
    world.publish_numbered(1, 2, MediaChange::Keep);
    for viewer in &mut viewers {
        let mut seen = Vec::new();
        while seen.last() != Some(&2) {
            let frame = viewer.next();
            if frame["t"] == "state" {
                seen.push(frame["offset"].as_u64().unwrap());
            }
        }
        assert_eq!(seen, [1, 2]);
    }
    assert_eq!(world.scene.gone.load(Ordering::SeqCst), 0);
}
