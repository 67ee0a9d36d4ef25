//! A viewer made of bytes: it sends what a test tells it, lawful or not.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::world::{EXPERIENCE, World};

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
const MASK: [u8; 4] = [7, 1, 200, 9];

pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What came next.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(u8, Vec<u8>),
    End,
}

/// A client's frame.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            frame.push(0x80 + 126);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

/// The bytes of an upgrade.
pub fn upgrade(path: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    format!(
        "GET {path} HTTP/1.1\r\nhost: engine.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

pub fn live() -> String {
    format!("/api/v1/experiences/{EXPERIENCE}/live")
}

impl Client {
    pub fn connect(world: &World) -> Self {
        let stream = TcpStream::connect(world.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// A viewer that is upgraded, by its number.
    pub fn join(world: &World, number: u32) -> Self {
        Self::join_with(world, &live(), number, &[])
    }

    pub fn join_with(world: &World, path: &str, number: u32, headers: &[(&str, &str)]) -> Self {
        let mut client = Self::connect(world);
        let bearer = format!("Bearer {number}");
        client.send(upgrade(path, &[&[("authorization", &bearer[..])], headers].concat()).as_bytes());
        let head = client.read_head();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        client
    }

    /// Sends an upgrade and returns the head and the body of what is answered instead.
    pub fn refused(world: &World, request: &str) -> (String, Value) {
        let mut client = Self::connect(world);
        client.send(request.as_bytes());
        let head = client.read_head();
        let mut body = std::mem::take(&mut client.unread);
        client.stream.read_to_end(&mut body).unwrap();
        (head, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends, not minding a connection that is gone.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn say(&mut self, text: &str) {
        self.send(&masked(0x80 | TEXT, text.as_bytes()));
    }

    fn fill(&mut self) -> bool {
        let mut bytes = vec![0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came in ten seconds; unread: {:?}", self.unread)
            }
            Err(_) => false,
        }
    }

    pub fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill(), "closed before an answer");
        }
    }

    pub fn read_exactly(&mut self, count: usize) -> String {
        while self.unread.len() < count {
            assert!(self.fill(), "closed before an answer");
        }
        String::from_utf8(self.unread.drain(..count).collect()).unwrap()
    }

    pub fn hear(&mut self) -> Heard {
        loop {
            if let Some((opcode, payload, taken)) = first_frame(&self.unread) {
                self.unread.drain(..taken);
                return Heard::Frame(opcode, payload);
            }
            if !self.fill() {
                return Heard::End;
            }
        }
    }

    /// The next text frame; other frames are a failure.
    pub fn next(&mut self) -> Value {
        match self.hear() {
            Heard::Frame(TEXT, payload) => serde_json::from_slice(&payload).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// The next text frame must be of this kind.
    pub fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next();
        assert_eq!(frame["t"], kind, "{frame}");
        frame
    }

    /// Welcome and snapshot.
    pub fn greeted(mut self) -> Self {
        self.expect("welcome");
        self.expect("snapshot");
        self
    }

    /// The next frame must be a close frame with this status.
    pub fn expect_close(&mut self, number: u16) {
        match self.hear() {
            Heard::Frame(CLOSE, payload) => assert_eq!(payload[..2], number.to_be_bytes(), "{payload:?}"),
            other => panic!("not a close frame: {other:?}"),
        }
    }

    /// `bye` with this code, then the close frame; the handshake is finished and TCP ends.
    pub fn expect_bye(&mut self, number: u16) -> Value {
        let bye = self.expect("bye");
        assert_eq!(bye["code"], number, "{bye}");
        self.expect_close(number);
        self.try_send(&masked(0x80 | CLOSE, &number.to_be_bytes()));
        assert_eq!(self.hear(), Heard::End);
        bye
    }
}

fn first_frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let (first, len) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (head, len) = match len {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).unwrap()),
        len => (2, len),
    };
    assert_eq!(first & 0xF0, 0x80, "whole, unreserved frames only");
    Some((first & 0x0F, bytes.get(head..head + len)?.to_vec(), head + len))
}
