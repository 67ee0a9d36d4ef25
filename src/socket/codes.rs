//! Why a socket is closed, and whether its viewer should come back: the close codes of the contract and the `bye` frame.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::frame;

/// Why a socket is closed. The number goes into the close frame, the word into `bye`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// What was shown has come to its end.
    Normal,
    /// The sign-in behind it is over.
    SessionOver,
    /// The right to be here has ended; the reason is the entitlement's.
    AccessEnded,
    /// It read more slowly than the engine may wait for.
    TooSlow,
    /// Another device took its place.
    Replaced,
    /// This engine is going away; others, or this one restarted, are not.
    GoingAway,
    /// Whether the viewer may be here cannot be known just now.
    RightsUnknown,
    /// It said too much in too short a time.
    TooManyMessages,
    /// Three things in a row that are not of the protocol.
    Protocol,
    /// The broadcast or the experience no longer exists.
    Gone,
    /// A message larger than allowed.
    TooLarge,
    /// Not the frames of RFC 6455.
    Malformed,
    /// A text that is not UTF-8.
    NotUtf8,
}

impl CloseCode {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Normal,
        Self::SessionOver,
        Self::AccessEnded,
        Self::TooSlow,
        Self::Replaced,
        Self::GoingAway,
        Self::RightsUnknown,
        Self::TooManyMessages,
        Self::Protocol,
        Self::Gone,
        Self::TooLarge,
        Self::Malformed,
        Self::NotUtf8,
    ];

    /// The status of the close frame.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 4000,
            Self::SessionOver => 4001,
            Self::AccessEnded => 4003,
            Self::TooSlow => 4008,
            Self::Replaced => 4009,
            Self::GoingAway => 4010,
            Self::RightsUnknown => 4011,
            Self::TooManyMessages => 4029,
            Self::Protocol => 4400,
            Self::Gone => 4410,
            Self::TooLarge => 1009,
            Self::Malformed => 1002,
            Self::NotUtf8 => 1007,
        }
    }

    /// Whether the viewer's page should connect again by itself.
    #[must_use]
    pub fn reconnect(self) -> bool {
        match self {
            Self::TooSlow | Self::GoingAway | Self::RightsUnknown | Self::TooManyMessages => true,
            Self::Normal
            | Self::SessionOver
            | Self::AccessEnded
            | Self::Replaced
            | Self::Protocol
            | Self::Gone
            | Self::TooLarge
            | Self::Malformed
            | Self::NotUtf8 => false,
        }
    }

    /// A stable word for it, used where nobody gave a better reason.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "ended",
            Self::SessionOver => "session_over",
            Self::AccessEnded => "access_ended",
            Self::TooSlow => "too_slow",
            Self::Replaced => "replaced",
            Self::GoingAway => "going_away",
            Self::RightsUnknown => "rights_unknown",
            Self::TooManyMessages => "too_many_messages",
            Self::Protocol => "protocol",
            Self::Gone => "gone",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::NotUtf8 => "not_utf8",
        }
    }

    /// Whether `bye` goes before the close frame. After a breach of RFC 6455 nothing but the close frame may follow.
    #[must_use]
    pub fn says_bye(self) -> bool {
        !matches!(self, Self::TooLarge | Self::Malformed | Self::NotUtf8)
    }
}

#[derive(Serialize)]
struct Bye<'a> {
    t: &'static str,
    code: u16,
    reason: &'a str,
    reconnect: bool,
    after_ms: u64,
}

/// The encoded `bye` frame; `after` is meant for those who come back.
#[must_use]
pub fn bye(code: CloseCode, reason: &str, after: Duration) -> Bytes {
    let after_ms = if code.reconnect() { u64::try_from(after.as_millis()).unwrap_or(u64::MAX) } else { 0 };
    frame::json(&Bye { t: "bye", code: code.number(), reason, reconnect: code.reconnect(), after_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_and_a_word_of_its_own() {
        let mut numbers: Vec<_> = CloseCode::ALL.iter().map(|code| (code.number(), code.word())).collect();
        numbers.sort_unstable();
        numbers.dedup_by(|a, b| a.0 == b.0 || a.1 == b.1);
        assert_eq!(numbers.len(), CloseCode::ALL.len());
    }

    #[test]
    fn a_bye_tells_only_those_who_come_back_when_to_come() {
        let wait = Duration::from_millis(1500);
        assert_eq!(
            &bye(CloseCode::GoingAway, "deploy", wait)[2..],
            br#"{"t":"bye","code":4010,"reason":"deploy","reconnect":true,"after_ms":1500}"#
        );
        assert_eq!(
            &bye(CloseCode::AccessEnded, "revoked", wait)[2..],
            br#"{"t":"bye","code":4003,"reason":"revoked","reconnect":false,"after_ms":0}"#
        );
    }
}
