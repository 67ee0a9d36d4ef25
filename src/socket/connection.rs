//! One socket: its stream, what waits for it, what it says, and how it ends. Lives on its shard's thread and never leaves
//! it; everything that decides sits in `topic`, `wheel`, `backlog` and `protocol`.

use std::{
    cell::{Cell, RefCell},
    io::{self, ErrorKind, IoSlice},
    net::Shutdown,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_rt::net::TcpStream;
use bytes::Bytes;
use socket2::SockRef;

use super::{
    admission::Pass,
    backlog::{Backlog, Overfull},
    codes::{self, CloseCode},
    door::{Admission, Place, ResumePoint, Seat},
    frame::{self, Bounds, Breach, Incoming, Reader},
    protocol::{self, Misspoken, Said},
    shard::Shard,
    topic::Lane,
    wheel::{Marks, Stage, Tick},
};
use crate::{
    clock::Timestamp,
    limits::{
        CLOSE_WAIT, MISSPOKEN_MAX, REACTION_BURST, REACTION_EVERY, REFUSAL_WAIT, SLOW_GOODBYE, SOCKET_FRAGMENTS_MAX,
        SOCKET_MESSAGE_BURST, SOCKET_MESSAGE_BYTES_MAX, SOCKET_MESSAGE_EVERY, SOCKET_SEND_BUFFER_BYTES,
    },
    pace::{Bucket, Pace},
    telemetry::metric,
};

const BOUNDS: Bounds = Bounds { message_bytes_max: SOCKET_MESSAGE_BYTES_MAX, fragments_max: SOCKET_FRAGMENTS_MAX };
const MESSAGES: Pace = Pace { every: SOCKET_MESSAGE_EVERY, burst: SOCKET_MESSAGE_BURST };
const REACTIONS: Pace = Pace { every: REACTION_EVERY, burst: REACTION_BURST };
/// A time that never comes.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// What the first frame needs and nothing later does.
#[derive(Debug)]
pub struct Newcomer {
    /// The secret for `welcome`.
    pub resume_secret: String,
    /// Where it wants to go on from.
    pub resume: Option<ResumePoint>,
}

/// One socket.
pub struct Connection {
    /// Who sits there.
    pub seat: Arc<Seat>,
    /// Where the shard keeps it.
    pub slot: u32,
    /// Where its topic keeps it, once greeted.
    pub member_at: Cell<u32>,
    /// When its media token is to be renewed.
    pub renew_at: Cell<Timestamp>,
    /// How often in a row its right to a media token was not known.
    pub unminted: Cell<u32>,
    /// The tick it is looked at next.
    pub alarm: Cell<Tick>,
    stream: TcpStream,
    shard: Rc<Shard>,
    newcomer: Cell<Option<Box<Newcomer>>>,
    place: Cell<Option<Place>>,
    _pass: Pass,
    backlog: RefCell<Option<Box<Backlog>>>,
    reader: RefCell<Reader>,
    waker: RefCell<Option<Waker>>,
    stage: Cell<Stage>,
    heard: Cell<Duration>,
    stalled: Cell<Option<Duration>>,
    messages: Cell<Bucket>,
    reactions: Cell<Bucket>,
    misspoken: Cell<u8>,
    pinged: Cell<bool>,
    /// Nothing more is said or heard after what waits has gone out.
    last_word: Cell<bool>,
    shut: Cell<bool>,
    over: Cell<bool>,
}

impl Connection {
    /// A socket that was just upgraded and admitted.
    pub fn new(shard: Rc<Shard>, slot: u32, stream: TcpStream, admission: Admission, pass: Pass) -> Self {
        let now = shard.now();
        if let Err(error) = SockRef::from(&stream).set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "a socket keeps the kernel's own send buffer");
        }
        let newcomer = Newcomer { resume_secret: admission.resume_secret, resume: admission.resume };
        Self {
            seat: admission.seat,
            slot,
            member_at: Cell::new(u32::MAX),
            renew_at: Cell::new(NEVER),
            unminted: Cell::new(0),
            alarm: Cell::new(Tick::MAX),
            stream,
            shard,
            newcomer: Cell::new(Some(Box::new(newcomer))),
            place: Cell::new(Some(admission.place)),
            _pass: pass,
            backlog: RefCell::default(),
            reader: RefCell::default(),
            waker: RefCell::default(),
            stage: Cell::new(Stage::Waiting { since: now }),
            heard: Cell::new(now),
            stalled: Cell::new(None),
            messages: Cell::default(),
            reactions: Cell::default(),
            misspoken: Cell::new(0),
            pinged: Cell::new(false),
            last_word: Cell::new(false),
            shut: Cell::new(false),
            over: Cell::new(false),
        }
    }

    /// The shard it belongs to.
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Whether it is still to be spoken to.
    pub fn is_open(&self) -> bool {
        !self.over.get() && !matches!(self.stage.get(), Stage::Leaving { .. })
    }

    /// Whether it waits for the board, and if so where it wants to go on from.
    pub fn waits(&self) -> Option<Option<ResumePoint>> {
        let newcomer = self.newcomer.take()?;
        let resume = newcomer.resume;
        self.newcomer.set(Some(newcomer));
        (self.is_open()).then_some(resume)
    }

    /// It is greeted now: gives up what only the greeting needs.
    pub fn greeted(&self) -> Option<Box<Newcomer>> {
        self.stage.set(Stage::Live);
        self.newcomer.take()
    }

    /// What its deadlines depend on.
    pub fn marks(&self) -> Marks {
        let (stage, heard, pinged, stalled) =
            (self.stage.get(), self.heard.get(), self.pinged.get(), self.stalled.get());
        Marks { stage, heard, pinged, stalled }
    }

    /// Whether nothing is left of it but its memory.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Writes a frame as far as the socket takes it now; the rest waits, up to a limit.
    pub fn send(&self, frame: &Bytes, lane: Lane) {
        if self.is_open() && self.write(frame, lane).is_err() {
            self.give_up_slow();
        }
    }

    /// The answer to the upgrade, with answers to earlier requests that had not gone out.
    pub fn answer_upgrade(&self, head: &Bytes) {
        if self.write(head, Lane::Keep).is_err() {
            self.end(true);
        }
    }

    fn write(&self, frame: &Bytes, lane: Lane) -> Result<(), Overfull> {
        let mut backlog = self.backlog.borrow_mut();
        if let Some(waiting) = backlog.as_mut() {
            return waiting.push(frame.clone(), lane);
        }
        let written = match self.stream.try_write(frame) {
            Ok(written) if written == frame.len() => return Ok(()),
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                drop(backlog);
                self.end(false);
                return Ok(());
            }
        };
        let waiting = backlog.insert(Box::default());
        let fits = match written {
            0 => waiting.push(frame.clone(), lane),
            _ => waiting.push_rest(frame.slice(written..), lane),
        };
        drop(backlog);
        self.stalled.set(Some(self.shard.now()));
        self.shard.set_alarm(self);
        self.wake();
        fits
    }

    /// Asks a silent viewer whether it is there.
    pub fn ping(&self) {
        self.pinged.set(true);
        self.send(&frame::ping(b""), Lane::Keep);
    }

    /// Closes it with a word, a `bye` where one is due, and the closing handshake.
    pub fn leave(&self, code: CloseCode, reason: &str, after: Duration) {
        if !self.is_open() {
            return;
        }
        if matches!(code, CloseCode::AccessEnded | CloseCode::SessionOver | CloseCode::Replaced) {
            self.abandon_backlog();
        }
        self.last_word.set(!code.says_bye());
        self.say_last(code, reason, after, CLOSE_WAIT);
    }

    /// It reads too slowly: it may have its last word if it takes it soon, and is reset otherwise.
    pub fn give_up_slow(&self) {
        if !self.is_open() {
            return;
        }
        metrics::counter!(metric::SOCKET_SLOW).increment(1);
        self.abandon_backlog();
        self.last_word.set(true);
        let code = CloseCode::TooSlow;
        self.say_last(code, code.word(), self.shard.comeback(), SLOW_GOODBYE);
    }

    fn abandon_backlog(&self) {
        if let Some(backlog) = self.backlog.borrow_mut().as_mut() {
            backlog.abandon();
        }
    }

    fn say_last(&self, code: CloseCode, reason: &str, after: Duration, patience: Duration) {
        self.stage.set(Stage::Leaving { until: self.shard.now() + patience });
        self.vacate();
        let mut fits = Ok(());
        if code.says_bye() {
            fits = self.write(&codes::bye(code, reason, after), Lane::Keep);
        }
        if fits.and_then(|()| self.write(&frame::close(Some(code.number()), reason), Lane::Keep)).is_err() {
            self.end(true);
        }
        self.shard.set_alarm(self);
        self.wake();
    }

    /// Ends it now. A reset throws away what the kernel still holds for a reader that does not read.
    pub fn end(&self, reset: bool) {
        if reset {
            // fails only on a socket that is gone already
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        self.over.set(true);
        self.wake();
    }

    /// Gives back its place in the audience and its place among those who are spoken to.
    pub fn vacate(&self) {
        if let Some(place) = self.place.take() {
            self.shard.vacate(self);
            drop(place);
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Runs it until either side ends it.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        while !self.over.get() {
            if self.flush(cx).is_err() {
                break;
            }
            self.shut_if_done();
            match ready!(self.stream.poll_read_ready(cx)).and_then(|()| self.read()) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        self.over.set(true);
        Poll::Ready(())
    }

    fn flush(&self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(backlog) = self.backlog.borrow_mut().as_mut() {
            match self.stream.poll_write_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            let slices: Vec<IoSlice<'_>> = backlog.slices().collect();
            match self.stream.try_write_vectored(&slices) {
                Ok(written) => {
                    backlog.advance(written);
                    self.stalled.set(Some(self.shard.now()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if backlog.is_empty() {
                break;
            }
        }
        let mut backlog = self.backlog.borrow_mut();
        if backlog.as_ref().is_some_and(|backlog| backlog.is_empty()) {
            *backlog = None; // an idle viewer keeps no buffer
            self.stalled.set(None);
        }
        Ok(())
    }

    /// After the last word, once all is written, we only wait for the other side to close.
    fn shut_if_done(&self) {
        if self.last_word.get() && !self.is_open() && !self.shut.get() && self.backlog.borrow().is_none() {
            self.shut.set(true);
            // fails only on a socket that is gone already, which the next read tells
            let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        }
    }

    fn read(&self) -> io::Result<usize> {
        let mut scratch = self.shard.lend_scratch();
        let read = self.stream.try_read(&mut scratch);
        if let Ok(count) = read {
            self.hear(&scratch[..count]);
        }
        self.shard.return_scratch(scratch);
        read
    }

    /// Takes in bytes that have arrived.
    pub fn hear(&self, mut bytes: &[u8]) {
        while !self.over.get() && !self.last_word.get() {
            let heard = self.reader.borrow_mut().next(&mut bytes, BOUNDS);
            match heard {
                Ok(None) => return,
                Ok(Some(incoming)) => {
                    self.heard.set(self.shard.now());
                    self.answer(incoming);
                }
                Err(_) if !self.is_open() => return self.end(false),
                Err(breach) => {
                    let code = match breach {
                        Breach::Malformed => CloseCode::Malformed,
                        Breach::TooLarge => CloseCode::TooLarge,
                        Breach::NotUtf8 => CloseCode::NotUtf8,
                    };
                    self.leave(code, code.word(), Duration::ZERO);
                }
            }
        }
    }

    fn answer(&self, incoming: Incoming) {
        match incoming {
            Incoming::Close(_) if !self.is_open() => self.end(false),
            Incoming::Close(number) => {
                self.stage.set(Stage::Leaving { until: self.shard.now() + REFUSAL_WAIT });
                self.last_word.set(true);
                self.vacate();
                if self.write(&frame::close(number, ""), Lane::Keep).is_err() {
                    self.end(true);
                }
                self.shard.set_alarm(self);
            }
            _ if !self.is_open() => {}
            Incoming::Pong(_) if self.pinged.take() => self.shard.set_alarm(self),
            Incoming::Pong(_) => self.count_message(),
            Incoming::Ping(payload) => {
                self.count_message();
                self.send(&frame::pong(&payload), Lane::Keep);
            }
            Incoming::Binary(_) => {
                self.count_message();
                self.misspoke(Misspoken::NotText);
            }
            Incoming::Text(text) => self.understand(&text),
        }
    }

    fn understand(&self, text: &str) {
        let said = protocol::read(self.seat.kind, text);
        if !(matches!(said, Ok(Said::React(_))) && self.take_from(&self.reactions, REACTIONS)) {
            self.count_message();
        }
        if !self.is_open() {
            return;
        }
        let floor = self.shard.floor();
        match said {
            Ok(Said::React(emoji)) => floor.react(&self.seat, emoji),
            Ok(Said::Quality(quality)) => floor.quality(&self.seat, quality),
            Ok(Said::Stats(stats)) => floor.stats(&self.seat, stats),
            Ok(Said::Ping) => self.send(&protocol::pong(self.shard.wall()), Lane::Keep),
            Err(why) => return self.misspoke(why),
        }
        self.misspoken.set(0);
    }

    fn misspoke(&self, why: Misspoken) {
        self.send(&protocol::error(why), Lane::Keep);
        self.misspoken.set(self.misspoken.get() + 1);
        if self.misspoken.get() >= MISSPOKEN_MAX {
            self.leave(CloseCode::Protocol, why.code(), Duration::ZERO);
        }
    }

    fn count_message(&self) {
        if !self.take_from(&self.messages, MESSAGES) {
            let code = CloseCode::TooManyMessages;
            self.leave(code, code.word(), self.shard.comeback() + SOCKET_MESSAGE_EVERY * SOCKET_MESSAGE_BURST);
        }
    }

    fn take_from(&self, bucket: &Cell<Bucket>, pace: Pace) -> bool {
        let mut tokens = bucket.get();
        let taken = tokens.take(self.shard.now(), pace).is_ok();
        bucket.set(tokens);
        taken
    }
}
