//! The people of a simulated life: viewers who come, drop and come back, creators who press buttons, and their studio.

use backstage::{
    ids::{BroadcastId, UserId},
    live::{
        core::broadcast::Event,
        media::{STUDIO_DEVICE, identity_of, room_of},
        order::{CommandFault, Guest, NewBroadcast, View},
        rights::{LiveRights, Right},
    },
    socket::{
        door::{Kind, ResumePoint, Seat},
        hub::Floor,
        protocol::{Emoji, Quality, Stats},
    },
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

use crate::{
    house::{Engine, House, experience},
    shards::Held,
    world::{Answer, Deed, Seen},
};

/// What a viewer's device keeps between two connections.
#[derive(Default)]
struct Ticket {
    guest: Option<Guest>,
    seen: Option<ResumePoint>,
}

/// One device of one viewer, for the whole life.
pub async fn watch(house: House, user: UserId, device: u64) {
    let world = house.world.clone();
    let mut ticket = Ticket::default();
    loop {
        let away = if world.chance(60) { 4_000 } else { 70_000 };
        world.some_time(away).await;
        if house.is_still() {
            return;
        }
        let fresh =
            Guest { viewer: house.fresh_viewer(), user, device: device.to_string(), kind: Kind::Viewer, staff: false };
        let keeps = world.chance(75);
        let guest = ticket.guest.clone().filter(|_| keeps).unwrap_or(fresh);
        let resume = ticket.seen.filter(|_| keeps);
        let Some((engine, held, seat)) = house.knock(guest.clone(), resume).await else { continue };
        ticket.guest = Some(guest);
        ticket.seen = sit(&house, &engine, held, &seat).await;
    }
}

/// Sits there until something ends it; returns the last frame seen.
async fn sit(house: &House, engine: &Engine, mut held: Held, seat: &Arc<Seat>) -> Option<ResumePoint> {
    let world = &house.world;
    let identity = identity_of(seat.user, &seat.device);
    let mut room: Option<String> = None;
    let mut seen = None;
    loop {
        let wait = world.pause(200 + world.below(8_000));
        let closed = tokio::select! { biased; _ = &mut held.closed => true, () = wait => false };
        seen = engine.shards.seen(held.socket).or(seen);
        if closed {
            break;
        }
        if let Some(plan) = engine.shards.media(held.socket) {
            match engine.memory.may_watch(seat.user, seat.experience) {
                Right::Yes { .. } => {
                    let until = world.now().plus(Duration::from_secs(600));
                    engine.directory.token_given(seat.user, seat.experience, until);
                    if !engine.stage.is_in(&plan.room, &identity) {
                        engine.stage.join(&plan.room, &identity, false, false);
                    }
                    room = Some(plan.room.clone());
                }
                Right::No(_) | Right::Unknown => {
                    engine.shards.drop_socket(held.socket);
                    break;
                }
            }
        }
        if house.is_still() {
            continue;
        }
        match world.below(12) {
            0 => {
                engine.shards.drop_socket(held.socket);
                break;
            }
            1 | 2 => {
                let (shards, world, socket) = (engine.shards.clone(), world.clone(), held.socket);
                actix_rt::spawn(async move {
                    world.some_time(33_000).await;
                    shards.drop_socket(socket);
                });
                break;
            }
            3 => {
                if let Some(heart) = Emoji::new("🔥") {
                    engine.directory.react(seat, heart);
                }
            }
            4 | 5 => {
                let black = room.as_ref().is_some_and(|room| !engine.stage.on_air(room)) || world.fault(50);
                engine.directory.quality(seat, Quality { frozen: Some(black), ..Quality::default() });
            }
            _ => {}
        }
    }
    if let Some(room) = room {
        leave_room(house, engine, room, identity);
    }
    seen
}

/// Most leave the media room with their socket; some stay, and come back with their old token when they are put out.
fn leave_room(house: &House, engine: &Engine, room: String, identity: String) {
    if !house.world.fault(250) {
        engine.stage.leave(&room, &identity);
        return;
    }
    let (house, stage) = (house.clone(), engine.stage.clone());
    actix_rt::spawn(async move {
        for _ in 0..6 {
            house.world.some_time(12_000).await;
            if !house.is_still() && !house.world.is_calm() && !stage.is_in(&room, &identity) {
                stage.join(&room, &identity, false, false);
            }
        }
        house.world.some_time(5_000).await;
        stage.leave(&room, &identity);
    });
}

/// The creator's studio, for the whole life: a socket that reports, and media in the broadcast's room.
pub async fn studio(house: House, user: UserId) {
    let world = house.world.clone();
    loop {
        world.some_time(8_000).await;
        let engine = house.engine();
        let Some(broadcast) = engine.books.last().filter(|at| at.stage.wants_room()).map(|at| at.id) else { continue };
        if world.chance(25) {
            encode(&house, broadcast).await;
        } else {
            perform(&house, user, broadcast).await;
        }
    }
}

/// An encoder sends by itself; nobody reports.
async fn encode(house: &House, broadcast: BroadcastId) {
    let (world, room) = (&house.world, room_of(broadcast));
    let stage = house.engine().stage;
    while stage.join(&room, "encoder", true, true) {
        let lasting = world.below(120_000);
        hold_on(house, broadcast, lasting).await;
        if world.chance(50) {
            stage.leave(&room, "encoder");
        } else {
            stage.die(&room, "encoder");
        }
        world.some_time(40_000).await;
        if !house.engine().books.wants_room(broadcast) {
            return;
        }
    }
}

/// Waits, but not longer than the broadcast wants a room.
async fn hold_on(house: &House, broadcast: BroadcastId, ms: u64) {
    let until = house.world.ms() + ms;
    while (house.world.ms() < until || house.is_still()) && house.engine().books.wants_room(broadcast) {
        house.world.pause(500).await;
    }
}

/// One performance in the browser, with its troubles.
async fn perform(house: &House, user: UserId, broadcast: BroadcastId) {
    let (world, room) = (&house.world, room_of(broadcast));
    let identity = identity_of(user, STUDIO_DEVICE);
    let mut socket: Option<(Engine, Held, Arc<Seat>)> = None;
    loop {
        let engine = house.engine();
        if !engine.books.wants_room(broadcast) {
            break;
        }
        if socket.as_mut().is_none_or(|(on, held, _)| on.number != engine.number || held.closed.try_recv() != empty()) {
            let (viewer, device, kind) = (house.fresh_viewer(), STUDIO_DEVICE.to_owned(), Kind::Studio);
            socket = house.knock(Guest { viewer, user, device, kind, staff: true }, None).await;
        }
        if !engine.stage.is_in(&room, &identity) {
            let may = house.truth.may(user, true);
            if may && engine.directory.room(experience(), broadcast).await.is_ok() {
                engine.stage.join(&room, &identity, true, false);
            }
        }
        let sends = engine.stage.is_in(&room, &identity);
        if let Some((on, _, seat)) = &socket {
            on.directory.stats(seat, report(sends));
        }
        world.pause(1_000).await;
        if !house.is_still() && world.fault(25) {
            trouble(house, &room, &identity, &mut socket).await;
        }
    }
    house.engine().stage.leave(&room, &identity);
    if let Some((on, held, _)) = socket {
        on.shards.drop_socket(held.socket);
    }
}

fn empty() -> Result<backstage::socket::codes::CloseCode, tokio::sync::oneshot::error::TryRecvError> {
    Err(tokio::sync::oneshot::error::TryRecvError::Empty)
}

fn report(publishing: bool) -> Stats {
    Stats { publishing: Some(publishing), bitrate_bits: Some(2_000_000), fps: Some(30.0), ..Stats::default() }
}

async fn trouble(house: &House, room: &str, identity: &str, socket: &mut Option<(Engine, Held, Arc<Seat>)>) {
    let world = &house.world;
    let stage = house.engine().stage;
    let lasting = if world.chance(50) { world.below(6_000) } else { world.below(90_000) };
    match world.below(5) {
        // the camera is off for a while
        0 => {
            stage.publish(room, identity, false);
            if let Some((on, _, seat)) = socket {
                on.directory.stats(seat, report(false));
            }
            world.pause(lasting).await;
            stage.publish(room, identity, true);
        }
        // the browser dies; its socket lingers
        1 => {
            stage.die(room, identity);
            if let Some((on, held, _)) = socket.take() {
                let world = world.clone();
                actix_rt::spawn(async move {
                    world.some_time(33_000).await;
                    on.shards.drop_socket(held.socket);
                });
            }
            world.pause(lasting).await;
        }
        // the socket is lost while the picture goes on
        2 => {
            if let Some((on, held, _)) = socket.take() {
                on.shards.drop_socket(held.socket);
            }
            world.pause(lasting).await;
        }
        // the picture is lost while the socket goes on
        3 => {
            stage.leave(room, identity);
            if let Some((on, _, seat)) = socket {
                on.directory.stats(seat, report(false));
            }
            world.pause(lasting).await;
        }
        // the page hangs
        _ => world.pause(lasting).await,
    }
}

/// The creators' hands, for the whole life.
pub async fn press_buttons(house: House, creators: Vec<UserId>) {
    let world = house.world.clone();
    loop {
        world.some_time(20_000).await;
        if house.is_still() {
            return;
        }
        let at = house.engine().books.last();
        let state = at.as_ref().map_or("none", |at| at.stage.name());
        let id = at.map(|at| at.id);
        let hands = if world.chance(15) { 2 } else { 1 };
        for _ in 0..hands {
            let deed = choose(&house, state);
            let by = creators[usize::try_from(world.below(creators.len() as u64)).unwrap_or(0)];
            let (house, id) = (house.clone(), id.filter(|_| deed != Deed::Create));
            actix_rt::spawn(async move { press(&house, deed, id, by).await });
        }
    }
}

fn choose(house: &House, state: &str) -> Deed {
    let drawn = house.world.below(100);
    match (state, drawn) {
        (_, 0..4) => Deed::End,
        (_, 4..8) => Deed::Cancel,
        (_, 8..12) => Deed::Create,
        ("scheduled", 12..60) => Deed::OpenLobby,
        ("scheduled" | "lobby", _) => Deed::GoLive,
        ("live" | "reconnecting", 12..18) => Deed::End,
        ("live" | "reconnecting", 18..) => Deed::GoLive,
        _ => Deed::Create,
    }
}

async fn press(house: &House, deed: Deed, id: Option<BroadcastId>, by: UserId) {
    let world = &house.world;
    let id = id.unwrap_or_else(|| BroadcastId(Uuid::from_u128(world.fresh())));
    let press = u64::try_from(world.fresh()).unwrap_or(0);
    world.note(Seen::Pressed { press, deed, broadcast: id.0.as_u128() });
    let directory = house.engine().directory;
    let answered = match deed {
        Deed::Create => {
            let wait = Duration::from_secs(5 + world.below(80));
            let scheduled_at = world.chance(40).then(|| world.now().plus(wait));
            directory.create(experience(), NewBroadcast { id, by, title: None, scheduled_at, record: false }).await
        }
        Deed::OpenLobby => directory.command(experience(), id, Event::OpenLobby).await,
        Deed::GoLive => directory.command(experience(), id, Event::GoLive).await,
        Deed::End => directory.command(experience(), id, Event::End).await,
        Deed::Cancel => directory.command(experience(), id, Event::Cancel).await,
    };
    world.note(Seen::Answered { press, answer: said(answered) });
}

fn said(answered: Result<View, CommandFault>) -> Answer {
    match answered {
        Ok(view) => view
            .broadcast
            .map_or(Answer::Unknown, |at| Answer::Done { broadcast: at.id.0.as_u128(), state: at.stage.name() }),
        Err(CommandFault::Refused { .. }) => Answer::Refused,
        Err(CommandFault::AlreadyOpen(open)) => Answer::AlreadyOpen(open.0.as_u128()),
        Err(CommandFault::NoSuchBroadcast) => Answer::Unknown,
        Err(CommandFault::MediaAway | CommandFault::Store(_) | CommandFault::Restarting) => Answer::Later,
    }
}
