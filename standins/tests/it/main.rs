//! The program from outside: started as a child on free ports, asked by the providers' own clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers as in its body")]

mod controls;
mod livekit;
mod mail;
mod standins;
mod stripe;
mod webhooks;
