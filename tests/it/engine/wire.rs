//! Bytes that no page of ours would send, over plain connections to the running engine.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Engine, Socket, run};

const PATIENCE: Duration = Duration::from_secs(20);

async fn dial(engine: &Engine) -> TcpStream {
    TcpStream::connect(engine.http.trim_start_matches("http://")).await.unwrap()
}

/// What is answered up to the end of the head, or of the connection.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn status(engine: &Engine, request: &str) -> String {
    let mut stream = dial(engine).await;
    // the engine may have answered and closed before everything was sent
    let _sent = stream.write_all(request.as_bytes()).await;
    let head = tokio::time::timeout(PATIENCE, head(&mut stream)).await.expect("an answer is still missing");
    head.split(' ').nth(1).unwrap_or("closed").to_owned()
}

/// A socket as bytes, after its upgrade.
async fn upgraded(engine: &Engine, experience: &str, token: &str) -> TcpStream {
    let mut stream = dial(engine).await;
    let request = format!(
        "GET /api/v1/experiences/{experience}/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// A frame as a client sends it, masked with zeros, which is a mask like any other (RFC 6455, 5.3).
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..126), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0xFE);
            frame.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(0xFF);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the close frame that comes, and the codes of the `error` frames before it.
async fn closed(what: &str, mut stream: TcpStream) -> (u16, Vec<String>) {
    let reading = async {
        let mut errors = vec![];
        loop {
            let (first, second) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
            let length = match second {
                126 => u64::from(stream.read_u16().await.unwrap()),
                127 => stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if first == 0x88 {
                return (u16::from_be_bytes([payload[0], payload[1]]), errors);
            }
            let frame: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
            if frame["t"] == "error" {
                errors.push(frame["code"].as_str().unwrap().to_owned());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{what}: the close frame is still missing"))
}

async fn unharmed(neighbour: &mut Socket) {
    neighbour.say(json!({"t": "react", "e": "❤️"})).await;
    neighbour.next("reactions", |frame| frame["t"] == "reactions").await;
}

#[test]
fn survive_099_100_frames_that_break_the_rules_close_with_their_own_code_and_harm_nobody_else() {
    run(async {
        let engine = Engine::start().await;
        let (experience, creator) = (engine.experience().await, engine.token("creator@demo.test"));
        let mut neighbour = engine.watch(&experience, &creator).await;
        let twice = [masked(0x01, &[b'x'; 4_000]), masked(0x80, &[b'x'; 4_000])].concat();
        let breaches: [(&str, Vec<u8>, u16); 12] = [
            ("not masked", vec![0x81, 2, b'h', b'i'], 1002),
            ("a reserved bit", masked(0xC1, b"x"), 1002),
            ("another reserved bit", masked(0xA1, b"x"), 1002),
            ("an opcode that is none", masked(0x83, b"x"), 1002),
            ("a control opcode that is none", masked(0x8B, b"x"), 1002),
            ("a ping in parts", masked(0x09, b"x"), 1002),
            ("a ping that is too long", masked(0x89, &[0; 126]), 1002),
            ("a continuation of nothing", masked(0x80, b"x"), 1002),
            ("text that is not UTF-8", masked(0x81, &[0xC3, 0x28]), 1007),
            ("a message that is too large", masked(0x81, &vec![b'x'; 65 * 1024]), 1009),
            ("parts that are too large together", twice, 1009),
            ("a length that nobody has", [&[0x81, 0xFF, 0x7F], [0xFF; 7].as_slice(), &[0; 4]].concat(), 1009),
        ];
        for (what, bytes, code) in breaches {
            let mut stream = upgraded(&engine, &experience, &creator).await;
            stream.write_all(&bytes).await.unwrap();
            assert_eq!(closed(what, stream).await.0, code, "{what}");
            unharmed(&mut neighbour).await;
        }
    });
}

#[test]
fn survive_101_102_what_nobody_understands_is_answered_and_the_third_time_is_the_last() {
    run(async {
        let engine = Engine::start().await;
        let (experience, creator) = (engine.experience().await, engine.token("creator@demo.test"));
        let mut neighbour = engine.watch(&experience, &creator).await;
        let text = |said: &str| masked(0x81, said.as_bytes());
        let nested = |open: &str, shut: &str| text(&format!("{{\"t\":{}{}}}", open.repeat(1_900), shut.repeat(1_900)));
        let keys: String = (0..300).map(|number| format!("\"k{number}\":1,")).collect();
        let cases = [
            ("binary", masked(0x82, b"{\"t\":\"ping\"}")),
            ("nothing", text("")),
            ("no JSON", text("hello")),
            ("no object", text("[1]")),
            ("no kind", text("{}")),
            ("an unknown kind", text("{\"t\":\"publish\"}")),
            ("deep arrays", nested("[", "]")),
            ("deep objects", text(&format!("{}1{}", "{\"a\":".repeat(600), "}".repeat(600)))),
            ("many keys", text(&format!("{{{keys}\"t\":\"pang\"}}"))),
            ("a key twice", text("{\"t\":\"ping\",\"t\":\"react\",\"e\":\"x\"}")),
            ("a number that is none", text("{\"t\":\"quality\",\"frozen\":1e400}")),
            ("half a character", text("{\"t\":\"react\",\"e\":\"\\ud800\"}")),
            ("a NUL", text("{\"t\":\"react\",\"e\":\"\\u0000\"}")),
            ("what only the studio says", text("{\"t\":\"stats\",\"fps\":30}")),
        ];
        for (what, frame) in cases {
            let mut stream = upgraded(&engine, &experience, &creator).await;
            for _ in 0..3 {
                stream.write_all(&frame).await.unwrap();
            }
            let (code, errors) = closed(what, stream).await;
            assert_eq!((code, errors.len()), (4400, 3), "{what}: {errors:?}");
            unharmed(&mut neighbour).await;
        }
    });
}

#[test]
fn survive_107_a_flood_of_pings_or_messages_is_closed_with_the_word_to_come_back_later() {
    run(async {
        let engine = Engine::start().await;
        let (experience, creator) = (engine.experience().await, engine.token("creator@demo.test"));
        for frame in [masked(0x89, b"x"), masked(0x81, b"{\"t\":\"ping\"}"), masked(0x8A, b"unasked")] {
            let mut stream = upgraded(&engine, &experience, &creator).await;
            stream.write_all(&frame.repeat(200)).await.unwrap();
            assert_eq!(closed("a flood", stream).await.0, 4029, "{frame:?}");
        }
    });
}

#[test]
fn survive_162_163_requests_that_are_not_whole_too_long_or_lead_elsewhere_are_answered_and_nothing_is_given_out() {
    run(async {
        let engine = Engine::start().await;
        let live = format!("/api/v1/experiences/{}/live", engine.experience().await);
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
        let requests = [
            ("CONNECT", format!("CONNECT {live} HTTP/1.1\r\nhost: x\r\n\r\n"), "405"),
            ("CONNECT elsewhere", "CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), "4"),
            ("no upgrade", format!("GET {live} HTTP/1.1\r\nhost: x\r\n\r\n"), "426"),
            ("no key", format!("GET {live} HTTP/1.1\r\nhost: x\r\n{upgrade}sec-websocket-version: 13\r\n\r\n"), "400"),
            ("an upgrade elsewhere", format!("GET /demo HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n"), "404"),
            ("two lengths", "POST /api/v1/teams HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".to_owned(), "400"),
            ("length and chunks", "POST /api/v1/teams HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
            ("a long address", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(200_000)), "4"),
            ("a long header", format!("GET /demo HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(200_000)), "4"),
            ("a long cookie", format!("GET /demo HTTP/1.1\r\nhost: x\r\ncookie: a={}\r\n\r\n", "x".repeat(200_000)), "4"),
            ("many headers", format!("GET /demo HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(1_000)), "4"),
            ("many keys", format!("GET /api/v1/spaces/demo/public?{} HTTP/1.1\r\nhost: x\r\n\r\n", "k=v&".repeat(10_000)), ""),
        ];
        for (what, request, wanted) in requests {
            let got = status(&engine, &request).await;
            assert!(got.starts_with(wanted) && !got.starts_with('5'), "{what}: {got}");
        }
        for path in [
            "/assets/../../../../etc/passwd",
            "/assets/..%2f..%2f..%2fetc/passwd",
            "/assets/%2e%2e/%2e%2e/Cargo.toml",
            "/assets/%252e%252e%252fCargo.toml",
            "/assets/..\\..\\Cargo.toml",
            "/assets//etc/passwd",
            "/assets/manifest.json%00.js",
            "/assets/%00",
            "/../Cargo.toml",
        ] {
            let got = status(&engine, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert!(got == "404" || got == "400", "{path}: {got}");
        }
        assert_eq!(status(&engine, "GET /demo HTTP/1.1\r\nhost: x\r\n\r\n").await, "200", "and it still answers");
    });
}

#[test]
fn survive_105_whoever_connects_and_says_nothing_or_never_ends_is_gone_and_others_are_served() {
    run(async {
        let engine = Engine::start().await;
        let live = format!("/api/v1/experiences/{}/live", engine.experience().await);
        let beginnings = [
            String::new(),
            "GET /demo HTTP/1.1\r\nhost: x\r\nx-slow: ".to_owned(),
            format!("GET {live} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"),
            "POST /api/v1/auth/codes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n{".to_owned(),
        ];
        let mut slow = vec![];
        for beginning in beginnings {
            let mut stream = dial(&engine).await;
            stream.write_all(beginning.as_bytes()).await.unwrap();
            slow.push((beginning, stream));
        }
        assert_eq!(status(&engine, "GET /demo HTTP/1.1\r\nhost: x\r\n\r\n").await, "200");
        for (beginning, mut stream) in slow {
            let mut told = Vec::new();
            let gone = tokio::time::timeout(2 * PATIENCE, stream.read_to_end(&mut told)).await;
            assert!(gone.is_ok(), "still there after {beginning:?}");
        }
    });
}
