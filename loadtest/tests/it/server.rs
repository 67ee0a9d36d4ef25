//! A server that plays one script to everybody who comes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinSet,
};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: backstage.v1\r\n\r\n";
const BYE: &str = r#"{"t":"bye","code":4010,"reason":"restart","reconnect":true,"after_ms":10}"#;

/// What the server plays.
#[derive(Clone, Debug, Default)]
pub struct Script {
    offsets: Vec<u64>,
    full_for: usize,
    is_closed: bool,
    leaves_once: bool,
    echo: Option<Echo>,
}

/// How a reaction of anybody reaches everybody.
#[derive(Clone, Debug)]
struct Echo {
    to_all: broadcast::Sender<()>,
    /// The socket with this number is told nothing.
    deaf: Option<usize>,
}

impl Script {
    /// After a snapshot at (1, 0), state messages with these numbers.
    pub fn numbered(offsets: &[u64]) -> Self {
        Self { offsets: offsets.to_vec(), ..Self::default() }
    }

    /// The first so many knocks are told to wait a second.
    pub fn full_for(self, knocks: usize) -> Self {
        Self { full_for: knocks, ..self }
    }

    /// Nobody may enter.
    pub fn closed(self) -> Self {
        Self { is_closed: true, ..self }
    }

    /// The first socket is asked to come back; later ones must bring the right ticket.
    pub fn leaving_once(self) -> Self {
        Self { leaves_once: true, ..self }
    }

    /// What anybody sends comes to all as reactions, except to the socket with the number `deaf`.
    pub fn echoing(self, deaf: Option<usize>) -> Self {
        Self { echo: Some(Echo { to_all: broadcast::channel(64).0, deaf }), ..self }
    }
}

/// Plays until the returned tasks are dropped.
pub async fn start(script: Script) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (script, knocks) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        let mut sockets = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, knock) = (script.clone(), knocks.fetch_add(1, Ordering::Relaxed));
            sockets.spawn(async move { serve(stream, &script, knock).await });
        }
    });
    (address, tasks)
}

async fn serve(mut stream: TcpStream, script: &Script, knock: usize) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.contains("Authorization: Bearer one\r\n") || request.contains("Authorization: Bearer two\r\n"));
    let out = if script.is_closed {
        refusal("403 Forbidden", "", "no_grant")
    } else if knock < script.full_for {
        refusal("503 Service Unavailable", "Retry-After: 1\r\n", "admission_full")
    } else {
        play(script, knock, &request)
    };
    stream.write_all(&out).await.unwrap();
    match &script.echo {
        Some(echo) => echo_until_gone(stream, echo, knock).await,
        None => while stream.read_buf(&mut Vec::new()).await.is_ok_and(|came| came > 0) {},
    }
}

async fn echo_until_gone(mut stream: TcpStream, echo: &Echo, knock: usize) {
    let (mut heard, mut reactions) = (Vec::new(), Vec::new());
    text(&mut reactions, r#"{"t":"reactions","epoch":1,"offset":0,"totals":{"❤️":1},"window_ms":250}"#);
    let mut from_all = echo.to_all.subscribe();
    loop {
        tokio::select! {
            came = stream.read_buf(&mut heard) => match came {
                Ok(1..) if heard[0] == 0x81 => drop(echo.to_all.send(())),
                _ => return,
            },
            told = from_all.recv() => {
                told.unwrap();
                if echo.deaf != Some(knock) && stream.write_all(&reactions).await.is_err() {
                    return;
                }
            }
        }
        heard.clear();
    }
}

fn refusal(status: &str, headers: &str, code: &str) -> Vec<u8> {
    let body = format!("{{\"code\":\"{code}\"}}");
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn play(script: &Script, knock: usize, request: &str) -> Vec<u8> {
    let returns = script.leaves_once && knock > 0;
    if returns {
        let last = script.offsets.last().unwrap();
        assert!(request.contains(&format!(", resume.vs_1.s3cret.1.{last}\r\n")), "no right ticket in {request}");
    }
    let mut out = ACCEPTED.as_bytes().to_vec();
    text(
        &mut out,
        &format!(r#"{{"t":"welcome","session":"vs_1","resume":"s3cret","epoch":1,"offset":0,"recovered":{returns}}}"#),
    );
    if returns {
        return out;
    }
    text(&mut out, r#"{"t":"snapshot","epoch":1,"offset":0,"state":"lobby"}"#);
    for offset in &script.offsets {
        text(&mut out, &format!(r#"{{"t":"state","epoch":1,"offset":{offset},"state":"live"}}"#));
    }
    if script.leaves_once {
        text(&mut out, BYE);
        out.extend([0x88, 2, 0x0f, 0xaa]);
    }
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend([0x81, u8::try_from(text.len()).expect("a short message")]);
    out.extend(text.as_bytes());
}
