//! Identity through its routes.

mod accounts;
mod codes;
mod cross_site;
mod herd;
mod replays;
mod teams;
