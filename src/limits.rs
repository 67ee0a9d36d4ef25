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
/// How long the place of a viewer who dropped is kept (rule L5).
pub const VIEWER_GRACE: Duration = Duration::from_secs(30);
/// How long a publishing studio may be silent: with a word every second, lost media is noticed inside the 5 s of rule L4.
pub const STUDIO_SILENCE: Duration = Duration::from_millis(3_500);
/// Viewers whose picture froze before theirs counts as evidence; one line may be at fault.
pub const FROZEN_VIEWERS_MIN: usize = 2;
/// How long a viewer's word about its picture counts.
pub const FROZEN_WINDOW: Duration = Duration::from_secs(5);
/// Without the publisher's statistics for this long, health is unknown (rule L7).
pub const HEALTH_SILENCE: Duration = Duration::from_secs(15);
/// One call to the media server; on loopback they take milliseconds, across a region tens.
pub const MEDIA_CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the media server keeps a room that nobody joined: longer than any lobby without a word from us.
pub const ROOM_EMPTY_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// How long it keeps a room that everybody left: longer than the longest publisher grace (1,800 s).
pub const ROOM_DEPARTURE_TIMEOUT: Duration = Duration::from_secs(2 * 3600);
/// How far a webhook's times may lie off our clock.
pub const HOOK_LEEWAY: Duration = Duration::from_secs(60);
/// How often local start-up looks again whether a child is ready or gone.
pub const LOCAL_LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often the local children are looked at; a dead Postgres is back well within the two seconds that writers wait.
pub const LOCAL_WATCH_EVERY: Duration = Duration::from_millis(100);
/// The pause before a local child that died is started again; it doubles with each death up to the longest.
pub const LOCAL_RESTART_PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause before a local child is started again.
pub const LOCAL_RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A local child that lived this long begins again with the first pause.
pub const LOCAL_SETTLED_AFTER: Duration = Duration::from_secs(60);
/// How long the local Postgres may take until it answers: recovery after a crash replays up to `max_wal_size`.
pub const LOCAL_POSTGRES_READY_WAIT: Duration = Duration::from_secs(60);
/// How long an engine waits for a short command that has the local Postgres.
pub const LOCAL_POSTGRES_LOCK_WAIT: Duration = Duration::from_secs(60);
/// How long the stand-ins and a local LiveKit server may take until they answer; both need less than a second.
pub const LOCAL_START_WAIT: Duration = Duration::from_secs(20);
/// How long one question to a local HTTP server may take.
pub const LOCAL_PROBE_WAIT: Duration = Duration::from_millis(500);
/// What a local HTTP server may answer to such a question; the honest answers have some hundred bytes.
pub const LOCAL_PROBE_BYTES_MAX: u64 = 16 * 1024;
/// A child's log beyond this size becomes the one old log at the next start.
pub const LOCAL_LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
