//! Sign-in codes: what one looks like, when another may be sent, and when codes become long because somebody guesses at large.

use std::time::Duration;

use crate::limits::{CODE_DIGITS, LONG_CODE_DIGITS, LoginLimits};

/// A code as it is mailed and typed. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(secret)")
    }
}

impl Code {
    /// How many codes of this many digits there are.
    #[must_use]
    pub fn count(digits: u32) -> u64 {
        10_u64.pow(digits)
    }

    /// The code of this number, which must be below [`Code::count`] of the digits.
    #[must_use]
    pub fn numbered(number: u64, digits: u32) -> Self {
        Self(format!("{:0width$}", number % Self::count(digits), width = digits as usize))
    }

    /// Reads what somebody typed: blanks and dashes do not matter. `None` for what no code looks like.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let whole = [CODE_DIGITS, LONG_CODE_DIGITS].iter().any(|digits| plain.len() == *digits as usize);
        (whole && plain.bytes().all(|b| b.is_ascii_digit())).then_some(Self(plain))
    }

    /// Whether it is one of the short ones.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.len() == CODE_DIGITS as usize
    }

    /// The text, for the mail and for its hash.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What was done for one address so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentSoFar {
    /// Codes mailed in the last quarter of an hour.
    pub lately: i64,
    /// Codes mailed in the last day.
    pub today: i64,
    /// Codes of the last day at which somebody guessed wrong.
    pub guessed_at_today: i64,
}

/// Whether one more code may be mailed to an address.
#[must_use]
pub fn may_send(sent: SentSoFar, limits: &LoginLimits) -> bool {
    sent.lately < i64::from(limits.mails_an_address)
        && sent.today < i64::from(limits.mails_an_address_a_day)
        && sent.guessed_at_today < i64::from(limits.guessed_codes_an_address_a_day)
}

/// Whether so many guesses fail that short codes are not safe any more. Honest traffic raises the bar: people mistype too.
#[must_use]
pub fn must_be_long(wrong_lately: usize, right_lately: usize, limits: &LoginLimits) -> bool {
    wrong_lately > limits.wrong_guesses_on_the_site as usize + 2 * right_lately
}

/// Why somebody is not let in. A code that is wrong, used, over, unknown or another browser's is told the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not open the door.
    CodeInvalid,
    /// Too many guesses from there.
    TooMany {
        /// When to come back.
        again_in: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOGIN_STRICT;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for (typed, read) in [
            ("012345", Some("012345")),
            (" 012 345\n", Some("012345")),
            ("012-345", Some("012345")),
            ("0123-4567-8901", Some("012345678901")),
            ("12345", None),
            ("1234567", None),
            ("12345a", None),
            ("", None),
            ("\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}", None),
        ] {
            assert_eq!(Code::typed(typed).as_ref().map(Code::expose), read, "{typed:?}");
        }
    }

    #[test]
    fn codes_are_whole_and_typed_back() {
        for number in [0, 7, 999_999] {
            for digits in [CODE_DIGITS, LONG_CODE_DIGITS] {
                let code = Code::numbered(number, digits);
                assert_eq!((code.expose().len(), Code::typed(code.expose())), (digits as usize, Some(code.clone())));
                assert_eq!(code.is_short(), digits == CODE_DIGITS);
            }
        }
    }

    #[test]
    fn an_address_gets_no_more_codes_than_its_limits_allow() {
        let sent =
            |lately, today, guessed_at_today| may_send(SentSoFar { lately, today, guessed_at_today }, &LOGIN_STRICT);
        assert!(sent(2, 19, 4));
        assert!(!sent(3, 3, 0));
        assert!(!sent(0, 20, 0));
        assert!(!sent(0, 5, 5));
    }

    #[test]
    fn survive_119_codes_become_long_when_guesses_fail_beyond_honest_traffic() {
        let base = LOGIN_STRICT.wrong_guesses_on_the_site as usize;
        assert!(base <= 1_000);
        assert!(!must_be_long(base, 0, &LOGIN_STRICT));
        assert!(must_be_long(base + 1, 0, &LOGIN_STRICT));
        assert!(!must_be_long(base + 1, 1_000, &LOGIN_STRICT));
    }
}
