//! One open socket: hands over whole messages, answers pings, and keeps only what has not wholly arrived.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::{
    limits::{MESSAGE_BYTES_MAX, READ_BYTES},
    socket::{
        frame::{self, FrameFault},
        handshake::{Ask, OpenFault, upgrade},
        target::{Target, Wire},
    },
};

thread_local! {
    /// All sockets of a thread are read through one buffer; what is incomplete moves into the socket's own.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What the engine said.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A whole text message.
    Text(&'a [u8]),
    /// A close frame: code and reason.
    Close(u16, String),
}

/// Why an open socket ended.
#[derive(Debug, Error)]
pub enum LinkFault {
    /// The stream failed.
    #[error("{}", .0.kind())]
    Stream(#[from] io::Error),
    /// The server broke RFC 6455.
    #[error("{0}")]
    Frame(#[from] FrameFault),
}

/// An open socket.
pub struct Link {
    wire: Box<dyn Wire>,
    inbox: Inbox,
}

impl Link {
    /// Connects and asks for the upgrade.
    pub async fn open(target: &Target, path: &str, ask: &Ask<'_>) -> Result<Self, OpenFault> {
        let mut wire = target.connect().await?;
        let rest = upgrade(&mut *wire, target, path, ask).await?;
        Ok(Self { wire, inbox: Inbox { rest, ..Inbox::default() } })
    }

    /// Waits until something arrives and hands each message of it to `each`. Returns how many bytes came; zero at the end of the stream.
    pub async fn read(&mut self, mask: [u8; 4], each: &mut impl FnMut(Heard<'_>)) -> Result<usize, LinkFault> {
        let Self { wire, inbox } = self;
        let came = if inbox.is_fresh() {
            inbox.take(&[], each)?
        } else {
            poll_fn(|cx| poll_read(wire, inbox, cx, each)).await?
        };
        if !self.inbox.pings.is_empty() {
            let mut out = Vec::new();
            for ping in self.inbox.pings.drain(..) {
                frame::encode(&mut out, frame::PONG, &ping, mask);
            }
            self.wire.write_all(&out).await?;
        }
        Ok(came)
    }

    /// Sends one text message.
    pub async fn send(&mut self, text: &str, mask: [u8; 4]) -> io::Result<()> {
        let mut out = Vec::with_capacity(text.len() + 8);
        frame::encode(&mut out, frame::TEXT, text.as_bytes(), mask);
        self.wire.write_all(&out).await
    }

    /// Says goodbye (1000) as far as that is possible, and closes.
    pub async fn close(mut self, mask: [u8; 4]) {
        let mut out = Vec::new();
        frame::encode(&mut out, frame::CLOSE, &1000u16.to_be_bytes(), mask);
        let _ = self.wire.write_all(&out).await;
        let _ = self.wire.shutdown().await;
    }
}

fn poll_read(
    wire: &mut Box<dyn Wire>,
    inbox: &mut Inbox,
    cx: &mut Context<'_>,
    each: &mut impl FnMut(Heard<'_>),
) -> Poll<Result<usize, LinkFault>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(wire).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(fault)) => Poll::Ready(Err(fault.into())),
            Poll::Ready(Ok(())) => Poll::Ready(inbox.take(buffer.filled(), each).map_err(LinkFault::from)),
        }
    })
}

/// What arrived and is not a whole message yet.
#[derive(Default)]
struct Inbox {
    /// The beginning of a frame.
    rest: Vec<u8>,
    /// The beginning of a fragmented message.
    message: Vec<u8>,
    is_fragmented: bool,
    pings: Vec<Vec<u8>>,
    was_looked_at: bool,
}

impl Inbox {
    /// Whether bytes came along with the answer to the upgrade that nobody has looked at.
    fn is_fresh(&self) -> bool {
        !self.was_looked_at && !self.rest.is_empty()
    }

    /// Takes what came; returns how many bytes that was (with those that came along with the upgrade).
    fn take(&mut self, came: &[u8], each: &mut impl FnMut(Heard<'_>)) -> Result<usize, FrameFault> {
        let early = if self.was_looked_at { 0 } else { self.rest.len() };
        self.was_looked_at = true;
        if self.rest.is_empty() {
            let taken = self.messages(came, each)?;
            self.rest.extend_from_slice(&came[taken..]);
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(came);
            let taken = self.messages(&bytes, each)?;
            if taken < bytes.len() {
                bytes.drain(..taken);
                self.rest = bytes;
            }
        }
        Ok(came.len() + early)
    }

    /// Hands over what is whole; returns how many bytes that was.
    fn messages(&mut self, bytes: &[u8], each: &mut impl FnMut(Heard<'_>)) -> Result<usize, FrameFault> {
        let mut taken = 0;
        while let Some(frame) = frame::decode(&bytes[taken..])? {
            taken += frame.taken;
            match (frame.opcode, self.is_fragmented) {
                (frame::CLOSE, _) => {
                    let (code, reason) = frame::close_words(frame.payload);
                    each(Heard::Close(code, reason));
                }
                (frame::PING, _) => self.pings.push(frame.payload.to_vec()),
                (frame::PONG, _) => {}
                (frame::TEXT, false) if frame.fin => each(Heard::Text(frame.payload)),
                (frame::TEXT, false) | (frame::CONTINUATION, true) => {
                    self.message.extend_from_slice(frame.payload);
                    self.is_fragmented = !frame.fin;
                    if self.message.len() > MESSAGE_BYTES_MAX {
                        return Err(FrameFault::Length(self.message.len() as u64));
                    }
                    if frame.fin {
                        each(Heard::Text(&std::mem::take(&mut self.message)));
                    }
                }
                _ => return Err(FrameFault::Fragments),
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(inbox: &mut Inbox, bytes: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        inbox
            .take(bytes, &mut |heard| match heard {
                Heard::Text(text) => texts.push(String::from_utf8(text.to_vec()).unwrap()),
                Heard::Close(code, reason) => texts.push(format!("{code} {reason}")),
            })
            .unwrap();
        texts
    }

    #[test]
    fn a_message_cut_anywhere_is_handed_over_once_and_nothing_is_kept_of_it() {
        let bytes = [&[0x81, 3][..], b"one", &[0x81, 3], b"two"].concat();
        for cut in 0..=bytes.len() {
            let mut inbox = Inbox::default();
            let mut texts = heard(&mut inbox, &bytes[..cut]);
            texts.extend(heard(&mut inbox, &bytes[cut..]));
            assert_eq!(texts, ["one", "two"], "cut at {cut}");
            assert!(inbox.rest.is_empty());
        }
    }

    #[test]
    fn a_ping_inside_a_fragmented_message_is_answered_and_does_not_break_it() {
        let mut inbox = Inbox::default();
        let bytes = [&[0x01, 2][..], b"ab", &[0x89, 1], b"p", &[0x80, 1], b"c"].concat();
        assert_eq!(heard(&mut inbox, &bytes), ["abc"]);
        assert_eq!(inbox.pings, [b"p"]);
    }

    #[test]
    fn a_continuation_without_a_beginning_is_a_fault() {
        assert_eq!(Inbox::default().take(&[0x80, 0], &mut |_| {}), Err(FrameFault::Fragments));
    }
}
