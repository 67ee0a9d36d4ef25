//! The frame codec of RFC 6455: masked frames out, unmasked frames in.

use thiserror::Error;

use crate::limits::MESSAGE_BYTES_MAX;

/// The opcode of a frame that goes on with a fragmented message.
pub const CONTINUATION: u8 = 0;
/// The opcode of a text message.
pub const TEXT: u8 = 1;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of a pong.
pub const PONG: u8 = 10;

/// One whole frame as it lies in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether it ends its message.
    pub fin: bool,
    /// What it is, one of the opcodes of this module.
    pub opcode: u8,
    /// Its payload, never masked.
    pub payload: &'a [u8],
    /// How many bytes of the input it took.
    pub taken: usize,
}

/// What a server may not send.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameFault {
    /// A server's frames are never masked.
    #[error("the server masked a frame")]
    Masked,
    /// No extension was agreed on, so the reserved bits are zero.
    #[error("the server set a reserved bit")]
    Reserved,
    /// An opcode that has no meaning, or a binary message, which the protocol does not know.
    #[error("the server sent a frame with opcode {0}")]
    Opcode(u8),
    /// A control frame is whole and at most 125 bytes long.
    #[error("the server sent a control frame in pieces or a long one")]
    Control,
    /// Longer than anything the engine has to say.
    #[error("the server sent a frame of {0} bytes")]
    Length(u64),
    /// A continuation without a beginning, or a beginning inside a message.
    #[error("the server mixed up a fragmented message")]
    Fragments,
}

/// The first whole frame of `bytes`; `None` while a part of it is still on its way.
pub fn decode(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameFault> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    if first & 0x70 != 0 {
        return Err(FrameFault::Reserved);
    }
    if second & 0x80 != 0 {
        return Err(FrameFault::Masked);
    }
    if !matches!(opcode, CONTINUATION | TEXT | CLOSE | PING | PONG) {
        return Err(FrameFault::Opcode(opcode));
    }
    if opcode >= CLOSE && (!fin || *second > 125) {
        return Err(FrameFault::Control);
    }
    let (head, length) = match (second, rest) {
        (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, _) => match rest.first_chunk() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        (126, _) => return Ok(None),
        (short, _) => (2, u64::from(*short)),
    };
    let length =
        usize::try_from(length).ok().filter(|length| *length <= MESSAGE_BYTES_MAX).ok_or(FrameFault::Length(length))?;
    let taken = head + length;
    Ok(bytes.get(head..taken).map(|payload| Frame { fin, opcode, payload, taken }))
}

/// Appends a client's whole frame to `out`.
pub fn encode(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=0x7d), _) => out.push(0x80 | short),
        (_, Ok(medium)) => {
            out.push(0x80 | 0x7e);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 0x7f);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// What a close frame says: its code (1005 when it has none) and its reason.
pub fn close_words(payload: &[u8]) -> (u16, String) {
    match payload {
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), String::from_utf8_lossy(reason).into_owned()),
        _ => (1005, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server's frame, written independently of the client's encoder.
    fn from_server(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::from(fin) << 7 | opcode];
        match payload.len() {
            short @ 0..126 => bytes.push(u8::try_from(short).unwrap()),
            medium @ 126..65_536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_frame_is_read_as_it_was_written_and_never_before_its_last_byte(
            fin: bool,
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), 65_530..65_540),
            ],
            cut: prop::sample::Index,
            behind in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut bytes = from_server(fin, TEXT, &payload);
            let whole = bytes.len();
            prop_assert_eq!(decode(&bytes[..cut.index(whole)]), Ok(None));
            bytes.extend(behind);
            let frame = decode(&bytes).unwrap().unwrap();
            prop_assert_eq!(frame, Frame { fin, opcode: TEXT, payload: &payload, taken: whole });
        }

        #[test]
        fn what_a_client_sends_is_masked_and_comes_out_whole(
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), 65_530..65_540),
            ],
            mask: [u8; 4],
        ) {
            let mut bytes = Vec::new();
            encode(&mut bytes, TEXT, &payload, mask);
            prop_assert_eq!(bytes[0], 0x81);
            prop_assert!(bytes[1] & 0x80 != 0);
            let head = bytes.len() - payload.len();
            prop_assert_eq!(&bytes[head - 4..head], &mask[..]);
            let open: Vec<u8> = bytes[head..].iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
            prop_assert_eq!(open, payload);
        }

        #[test]
        fn no_input_makes_the_reader_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn each_thing_a_server_may_not_send_is_told_apart() {
        assert_eq!(decode(&[0x81, 0x81, 0, 0, 0, 0, 1]), Err(FrameFault::Masked));
        assert_eq!(decode(&[0xc1, 0]), Err(FrameFault::Reserved));
        assert_eq!(decode(&[0x82, 0]), Err(FrameFault::Opcode(2)));
        assert_eq!(decode(&[0x09, 0]), Err(FrameFault::Control));
        assert_eq!(decode(&[0x89, 126, 0, 126]), Err(FrameFault::Control));
        assert_eq!(decode(&[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]), Err(FrameFault::Length(1 << 32)));
    }

    #[test]
    fn a_close_frame_without_a_code_is_1005() {
        assert_eq!(close_words(&[]), (1005, String::new()));
        assert_eq!(close_words(&[0x0f, 0xaa, b'g', b'o']), (4010, "go".into()));
    }
}
