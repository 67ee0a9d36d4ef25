//! Thousands of viewers on one thread, who join, read, and count the bytes that reach them.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use backstage::clock::{Clock, SystemClock};
use mio::{Events, Interest, Poll, Token};

use crate::ours::EXPERIENCE;

/// How often the waiting ends look.
const LOOK: Duration = Duration::from_millis(1);
/// Silence after which everybody counts as greeted.
const QUIET: Duration = Duration::from_millis(1_500);

/// All of them.
pub struct Viewers {
    joined: Mutex<Vec<mio::net::TcpStream>>,
    bytes: AtomicUsize,
    stopped: AtomicBool,
    clock: SystemClock,
}

impl Viewers {
    /// Joins `count` viewers, one after the other.
    pub fn join(port: u16, count: usize) -> Result<Self> {
        let request = format!(
            "GET /api/v1/experiences/{EXPERIENCE}/live HTTP/1.1\r\nhost: bench\r\nupgrade: websocket\r\n\
             connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let joined = (0..count).map(|_| join(port, &request)).collect::<Result<_>>().context("joining")?;
        let clock = SystemClock::new();
        Ok(Self { joined: Mutex::new(joined), bytes: AtomicUsize::new(0), stopped: AtomicBool::new(false), clock })
    }

    /// Bytes that have arrived.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Waits until that many bytes have arrived; false when they have not in time.
    pub fn wait_for(&self, bytes: usize, limit: Duration) -> bool {
        let until = self.clock.monotonic() + limit;
        while self.bytes() < bytes {
            if self.clock.monotonic() > until {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Waits until nothing arrives any more.
    pub fn wait_for_quiet(&self) {
        let mut before = usize::MAX;
        while before != self.bytes() {
            before = self.bytes();
            std::thread::sleep(QUIET);
        }
    }

    /// Ends the reading.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Reads everything that arrives, on a thread of its own.
    pub fn read_on_a_thread(self: Arc<Self>) -> JoinHandle<()> {
        std::thread::spawn(move || self.read().expect("the viewers' loop has what it needs"))
    }

    fn read(&self) -> std::io::Result<()> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let mut poll = Poll::new()?;
        for (at, stream) in joined.iter_mut().enumerate() {
            poll.registry().register(stream, Token(at), Interest::READABLE)?;
        }
        let (mut events, mut scratch) = (Events::with_capacity(512), vec![0; 64 * 1024]);
        while !self.stopped.load(Ordering::SeqCst) {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let stream = &mut joined[event.token().0];
                loop {
                    match stream.read(&mut scratch) {
                        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                        Ok(count) => self.bytes.fetch_add(count, Ordering::SeqCst),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    };
                }
            }
        }
        Ok(())
    }
}

fn join(port: u16, request: &str) -> Result<mio::net::TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut bytes = [0; 2048];
        let count = stream.read(&mut bytes)?;
        ensure!(count > 0, "closed before an answer");
        answer.extend_from_slice(&bytes[..count]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
    stream.set_nonblocking(true)?;
    Ok(mio::net::TcpStream::from_std(stream))
}
