//! The rules of identity: pure, they take the time and return data.

pub mod address;
pub mod login_code;
pub mod next_path;
pub mod role;
pub mod scope;
pub mod session;
pub mod window;
