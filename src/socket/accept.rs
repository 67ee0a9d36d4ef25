//! The upgrade: which paths are sockets, whether the handshake is one, the door, and the answer written by hand. What is
//! refused is refused as an ordinary HTTP answer.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_codec::Framed;
use actix_http::{HttpMessage as _, Request, h1, ws};
use actix_rt::net::TcpStream;
use actix_web::{
    ResponseError,
    body::MessageBody,
    http::{
        Method, StatusCode, Uri, Version,
        header::{CONTENT_LENGTH, HeaderMap, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    admission::{Full, Judged, Pass},
    door::{Admission, Door, Kind, Knock, SUBPROTOCOL},
    shard::Shard,
};
use crate::{
    entropy::{SharedEntropy, random_below},
    ids::ExperienceId,
    limits::{DOOR_WAIT, JOIN_RETRY_SECS_MAX, REFUSAL_WAIT, SOCKET_READ_BYTES},
    telemetry::metric,
    web::problem::{Code, Problem},
};

/// What comes before the experience's id in a socket's path.
const PATH: &str = "/api/v1/experiences/";

/// Takes upgrades for one shard.
pub struct Acceptor {
    shard: Rc<Shard>,
    door: Arc<dyn Door>,
    entropy: SharedEntropy,
}

/// One whose handshake was found good and whose right is to be judged.
struct Handshake {
    knocked: Duration,
    judged: Judged,
    knock: Knock,
    head: BytesMut,
}

/// One whose handshake and right were found good.
struct Accepted {
    knocked: Duration,
    admission: Admission,
    pass: Pass,
    head: BytesMut,
}

impl Acceptor {
    /// An acceptor that seats on `shard` whom `door` admits.
    pub fn new(shard: Rc<Shard>, door: Arc<dyn Door>, entropy: SharedEntropy) -> Self {
        Self { shard, door, entropy }
    }

    /// Seats the sender of `request`, or answers why not and closes.
    pub async fn take(&self, request: Request, framed: Framed<TcpStream, h1::Codec>) {
        let (stream, mut answer, early) = lighten(framed);
        let read = self.read(request);
        let judged = match read {
            Ok(handshake) => self.judge(handshake).await,
            Err(problem) => Err(problem),
        };
        match judged {
            Ok(accepted) => {
                metrics::counter!(metric::SOCKET_JOINS, "outcome" => "admitted").increment(1);
                answer.extend_from_slice(&accepted.head);
                self.shard.seat(stream, accepted.admission, accepted.pass, accepted.knocked, &answer.freeze(), &early);
            }
            Err(problem) => {
                metrics::counter!(metric::SOCKET_JOINS, "outcome" => outcome(&problem)).increment(1);
                answer.extend_from_slice(&refusal(&problem));
                // a client that does not read its refusal has nothing more to lose
                let _ = timeout(REFUSAL_WAIT, refuse(stream, &answer)).await;
            }
        }
    }

    /// What the upgrade says. The request goes back to its pool empty: its headers are slices of the buffer it was read
    /// into, and a pooled one would keep that buffer for good.
    fn read(&self, mut request: Request) -> Result<Handshake, Problem> {
        let read = self.read_head(&request);
        let head = request.head_mut();
        head.headers = HeaderMap::new();
        head.uri = Uri::default();
        read
    }

    fn read_head(&self, request: &Request) -> Result<Handshake, Problem> {
        let (kind, experience) = route(request.path())?;
        let key = handshake(request)?;
        let turnstile = self.shard.registry().turnstile();
        let knocked = self.shard.now();
        let judged = turnstile.enter(knocked).map_err(|full| self.full(full))?;
        let peer = request.peer_addr().map(|peer| peer.ip());
        let (knock, offer) = Knock::read(kind, experience, request.headers(), request.uri().query(), peer)?;
        Ok(Handshake { knocked, judged, knock, head: switching(&key, offer.named) })
    }

    async fn judge(&self, handshake: Handshake) -> Result<Accepted, Problem> {
        let Handshake { knocked, judged, knock, head } = handshake;
        let opened = timeout(DOOR_WAIT, self.door.open(knock)).await;
        let admission = opened.map_err(|_| Problem::new(Code::Unavailable).retry_after(DOOR_WAIT))??;
        Ok(Accepted { knocked, admission, pass: judged.admitted(), head })
    }

    fn full(&self, full: Full) -> Problem {
        let wait = 1 + random_below(self.entropy.as_ref(), JOIN_RETRY_SECS_MAX);
        let why = match full {
            Full::Busy => "Many people are coming in just now. Try again in a moment.",
            Full::Draining => "This engine is going away. Try again in a moment.",
        };
        Problem::new(Code::Unavailable).detail(why).retry_after(Duration::from_secs(wait))
    }
}

/// The stream, the answers to earlier, pipelined requests that had not gone out, and what came right behind this one. The
/// server's buffers are 16 KB a connection and nearly always empty; thousands wait here at once.
fn lighten(framed: Framed<TcpStream, h1::Codec>) -> (TcpStream, BytesMut, Bytes) {
    let parts = framed.into_parts();
    (parts.io, BytesMut::from(&parts.write_buf[..]), Bytes::copy_from_slice(&parts.read_buf))
}

/// Which socket a path means.
fn route(path: &str) -> Result<(Kind, ExperienceId), Problem> {
    let parts = path.strip_prefix(PATH).and_then(|rest| rest.split_once('/'));
    let (id, kind) = match parts {
        Some((id, "live")) => (id, Kind::Viewer),
        Some((id, "studio")) => (id, Kind::Studio),
        _ => return Err(Code::NotFound.into()),
    };
    Ok((kind, id.parse().map_err(|_| Code::NotFound)?))
}

/// The key of a handshake that is one (RFC 6455, 4.2.1).
fn handshake(request: &Request) -> Result<String, Problem> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Code::MethodNotAllowed.into());
    }
    let malformed = |why: &'static str| Problem::new(Code::Malformed).detail(why);
    if request.head().version != Version::HTTP_11 {
        return Err(malformed("A websocket handshake is HTTP/1.1."));
    }
    if only(headers, CONTENT_LENGTH).is_some_and(|length| length != "0") {
        return Err(malformed("A websocket handshake has no body."));
    }
    let websocket = headers
        .get_all(UPGRADE)
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket")));
    if !websocket || !request.head().upgrade() || only(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Code::UpgradeRequired.into());
    }
    let key = only(headers, SEC_WEBSOCKET_KEY).unwrap_or_default();
    if STANDARD.decode(key).map(|nonce| nonce.len()) != Ok(16) {
        return Err(malformed("Sec-WebSocket-Key must be sixteen bytes in base64, once."));
    }
    Ok(key.to_owned())
}

fn only(headers: &HeaderMap, name: actix_web::http::header::HeaderName) -> Option<&str> {
    let mut all = headers.get_all(name);
    let first = all.next()?;
    if all.next().is_some() { Some("") } else { first.to_str().ok() }
}

/// `101 Switching Protocols`.
fn switching(key: &str, named: bool) -> BytesMut {
    let mut head = BytesMut::with_capacity(192);
    head.put_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
    );
    head.put_slice(&ws::hash_key(key.as_bytes()));
    if named {
        head.put_slice(b"\r\nsec-websocket-protocol: ");
        head.put_slice(SUBPROTOCOL.as_bytes());
    }
    head.put_slice(b"\r\n\r\n");
    head
}

/// A problem as the bytes of an HTTP answer after which the connection is closed.
fn refusal(problem: &Problem) -> BytesMut {
    let answer = problem.error_response();
    let status = answer.status();
    let mut bytes = BytesMut::from(format!("HTTP/1.1 {status}\r\n").as_bytes());
    for (name, value) in answer.headers() {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        bytes.put_slice(b"upgrade: websocket\r\nsec-websocket-version: 13\r\n");
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        bytes.put_slice(b"allow: GET\r\n");
    }
    let body: Bytes = answer.into_body().try_into_bytes().unwrap_or_default();
    bytes.put_slice(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.put_slice(&body);
    bytes
}

/// Writes the answer and waits until the client closes, so that its bytes in flight do not turn the answer into a reset.
async fn refuse(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut unheard = vec![0; SOCKET_READ_BYTES];
    while stream.read(&mut unheard).await? > 0 {}
    Ok(())
}

/// The label of a refused join.
fn outcome(problem: &Problem) -> &'static str {
    match problem.code.status().as_u16() {
        401 => "signed_out",
        403 => "refused",
        404 => "not_found",
        503 => "unavailable",
        400..=499 => "malformed",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use actix_http::test::TestRequest;
    use uuid::Uuid;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let mut request = TestRequest::default();
        request.method(method).version(Version::HTTP_11);
        for header in headers {
            request.append_header(*header);
        }
        let mut request = request.finish();
        if headers.iter().any(|(name, value)| *name == "connection" && value.contains("Upgrade")) {
            request.head_mut().set_connection_type(actix_http::ConnectionType::Upgrade);
        }
        request
    }

    #[test]
    fn two_paths_are_sockets_and_no_other() {
        let id = ExperienceId(Uuid::from_u128(9));
        assert_eq!(route(&format!("/api/v1/experiences/{id}/live")).ok(), Some((Kind::Viewer, id)));
        assert_eq!(route(&format!("/api/v1/experiences/{id}/studio")).ok(), Some((Kind::Studio, id)));
        let prefix = format!("/api/v1/experiences/{id}");
        for path in [
            "/",
            "/api/v1/experiences/",
            "/api/v1/experiences/exp_1/live",
            &prefix,
            &format!("{prefix}/live/"),
            &format!("{prefix}/Live"),
            &format!("{prefix}/x/live"),
            &format!("/{prefix}/live"),
        ] {
            assert_eq!(route(path).map_err(|problem| problem.code), Err(Code::NotFound), "{path}");
        }
    }

    #[test]
    fn half_formed_handshakes_are_told_what_is_missing() {
        assert_eq!(handshake(&request(Method::GET, &GOOD)).unwrap(), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(handshake(&request(Method::CONNECT, &GOOD)).unwrap_err().code, Code::MethodNotAllowed);
        let changed =
            |name: &str, value: Option<&'static str>| {
                let kept = GOOD.iter().copied().filter(|(other, _)| *other != name);
                let headers: Vec<_> = kept
                    .chain(value.map(|value| {
                        (GOOD.iter().find(|(n, _)| *n == name).map_or("content-length", |(n, _)| n), value)
                    }))
                    .collect();
                handshake(&request(Method::GET, &headers)).unwrap_err().code
            };
        assert_eq!(changed("upgrade", None), Code::UpgradeRequired);
        assert_eq!(changed("upgrade", Some("h2c")), Code::UpgradeRequired);
        assert_eq!(changed("connection", None), Code::UpgradeRequired);
        assert_eq!(changed("sec-websocket-version", Some("8")), Code::UpgradeRequired);
        assert_eq!(changed("sec-websocket-key", None), Code::Malformed);
        assert_eq!(changed("sec-websocket-key", Some("c2hvcnQ=")), Code::Malformed);
        assert_eq!(changed("sec-websocket-key", Some("not base64, at all")), Code::Malformed);
        assert_eq!(changed("content-length", Some("5")), Code::Malformed);
        let twice = [&GOOD[..], &GOOD[3..]].concat();
        assert_eq!(handshake(&request(Method::GET, &twice)).unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        let head = switching("dGhlIHNhbXBsZSBub25jZQ==", true);
        let head = std::str::from_utf8(&head).unwrap();
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(head.ends_with("sec-websocket-protocol: backstage.v1\r\n\r\n"), "{head}");
    }

    #[test]
    fn a_refusal_is_a_whole_http_answer() {
        let problem = Problem::new(Code::Unavailable).retry_after(Duration::from_secs(3));
        let bytes = refusal(&problem);
        let text = std::str::from_utf8(&bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("retry-after: 3\r\n") && head.contains("application/problem+json"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }
}
