//! Asks a local HTTP server whether it is there, without an event loop and without waiting long.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::limits::{LOCAL_PROBE_BYTES_MAX, LOCAL_PROBE_WAIT};

/// Whether the server at this plain HTTP address answers anything but a fault of its own.
pub fn answers(address: &str) -> bool {
    get(address).is_some_and(|(status, _)| status < 500)
}

/// The status and the body that the server at this plain HTTP address answers with. Bodies in chunks are not put together.
pub fn get(address: &str) -> Option<(u16, String)> {
    ask(address, "GET", "")
}

/// The same for a JSON body that is handed in.
pub fn post(address: &str, json: &str) -> Option<(u16, String)> {
    ask(address, "POST", json)
}

fn ask(address: &str, method: &str, json: &str) -> Option<(u16, String)> {
    let url = url::Url::parse(address).ok()?;
    let peer: SocketAddr = url.socket_addrs(|| None).ok()?.into_iter().next()?;
    let mut stream = TcpStream::connect_timeout(&peer, LOCAL_PROBE_WAIT).ok()?;
    stream.set_read_timeout(Some(LOCAL_PROBE_WAIT)).ok()?;
    stream.set_write_timeout(Some(LOCAL_PROBE_WAIT)).ok()?;
    let (path, length) = (url.path(), json.len());
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {peer}\r\n").ok()?;
    write!(stream, "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}").ok()?;
    let mut answer = Vec::new();
    stream.take(LOCAL_PROBE_BYTES_MAX).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let status = answer.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn serve_once(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let _ = peer.read(&mut [0; 256]);
            peer.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_server_that_says_not_found_is_there() {
        assert!(answers(&serve_once("HTTP/1.1 404 Not Found\r\n\r\n")));
    }

    #[test]
    fn a_server_that_fails_is_not_there_yet() {
        assert!(!answers(&serve_once("HTTP/1.1 503 Service Unavailable\r\n\r\n")));
    }

    #[test]
    fn nobody_answers_at_a_closed_port() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!answers(&format!("http://{closed}/")));
    }
}
