//! A mail provider that delivers to a page: letters come in by SMTP and are read in a browser or as JSON.

pub mod mailbox;
pub mod page;
pub mod smtp;
