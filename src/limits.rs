//! Every limit of the engine, with its reason. A queue, body, list, wait or retry without an entry here is a defect.

use std::time::Duration;

/// A JSON or form body; the largest honest one (a space's description) is a tenth of it.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A provider's webhook; LiveKit's largest are a few kilobytes.
pub const HOOK_BODY_BYTES_MAX: usize = 256 * 1024;
/// Items of one page of a list.
pub const PAGE_ITEMS_MAX: i64 = 100;
/// Connections to Postgres of one node: two cores' worth of queries in flight, and some for what must not wait.
pub const DATABASE_CONNECTIONS_MAX: usize = 24;
/// How long a request waits for a database connection before it is told to try again.
pub const DATABASE_WAIT: Duration = Duration::from_millis(800);
/// How long one statement may run; nothing of ours is meant to take a tenth of it.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that may wait for one actor; beyond it senders are refused and counted.
pub const MAILBOX_MESSAGES_MAX: usize = 16 * 1024;
/// Restarts of one actor inside `RESTART_WINDOW` before it is set aside as degraded.
pub const RESTARTS_MAX: usize = 5;
/// The window in which restarts are counted.
pub const RESTART_WINDOW: Duration = Duration::from_secs(10);

// Sockets.

/// A viewer's or studio's message; the longest honest one, a full report, is a tenth of it.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Frames of one message; nobody splits four kilobytes further, except to keep us busy.
pub const SOCKET_FRAGMENTS_MAX: usize = 64;
/// Characters of one emoji; a family of four with joiners and skin tones has eleven.
pub const EMOJI_CHARS_MAX: usize = 11;
/// Bytes of a device's name; a UUID has 36.
pub const DEVICE_BYTES_MAX: usize = 64;
/// Subprotocols of one upgrade header; ours are three.
pub const SUBPROTOCOLS_MAX: usize = 8;
/// Bytes of all subprotocols of an upgrade; a signed live token has some hundreds.
pub const SUBPROTOCOL_BYTES_MAX: usize = 4 * 1024;
/// Numbered frames kept for viewers who return; at the few a minute a broadcast makes, far more than the 30 s grace.
pub const RESUME_FRAMES_MAX: usize = 256;
