//! The catalogue over HTTP, against a real Postgres.

mod house;
mod joins;
mod offers;
mod pages;
mod roles;
mod seeds;
mod slugs;
mod stock;
mod terms;
