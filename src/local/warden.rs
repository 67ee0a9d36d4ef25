//! One thread that owns the local programs: starts them, starts them again when they die, and ends them in order.
//!
//! It is a thread of its own because the kernel signals a child when the thread that started it ends, and because nothing here may
//! wait on an event loop that is itself coming up or going down.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::child::{Program, Running};
use crate::limits::{
    LOCAL_ORDERS_MAX, LOCAL_RESTART_PAUSE_FIRST, LOCAL_RESTART_PAUSE_MAX, LOCAL_SETTLED_AFTER, LOCAL_WATCH_EVERY,
};

enum Order {
    Start(Box<Program>, SyncSender<io::Result<i32>>),
    Adopt(Box<Program>, Running, SyncSender<()>),
    IsRunning(&'static str, SyncSender<bool>),
    Stop,
}

struct Kept {
    program: Program,
    running: Option<Running>,
    pause: Duration,
    idle_for: Duration,
    alive_for: Duration,
}

/// The owner of the local programs. Dropping it ends them all, the last started first.
pub struct Warden {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
    restarts: Arc<AtomicU64>,
}

impl Warden {
    /// Starts the thread, which owns nothing yet.
    pub fn new() -> io::Result<Self> {
        let (orders, inbox) = sync_channel(LOCAL_ORDERS_MAX);
        let restarts = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&restarts);
        let thread = Builder::new().name("local".to_owned()).spawn(move || watch(&inbox, &counter))?;
        Ok(Self { orders, thread: Some(thread), restarts })
    }

    /// Starts a program, and again whenever it dies. Answers its process number.
    pub fn start(&self, program: Program) -> io::Result<i32> {
        let (reply, answer) = sync_channel(1);
        self.send(Order::Start(Box::new(program), reply))?;
        answer.recv().map_err(|_| gone())?
    }

    /// Takes over a program that an earlier engine left running.
    pub fn adopt(&self, program: Program, running: Running) -> io::Result<()> {
        let (reply, answer) = sync_channel(1);
        self.send(Order::Adopt(Box::new(program), running, reply))?;
        answer.recv().map_err(|_| gone())
    }

    /// Whether the program of this name runs at this moment.
    pub fn is_running(&self, name: &'static str) -> bool {
        let (reply, answer) = sync_channel(1);
        self.send(Order::IsRunning(name, reply)).is_ok() && answer.recv().unwrap_or(false)
    }

    /// How often a program had to be started again.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn send(&self, order: Order) -> io::Result<()> {
        self.orders.send(order).map_err(|_| gone())
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that keeps the local programs is gone")
}

fn watch(inbox: &Receiver<Order>, restarts: &AtomicU64) {
    let mut kept: Vec<Kept> = Vec::new();
    loop {
        match inbox.recv_timeout(LOCAL_WATCH_EVERY) {
            Ok(Order::Start(program, reply)) => {
                let started = Running::start(&program);
                let answer =
                    started.as_ref().map(Running::pid).map_err(|error| io::Error::new(error.kind(), error.to_string()));
                if let Ok(running) = started {
                    kept.push(Kept::new(*program, running));
                }
                let _ = reply.send(answer);
            }
            Ok(Order::Adopt(program, running, reply)) => {
                kept.push(Kept::new(*program, running));
                let _ = reply.send(());
            }
            Ok(Order::IsRunning(name, reply)) => {
                let found = kept.iter_mut().find(|one| one.program.name == name);
                let _ = reply.send(found.and_then(|one| one.running.as_mut()).is_some_and(Running::runs));
            }
            Err(RecvTimeoutError::Timeout) => {
                for one in &mut kept {
                    one.look(restarts);
                }
            }
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for one in kept.into_iter().rev() {
        if let Some(running) = one.running
            && !running.end(&one.program)
        {
            tracing::warn!(program = one.program.name, "a local program did not end");
        }
    }
}

impl Kept {
    fn new(program: Program, running: Running) -> Self {
        let pause = LOCAL_RESTART_PAUSE_FIRST;
        Self { program, running: Some(running), pause, idle_for: Duration::ZERO, alive_for: Duration::ZERO }
    }

    fn look(&mut self, restarts: &AtomicU64) {
        if let Some(running) = &mut self.running {
            if running.runs() {
                self.alive_for += LOCAL_WATCH_EVERY;
                if self.alive_for >= LOCAL_SETTLED_AFTER {
                    self.pause = LOCAL_RESTART_PAUSE_FIRST;
                }
                return;
            }
            let status = running.status().map_or_else(|| "unknown".to_owned(), |status| status.to_string());
            tracing::warn!(program = self.program.name, status, "a local program died and is started again");
            self.running = None;
            self.idle_for = Duration::ZERO;
        }
        self.idle_for += LOCAL_WATCH_EVERY;
        if self.idle_for < self.pause {
            return;
        }
        self.pause = (self.pause * 2).min(LOCAL_RESTART_PAUSE_MAX);
        self.idle_for = Duration::ZERO;
        self.alive_for = Duration::ZERO;
        restarts.fetch_add(1, Ordering::Relaxed);
        match Running::start(&self.program) {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                tracing::error!(program = self.program.name, %error, "a local program cannot be started again");
            }
        }
    }
}
