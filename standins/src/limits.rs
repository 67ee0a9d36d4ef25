//! Every bound of the stand-ins, each with its reason.

use std::time::Duration;

/// Largest HTTP body taken: far above any request of a provider's API, far below what hurts a laptop.
pub const HTTP_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// HTTP workers: one engine and a few tests ask; two keep a long poll from standing in anybody's way.
pub const HTTP_WORKERS: usize = 2;
/// How long a stop waits for answers under way, in seconds; long polls give up then.
pub const HTTP_STOP_SECS: u64 = 1;
/// Open HTTP connections per worker: a load test's engine keeps a pool of a few hundred.
pub const HTTP_CONNECTIONS_MAX: usize = 4_096;

/// Letters kept; the oldest goes first. A load test of sign-ins makes thousands.
pub const MAIL_MAX: usize = 5_000;
/// Letters shown on the page: what a person scrolls through.
pub const MAIL_PAGE_MAX: usize = 100;
/// Largest letter taken, announced as SMTP SIZE.
pub const MAIL_BYTES_MAX: usize = 1024 * 1024;
/// Recipients of one letter, as the mail standards ask for at least.
pub const MAIL_RECIPIENTS_MAX: usize = 100;
/// Mail connections at once; further ones are told 421.
pub const SMTP_CONNECTIONS_MAX: usize = 200;
/// Longest SMTP line, twice what the standard allows for text.
pub const SMTP_LINE_BYTES_MAX: u64 = 2_048;
/// Silence after which a mail connection is closed, as the standard's five minutes.
pub const SMTP_IDLE: Duration = Duration::from_mins(5);

/// Requests remembered for `/_log`; the oldest goes first.
pub const LOG_MAX: usize = 5_000;
/// Largest request text kept in the log.
pub const LOG_BODY_BYTES_MAX: usize = 4 * 1024;
/// A journal file is rewritten when it holds this many times what is kept.
pub const JOURNAL_SLACK: usize = 2;

/// Misbehaviours in force at once.
pub const FAULTS_MAX: usize = 100;
/// Longest delay a fault may order.
pub const FAULT_DELAY_MS_MAX: u64 = 60_000;
/// Most copies of one webhook.
pub const FAULT_COPIES_MAX: u32 = 20;
/// How long a webhook that is to change places waits for a successor.
pub const REORDER_WAIT: Duration = Duration::from_secs(1);

/// How long a follower of the clock waits in one request.
pub const CLOCK_WAIT: Duration = Duration::from_secs(25);
/// Furthest one call may move the clock: ten years, so that milliseconds never overflow.
pub const CLOCK_ADVANCE_SECS_MAX: i64 = 10 * 366 * 24 * 3_600;
/// Furthest the clock may be ahead in all.
pub const CLOCK_OFFSET_MS_MAX: i64 = 100 * 366 * 24 * 3_600 * 1_000;
/// Longest sleep of the timer that plays timeouts, so that a missed wake-up costs at most this.
pub const TICK_MAX: Duration = Duration::from_secs(1);

/// Rooms at once.
pub const ROOMS_MAX: usize = 10_000;
/// Participants of one room.
pub const PARTICIPANTS_MAX: usize = 20_000;
/// Acts waiting for their time.
pub const ACTS_MAX: usize = 10_000;
/// Longest delay of an act.
pub const ACT_AFTER_SECS_MAX: u64 = 24 * 3_600;
/// Room names and identities, as the real server's defaults.
pub const NAME_BYTES_MAX: usize = 256;
/// Metadata and attributes, as the real server's defaults.
pub const METADATA_BYTES_MAX: usize = 64_000;
/// Seconds a room lives when nobody ever comes, as the real server's default.
pub const ROOM_EMPTY_TIMEOUT_SECS: u32 = 300;
/// Seconds a room lives after the last one left, as the real server's default.
pub const ROOM_DEPARTURE_TIMEOUT_SECS: u32 = 20;
/// Seconds a token is still taken after its end, as in the real server.
pub const TOKEN_LEEWAY_SECS: i64 = 60;

/// Webhook addresses at once.
pub const WEBHOOK_URLS_MAX: usize = 16;
/// Events waiting for one address and one room, as in the real server; further ones are lost.
pub const WEBHOOK_QUEUE_MAX: usize = 200;
/// Webhooks under way at once: what one engine takes without queueing them itself.
pub const WEBHOOKS_AT_ONCE_MAX: usize = 128;
/// Age at which a waiting event is thrown away, as in the real server.
pub const WEBHOOK_AGE_MAX: Duration = Duration::from_secs(30);
/// Pauses between the tries of one webhook: sent at 0, 1, 3, 7, 15 s, as measured at the real server.
pub const WEBHOOK_PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// How long a receiver may take to answer one try.
pub const WEBHOOK_ANSWER: Duration = Duration::from_secs(10);
/// Life of a webhook's signature, as in the real server.
pub const WEBHOOK_TOKEN_SECS: i64 = 300;

/// Fields of one form: far more than any call of the provider has.
pub const FORM_FIELDS_MAX: usize = 1_000;
/// How deep the keys of a form may nest.
pub const FORM_DEPTH_MAX: usize = 8;
/// Keys of metadata, as at Stripe.
pub const METADATA_KEYS_MAX: usize = 50;
/// Letters of a key of metadata, as at Stripe.
pub const METADATA_KEY_MAX: usize = 40;
/// Letters of a value of metadata, as at Stripe.
pub const METADATA_VALUE_MAX: usize = 500;
/// Objects in all; the state is written whole, so it must stay small enough for that.
pub const STRIPE_OBJECTS_MAX: usize = 200_000;
/// Events kept; at Stripe they go after 30 days.
pub const STRIPE_EVENTS_MAX: usize = 10_000;
/// Answers kept under idempotency keys.
pub const STRIPE_ANSWERS_MAX: usize = 5_000;
/// How long an answer is kept under its key, as at Stripe, in seconds.
pub const STRIPE_ANSWER_SECS: i64 = 24 * 3_600;
/// Letters of an idempotency key, as at Stripe.
pub const STRIPE_KEY_MAX: usize = 255;
/// Events that wait for an endpoint; the oldest is given up first.
pub const STRIPE_UNDELIVERED_MAX: usize = 10_000;
/// Webhook endpoints, as at Stripe.
pub const STRIPE_ENDPOINTS_MAX: usize = 16;
/// Objects on one page of a list, as at Stripe.
pub const STRIPE_PAGE_MAX: usize = 100;
/// Objects on a page when nothing is said, as at Stripe.
pub const STRIPE_PAGE: usize = 10;
/// Fields to expand in one call, each costs a look-up.
pub const STRIPE_EXPAND_MAX: usize = 20;
/// How deep a field to expand may lie, as at Stripe.
pub const STRIPE_EXPAND_DEPTH_MAX: usize = 4;
/// Items of a subscription, as at Stripe.
pub const STRIPE_ITEMS_MAX: usize = 20;
/// Days of a trial, as at Stripe.
pub const STRIPE_TRIAL_DAYS_MAX: i64 = 730;
/// Least amount of a currency with cents; Stripe's differ by currency and begin here.
pub const STRIPE_AMOUNT_MIN: i64 = 50;
/// Largest amount, as at Stripe.
pub const STRIPE_AMOUNT_MAX: i64 = 99_999_999;
/// What happens by itself in one move of the clock: ten years of 300 monthly subscriptions.
pub const STRIPE_STEPS_MAX: usize = 100_000;
/// Until an open refund is decided, in seconds: long enough to be seen open.
pub const STRIPE_REFUND_DECIDED_SECS: i64 = 5;
/// Until a seller must have answered a dispute, in seconds; it is only shown.
pub const STRIPE_DISPUTE_ANSWER_SECS: i64 = 7 * 86_400;
/// Pauses between the tries of one webhook: Stripe's grow in the same way, over hours.
pub const STRIPE_WEBHOOK_PAUSES: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(64),
];
