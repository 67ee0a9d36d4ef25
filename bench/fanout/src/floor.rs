//! The least the kernel allows: one thread, one `send(2)` for each viewer, a frame made once, and nothing else.

use std::{
    io::{BufRead, Read, Write},
    net::{TcpListener, TcpStream},
};

use anyhow::{Result, ensure};
use backstage::socket::frame;

use crate::PAYLOAD;

/// Joins `viewers` viewers, then sends once for each line.
pub fn run(viewers: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut joined = Vec::with_capacity(viewers);
    while joined.len() < viewers {
        let (mut stream, _) = listener.accept()?;
        answer(&mut stream)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        joined.push(stream);
    }
    let frame = frame::text(PAYLOAD.as_bytes());
    for line in std::io::stdin().lock().lines() {
        line?;
        for stream in &mut joined {
            ensure!(stream.write(&frame)? == frame.len(), "a send was cut short");
        }
    }
    Ok(())
}

fn answer(stream: &mut TcpStream) -> Result<()> {
    let mut request = [0; 1024];
    let mut read = 0;
    while !request[..read].ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut request[read..])?;
        ensure!(count > 0, "closed before it asked");
        read += count;
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n")?;
    Ok(())
}
