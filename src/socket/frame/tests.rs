//! The codec against RFC 6455: every chunking of a stream says the same, round trips hold, and garbage never panics.

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { message_bytes_max: 100_000, fragments_max: 64 };
const MASK: [u8; 4] = [0x12, 0xF4, 0x00, 0xA7];

/// A client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(MASKED | u8::try_from(len).unwrap()),
        len @ 126..65_536 => {
            frame.push(MASKED + 126);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(MASKED + 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

/// Everything said in `stream` when it arrives in pieces of the given lengths, the last of them repeated.
fn read_all(stream: &[u8], pieces: &[usize], bounds: Bounds) -> (Vec<Incoming>, Option<Breach>) {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    let mut rest = stream;
    let mut pieces = pieces.iter().copied().chain(std::iter::repeat(*pieces.last().unwrap_or(&usize::MAX)));
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(pieces.next().unwrap().clamp(1, rest.len()));
        rest = later;
        loop {
            match reader.next(&mut now, bounds) {
                Ok(Some(incoming)) => said.push(incoming),
                Ok(None) => break,
                Err(breach) => return (said, Some(breach)),
            }
        }
    }
    (said, None)
}

fn breach(stream: &[u8]) -> Option<Breach> {
    read_all(stream, &[], BOUNDS).1
}

fn messages() -> impl Strategy<Value = (Vec<u8>, Vec<Incoming>)> {
    let text =
        (any::<String>(), prop::collection::vec(0usize..40, 0..5), any::<bool>()).prop_map(|(text, cuts, ping)| {
            let mut stream = Vec::new();
            let mut said = Vec::new();
            let mut rest = text.as_bytes();
            let mut first = TEXT;
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                stream.extend(masked(first, now));
                if ping {
                    stream.extend(masked(FIN | PING, b"amid"));
                    said.push(Incoming::Ping(b"amid".to_vec()));
                }
                (rest, first) = (later, CONTINUATION);
            }
            stream.extend(masked(FIN | first, rest));
            said.push(Incoming::Text(text));
            (stream, said)
        });
    let binary = prop::collection::vec(any::<u8>(), 0..300)
        .prop_map(|bytes| (masked(FIN | BINARY, &bytes), vec![Incoming::Binary(bytes)]));
    let pong = prop::collection::vec(any::<u8>(), 0..125)
        .prop_map(|bytes| (masked(FIN | PONG, &bytes), vec![Incoming::Pong(bytes)]));
    prop::collection::vec(prop_oneof![text, binary, pong], 0..6).prop_map(|all| {
        let (streams, said): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        (streams.concat(), said.concat())
    })
}

proptest! {
    #[test]
    fn any_chunking_of_a_valid_stream_says_the_same(
        (stream, said) in messages(),
        pieces in prop::collection::vec(1usize..50, 1..20),
    ) {
        prop_assert_eq!(read_all(&stream, &pieces, BOUNDS), (said.clone(), None));
        prop_assert_eq!(read_all(&stream, &[1], BOUNDS), (said, None));
    }

    #[test]
    fn garbage_never_panics_and_is_judged_alike_in_any_chunking(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        pieces in prop::collection::vec(1usize..30, 1..10),
    ) {
        let whole = read_all(&stream, &[], BOUNDS);
        prop_assert_eq!(&read_all(&stream, &pieces, BOUNDS), &whole);
    }

    #[test]
    fn damage_to_a_valid_stream_never_panics((mut stream, _) in messages(), at in any::<prop::sample::Index>(), byte: u8) {
        if !stream.is_empty() {
            let at = at.index(stream.len());
            stream[at] = byte;
            read_all(&stream, &[7], BOUNDS);
        }
    }

    #[test]
    fn what_we_write_is_read_back(payload in any::<String>(), grow in 0usize..70_000) {
        let payload = if grow % 3 == 0 { payload } else { "é".repeat(grow / 2) };
        let frame = text(payload.as_bytes());
        let head = match payload.len() { 0..126 => 2, 126..65_536 => 4, _ => 10 };
        prop_assert_eq!(frame.len(), head + payload.len());
        let (said, breach) = read_all(&masked(frame[0], &frame[head..]), &[1000], BOUNDS);
        prop_assert_eq!((said, breach), (vec![Incoming::Text(payload)], None));
    }
}

#[test]
fn an_idle_reader_holds_nothing() {
    let mut reader = Reader::default();
    let stream = masked(FIN | TEXT, b"hello");
    let mut now = &stream[..];
    assert_eq!(reader.next(&mut now, BOUNDS), Ok(Some(Incoming::Text("hello".into()))));
    assert_eq!(reader.next(&mut now, BOUNDS), Ok(None));
    assert!(reader.is_idle());
    assert_eq!(size_of::<Reader>(), 8);
}

#[test]
fn breaches_of_the_framing_are_malformed() {
    let unmasked = [FIN | TEXT, 1, b'x'].to_vec();
    let long_form_of_a_short_length = [FIN | TEXT, MASKED + 126, 0, 5, 0, 0, 0, 0].to_vec();
    let longest_form = [&[FIN | TEXT, MASKED + 127][..], &200u64.to_be_bytes(), &MASK].concat();
    let negative = [&[FIN | TEXT, MASKED + 127][..], &[0xFF; 8], &MASK].concat();
    let cases: [(&str, Vec<u8>); 15] = [
        ("unmasked", unmasked),
        ("reserved bit 1", masked(FIN | 0x40 | TEXT, b"x")),
        ("reserved bit 2", masked(FIN | 0x20 | PING, b"")),
        ("reserved bit 3", masked(FIN | 0x10 | TEXT, b"x")),
        ("opcode 3", masked(FIN | 0x3, b"")),
        ("opcode 11", masked(FIN | 0xB, b"")),
        ("continuation of nothing", masked(FIN | CONTINUATION, b"x")),
        ("message inside a message", [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat()),
        ("fragmented ping", masked(PING, b"")),
        ("ping of 126 bytes", masked(FIN | PING, &[0; 126])),
        ("long form of a short length", long_form_of_a_short_length),
        ("longest form of a short length", longest_form),
        ("negative length", negative),
        ("close of one byte", masked(FIN | CLOSE, &[3])),
        ("close with 1005", masked(FIN | CLOSE, &1005u16.to_be_bytes())),
    ];
    for (what, stream) in cases {
        assert_eq!(breach(&stream), Some(Breach::Malformed), "{what}");
    }
}

#[test]
fn which_close_codes_may_travel() {
    for number in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        assert_eq!(closing(&u16::to_be_bytes(number)), Ok(Some(number)));
    }
    for number in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(closing(&u16::to_be_bytes(number)), Err(Breach::Malformed), "{number}");
    }
    assert_eq!(closing(&[0x03, 0xE8, 0xFF]), Err(Breach::NotUtf8));
}

#[test]
fn too_large_is_known_from_the_head_alone() {
    let bounds = Bounds { message_bytes_max: 1000, fragments_max: 3 };
    let head = &masked(FIN | TEXT, &[b'x'; 1001])[..8];
    assert_eq!(read_all(head, &[1], bounds), (vec![], Some(Breach::TooLarge)));
    let endless = [&[FIN | BINARY, MASKED + 127][..], &(u64::MAX >> 1).to_be_bytes(), &MASK].concat();
    assert_eq!(read_all(&endless, &[], bounds).1, Some(Breach::TooLarge));
    let continued = [masked(TEXT, &[b'x'; 600]), masked(FIN | CONTINUATION, &[b'x'; 401])[..8].to_vec()].concat();
    assert_eq!(read_all(&continued, &[], bounds).1, Some(Breach::TooLarge));
    let crumbs = [masked(TEXT, b""), masked(0, b""), masked(0, b""), masked(0, b"")].concat();
    assert_eq!(read_all(&crumbs, &[], bounds).1, Some(Breach::TooLarge));
    let exact = masked(FIN | TEXT, &[b'x'; 1000]);
    assert_eq!(read_all(&exact, &[], bounds).1, None);
}

#[test]
fn a_text_that_is_not_utf8_is_refused_at_its_first_bad_byte() {
    for bad in [&b"\xC0\xAF"[..], b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\xFF", b"a\x80"] {
        let whole = masked(FIN | TEXT, bad);
        assert_eq!(breach(&whole), Some(Breach::NotUtf8), "{bad:?}");
        assert_eq!(read_all(&whole, &[1], BOUNDS).1, Some(Breach::NotUtf8), "{bad:?}");
        let unfinished = masked(TEXT, bad);
        assert_eq!(breach(&unfinished), Some(Breach::NotUtf8), "{bad:?}");
    }
    assert_eq!(breach(&masked(FIN | TEXT, b"cut \xE2\x82")), Some(Breach::NotUtf8));
    let split = [masked(TEXT, b"\xE2"), masked(0, b"\x82"), masked(FIN, b"\xAC")].concat();
    assert_eq!(read_all(&split, &[1], BOUNDS), (vec![Incoming::Text("€".into())], None));
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    let frame = close(Some(4003), &"é".repeat(100));
    assert_eq!(frame.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
    assert_eq!(&close(None, "unsaid")[..], [FIN | CLOSE, 0]);
}
