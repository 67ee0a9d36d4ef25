//! What viewers and studios may say, and what a socket is told by its shard alone. State frames come from the live core.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{door::Kind, frame};
use crate::{clock::Timestamp, ids::ViewerId, limits::EMOJI_CHARS_MAX};

/// One reaction: a single emoji in its own few characters, never letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Emoji(Box<str>);

impl Emoji {
    /// Takes `text` when it looks like one emoji; which of them are counted is the live core's to say.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let shape = |c: char| matches!(c, '\u{200D}' | '\u{FE0F}' | '\u{20E3}' | '\u{2190}'..='\u{2BFF}' | '\u{3030}'..='\u{303D}' | '\u{1F000}'..='\u{1FAFF}' | '\u{E0020}'..='\u{E007F}');
        let starts =
            |c: char| shape(c) && !matches!(c, '\u{200D}' | '\u{FE0F}' | '\u{20E3}' | '\u{E0020}'..='\u{E007F}');
        let chars = text.chars().count();
        let lawful = (1..=EMOJI_CHARS_MAX).contains(&chars)
            && text.chars().next().is_some_and(starts)
            && text.chars().all(shape);
        lawful.then(|| Self(text.into()))
    }

    /// The emoji itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a viewer's player reports of its picture. Every field may be missing; unknown ones are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Quality {
    /// Whether the picture stands still right now.
    pub frozen: Option<bool>,
    /// Stalls since the last report.
    pub stalls: Option<u16>,
    /// From the click to the first picture, milliseconds.
    pub join_ms: Option<u32>,
    /// Round trip to the media server, milliseconds.
    pub rtt_ms: Option<f32>,
    /// Lost packets of all, 0 to 1.
    pub loss_ratio: Option<f32>,
    /// Pictures a second.
    pub fps: Option<f32>,
    /// Received bits a second.
    pub bitrate_bits: Option<u64>,
}

/// What the creator's page reports of the media it sends. Its coming at all is the studio's heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Whether media is being published at all.
    pub publishing: Option<bool>,
    /// Sent bits a second.
    pub bitrate_bits: Option<u64>,
    /// Pictures a second.
    pub fps: Option<f32>,
    /// Lost packets of all, 0 to 1.
    pub loss_ratio: Option<f32>,
    /// Round trip to the media server, milliseconds.
    pub rtt_ms: Option<f32>,
    /// Whether the camera's picture stands still.
    pub frozen: Option<bool>,
    /// Height of the picture sent, pixels.
    pub height: Option<u16>,
}

/// Something lawful that was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A reaction.
    React(Emoji),
    /// A viewer's report.
    Quality(Quality),
    /// The studio's report.
    Stats(Stats),
    /// A page asks whether we are there; browsers cannot send pings of RFC 6455.
    Ping,
}

/// Why something said is not of the protocol. The code goes back in an `error` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misspoken {
    /// A binary message.
    NotText,
    /// Not one JSON object with a `t`, or a key twice.
    NotJson,
    /// A `t` nobody knows, or one of the studio's from a viewer.
    UnknownType,
    /// A field of the wrong type or outside its bounds.
    InvalidField,
}

impl Misspoken {
    /// The stable word of the `error` frame.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotText => "not_text",
            Self::NotJson => "not_json",
            Self::UnknownType => "unknown_type",
            Self::InvalidField => "invalid_field",
        }
    }
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
}

#[derive(Deserialize)]
struct React<'a> {
    #[serde(borrow)]
    e: Cow<'a, str>,
}

/// Reads one text message. Its length was bounded by the frame reader, its depth is by `serde_json`.
pub fn read(kind: Kind, text: &str) -> Result<Said, Misspoken> {
    let Tag { t } = serde_json::from_str(text).map_err(|_| Misspoken::NotJson)?;
    match (&*t, kind) {
        ("ping", _) => Ok(Said::Ping),
        ("react", _) => {
            let React { e } = fields(text)?;
            Emoji::new(&e).map(Said::React).ok_or(Misspoken::InvalidField)
        }
        ("quality", _) => {
            let quality: Quality = fields(text)?;
            bounded(&[quality.rtt_ms, quality.fps], quality.loss_ratio).map(|()| Said::Quality(quality))
        }
        ("stats", Kind::Studio) => {
            let stats: Stats = fields(text)?;
            bounded(&[stats.rtt_ms, stats.fps], stats.loss_ratio).map(|()| Said::Stats(stats))
        }
        _ => Err(Misspoken::UnknownType),
    }
}

fn fields<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Misspoken> {
    serde_json::from_str(text).map_err(|_| Misspoken::InvalidField)
}

/// Measures are finite and not negative, ratios at most one.
fn bounded(measures: &[Option<f32>], ratio: Option<f32>) -> Result<(), Misspoken> {
    let lawful =
        measures.iter().flatten().all(|x| x.is_finite() && *x >= 0.0) && ratio.is_none_or(|x| (0.0..=1.0).contains(&x));
    if lawful { Ok(()) } else { Err(Misspoken::InvalidField) }
}

/// The first frame a socket gets.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Welcome<'a> {
    /// The place in the audience.
    pub session: ViewerId,
    /// The secret with which to come back to it.
    pub resume: &'a str,
    /// The activation of the experience.
    pub epoch: u64,
    /// What the viewer knows up to: the frame it resumed from, or the snapshot that follows.
    pub offset: u64,
    /// Whether only the missed frames follow, and no snapshot.
    pub recovered: bool,
    /// How often the engine pings a silent socket.
    pub heartbeat_secs: u64,
    /// The engine's clock.
    pub server_time: Timestamp,
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    t: &'a str,
    #[serde(flatten)]
    rest: T,
}

/// The encoded `welcome`.
#[must_use]
pub fn welcome(welcome: &Welcome<'_>) -> Bytes {
    frame::json(&Tagged { t: "welcome", rest: welcome })
}

/// The encoded `error`.
#[must_use]
pub fn error(why: Misspoken) -> Bytes {
    #[derive(Serialize)]
    struct Fields {
        code: &'static str,
    }
    frame::json(&Tagged { t: "error", rest: Fields { code: why.code() } })
}

/// The encoded answer to a page's `ping`.
#[must_use]
pub fn pong(server_time: Timestamp) -> Bytes {
    #[derive(Serialize)]
    struct Fields {
        server_time: Timestamp,
    }
    frame::json(&Tagged { t: "pong", rest: Fields { server_time } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_may_be_said_is_understood() {
        let heart = Said::React(Emoji::new("❤️").unwrap());
        assert_eq!(read(Kind::Viewer, r#"{"t":"react","e":"❤️"}"#), Ok(heart.clone()));
        assert_eq!(read(Kind::Viewer, r#"{"e":"\u2764\ufe0f","x":[1],"t":"react"}"#), Ok(heart));
        assert_eq!(read(Kind::Studio, r#"{"t":"ping"}"#), Ok(Said::Ping));
        let quality = Quality { stalls: Some(2), join_ms: Some(800), ..Quality::default() };
        assert_eq!(
            read(Kind::Viewer, r#"{"t":"quality","stalls":2,"join_ms":800,"later":1}"#),
            Ok(Said::Quality(quality))
        );
        let stats = Stats { fps: Some(29.5), bitrate_bits: Some(1_500_000), ..Stats::default() };
        assert_eq!(read(Kind::Studio, r#"{"t":"stats","fps":29.5,"bitrate_bits":1500000}"#), Ok(Said::Stats(stats)));
    }

    #[test]
    fn what_may_not_be_said_is_named() {
        let deep = format!(r#"{{"t":"react","e":{}1{}}}"#, "[".repeat(2000), "]".repeat(2000));
        let cases = [
            ("", Misspoken::NotJson),
            ("[]", Misspoken::NotJson),
            ("null", Misspoken::NotJson),
            ("{}", Misspoken::NotJson),
            (r#"{"t":7}"#, Misspoken::NotJson),
            (r#"{"t":"ping"} x"#, Misspoken::NotJson),
            (r#"{"t":"ping","t":"react"}"#, Misspoken::NotJson),
            (r#"{"t":"\ud800"}"#, Misspoken::NotJson),
            (&deep, Misspoken::InvalidField),
            (r#"{"t":"Ping"}"#, Misspoken::UnknownType),
            (r#"{"t":"stats","fps":30}"#, Misspoken::UnknownType),
            (r#"{"t":"end"}"#, Misspoken::UnknownType),
            (r#"{"t":"react"}"#, Misspoken::InvalidField),
            (r#"{"t":"react","e":""}"#, Misspoken::InvalidField),
            (r#"{"t":"react","e":"<b>"}"#, Misspoken::InvalidField),
            (r#"{"t":"react","e":"❤️❤️❤️❤️❤️❤️❤️❤️"}"#, Misspoken::InvalidField),
            (r#"{"t":"quality","fps":-1}"#, Misspoken::InvalidField),
            (r#"{"t":"quality","fps":1e400}"#, Misspoken::InvalidField),
            (r#"{"t":"quality","loss_ratio":1.5}"#, Misspoken::InvalidField),
            (r#"{"t":"quality","stalls":70000}"#, Misspoken::InvalidField),
            (r#"{"t":"quality","stalls":1,"stalls":2}"#, Misspoken::InvalidField),
        ];
        for (text, why) in cases {
            assert_eq!(read(Kind::Viewer, text), Err(why), "{text:.80}");
        }
    }

    #[test]
    fn reactions_are_emoji_and_nothing_else() {
        for emoji in ["❤️", "👏", "🔥", "😂", "🎉", "👍🏽", "👩‍🚀", "⭐"] {
            assert!(Emoji::new(emoji).is_some(), "{emoji}");
        }
        for other in ["a", "é", "1", " ", "\0", "\u{200D}", "\u{FE0F}", "\u{202E}", "👍x"] {
            assert!(Emoji::new(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_welcome_carries_every_field_of_the_contract() {
        let frame = welcome(&Welcome {
            session: ViewerId(Uuid::from_u128(1)),
            resume: "s",
            epoch: 3,
            offset: 9,
            recovered: false,
            heartbeat_secs: 25,
            server_time: Timestamp(0),
        });
        let json: serde_json::Value = serde_json::from_slice(&frame[4..]).unwrap();
        for field in ["t", "session", "resume", "epoch", "offset", "recovered", "heartbeat_secs", "server_time"] {
            assert!(json.get(field).is_some(), "{field}");
        }
    }

    proptest! {
        #[test]
        fn nothing_said_makes_the_reader_panic(text in any::<String>(), json in r#"\{"t":"(react|quality|stats)","[a-z_]{0,8}":[-0-9a-z"\.\[]{0,9}\}"#) {
            let _ = read(Kind::Viewer, &text);
            let _ = read(Kind::Studio, &json);
        }
    }
}
