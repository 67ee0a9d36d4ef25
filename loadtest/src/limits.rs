//! Every limit of the load tester, with its reason.

use std::time::Duration;

/// Handshakes in flight in one process when nothing else is asked: an engine that answers many with one query is kept busy only by
/// many, and a usual accept backlog (2,048) still holds them all.
pub const CONNECTING_MAX: usize = 1_024;
/// One try to connect, upgrade and receive the snapshot; an engine that admits at all does it in a fraction.
pub const OPENING_LIMIT: Duration = Duration::from_secs(20);
/// How long the answer to an upgrade may be before it is no answer; problem documents are below a kilobyte.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The largest frame or message that is believed; a snapshot has a few kilobytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What is read at once from one socket, into a buffer that all sockets of a thread share.
pub const READ_BYTES: usize = 64 * 1024;
/// The first wait after a failed try is drawn from zero to this.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// Waits double up to this, so that a restarted engine sees everybody within a few seconds.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// The longest wait that a server may ask for and still be obeyed; beyond it the run could not end.
pub const ASKED_WAIT_MAX: Duration = Duration::from_mins(1);
/// Tries of one viewer in a row before it counts as given up; with the backoff, more than two minutes.
pub const TRIES_MAX: u32 = 120;
/// How often a crowd tells what it has counted; the bar moves at this pace.
pub const TELL_EVERY: Duration = Duration::from_millis(250);
/// Deltas that may wait for the conductor: a few seconds of every process.
pub const NEWS_MAX: usize = 256;
/// Orders that may wait for a crowd; it takes them at once.
pub const ORDERS_MAX: usize = 64;
/// How long everybody may take to join before the run goes on with those who are in.
pub const JOIN_LIMIT: Duration = Duration::from_mins(2);
/// How long the last deliveries are waited for after the last trigger.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// How long every viewer may take to hear of a change of state; the promise is five seconds.
pub const STATE_LIMIT: Duration = Duration::from_secs(15);
/// How long everybody may take to come back after the server accepts again.
pub const BACK_LIMIT: Duration = Duration::from_mins(1);
/// Between two looks whether a restarted server accepts; bounds the error of "time back".
pub const PROBE_EVERY: Duration = Duration::from_millis(20);
/// Between two reactions of the trigger: one message a second, longer than any coalescing window.
pub const TRIGGER_EVERY: Duration = Duration::from_secs(1);
/// A trigger is announced to all processes this long before it happens, so that nobody hears its frame first.
pub const TRIGGER_NOTICE: Duration = Duration::from_millis(100);
/// How long one call to the JSON interface may take.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Holes that one viewer remembers, to tell a late frame from a repeated one.
pub const HOLES_REMEMBERED: usize = 64;
/// Descriptors that a process needs beside its sockets: standard streams, the runtime, the control calls.
pub const DESCRIPTORS_SPARE: u64 = 64;
/// Local ports that one source address offers with the usual kernel settings.
pub const PORTS_PER_ADDRESS: usize = 28_000;
/// A plain line of progress, where no bar can be drawn.
pub const PLAIN_LINE_EVERY: Duration = Duration::from_secs(2);
/// Distinct reasons of refusal or failure that are told apart; the rest is counted together.
pub const REASONS_MAX: usize = 32;
/// How long sockets may take to say goodbye before they are dropped.
pub const GOODBYE_LIMIT: Duration = Duration::from_secs(3);
/// Points of one line of a plot; more than one for two pixels says nothing.
pub const POINTS_MAX: usize = 360;
