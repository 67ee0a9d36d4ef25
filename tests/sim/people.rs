//! The people of a simulated life: viewers who come, drop and come back, creators who press buttons, and their studio.

use backstage::{
    clock::Timestamp,
    identity::Basis,
    ids::{BroadcastId, ExperienceId, LoginId, UserId, ViewerId},
    live::{
        core::broadcast::Event,
        media::{STUDIO_DEVICE, identity_of, room_of},
        order::{Coming, CommandFault, NewBroadcast, View},
        rights::{LiveRights, Right},
    },
    socket::{
        door::{Kind, ResumePoint, Seat},
        hub::Floor,
        protocol::{Emoji, Quality, Stats},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    house::{Engine, House},
    shards::Held,
    world::{Answer, Deed, Seen, experience, number_of},
};

/// What a viewer's device keeps of one experience between two connections.
#[derive(Default)]
struct Ticket {
    place: Option<ViewerId>,
    seen: Option<ResumePoint>,
}

fn seat(at: ExperienceId, user: UserId, device: String, session: ViewerId, kind: Kind) -> Arc<Seat> {
    let (basis, good_until) = (Basis::Login(LoginId(user.0)), Timestamp(i64::MAX));
    Arc::new(Seat { experience: at, user, device, session, kind, staff: kind == Kind::Studio, basis, good_until })
}

/// One device of one viewer, for the whole life: now in this experience, now in that.
pub async fn watch(house: House, user: UserId, device: u64) {
    let world = house.world.clone();
    let mut tickets: BTreeMap<ExperienceId, Ticket> = BTreeMap::new();
    let mut at = experience(world.some_experience());
    loop {
        let away = if world.chance(60) { 4_000 } else { 70_000 };
        world.some_time(away).await;
        if house.is_still() {
            return;
        }
        if world.chance(30) {
            at = experience(world.some_experience());
        }
        let ticket = tickets.entry(at).or_default();
        let keeps = world.chance(75);
        let session = ticket.place.filter(|_| keeps).unwrap_or_else(|| house.fresh_viewer());
        let resume = ticket.seen.filter(|_| keeps);
        let coming = if ticket.place == Some(session) { Coming::Back } else { Coming::Anew };
        let seat = seat(at, user, device.to_string(), session, Kind::Viewer);
        let Some((engine, held)) = house.knock(seat.clone(), resume, coming).await else {
            if world.chance(50) {
                *ticket = Ticket::default(); // its person presses the button, or loads the page again
            }
            continue;
        };
        ticket.place = Some(session);
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
                    engine.directory.token_given(seat.user, seat.experience, &seat.device, until);
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
pub async fn studio(house: House, at: ExperienceId, user: UserId) {
    let world = house.world.clone();
    loop {
        world.some_time(8_000).await;
        let engine = house.engine();
        let Some(broadcast) = engine.books.last(at).filter(|at| at.stage.wants_room()).map(|at| at.id) else {
            continue;
        };
        if world.chance(25) {
            encode(&house, broadcast).await;
        } else {
            perform(&house, at, user, broadcast).await;
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

/// A studio that is connected.
type Studio = (Engine, Held, Arc<Seat>);

/// One performance in the browser, with its troubles.
async fn perform(house: &House, at: ExperienceId, user: UserId, broadcast: BroadcastId) {
    let (world, room) = (&house.world, room_of(broadcast));
    let identity = identity_of(user, STUDIO_DEVICE);
    let mut socket: Option<Studio> = None;
    loop {
        let engine = house.engine();
        if !engine.books.wants_room(broadcast) {
            break;
        }
        if socket.as_mut().is_none_or(|(on, held, _)| on.number != engine.number || held.closed.try_recv() != empty()) {
            let seat = seat(at, user, STUDIO_DEVICE.to_owned(), house.fresh_viewer(), Kind::Studio);
            socket = house.knock(seat.clone(), None, Coming::Anew).await.map(|(engine, held)| (engine, held, seat));
        }
        if !engine.stage.is_in(&room, &identity) {
            let may = house.truth.may(user, at, true);
            if may && engine.directory.room(at, broadcast).await.is_ok() {
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

async fn trouble(house: &House, room: &str, identity: &str, socket: &mut Option<Studio>) {
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

/// The creators' hands at one experience, for the whole life.
pub async fn press_buttons(house: House, at: ExperienceId, creators: Vec<UserId>) {
    let world = house.world.clone();
    loop {
        world.some_time(20_000).await;
        if house.is_still() {
            return;
        }
        let last = house.engine().books.last(at);
        let state = last.as_ref().map_or("none", |last| last.stage.name());
        let id = last.map(|last| last.id);
        let hands = if world.chance(15) { 2 } else { 1 };
        for _ in 0..hands {
            let deed = choose(&house, state);
            let by = creators[usize::try_from(world.below(creators.len() as u64)).unwrap_or(0)];
            let (house, id) = (house.clone(), id.filter(|_| deed != Deed::Create));
            actix_rt::spawn(async move { press(&house, at, deed, id, by).await });
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

/// Presses one button and notes what came of it.
pub async fn press(house: &House, at: ExperienceId, deed: Deed, id: Option<BroadcastId>, by: UserId) -> Answer {
    let (world, of) = (&house.world, number_of(at));
    let id = id.unwrap_or_else(|| world.fresh_broadcast(of));
    let press = u64::try_from(world.fresh()).unwrap_or(0);
    world.note(of, Seen::Pressed { press, deed, broadcast: id.0.as_u128() });
    let directory = house.engine().directory;
    let answered = match deed {
        Deed::Create => {
            let wait = Duration::from_secs(5 + world.below(80));
            let scheduled_at = world.chance(40).then(|| world.now().plus(wait));
            directory.create(at, NewBroadcast { id, by, title: None, scheduled_at, record: false }).await
        }
        Deed::OpenLobby => directory.command(at, id, Event::OpenLobby).await,
        Deed::GoLive => directory.command(at, id, Event::GoLive).await,
        Deed::End => directory.command(at, id, Event::End).await,
        Deed::Cancel => directory.command(at, id, Event::Cancel).await,
    };
    let answer = said(answered);
    world.note(of, Seen::Answered { press, answer: answer.clone() });
    answer
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
