//! Backstage Pass: who may enter a creator's space, and what happens inside while it is live.

pub mod access;
pub mod app;
pub mod clock;
pub mod command;
pub mod commerce;
pub mod config;
pub mod entropy;
pub mod identity;
pub mod ids;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod live;
pub mod local;
pub mod money;
pub mod notify;
pub mod pace;
pub mod provider;
pub mod socket;
pub mod store;
pub mod storefront;
pub mod supervision;
pub mod telemetry;
pub mod web;
