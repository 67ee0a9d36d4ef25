//! The load tester against a small server that speaks the contract's frames, well and badly.

#![expect(clippy::unwrap_used, reason = "a test program: what fails here fails the test")]

mod checker;
mod program;
mod server;
