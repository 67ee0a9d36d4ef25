//! One life from one seed: the people, the weather, and the three acts (faults, calm, stillness).

use backstage::live::{core::broadcast::Settings, media::room_of};

use crate::{
    books::{Books, some_settings},
    house::{House, experience, person},
    people,
    stage::Stage,
    world::{Bug, Seen, World},
};

/// How long things go wrong.
const FAULTS: u64 = 420_000;
/// How long people go on without faults.
const CALM: u64 = 120_000;
/// How long nobody comes or goes before the last look: half-open sockets and places kept for the absent run out in it.
const STILL: u64 = 80_000;

/// A life that has been lived.
pub struct Life {
    pub settings: Settings,
    pub history: Vec<(u64, Seen)>,
}

/// Lives one life.
pub fn live(seed: u64, bug: Option<Bug>) -> Life {
    let system = actix_rt::System::with_tokio_rt(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing")
    });
    system.block_on(async move {
        let world = World::new(seed, bug);
        let settings = some_settings(&world);
        let books = Books::new(world.clone(), settings);
        let house = House::new(world.clone(), books, Stage::new(world.clone()));
        populate(&house);
        actix_rt::spawn(weather(house.clone()));
        actix_rt::spawn(count(house.clone()));
        world.pause(FAULTS).await;
        clear_up(&house);
        world.pause(CALM).await;
        house.be_still();
        world.pause(STILL).await;
        look(&house).await;
        world.note(Seen::Over);
        let history = world.history();
        house.close();
        world.pause(1).await; // an actor that never began cannot be dropped
        Life { settings, history }
    })
}

fn populate(house: &House) {
    let creators = [person(0), person(1)];
    for creator in creators {
        house.truth.set(creator, true, true);
        house.truth.set(creator, false, true);
    }
    let viewers = 2 + u128::from(house.world.below(4));
    for viewer in 0..viewers {
        let user = person(10 + viewer);
        if house.world.chance(85) {
            house.truth.set(user, false, true);
        }
        for device in 0..=house.world.below(2) {
            actix_rt::spawn(people::watch(house.clone(), user, device));
        }
    }
    actix_rt::spawn(people::studio(house.clone(), creators[0]));
    actix_rt::spawn(people::press_buttons(house.clone(), creators.to_vec()));
    actix_rt::spawn(turn_rights(house.clone(), viewers));
}

/// Rights come and go.
async fn turn_rights(house: House, viewers: u128) {
    loop {
        house.world.some_time(50_000).await;
        if house.is_still() {
            return;
        }
        let creator = house.world.chance(10);
        let number = u128::from(house.world.below(u64::try_from(viewers).unwrap_or(1)));
        let user = if creator { person(0) } else { person(10 + number) };
        let held = house.truth.may(user, creator);
        house.truth.set(user, creator, !held);
        house.rights_changed(user);
        if creator {
            house.world.some_time(20_000).await;
            house.truth.set(user, creator, true);
            house.rights_changed(user);
        }
    }
}

/// What goes wrong, one thing at a time or several at once.
async fn weather(house: House) {
    let world = house.world.clone();
    loop {
        world.some_time(60_000).await;
        if world.is_calm() {
            return;
        }
        match world.below(9) {
            0 | 1 => {
                actix_rt::spawn(store_away(house.clone()));
            }
            2 | 3 => {
                actix_rt::spawn(media_away(house.clone()));
            }
            4 => house.engine().stage.restart(),
            5 | 6 => {
                for _ in 0..=world.below(2) {
                    world.note(Seen::Drilled);
                    house.engine().directory.drill(experience());
                    world.some_time(100).await;
                }
            }
            7 => house.take_over(),
            _ => force_a_room(&house),
        }
    }
}

async fn store_away(house: House) {
    let (world, books) = (&house.world, house.engine().books);
    if books.is_away() {
        return;
    }
    books.set_away(true);
    let lasting = if world.chance(70) { world.below(8_000) } else { world.below(90_000) };
    world.pause(lasting.min(60_000)).await;
    if lasting > 60_000 && !world.is_calm() {
        // what was known a minute ago is not believed any more
        let engine = house.engine();
        for user in engine.memory.forget_all() {
            engine.directory.rights_unknown(user);
        }
        world.pause(lasting - 60_000).await;
    }
    if books.is_away() {
        books.set_away(false);
    }
}

async fn media_away(house: House) {
    let (world, stage) = (&house.world, house.engine().stage);
    if stage.is_away() {
        return;
    }
    stage.set_away(true);
    let lasting = if world.chance(80) { world.below(15_000) } else { world.below(150_000) };
    world.pause(lasting).await;
    if world.chance(30) && stage.is_away() {
        stage.restart();
    }
    if stage.is_away() {
        stage.set_away(false);
    }
}

/// Somebody with the token of a broadcast that is over makes its room again.
fn force_a_room(house: &House) {
    let engine = house.engine();
    if let Some(at) = engine.books.last().filter(|at| at.stage.is_over()) {
        let room = room_of(at.id);
        engine.stage.force_open(&room);
        engine.stage.join(&room, "encoder", true, true);
    }
}

fn clear_up(house: &House) {
    let engine = house.engine();
    house.world.calm_down();
    if engine.books.is_away() {
        engine.books.set_away(false);
    }
    if engine.stage.is_away() {
        engine.stage.set_away(false);
    }
}

/// Looks now and then how many are there.
async fn count(house: House) {
    loop {
        house.world.pause(5_000).await;
        house.world.some_time(20_000).await;
        look(&house).await;
    }
}

async fn look(house: &House) {
    if let Some(view) = house.engine().directory.glance(experience()).await {
        let state = view.broadcast.map(|at| at.stage.name());
        house.world.note(Seen::Counted { now: view.audience.now, users: view.audience.users, state });
    }
}
