//! The frames of RFC 6455, server side: what we write, and an incremental reader of what clients send.
//!
//! The reader holds nothing while no frame is under way, because nearly every viewer is silent nearly always.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The largest payload of a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: usize = 125;

fn encode(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(FIN | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => frame.put_u8(len),
        (_, Ok(len)) => {
            frame.put_u8(126);
            frame.put_u16(len);
        }
        (_, Err(_)) => {
            frame.put_u8(127);
            frame.put_u64(payload.len() as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

/// A complete text frame. `payload` must be UTF-8, which JSON of ours always is.
#[must_use]
pub fn text(payload: &[u8]) -> Bytes {
    debug_assert!(std::str::from_utf8(payload).is_ok(), "a text frame holds UTF-8");
    encode(TEXT, payload)
}

/// A complete text frame that holds `value` as JSON.
#[must_use]
pub fn json(value: &impl Serialize) -> Bytes {
    text(&serde_json::to_vec(value).expect("frames are plain structs with string keys"))
}

/// A complete ping frame; what does not fit a control frame is cut off.
#[must_use]
pub fn ping(payload: &[u8]) -> Bytes {
    encode(PING, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
}

/// A complete pong frame; what does not fit a control frame is cut off.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    encode(PONG, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
}

/// A complete close frame; a reason that does not fit is cut at a character. Without a number, an empty one.
#[must_use]
pub fn close(number: Option<u16>, reason: &str) -> Bytes {
    let Some(number) = number else { return encode(CLOSE, &[]) };
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    encode(CLOSE, &payload)
}

/// One whole thing a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message, put together and proven UTF-8.
    Text(String),
    /// A binary message, put together.
    Binary(Vec<u8>),
    /// A ping; its payload goes back in a pong.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame with its status, if it carried one.
    Close(Option<u16>),
}

/// A breach after which the socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Not the frames of RFC 6455: close 1002.
    Malformed,
    /// Longer, or in more pieces, than allowed: close 1009.
    TooLarge,
    /// A text or a close reason that is not UTF-8: close 1007.
    NotUtf8,
}

/// How much of one message is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Payload bytes of one message, all its frames together.
    pub message_bytes_max: usize,
    /// Frames of one message.
    pub fragments_max: usize,
}

/// Reads one client's frames, in whatever pieces they arrive.
#[derive(Debug, Default)]
pub struct Reader(Option<Box<Partial>>);

/// What is under way: the head of a frame, its payload, or a message that goes on in the next frame.
#[derive(Debug, Default)]
struct Partial {
    head: [u8; 14],
    head_bytes: usize,
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    bytes: usize,
    seen: usize,
}

#[derive(Debug)]
struct Message {
    opcode: u8,
    payload: Vec<u8>,
    /// How much of a text has been proven.
    proven: usize,
    fragments: usize,
}

impl Reader {
    /// Takes bytes from the front of `input` until one whole thing was said; `None` once `input` is used up.
    pub fn next(&mut self, input: &mut &[u8], bounds: Bounds) -> Result<Option<Incoming>, Breach> {
        if input.is_empty() {
            return Ok(None);
        }
        let mut partial = self.0.take().unwrap_or_default();
        let said = loop {
            if partial.frame.is_none() && !partial.read_head(input, bounds)? {
                break None;
            }
            if let Some(said) = partial.read_payload(input)? {
                break Some(said);
            }
            if input.is_empty() {
                break None;
            }
        };
        if !partial.is_idle() {
            self.0 = Some(partial);
        }
        Ok(said)
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_none()
    }
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.head_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Collects the head of a frame; true once it is complete and lawful.
    fn read_head(&mut self, input: &mut &[u8], bounds: Bounds) -> Result<bool, Breach> {
        while self.head_bytes < self.head_bytes_wanted() {
            let Some((first, rest)) = input.split_first() else { return Ok(false) };
            self.head[self.head_bytes] = *first;
            self.head_bytes += 1;
            *input = rest;
            if self.head_bytes == 2 {
                self.judge_start()?;
            }
        }
        let (length_bytes, bytes) = self.length();
        let bytes = bytes?;
        self.judge_length(bytes, bounds)?;
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[2 + length_bytes..6 + length_bytes]);
        let bytes = usize::try_from(bytes).map_err(|_| Breach::TooLarge)?;
        self.frame = Some(Frame { fin: self.head[0] & FIN != 0, opcode: self.head[0] & 0x0F, mask, bytes, seen: 0 });
        self.head_bytes = 0;
        Ok(true)
    }

    fn head_bytes_wanted(&self) -> usize {
        match (self.head_bytes, self.head[1] & !MASKED) {
            (0 | 1, _) => 2,
            (_, 126) => 8,
            (_, 127) => 14,
            _ => 6,
        }
    }

    /// What the first two bytes alone forbid.
    fn judge_start(&self) -> Result<(), Breach> {
        let [first, second] = [self.head[0], self.head[1]];
        let opcode = first & 0x0F;
        let lawful = match opcode {
            CONTINUATION => self.message.is_some(),
            TEXT | BINARY => self.message.is_none(),
            CLOSE | PING | PONG => first & FIN != 0 && usize::from(second & !MASKED) <= CONTROL_BYTES_MAX,
            _ => false,
        };
        if lawful && first & RESERVED == 0 && second & MASKED != 0 { Ok(()) } else { Err(Breach::Malformed) }
    }

    /// How many bytes hold the extended length, and the length itself, which must be in its shortest form.
    fn length(&self) -> (usize, Result<u64, Breach>) {
        match self.head[1] & !MASKED {
            126 => {
                let bytes = u64::from(u16::from_be_bytes([self.head[2], self.head[3]]));
                (2, if bytes < 126 { Err(Breach::Malformed) } else { Ok(bytes) })
            }
            127 => {
                let mut long = [0; 8];
                long.copy_from_slice(&self.head[2..10]);
                let bytes = u64::from_be_bytes(long);
                let lawful = bytes > u64::from(u16::MAX) && bytes >> 63 == 0;
                (8, if lawful { Ok(bytes) } else { Err(Breach::Malformed) })
            }
            short => (0, Ok(u64::from(short))),
        }
    }

    /// Refuses what is too long before any of it is kept, and opens or continues a message.
    fn judge_length(&mut self, bytes: u64, bounds: Bounds) -> Result<(), Breach> {
        let opcode = self.head[0] & 0x0F;
        if opcode >= CLOSE {
            return Ok(());
        }
        let message = self.message.get_or_insert(Message { opcode, payload: Vec::new(), proven: 0, fragments: 0 });
        message.fragments += 1;
        let total = bytes.saturating_add(message.payload.len() as u64);
        if message.fragments > bounds.fragments_max || total > bounds.message_bytes_max as u64 {
            return Err(Breach::TooLarge);
        }
        Ok(())
    }

    /// Takes payload; says something once a control frame or the last frame of a message is complete.
    fn read_payload(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Breach> {
        let Some(frame) = self.frame.as_mut() else { return Ok(None) };
        let target = match self.message.as_mut() {
            Some(message) if frame.opcode < CLOSE => &mut message.payload,
            _ => &mut self.control,
        };
        let (now, later) = input.split_at(input.len().min(frame.bytes - frame.seen));
        target.extend(now.iter().zip(frame.seen..).map(|(byte, at)| byte ^ frame.mask[at % 4]));
        *input = later;
        frame.seen += now.len();
        let (complete, opcode, fin) = (frame.seen == frame.bytes, frame.opcode, frame.fin);
        if complete {
            self.frame = None;
        }
        if opcode >= CLOSE {
            return if complete { control(opcode, std::mem::take(&mut self.control)).map(Some) } else { Ok(None) };
        }
        if let Some(message) = self.message.as_mut().filter(|message| message.opcode == TEXT) {
            message.prove()?;
        }
        if !(complete && fin) {
            return Ok(None);
        }
        self.message.take().map(Message::finish).transpose()
    }
}

impl Message {
    /// Proves what arrived so far, so that a bad text is refused at its first bad byte.
    fn prove(&mut self) -> Result<(), Breach> {
        match std::str::from_utf8(&self.payload[self.proven..]) {
            Ok(text) => self.proven += text.len(),
            Err(error) if error.error_len().is_none() => self.proven += error.valid_up_to(),
            Err(_) => return Err(Breach::NotUtf8),
        }
        Ok(())
    }

    fn finish(self) -> Result<Incoming, Breach> {
        if self.opcode == BINARY {
            return Ok(Incoming::Binary(self.payload));
        }
        String::from_utf8(self.payload).map(Incoming::Text).map_err(|_| Breach::NotUtf8)
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Incoming, Breach> {
    match opcode {
        PING => Ok(Incoming::Ping(payload)),
        PONG => Ok(Incoming::Pong(payload)),
        _ => closing(&payload).map(Incoming::Close),
    }
}

/// The status of a close frame, which must be one that may travel (RFC 6455, 7.4), with a reason in UTF-8.
fn closing(payload: &[u8]) -> Result<Option<u16>, Breach> {
    match payload {
        [] => Ok(None),
        [_] => Err(Breach::Malformed),
        [high, low, reason @ ..] => {
            let number = u16::from_be_bytes([*high, *low]);
            if !matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Breach::Malformed);
            }
            std::str::from_utf8(reason).map_err(|_| Breach::NotUtf8)?;
            Ok(Some(number))
        }
    }
}

#[cfg(test)]
mod tests;
