//! The outside parties. Each folder holds a real client behind a port of ours; no type of theirs leaves it.

pub mod livekit;
pub mod mail;

/// Makes ring the crypto of every TLS connection of this process; must run before the first client is made. May be called again.
pub fn init_crypto() {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}
