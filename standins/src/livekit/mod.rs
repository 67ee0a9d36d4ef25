//! A media server without media: `LiveKit`'s room API, its tokens and its webhooks, with participants played on request.
//!
//! What it does was measured at a real `livekit-server` 1.13.5 with `room.auto_create: false` and read from its source:
//! the answers of each call, the events with their order and their fields, the tries of a webhook.

pub mod act;
pub mod json;
pub mod media;
pub mod play;
pub mod rooms;
pub mod routes;
pub mod token;
pub mod twirp;
pub mod webhook;
