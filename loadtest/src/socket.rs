//! A lean RFC 6455 client: what one viewer needs of it, with one shared read buffer a thread.

pub mod frame;
pub mod handshake;
pub mod link;
pub mod target;
