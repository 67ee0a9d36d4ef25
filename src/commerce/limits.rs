//! Limits of what is sold: prices, stock, questions, and how often somebody may take something.

use std::time::Duration;

/// Prices of one pass, one space or one experience, old ones included.
pub const PRICES_MAX: i64 = 50;
/// The least a price may come to, in minor units; about what a card payment costs at least.
pub const AMOUNT_MIN: i64 = 50;
/// The most a price may come to, in minor units: eight digits, as the payment provider takes them.
pub const AMOUNT_MAX: i64 = 99_999_999;
/// The longest trial, in days: what the payment provider takes.
pub const TRIAL_DAYS_MAX: i64 = 730;
/// The most monthly parts a one-time price is paid in.
pub const INSTALMENTS_MAX: i64 = 24;
/// The most units of one pass; each is a row.
pub const STOCK_MAX: i64 = 100_000;
/// Up to how many units that are left a sales page counts exactly.
pub const STOCK_LEFT_SHOWN_MAX: i64 = 100;
/// Questions before one checkout.
pub const QUESTIONS_MAX: usize = 10;
/// The longest name of a question.
pub const QUESTION_ID_CHARS_MAX: usize = 32;
/// The longest answer to a question.
pub const ANSWER_CHARS_MAX: usize = 1_000;
/// The longest address a buyer is sent on to.
pub const URL_CHARS_MAX: usize = 500;
/// The span in which joins with nothing but an address are counted.
pub const JOIN_WINDOW: Duration = Duration::from_secs(3600);
/// Joins of one client in that span on a laptop: tests and demos come from one address.
pub const JOINS_A_CLIENT_OPEN: u32 = 10_000;
/// Joins of one client in that span in the outside world: a household, not a machine that writes to strangers' accounts.
pub const JOINS_A_CLIENT_STRICT: u32 = 20;
/// The longest access a price may give, in days: ten years.
pub const ACCESS_DAYS_MAX: i64 = 3_650;
