//! Every limit of the engine, with its reason. A queue, body, list, wait or retry without an entry here is a defect.

use std::time::Duration;

pub use crate::commerce::limits::*;

/// A JSON or form body; the largest honest one (a space's description) is a tenth of it.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A provider's webhook; LiveKit's largest are a few kilobytes.
pub const HOOK_BODY_BYTES_MAX: usize = 256 * 1024;
/// Items of one page of a list.
pub const PAGE_ITEMS_MAX: i64 = 100;
/// Connections to Postgres of one node: two cores' worth of queries in flight, and some for what must not wait.
pub const DATABASE_CONNECTIONS_MAX: usize = 24;
/// Connections beside them that requests cannot use up: rights are read and health is answered while everything else waits.
pub const DATABASE_RESERVED_MAX: usize = 3;
/// How long a request waits for a database connection before it is told to try again.
pub const DATABASE_WAIT: Duration = Duration::from_millis(800);
/// How long connecting may take; a busy machine needs more than a free connection does.
pub const DATABASE_CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long one statement may run; nothing of ours is meant to take a tenth of it.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that may wait for one actor; beyond it senders are refused and counted.
pub const MAILBOX_MESSAGES_MAX: usize = 16 * 1024;
/// Restarts of one actor inside `RESTART_WINDOW` before it is set aside as degraded.
pub const RESTARTS_MAX: usize = 5;
/// The window in which restarts are counted.
pub const RESTART_WINDOW: Duration = Duration::from_secs(10);

// Sockets.

/// How often a viewer's media token is tried again while its right is being read, before the socket is told to come back.
pub const MINT_TRIES_MAX: u32 = 8;
/// The pause before each such try; eight of them are the two seconds in which whoever lost a right has to be out.
pub const MINT_AGAIN: Duration = Duration::from_millis(250);

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
/// How often a stored webhook that could not be applied is tried again, and with which pause: a database that is started again is
/// back well within this, and by then the list of who is there has told the same.
pub const HOOK_TRIES_MAX: u32 = 5;
/// The pause before each such try.
pub const HOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often local start-up looks again whether a child is ready or gone.
pub const LOCAL_LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often the local children are looked at; a dead Postgres is back well within the two seconds that writers wait.
pub const LOCAL_WATCH_EVERY: Duration = Duration::from_millis(100);
/// Orders that may wait for the thread that keeps the local children; a start-up gives fewer than ten in all.
pub const LOCAL_ORDERS_MAX: usize = 16;
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
/// A session nobody uses ends after this long.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A session ends after this long however much it is used, so that a stolen cookie is not good for ever.
pub const SESSION_WHOLE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How often the database hears that a session is in use; every request would be a write.
pub const SESSION_SEEN_EVERY: Duration = Duration::from_secs(3600);
/// How long the first answer to "who is this" is remembered in this node: a page and what it loads, a socket and its tries. A
/// herd that comes once does not weigh for longer.
pub const CREDENTIAL_FIRST_KNOWN: Duration = Duration::from_secs(3);
/// How long it is remembered of somebody who has asked again by then. Revocation here is immediate; one that another node made is
/// seen within this, the time in which everybody is out of every door when nodes cannot tell each other. Much less, and people
/// who ask now and then would all wait for a look-up.
pub const CREDENTIAL_KNOWN: Duration = Duration::from_secs(15);
/// Answers remembered at once: every viewer of a full node and as many again; beyond it old ones are dropped.
pub const CREDENTIALS_KNOWN_MAX: usize = 20_000;
/// Credentials that may wait for one look-up; beyond it the asker is told to come back.
pub const CREDENTIALS_WAITING_MAX: usize = 20_000;
/// Credentials in one query; a statement with 2,000 hashes is 64 KB and takes milliseconds.
pub const CREDENTIALS_BATCH_MAX: usize = 2_000;
/// Look-ups of credentials that start at once before they are spaced, so that quiet times feel no wait.
pub const CREDENTIAL_QUERIES_BURST: u32 = 8;
/// Space between look-ups under load: a herd of 5,000 in 5 seconds is some forty queries.
pub const CREDENTIAL_QUERIES_EVERY: Duration = Duration::from_millis(150);
/// Space between look-ups for which nobody waits: those of credentials in use that are still good.
pub const CREDENTIAL_RENEWALS_EVERY: Duration = Duration::from_millis(150);
/// A credential longer than this is none of ours.
pub const CREDENTIAL_BYTES_MAX: usize = 128;
/// An `Idempotency-Key` longer than this is refused; a UUID is 36.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long the answer to a request with an `Idempotency-Key` is kept for being asked again.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Jobs of one queue that run at once on a node; mail servers dislike more from one place.
pub const JOBS_AT_ONCE: usize = 4;
/// How long a claimed job belongs to its runner, by the database's clock; a job of a killed node is free after it.
pub const JOB_LOCK: Duration = Duration::from_secs(30);
/// How long one try may take; shorter than the lock, so that no second runner starts beside it.
pub const JOB_TIME_MAX: Duration = Duration::from_secs(20);
/// How long an idle runner waits before it looks for jobs it was not told of.
pub const JOB_IDLE_LOOK: Duration = Duration::from_secs(5);
/// What a job waits after each failed try; after the last it is set aside.
pub const JOB_BACKOFF: [Duration; 8] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3600),
    Duration::from_secs(4 * 3600),
];
/// What is kept of a job's error text.
pub const JOB_ERROR_CHARS_MAX: usize = 500;

// Supervision.

/// What is kept of a message that made an actor panic too often; the largest of ours has some hundred bytes.
pub const POISON_BYTES_MAX: usize = 4 * 1024;
/// Messages of one actor that are set aside at a time; more than a few are one bug in many forms.
pub const POISON_KEPT_MAX: usize = 8;
/// How long a message that was set aside is refused before it may run again; what made it panic may have passed.
pub const POISON_REST: Duration = Duration::from_secs(60);
/// How long somebody waits for an actor's answer: a load from a busy store, and a restart beside it.
pub const ASK_WAIT: Duration = Duration::from_secs(5);
/// Actors of one thread that may wait to be started where they share it with everything else (simulation and tests).
pub const ACTORS_STARTING_MAX: usize = 64 * 1024;
/// How often the media server is asked who is on air while a room is wanted (the reconciler's round); one that died is noticed
/// within 5 s also when nobody watches.
pub const MEDIA_ASK_EVERY: Duration = Duration::from_secs(4);
/// How long the media server may list a publisher whose browser died: 20 s were measured, and some for a slow answer.
pub const MEDIA_NOTICES_LATE: Duration = Duration::from_secs(25);
/// How soon it is asked again when it did not answer, or when somebody was just put out.
pub const MEDIA_ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long somebody is kept out of a room after they were last in it: as long as the tokens last that the server pushes to everybody
/// (10 minutes), with its leeway of one minute and some for clocks.
pub const BAR_LASTS: Duration = Duration::from_secs(690);
/// How often whoever is kept out is put out again, without word of them: from the knock to the first frame it takes 200 ms (measured),
/// to the first track about half of that.
pub const BAR_EVERY: Duration = Duration::from_millis(50);
/// People put out again in one round; when more are kept out, they take turns.
pub const BARRED_AT_ONCE_MAX: usize = 32;
/// People who are kept out at a time; beyond it they are put out when the server tells of them, some frames later.
pub const BARRED_MAX: usize = 2_000;
/// Ended rights of one experience that are timed until their people are out; beyond it people are put out all the same.
pub const EVICTIONS_TIMED_MAX: usize = 10_000;
/// How long a room is watched closely after somebody was put out of it.
pub const MEDIA_WATCH_CLOSELY: Duration = Duration::from_secs(60);
/// What may wait behind a durable step of one experience; a creator has one hand.
pub const ORDERS_WAITING_MAX: usize = 64;
/// How soon a step of the world is saved again when the store was away.
pub const STORE_RETRY: Duration = Duration::from_millis(500);
/// How often the audience is told at most (contract: once a second).
pub const AUDIENCE_EVERY: Duration = Duration::from_secs(1);
/// How often reactions are told at most; the first after a pause goes out at once.
pub const REACTIONS_EVERY: Duration = Duration::from_millis(250);
/// How soon an experience is activated again when the store was away.
pub const ACTIVATION_RETRY: Duration = Duration::from_millis(500);
/// How soon somebody who was put out is put out again: one who was just joining was not there the first time.
pub const MEDIA_REMOVE_AGAIN: Duration = Duration::from_millis(300);
/// How long a node owns an experience without renewing; renewed three times in that span.
pub const LEASE_SECS: u32 = 30;
/// How long an experience goes on showing that its last broadcast is over.
pub const OVER_IS_SHOWN: Duration = Duration::from_secs(3600);
/// Devices of one person whose tokens are remembered in an experience; more than any household has at once.
pub const TOKEN_DEVICES_MAX: usize = 32;
/// Devices of one person in an experience that gave way to others and are kept out until they come anew; more than anybody has.
pub const DEVICES_REPLACED_MAX: usize = 32;
/// How long such a device is kept out when it comes back by itself: longer than any media token of it may be good.
pub const DEVICE_REPLACED_KEPT: Duration = Duration::from_secs(7_200);
/// How long a viewer's media token lives (rule L10: at most 10 minutes).
pub const MEDIA_TOKEN_TTL: Duration = Duration::from_secs(600);
/// When a viewer is given the next one: two minutes before the old one ends.
pub const MEDIA_TOKEN_RENEW: Duration = Duration::from_secs(480);
/// How long a creator's media token lives; the media server renews it while the creator is connected.
pub const PUBLISHER_TOKEN_TTL: Duration = Duration::from_secs(600);
/// How long a ticket for opening a socket lives: one page load.
pub const LIVE_TICKET_TTL: Duration = Duration::from_secs(120);
/// A broadcast's title.
pub const TITLE_CHARS_MAX: usize = 120;
/// How many rooms' experiences are remembered for webhooks.
pub const ROOMS_REMEMBERED_MAX: usize = 10_000;
/// How often rooms are compared with what we want.
pub const ROOMS_COMPARE_EVERY: Duration = Duration::from_secs(10);
/// How often a node renews its leases: three times before they end.
pub const LEASE_RENEW_EVERY: Duration = Duration::from_secs(10);
/// How soon it tries again when the store could not be asked.
pub const LEASE_RENEW_AGAIN: Duration = Duration::from_secs(1);
/// How long before the database's word an owner stops by its own clock: the second that is promised, and one for clocks that run
/// apart.
pub const LEASE_MARGIN: Duration = Duration::from_secs(2);
/// How long an actor whose experience belongs to another node refuses everything before it is gone; the next message after it asks
/// the store again, so this also bounds how often.
pub const STEP_DOWN_REST: Duration = Duration::from_secs(1);
/// The same for an experience whose row cannot be understood: nobody mends it within seconds.
pub const CORRUPT_REST: Duration = Duration::from_secs(10);
/// How often an audience is counted anew from the sockets at most; it is a walk over everybody who is there.
pub const RECOUNT_EVERY: Duration = Duration::from_secs(1);
/// How long the doctor waits for one answer; a person sits before it.
pub const DOCTOR_WAIT: Duration = Duration::from_secs(5);
/// Open files below which the doctor warns: a socket a viewer, and some for everything else.
pub const OPEN_FILES_MIN: u64 = 16 * 1024;

// Access.

/// How long the log of changed rights is kept; nodes read it every few seconds, a day is for people who look.
pub const CHANGES_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Changes of rights read at once; more than this in one reading window waits for the next look.
pub const CHANGES_READ_MAX: i64 = 200_000;
/// Grants written down as expired in one go; the rest follows with the next.
pub const GRANTS_EXPIRED_AT_ONCE_MAX: i64 = 5_000;
/// An e-mail address; SMTP allows no more.
pub const ADDRESS_BYTES_MAX: usize = 254;
/// What stands before the `@`; SMTP allows no more.
pub const ADDRESS_LOCAL_BYTES_MAX: usize = 64;
/// Digits of a sign-in code.
pub const CODE_DIGITS: u32 = 6;
/// Digits of the long code that is sent while guesses fail at large: a million times as many.
pub const LONG_CODE_DIGITS: u32 = 12;
/// How long a sign-in code is good.
pub const CODE_LASTS: Duration = Duration::from_secs(10 * 60);
/// How long a browser is remembered as the one that asked for a code.
pub const BROWSER_REMEMBERED: Duration = Duration::from_secs(3600);
/// Keys whose recent doings are counted in memory, some 100 bytes each.
pub const WINDOW_KEYS_MAX: usize = 100_000;
/// The window in which mails to one address are counted.
pub const ADDRESS_WINDOW: Duration = Duration::from_secs(15 * 60);
/// The window of the slower counts of one address.
pub const ADDRESS_DAY: Duration = Duration::from_secs(24 * 3600);
/// The window in which mails asked for by one client are counted.
pub const CLIENT_MAIL_WINDOW: Duration = Duration::from_secs(3600);
/// The window in which wrong guesses are counted, for a client and for the site: as long as a code is good.
pub const GUESS_WINDOW: Duration = Duration::from_secs(10 * 60);

/// How often people may ask for codes and guess at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// Codes mailed to one address in [`ADDRESS_WINDOW`].
    pub mails_an_address: u32,
    /// Codes mailed to one address in [`ADDRESS_DAY`].
    pub mails_an_address_a_day: u32,
    /// Codes of one address in [`ADDRESS_DAY`] that were guessed at wrongly, before no more are sent: 5 × 5 tries at a million codes.
    pub guessed_codes_an_address_a_day: u32,
    /// Codes asked for by one client in [`CLIENT_MAIL_WINDOW`].
    pub mails_a_client: u32,
    /// Wrong guesses by one client in [`GUESS_WINDOW`].
    pub wrong_guesses_a_client: u32,
    /// Wrong guesses on the whole site in [`GUESS_WINDOW`], beyond twice the right ones, before codes become long.
    pub wrong_guesses_on_the_site: u32,
}

/// How many requests one client address may send; see `web/limit.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// One for each of these, in the long run.
    pub every: Duration,
    /// At once, after a rest.
    pub burst: u32,
}

/// What the outside world gets: an office behind one address, not a machine that tries every door.
pub const REQUESTS_STRICT: RequestLimits = RequestLimits { every: Duration::from_millis(20), burst: 200 };
/// The same limit, set high, for a laptop whose load tests come from one address.
pub const REQUESTS_OPEN: RequestLimits = RequestLimits { every: Duration::from_micros(10), burst: 100_000 };
/// How long one request may take from its head to its answer: no wait of ours is half as long, so its body trickles.
pub const REQUEST_WAIT: Duration = Duration::from_secs(20);
/// Client addresses whose requests are counted at once, some 100 bytes each.
pub const CLIENTS_COUNTED_MAX: usize = 100_000;
/// How often those who were not here lately are forgotten while the count is full; going through all takes milliseconds.
pub const CLIENTS_FORGOTTEN_EVERY: Duration = Duration::from_secs(1);

/// What the outside world gets.
pub const LOGIN_STRICT: LoginLimits = LoginLimits {
    mails_an_address: 3,
    mails_an_address_a_day: 20,
    guessed_codes_an_address_a_day: 5,
    mails_a_client: 10,
    wrong_guesses_a_client: 30,
    wrong_guesses_on_the_site: 500,
};
/// The same limits, set high, for a laptop and its tests.
pub const LOGIN_OPEN: LoginLimits = LoginLimits {
    mails_an_address: 1_000,
    mails_an_address_a_day: 10_000,
    guessed_codes_an_address_a_day: 1_000,
    mails_a_client: 10_000,
    wrong_guesses_a_client: 10_000,
    wrong_guesses_on_the_site: 100_000,
};
/// How long an SMTP server may take for one command.
pub const SMTP_TIMEOUT: Duration = Duration::from_secs(10);
/// API tokens of one person; a script needs one.
pub const TOKENS_MAX: i64 = 50;
/// Members of one team.
pub const MEMBERS_MAX: i64 = 500;
/// Characters of a name of a token, a team or a person.
pub const NAME_CHARS_MAX: usize = 120;
/// How long the readiness check waits for the database.
pub const READY_WAIT: Duration = Duration::from_secs(1);
/// How often a silent viewer is pinged; proxies commonly cut at 60 s of silence.
pub const SOCKET_HEARTBEAT: Duration = Duration::from_secs(25);
/// Silence after which a viewer counts as gone: a heartbeat and 8 s for the answer, under the 35 s promised.
pub const SOCKET_SILENCE_MAX: Duration = Duration::from_secs(33);
/// How long a socket waits for its experience's board before it is told to come back.
pub const BOARD_WAIT: Duration = Duration::from_secs(5);
/// Bytes that may wait for one slow reader. Frames are shared, so a slow reader costs its queue, not its bytes.
pub const SOCKET_BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// How long a reader may take nothing of what waits for it; with `SLOW_GOODBYE`, out within the promised 10 s.
pub const SOCKET_STALL_MAX: Duration = Duration::from_millis(8_000);
/// How long a slow reader has to take its last word before the connection is reset.
pub const SLOW_GOODBYE: Duration = Duration::from_millis(1_500);
/// How long we wait for the other side of a closing handshake; TCP is gone 5 s after it at the latest.
pub const CLOSE_WAIT: Duration = Duration::from_secs(4);
/// The kernel's send buffer of one socket: small, so that a reader who stops is noticed and costs little.
pub const SOCKET_SEND_BUFFER_BYTES: usize = 32 * 1024;
/// How fine the sockets' deadlines are; they may be this much late, never early.
pub const SOCKET_TICK: Duration = Duration::from_millis(250);
/// Sockets written to before a shard lets its thread's other tasks run: about a millisecond.
pub const SOCKETS_PER_TURN: usize = 256;
/// Bytes read from a socket at once, into one buffer a shard.
pub const SOCKET_READ_BYTES: usize = 16 * 1024;
/// Messages of one socket: one each 600 ms, 100 a minute.
pub const SOCKET_MESSAGE_EVERY: Duration = Duration::from_millis(600);
/// Messages of one socket at once.
pub const SOCKET_MESSAGE_BURST: u32 = 20;
/// Reactions of one socket that do not count as messages: five a second.
pub const REACTION_EVERY: Duration = Duration::from_millis(200);
/// Reactions of one socket at once that do not count as messages.
pub const REACTION_BURST: u32 = 20;
/// Unlawful messages in a row before the socket is closed.
pub const MISSPOKEN_MAX: u8 = 3;
/// Publications that may wait for one shard; beyond it the experience is marked and gets a fresh board.
pub const SHARD_PUBLICATIONS_MAX: usize = 4 * 1024;
/// Orders to close and the like that may wait for one shard; beyond it the shard sends everybody away, right or not.
pub const SHARD_ORDERS_MAX: usize = 64 * 1024;
/// How long a door may take to judge one who knocks.
pub const DOOR_WAIT: Duration = Duration::from_secs(5);
/// How long a refused upgrade may take to read its answer.
pub const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// One join each this long, node-wide: 2,500 a second, half of what two cores can carry.
pub const JOIN_EVERY: Duration = Duration::from_micros(400);
/// Joins at once before the rate holds: the 5,000 who are promised to be back in 5 s, and some who come just then.
pub const JOIN_BURST: u32 = 6_000;
/// Joins being judged at a time: the whole burst, because they wait for the same few batched questions.
pub const JOINS_IN_FLIGHT_MAX: usize = 6_000;
/// Sockets of one node; a process has some 20,000 descriptors on small machines, and others need some.
pub const SOCKETS_MAX: usize = 18_000;
/// The longest wait a refused join is told, drawn at random so that the storm does not come back at once.
pub const JOIN_RETRY_SECS_MAX: u64 = 3;
/// The longest wait a viewer is told who is closed by our fault; drawn at random.
pub const COMEBACK_SPREAD: Duration = Duration::from_secs(3);
/// How long a drain waits for the sockets to go.
pub const DRAIN_WAIT: Duration = Duration::from_secs(6);
/// How long a shard rests after a panic, so that one that cannot stand up does not burn a core.
pub const SHARD_REST: Duration = Duration::from_millis(20);

// The listener.

/// Connections the kernel keeps for us while we accept others; a join storm's first wave.
pub const ACCEPT_BACKLOG: u32 = 4_096;
/// Ordinary connections of one worker; sockets are counted by the turnstile.
pub const HTTP_CONNECTIONS_MAX: usize = 8_192;
/// How long a client may take to send the head of its first request.
pub const HTTP_HEADER_WAIT: Duration = Duration::from_secs(5);
/// How long a connection may rest between two requests.
pub const HTTP_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a closed connection may take to take its last bytes.
pub const HTTP_DISCONNECT_WAIT: Duration = Duration::from_secs(2);
/// How long a stop waits for answers that are being made.
pub const HTTP_STOP_WAIT: Duration = Duration::from_secs(10);
/// How long an answer about rights is believed while the database is away: the minute of rule A5, less the second in which
/// sockets are told.
pub const RIGHTS_KNOWN: Duration = Duration::from_secs(59);
/// How long the rights of somebody who is nowhere inside are kept after they were last asked for.
pub const RIGHTS_IDLE: Duration = Duration::from_secs(300);
/// How often those are looked for.
pub const RIGHTS_SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked whose rights are not known any more; the second that `RIGHTS_KNOWN` leaves.
pub const RIGHTS_CHECK_EVERY: Duration = Duration::from_millis(500);
/// People who wait for one person's rights at once; beyond it something is wrong with whoever asks.
pub const RIGHTS_WAITERS_MAX: usize = 256;
/// Queries for rights, or for openings, that may start without a distance between them; one person who clicks needs few.
pub const LOADS_BURST: u32 = 4;
/// The distance between such queries once those are spent: 5,000 people who return within 5 s cost two dozen queries.
pub const LOADS_EVERY: Duration = Duration::from_millis(250);
/// Keys of one such query; an array of this many ids is 32 KB.
pub const LOAD_KEYS_MAX: usize = 2_000;
/// Keys that may wait for one; a node's whole audience and as many again.
pub const LOADS_WAITING_MAX: usize = 100_000;
/// How long somebody waits for such a query before the answer is "unknown".
pub const LOAD_WAIT: Duration = Duration::from_secs(4);
/// The pause before rights that changed and could not be read are read again; it doubles up to the longest.
pub const LOAD_AGAIN_FIRST: Duration = Duration::from_millis(250);
/// The longest such pause.
pub const LOAD_AGAIN_MAX: Duration = Duration::from_secs(5);
/// How often the log of changed rights is looked at; other nodes' changes are seen within this, and 15 s is the rule.
pub const CHANGES_LOOK_EVERY: Duration = Duration::from_secs(5);
/// How far back each look goes: longer than a transaction may stay open, so that none is overlooked.
pub const CHANGES_OVERLAP: Duration = Duration::from_secs(20);
/// How often rows are put in order: grants whose time is up, changes that everybody has seen.
pub const RIGHTS_TIDY_EVERY: Duration = Duration::from_secs(60);
/// How old what opens an experience may be before it is read again; changes made on this node are told at once.
pub const OPENING_FRESH: Duration = Duration::from_secs(15);
/// How long an opening is kept, and kept fresh, after it was last asked for.
pub const OPENING_IDLE: Duration = Duration::from_secs(1_800);
/// The pause before a wake-up that a full mailbox refused is tried again; well inside the second of rule L11.
pub const EXPIRY_AGAIN: Duration = Duration::from_millis(50);
/// Threads on which statements and calls to providers run; they wait more than they work.
pub const STORE_THREADS: usize = 2;
/// How long viewers' return is spread over when this node stops, and how long what is in hand may take.
pub const STOP_SPREAD: Duration = Duration::from_secs(5);
/// How long one question for the stand-ins' clock may take; it answers after 25 s at the latest.
pub const CLOCK_FOLLOW_WAIT: Duration = Duration::from_secs(35);
/// How soon what could not be done at the start is tried again.
pub const CLOCK_FOLLOW_RETRY: Duration = Duration::from_secs(1);
/// Experiences whose series stand by name; with six each they are a quarter of what one scrape should hold.
pub const EXPERIENCE_SERIES_MAX: usize = 200;
/// How often the recorder of metrics is tidied; its histograms grow meanwhile.
pub const METRICS_UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// A slug; longer ones do not fit where people read addresses.
pub const SLUG_CHARS_MAX: usize = 64;
/// One sentence: a tagline, a headline, a benefit, a category.
pub const LINE_CHARS_MAX: usize = 200;
/// Plain paragraphs; a sales page that is longer is not read.
pub const TEXT_CHARS_MAX: usize = 5_000;
/// Lines that say what one gets with a pass.
pub const BENEFITS_MAX: usize = 20;
/// Spaces of one team; the studio shows them on one page.
pub const SPACES_PER_TEAM_MAX: i64 = 100;
/// Experiences of one space; their order is one request.
pub const EXPERIENCES_PER_SPACE_MAX: i64 = 100;
/// Passes of one space; the sales page shows them all.
pub const PASSES_PER_SPACE_MAX: i64 = 50;
/// Holders shown on one page of the studio; the rest is read through the API's pages.
pub const HOLDERS_SHOWN_MAX: i64 = 200;
/// Spaces on the home page; search comes when there are more.
pub const HOME_SPACES_MAX: i64 = 60;
/// People of one crowd; more than one machine can seat.
pub const CROWD_VIEWERS_MAX: usize = 200_000;
/// People written by one statement; some megabytes, far from the statement's timeout.
pub const CROWD_ROWS_AT_ONCE: usize = 5_000;
/// Characters of the reason of a ban; a few sentences.
pub const BAN_REASON_CHARS_MAX: usize = 500;
/// A path that signing in leads to; the longest of ours is a quarter of it.
pub const NEXT_PATH_BYTES_MAX: usize = 1024;
/// How often old rows are thrown away; they harm nobody meanwhile.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long ended sessions stay for support to look at.
pub const ENDED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest lobby, in seconds: a day.
pub const LOBBY_LEAD_SECS_MAX: i64 = 86_400;
/// The longest publisher grace, in seconds: half an hour, after which viewers have gone home.
pub const PUBLISHER_GRACE_SECS_MAX: i64 = 1_800;
/// The most devices of one person in an experience; a household has fewer.
pub const DEVICE_LIMIT_MAX: i64 = 100;
/// Slices of one vectored write; the kernel's own limit is far above.
pub const SOCKET_SLICES_MAX: usize = 32;
