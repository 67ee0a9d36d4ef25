//! Identity through its routes.

mod accounts;
mod codes;
mod cross_site;
mod herd;
mod pages;
mod replays;
mod teams;
