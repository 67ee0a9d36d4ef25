//! The pages that say why there is no page: what is so, and the way back.

use askama::Template;
use askama_web::WebTemplate;

use super::layout::Layout;

/// A page that says what went wrong and what to do.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What is round the page.
    pub layout: Layout,
    /// The status, as it stands in the answer.
    pub status: u16,
    /// The stable code of the problem.
    pub code: String,
    /// One sentence, large.
    pub heading: String,
    /// What the visitor can do.
    pub text: String,
    /// Whether trying again may help; the page then offers it.
    pub retry: bool,
}

impl ErrorPage {
    /// Nothing lives at this address, or the visitor may not know that it does.
    #[must_use]
    pub fn not_found(layout: Layout) -> Self {
        Self::new(
            layout,
            404,
            "not_found",
            "There is nothing at this address",
            "The link may be old, or a letter is missing. What you own is under your spaces.",
        )
    }

    /// The visitor may see that it exists, but not do this.
    #[must_use]
    pub fn forbidden(layout: Layout) -> Self {
        Self::new(
            layout,
            403,
            "forbidden",
            "This is not yours to do",
            "Somebody with another role in the team can. Ask an owner or an admin of the team.",
        )
    }

    /// We were wrong.
    #[must_use]
    pub fn fault(layout: Layout) -> Self {
        Self::new(
            layout,
            500,
            "internal",
            "Something broke on our side",
            "It is not your line and nothing was changed. We have written it down; going back and trying once more is safe.",
        )
    }

    /// Something we need does not answer just now.
    #[must_use]
    pub fn unavailable(layout: Layout) -> Self {
        let text =
            "A part we need does not answer just now. Nothing was changed, and broadcasts that are running go on.";
        Self { retry: true, ..Self::new(layout, 503, "unavailable", "We cannot answer this just now", text) }
    }

    fn new(mut layout: Layout, status: u16, code: &str, heading: &str, text: &str) -> Self {
        heading.clone_into(&mut layout.title);
        Self { layout, status, code: code.to_owned(), heading: heading.to_owned(), text: text.to_owned(), retry: false }
    }
}
