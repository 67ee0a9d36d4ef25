//! One life from one seed: the people, the weather, and the three acts (faults, calm, stillness).

use backstage::{
    ids::UserId,
    live::{core::broadcast::Settings, media::room_of},
};

use crate::{
    books::{Books, some_devices, some_settings},
    house::{Change, House, MAILBOX, person},
    people,
    stage::Stage,
    world::{Bug, EXPERIENCES, Noted, Seen, Trap, World, experience, experiences},
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
    pub history: Vec<Noted>,
}

/// Runs something on a paused clock, in one thread.
pub fn paused<T>(what: impl Future<Output = T>) -> T {
    let system = actix_rt::System::with_tokio_rt(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing")
    });
    system.block_on(what)
}

/// Lives one life.
pub fn live(seed: u64, bug: Option<Bug>) -> Life {
    paused(async move {
        let world = World::new(seed, bug);
        let settings = some_settings(&world);
        let mut books = Books::new(world.clone(), settings);
        books.devices = some_devices(&world);
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
        world.note_all(Seen::Over);
        let history = world.history();
        house.close();
        world.pause(1).await; // an actor that never began cannot be dropped
        Life { settings, history }
    })
}

/// The creators of an experience. They run nothing elsewhere, and are guests there like anybody.
pub fn creators(of: usize) -> [UserId; 2] {
    let first = 2 * of as u128;
    [person(first), person(first + 1)]
}

/// Everybody else, and the creators as guests of the others.
fn viewers(house: &House) -> Vec<UserId> {
    let strangers = 3 + u128::from(house.world.below(4));
    let guests = (0..EXPERIENCES).map(|of| creators(of)[1]);
    (0..strangers).map(|number| person(10 + number)).chain(guests).collect()
}

fn populate(house: &House) {
    for of in 0..EXPERIENCES {
        for creator in creators(of) {
            house.truth.set(creator, experience(of), true, true);
            house.truth.set(creator, experience(of), false, true);
        }
        actix_rt::spawn(people::studio(house.clone(), experience(of), creators(of)[0]));
        actix_rt::spawn(people::press_buttons(house.clone(), experience(of), creators(of).to_vec()));
    }
    let viewers = viewers(house);
    for viewer in &viewers {
        for at in experiences() {
            // one has all of them, another some, a third none
            if house.world.chance(70) && !house.truth.may(*viewer, at, false) {
                house.truth.set(*viewer, at, false, true);
            }
        }
        for device in 0..=house.world.below(2) {
            actix_rt::spawn(people::watch(house.clone(), *viewer, device));
        }
    }
    actix_rt::spawn(turn_rights(house.clone(), viewers));
}

/// Rights come and go, in one experience at a time.
async fn turn_rights(house: House, viewers: Vec<UserId>) {
    loop {
        house.world.some_time(25_000).await;
        if house.is_still() {
            return;
        }
        let of = house.world.some_experience();
        let (at, creator) = (experience(of), house.world.chance(10));
        let number = usize::try_from(house.world.below(viewers.len() as u64)).unwrap_or(0);
        let user = if creator { creators(of)[0] } else { viewers[number] };
        let held = house.truth.may(user, at, creator);
        house.truth.set(user, at, creator, !held);
        house.rights_changed(user);
        if creator {
            house.world.some_time(20_000).await;
            house.truth.set(user, at, creator, true);
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
        let of = world.some_experience();
        match world.below(12) {
            0 | 1 => {
                actix_rt::spawn(store_away(house.clone()));
            }
            2 | 3 => {
                actix_rt::spawn(media_away(house.clone()));
            }
            4 => house.engine().stage.restart(),
            5 | 6 => panic_there(&house, of).await,
            7 => drop(house.take_over(Change::Restart)),
            8 => drop(house.take_over(Change::Partition)),
            9 => house.engine().books.seize(experience(of), 1_000 + world.below(20_000)),
            10 => flood(&house, of).await,
            _ => force_a_room(&house, of),
        }
    }
}

async fn panic_there(house: &House, of: usize) {
    let world = &house.world;
    for _ in 0..=world.below(2) {
        match world.below(3) {
            0 => world.set_trap(of, Trap::Future),
            1 => world.set_trap(of, Trap::Start),
            _ => {}
        }
        world.note(of, Seen::Drilled);
        house.engine().directory.drill(experience(of));
        world.some_time(100).await;
    }
}

async fn flood(house: &House, of: usize) {
    for _ in 0..=house.world.below(3) {
        house.engine().shards.flood(experience(of), 2 * MAILBOX, 40);
        house.world.some_time(5).await;
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
fn force_a_room(house: &House, of: usize) {
    let engine = house.engine();
    if let Some(at) = engine.books.last(experience(of)).filter(|at| at.stage.is_over()) {
        let room = room_of(at.id);
        engine.stage.force_open(&room);
        engine.stage.join(&room, "encoder", true, true);
    }
}

fn clear_up(house: &House) {
    let engine = house.engine();
    house.world.calm_down();
    house.end_old_engines();
    engine.books.free_seized();
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
    for of in 0..EXPERIENCES {
        if let Some(view) = house.engine().directory.glance(experience(of)).await {
            let state = view.broadcast.map(|at| at.stage.name());
            house.world.note(of, Seen::Counted { now: view.audience.now, users: view.audience.users, state });
        }
    }
}
