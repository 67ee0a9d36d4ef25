//! The media server: rooms and who is in them, tokens that name what they forbid, and its signed webhooks.

mod bar;
mod client;
mod token;
mod webhook;

pub use client::LiveKit;
pub use token::{MediaKey, publisher_token, viewer_token};
pub use webhook::{HookRefusal, read_hook};
