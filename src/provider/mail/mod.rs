//! Mail that goes out: our own words for it, and the client that speaks SMTP.

mod smtp;

use futures_util::future::BoxFuture;

pub use smtp::Smtp;

/// A letter, ready to go.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The same at every try, so that a mail server that has it already can tell.
    pub id: String,
    /// To whom.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letter({}, what it says is secret)", self.id)
    }
}

/// Why a letter did not go out.
#[derive(Debug, thiserror::Error)]
pub enum PostFault {
    /// The server refused it and would again.
    #[error("the mail server refused the letter: {0}")]
    Refused(String),
    /// The server could not be reached, or asks to come back later.
    #[error("the mail server did not take the letter: {0}")]
    Away(String),
}

/// Sends letters.
pub trait Post: Send + Sync + 'static {
    /// Hands `letter` to the mail server. It may go out twice when the answer is lost.
    fn send<'p>(&'p self, letter: &'p Letter) -> BoxFuture<'p, Result<(), PostFault>>;
}
