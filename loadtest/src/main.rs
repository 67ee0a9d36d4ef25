//! Placeholder until its first path is in.
fn main() {}
