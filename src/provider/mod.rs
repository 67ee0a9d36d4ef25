//! The outside parties. Each folder holds a real client behind a port of ours; no type of theirs leaves it.

pub mod livekit;
pub mod mail;
