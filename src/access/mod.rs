//! Who may be inside: grants, bans and memberships, the judge over them, and what keeps every open door's answer true.

pub mod core;
pub mod source;
pub mod store;
