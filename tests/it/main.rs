//! Tests of stores, routes and machinery against a real Postgres, each with a database of its own.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

mod catalog;
mod contract;
mod engine;
mod identity;
mod jobs;
mod livekit;
mod local;
mod migrations;
mod owner;
mod rights;
mod smoke;
