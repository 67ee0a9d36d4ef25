//! One shard: the sockets of one worker thread, their topics, and the wheel that says whom to look at.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_rt::net::TcpStream;
use bytes::{Bytes, BytesMut};
use slab::Slab;

use super::{
    admission::Pass,
    codes::CloseCode,
    connection::Connection,
    door::{Admission, Kind},
    hub::{Floor, MediaPlan, Minted, Minter, Reason, ShardId},
    protocol::{self, Welcome},
    registry::{Mailbox, Registration, Registry, Whom},
    topic::{Greeting, Lane, Topic},
    wheel::{self, Due, Tick, Wheel},
};
use crate::{
    clock::{SharedClock, Timestamp},
    entropy::{SharedEntropy, random_below},
    identity::Basis,
    ids::{ExperienceId, UserId},
    limits::{
        COMEBACK_SPREAD, DOOR_WAIT, MINT_AGAIN, MINT_TRIES_MAX, SOCKET_HEARTBEAT, SOCKET_READ_BYTES, SOCKET_TICK,
    },
    telemetry::metric,
};

/// What a shard needs of the rest of the engine.
#[derive(Clone)]
pub struct Ports {
    /// Hears what viewers say.
    pub floor: Arc<dyn Floor>,
    /// Makes their media tokens.
    pub minter: Arc<dyn Minter>,
    /// The time.
    pub clock: SharedClock,
    /// Chance, for waits that must not coincide.
    pub entropy: SharedEntropy,
}

/// The sockets of one experience on this shard.
#[derive(Default)]
pub(super) struct Gathering {
    pub topic: Topic,
    /// Those who are greeted. A fan-out keeps the list it began with; who joins meanwhile was greeted with its frame.
    pub members: Rc<Vec<Rc<Connection>>>,
    /// Those of them who run the broadcast.
    pub studios: Vec<Rc<Connection>>,
    /// Those who wait for the board.
    pub waiting: Vec<Rc<Connection>>,
    /// When the board was last asked for.
    pub asked: Duration,
}

/// A right that ended.
struct Closing {
    code: CloseCode,
    reason: Reason,
    at: Duration,
}

/// One worker thread's sockets.
pub struct Shard {
    pub(super) gatherings: RefCell<HashMap<ExperienceId, Gathering>>,
    pub(super) seats: RefCell<Slab<Rc<Connection>>>,
    pub(super) users: RefCell<BTreeSet<(UserId, u32)>>,
    pub(super) wheel: RefCell<Wheel>,
    pub(super) shaken: Cell<bool>,
    /// Rights that ended lately, for those who were let in before and sit down after.
    closings: RefCell<HashMap<Whom, Closing>>,
    /// How far the wall clock was ahead of the monotonic one at the last tick, milliseconds.
    pub(super) wall_ahead: Cell<i64>,
    registration: Registration,
    ports: Ports,
    scratch: Cell<Vec<u8>>,
}

impl Shard {
    /// A shard of this thread, known to the registry; [`Shard::start`] sets it going.
    pub fn new(registry: &Arc<Registry>, ports: Ports) -> Rc<Self> {
        let wheel = Wheel::new(ports.clock.monotonic());
        Rc::new(Self {
            gatherings: RefCell::default(),
            seats: RefCell::default(),
            users: RefCell::default(),
            wheel: RefCell::new(wheel),
            shaken: Cell::new(false),
            closings: RefCell::default(),
            wall_ahead: Cell::new(i64::MAX / 2),
            registration: registry.register(),
            ports,
            scratch: Cell::default(),
        })
    }

    /// Which shard it is.
    pub fn id(&self) -> ShardId {
        self.registration.shard
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.registration.mailbox
    }

    /// The registry it belongs to.
    pub fn registry(&self) -> &Arc<Registry> {
        self.registration.registry()
    }

    pub(super) fn floor(&self) -> &dyn Floor {
        self.ports.floor.as_ref()
    }

    /// The monotonic clock.
    pub fn now(&self) -> Duration {
        self.ports.clock.monotonic()
    }

    pub(super) fn wall(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// A random wait for somebody who is sent away by our fault.
    pub fn comeback(&self) -> Duration {
        self.within(COMEBACK_SPREAD)
    }

    pub(super) fn within(&self, spread: Duration) -> Duration {
        let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random_below(self.ports.entropy.as_ref(), millis))
    }

    /// The one buffer that this thread's sockets are read into.
    pub(super) fn lend_scratch(&self) -> Vec<u8> {
        let mut scratch = self.scratch.take();
        scratch.resize(SOCKET_READ_BYTES, 0);
        scratch
    }

    pub(super) fn return_scratch(&self, scratch: Vec<u8>) {
        self.scratch.set(scratch);
    }

    /// Seats one who was admitted: answers the upgrade with `head`, takes in what had already arrived, and greets it once
    /// the board is there. `knocked` is when its judgement began.
    pub fn seat(
        self: &Rc<Self>,
        stream: TcpStream,
        admission: Admission,
        pass: Pass,
        knocked: Duration,
        head: &Bytes,
        early: &[u8],
    ) {
        let over = admission.over;
        let connection = {
            let mut seats = self.seats.borrow_mut();
            let entry = seats.vacant_entry();
            let slot = u32::try_from(entry.key()).expect("a process has fewer descriptors than that");
            let connection = Rc::new(Connection::new(self.clone(), slot, stream, admission, pass));
            entry.insert(connection.clone());
            connection
        };
        self.users.borrow_mut().insert((connection.seat.user, connection.slot));
        metrics::gauge!(metric::SOCKETS).increment(1.0);
        let seated = Seated(connection.clone());
        connection.answer_upgrade(head);
        self.catch_up(&connection, knocked);
        if let Some(code) = over {
            connection.leave(code, code.word(), Duration::ZERO);
        }
        if connection.is_open() {
            self.gather(&connection);
        }
        self.set_alarm(&connection);
        if !early.is_empty() {
            connection.hear(early);
        }
        actix_rt::spawn(std::future::poll_fn(move |cx| seated.0.poll(cx)));
    }

    /// Carries out on a newcomer what was ordered while it was being judged.
    fn catch_up(&self, connection: &Connection, knocked: Duration) {
        if self.registry().turnstile().is_closed() {
            let code = CloseCode::GoingAway;
            return connection.leave(code, code.word(), self.comeback());
        }
        let closings = self.closings.borrow();
        let seat = &connection.seat;
        let whom = [
            Whom::User(seat.user, None),
            Whom::User(seat.user, Some(seat.experience)),
            Whom::Session(seat.session),
            Whom::Basis(seat.basis),
        ];
        let ended = whom.iter().filter_map(|whom| closings.get(whom)).find(|closing| closing.at >= knocked);
        if let Some(Closing { code, reason, .. }) = ended {
            connection.leave(*code, reason, self.comeback());
        }
    }

    /// Keeps in mind whose right has ended for as long as somebody may still be on the way in with it.
    pub(super) fn remember_closing(&self, whom: Whom, code: CloseCode, reason: Reason, at: Duration) {
        let ends_a_right = matches!(
            code,
            CloseCode::AccessEnded | CloseCode::SessionOver | CloseCode::RightsUnknown | CloseCode::Replaced
        );
        if ends_a_right && !matches!(whom, Whom::Experience(_)) {
            self.closings.borrow_mut().insert(whom, Closing { code, reason, at });
        }
    }

    pub(super) fn forget_closings(&self) {
        let now = self.now();
        self.closings.borrow_mut().retain(|_, closing| closing.at + DOOR_WAIT + SOCKET_TICK > now);
    }

    /// Adds a socket to its topic, asking for the board if it is the first.
    fn gather(self: &Rc<Self>, connection: &Rc<Connection>) {
        let experience = connection.seat.experience;
        let mut first = false;
        self.gatherings
            .borrow_mut()
            .entry(experience)
            .or_insert_with(|| {
                first = true;
                Gathering { asked: self.now(), ..Gathering::default() }
            })
            .waiting
            .push(connection.clone());
        if first {
            self.mailbox().attend(experience);
            self.floor().subscribe(experience, self.id());
        } else {
            self.greet_one(experience);
        }
    }

    /// Greets the one who came last of those who wait, if the board is there; false when there is nobody to greet.
    pub(super) fn greet_one(&self, experience: ExperienceId) -> bool {
        let (connection, greeting, plan) = {
            let mut gatherings = self.gatherings.borrow_mut();
            let Some(gathering) = gatherings.get_mut(&experience) else { return false };
            let Some(last) = gathering.waiting.last().cloned() else { return false };
            let Some(greeting) = gathering.topic.greet(last.waits().flatten()) else { return false };
            gathering.waiting.pop();
            let members = Rc::make_mut(&mut gathering.members);
            last.member_at.set(u32::try_from(members.len()).unwrap_or(u32::MAX));
            members.push(last.clone());
            if last.seat.kind == Kind::Studio {
                gathering.studios.push(last.clone());
            }
            (last, greeting, gathering.topic.media().cloned())
        };
        self.welcome(&connection, &greeting);
        if let Some(plan) = plan {
            self.mint(&connection, &plan);
        }
        self.set_alarm(&connection);
        true
    }

    fn welcome(&self, connection: &Connection, greeting: &Greeting) {
        let Some(newcomer) = connection.greeted() else { return };
        let welcome = protocol::welcome(&Welcome {
            session: connection.seat.session,
            resume: &newcomer.resume_secret,
            epoch: greeting.epoch,
            offset: greeting.offset,
            recovered: greeting.recovered,
            heartbeat_secs: SOCKET_HEARTBEAT.as_secs(),
            server_time: self.wall(),
        });
        // one write for what belongs together: a join costs one packet
        let together: BytesMut = greeting.frames.iter().fold(BytesMut::from(&welcome[..]), |mut all, frame| {
            all.extend_from_slice(frame);
            all
        });
        connection.send(&together.freeze(), Lane::Keep);
        metrics::counter!(metric::SOCKET_FRAMES, "kind" => "welcome").increment(1);
    }

    /// Gives one viewer its media token, judging its right again.
    pub(super) fn mint(&self, connection: &Connection, plan: &MediaPlan) {
        if connection.seat.kind == Kind::Studio || !connection.is_open() {
            return; // a publisher's token is asked for, not pushed
        }
        match self.ports.minter.mint(&connection.seat, plan) {
            Minted::Token { frame, renew_at } => {
                connection.renew_at.set(renew_at);
                connection.unminted.set(0);
                connection.send(&frame, Lane::Keep);
                metrics::counter!(metric::SOCKET_FRAMES, "kind" => "token").increment(1);
                self.set_alarm(connection);
            }
            Minted::Ended(reason) => connection.leave(CloseCode::AccessEnded, &reason, Duration::ZERO),
            // rights that were changed are being read again: nobody loses a place over some milliseconds
            Minted::Unknown if connection.unminted.get() < MINT_TRIES_MAX => {
                connection.unminted.set(connection.unminted.get() + 1);
                connection.renew_at.set(self.wall().plus(MINT_AGAIN));
                self.set_alarm(connection);
            }
            Minted::Unknown => self.send_away_unknown(connection),
        }
    }

    fn send_away_unknown(&self, connection: &Connection) {
        let code = CloseCode::RightsUnknown;
        connection.leave(code, code.word(), self.comeback());
    }

    /// Takes a socket out of its topic; the last one closes the topic.
    pub(super) fn vacate(&self, connection: &Connection) {
        let experience = connection.seat.experience;
        self.users.borrow_mut().remove(&(connection.seat.user, connection.slot));
        let mut gatherings = self.gatherings.borrow_mut();
        let Some(gathering) = gatherings.get_mut(&experience) else { return };
        let same = |other: &Rc<Connection>| std::ptr::eq(Rc::as_ptr(other), connection);
        let at = connection.member_at.replace(u32::MAX) as usize;
        if gathering.members.get(at).is_some_and(same) {
            let members = Rc::make_mut(&mut gathering.members);
            members.swap_remove(at);
            if let Some(moved) = members.get(at) {
                moved.member_at.set(u32::try_from(at).unwrap_or(u32::MAX));
            }
            gathering.studios.retain(|studio| !same(studio));
        } else {
            gathering.waiting.retain(|waits| !same(waits));
        }
        if gathering.members.is_empty() && gathering.waiting.is_empty() {
            gatherings.remove(&experience);
            drop(gatherings);
            self.mailbox().forget(experience);
            self.floor().unsubscribe(experience, self.id());
        }
    }

    fn remove(&self, connection: &Connection) {
        connection.vacate();
        self.seats.borrow_mut().try_remove(connection.slot as usize);
        metrics::gauge!(metric::SOCKETS).decrement(1.0);
    }

    /// Sets when a socket is looked at next, if that is sooner than it would be.
    pub(super) fn set_alarm(&self, connection: &Connection) {
        let (_, mut next) = wheel::judge(self.now(), &connection.marks());
        if connection.is_open() {
            let sooner = connection.renew_at.get().min(connection.seat.good_until);
            next = next.min(self.now() + sooner.since(self.wall()));
        }
        let due = wheel::tick_after(next);
        if due < connection.alarm.get() {
            connection.alarm.set(due);
            self.wheel.borrow_mut().set(connection.slot, due);
        }
    }

    /// Does what is due with one socket.
    pub(super) fn look(&self, connection: &Connection) {
        connection.alarm.set(Tick::MAX);
        if connection.is_over() {
            return;
        }
        if connection.is_open() && connection.renew_at.get() <= self.wall() {
            connection.renew_at.set(Timestamp(i64::MAX));
            let plan =
                self.gatherings.borrow().get(&connection.seat.experience).and_then(|it| it.topic.media().cloned());
            if let Some(plan) = plan {
                self.mint(connection, &plan);
            }
        }
        if connection.is_open() && connection.seat.good_until <= self.wall() {
            self.basis_is_over(connection);
        }
        let (due, _) = wheel::judge(self.now(), &connection.marks());
        match due {
            Due::Nothing => {}
            Due::Ping => connection.ping(),
            Due::Silent | Due::Overstayed => connection.end(true),
            Due::TooSlow => connection.give_up_slow(),
            Due::NoBoard => self.send_away_unknown(connection),
        }
        self.set_alarm(connection);
    }

    /// An API token ends when it was said to. A session lasts longer when it was used meanwhile: its holder knocks again.
    fn basis_is_over(&self, connection: &Connection) {
        match connection.seat.basis {
            Basis::Token(_) => connection.leave(CloseCode::SessionOver, CloseCode::SessionOver.word(), Duration::ZERO),
            Basis::Login(_) => self.send_away_unknown(connection),
        }
    }
}

/// Takes a socket out of its shard, however its task ends.
struct Seated(Rc<Connection>);

impl Drop for Seated {
    fn drop(&mut self) {
        let shard = self.0.shard().clone();
        shard.remove(&self.0);
    }
}
