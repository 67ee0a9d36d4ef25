//! The HTTP side of a socket: the upgrade that a viewer asks for, and what the engine answers.

use std::{io, time::Duration};

use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    limits::ANSWER_BYTES_MAX,
    socket::target::{Target, Wire},
};

/// The nonce protects browsers from old proxies, not a load test from its own engine; a fixed one makes the answer known beforehand.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The only right answer to `KEY`, as RFC 6455 computes it.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Why a socket could not be opened.
#[derive(Debug, Error)]
pub enum OpenFault {
    /// The engine answered, and the answer is not an upgrade.
    #[error("{status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem's stable code; empty where there is none.
        code: String,
        /// What `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// The stream failed before there was an answer.
    #[error("{}", .0.kind())]
    Stream(#[from] io::Error),
    /// What came back is not HTTP, or not the upgrade that was asked for.
    #[error("not a websocket: {0}")]
    NotWebsocket(&'static str),
}

impl OpenFault {
    /// Whether another try may end differently.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Stream(_) => true,
            Self::NotWebsocket(_) => false,
        }
    }
}

/// Asks for an upgrade on `wire`; returns what the engine has sent behind its answer already.
pub async fn upgrade(wire: &mut dyn Wire, target: &Target, path: &str, ask: &Ask<'_>) -> Result<Vec<u8>, OpenFault> {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nAuthorization: Bearer {token}\r\n\
         Sec-WebSocket-Protocol: backstage.v1",
        host = target.authority(),
        origin = target.origin(),
        token = ask.token,
    );
    if let Some(resume) = ask.resume {
        request.push_str(", ");
        request.push_str(resume);
    }
    request.push_str("\r\n\r\n");
    wire.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::with_capacity(1024);
    let end = loop {
        if wire.read_buf(&mut bytes).await? == 0 {
            return Err(OpenFault::Stream(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(OpenFault::NotWebsocket("an endless answer"));
        }
    };
    let rest = bytes.split_off(end);
    let head = Head::parse(&bytes).ok_or(OpenFault::NotWebsocket("no HTTP answer"))?;
    if head.status != 101 {
        let body = read_body(wire, rest, &head).await;
        return Err(head.refusal(&body));
    }
    match (head.header("sec-websocket-accept"), head.header("sec-websocket-protocol")) {
        (Some(ACCEPT), Some("backstage.v1")) => Ok(rest),
        (Some(ACCEPT), _) => Err(OpenFault::NotWebsocket("another subprotocol than backstage.v1")),
        _ => Err(OpenFault::NotWebsocket("a wrong Sec-WebSocket-Accept")),
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The bearer token.
    pub token: &'a str,
    /// `resume.{session}.{secret}.{epoch}.{offset}`, when there is a place to come back to.
    pub resume: Option<&'a str>,
}

/// The status and headers of an answer.
struct Head<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
        Some(Self { status, headers })
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    fn refusal(&self, body: &[u8]) -> OpenFault {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
        }
        OpenFault::Refused {
            status: self.status,
            code: serde_json::from_slice::<Problem>(body).map(|problem| problem.code).unwrap_or_default(),
            retry_after: self.header("retry-after").and_then(|secs| secs.parse().ok()).map(Duration::from_secs),
        }
    }
}

/// The body of a refusal as far as it came; a refusal without its words is still a refusal.
async fn read_body(wire: &mut dyn Wire, mut body: Vec<u8>, head: &Head<'_>) -> Vec<u8> {
    let length = head.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length && body.len() < ANSWER_BYTES_MAX {
        match wire.read_buf(&mut body).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_code_and_the_wait_it_asks_for() {
        let head = Head::parse(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n\r\n").unwrap();
        let OpenFault::Refused { status, code, retry_after } = head.refusal(br#"{"code":"admission_full"}"#) else {
            panic!("a refusal")
        };
        assert_eq!((status, code.as_str(), retry_after), (503, "admission_full", Some(Duration::from_secs(3))));
    }

    #[test]
    fn a_closed_door_is_not_knocked_at_again_but_a_full_one_is() {
        let refused = |status| OpenFault::Refused { status, code: String::new(), retry_after: None };
        assert!(!refused(403).is_worth_a_retry());
        assert!(!refused(404).is_worth_a_retry());
        assert!(refused(503).is_worth_a_retry());
        assert!(OpenFault::Stream(io::ErrorKind::ConnectionRefused.into()).is_worth_a_retry());
    }
}
