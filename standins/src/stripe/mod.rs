//! Stripe without money: its API, its test cards, subscriptions that a clock moves, and its signed webhooks.
//!
//! What it does was written after the published description of the API and the documentation of the test cards. What it
//! does not play it refuses by name (`not_played`), and what it does not know it refuses as Stripe does.

pub mod account;
pub mod act;
pub mod begin;
pub mod browser;
pub mod calendar;
pub mod card;
pub mod catalog;
pub mod change;
pub mod charge;
pub mod command;
pub mod customer;
pub mod cycle;
pub mod desk;
pub mod dispute;
pub mod endpoint;
pub mod event;
pub mod form;
pub mod intent;
pub mod invoice;
pub mod list;
pub mod look;
pub mod method;
pub mod pay;
pub mod payment;
pub mod refusal;
pub mod routes;
pub mod setup;
pub mod subscription;
#[cfg(test)]
mod tests;

/// The version of the API whose shapes are shown, and in which webhooks are sent.
pub const API_VERSION: &str = "2026-09-30.endive";
