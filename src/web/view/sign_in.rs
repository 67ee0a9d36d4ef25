//! The sign-in page: an address, then the code; two forms that work without a script.

use askama::Template;
use askama_web::WebTemplate;

use super::{layout::Layout, parts::Moment};

/// Which of the two forms is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInStep {
    /// Ask for the address: posts `email`, `next`, `csrf` to `/login`.
    Email,
    /// Ask for the code: posts `code`, `email`, `request`, `next`, `csrf` to `/login/code`.
    Code {
        /// The id of the request that `/login` made.
        request: String,
        /// How many digits the code has.
        digits: u32,
    },
}

/// What was wrong with the last try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// The address is not one.
    EmailInvalid,
    /// Fewer digits than the code has were given.
    CodeIncomplete,
    /// Not the code that was sent. How many tries are left is shown when it is known.
    CodeWrong {
        /// Tries left for this code.
        tries_left: Option<u32>,
    },
    /// The code is older than ten minutes, or was used.
    CodeExpired,
    /// Too many wrong codes.
    TooManyTries,
    /// Too many codes were asked for.
    TooManyCodes {
        /// When the next may be asked for, if it is known.
        again_at: Option<Moment>,
    },
    /// The form lay open too long; its token does not count any more.
    FormExpired,
    /// Mail or database do not answer just now.
    Unavailable,
}

/// The sign-in page.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// What is round the page.
    pub layout: Layout,
    /// Which form.
    pub step: SignInStep,
    /// The address as it was typed; empty at first.
    pub email: String,
    /// The path that follows after signing in, already checked to be one of ours.
    pub next: String,
    /// What waits there, such as `Main Stage, Demo`.
    pub going_to: Option<String>,
    /// What was wrong with the last try.
    pub error: Option<SignInError>,
    /// Where codes arrive when nothing real is configured (the mailbox of the stand-ins).
    pub mailbox: Option<String>,
}
