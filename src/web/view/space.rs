//! The public pages: home, the sales page of a space, the sales page of a pass.

use askama::Template;
use askama_web::WebTemplate;

use super::{
    layout::Layout,
    parts::{Moment, OnAir},
};

/// A published space on the home page.
#[derive(Clone, Debug)]
pub struct SpaceCard {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub tagline: String,
    /// The team behind it.
    pub team: String,
    /// What is on.
    pub on_air: OnAir,
}

/// The home page: what is on, and where to sign in.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "home.html")]
pub struct HomePage {
    /// What is round the page.
    pub layout: Layout,
    /// Published, public spaces; those that are live come first.
    pub spaces: Vec<SpaceCard>,
}

/// The head of a space's public pages.
#[derive(Clone, Debug)]
pub struct SpaceHead {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub tagline: String,
    /// Plain paragraphs, one a line; may be empty.
    pub description: String,
    /// The team behind it.
    pub team: String,
    /// Whether it is not published, so that only the team sees this page.
    pub draft: bool,
    /// Whether the visitor may edit it; the page then leads to the studio.
    pub staff: bool,
}

/// What one pass opens.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The name of the experience.
    pub name: String,
    /// One sentence; may be empty.
    pub text: String,
}

/// What the visitor can do with a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// They hold it.
    Held {
        /// Until when; for good when there is no end.
        until: Option<Moment>,
    },
    /// They can join for nothing.
    JoinFree {
        /// The price to send along.
        price_id: String,
        /// How long the access lasts, in days; for good when there is no end.
        days: Option<u32>,
    },
    /// The team gives it away by hand.
    ByInvitation,
    /// It is not sold any more.
    Withdrawn,
    /// The space is closed to this visitor.
    Banned,
}

/// A pass as it is offered.
#[derive(Clone, Debug)]
pub struct PassOffer {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// One sentence; may be empty.
    pub headline: String,
    /// Plain paragraphs, one a line; may be empty.
    pub description: String,
    /// What one gets, one line each.
    pub benefits: Vec<String>,
    /// The experiences it opens.
    pub opens: Vec<Opened>,
    /// Its place in the seller's order from 0; chooses one of the house's four pictures.
    pub position: usize,
    /// What the visitor can do.
    pub way: Way,
    /// Where entering leads: the first experience it opens, or the member's page of the space.
    pub enter: String,
}

/// The sales page of a space.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "space.html")]
pub struct SpacePage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: SpaceHead,
    /// What is on.
    pub on_air: OnAir,
    /// Where a visitor who may enter goes; `None` without a right.
    pub enter: Option<String>,
    /// Its passes in the seller's order.
    pub passes: Vec<PassOffer>,
    /// The slug of the selected pass (`?pass=`), else the first is.
    pub selected: String,
}

/// Why joining did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The address is not one.
    EmailInvalid,
    /// The pass is not offered any more.
    NotOffered,
    /// The visitor holds it already.
    AlreadyOwned,
    /// The form lay open too long.
    FormExpired,
    /// Too many tries from here.
    TooMany,
    /// Something we need does not answer just now.
    Unavailable,
}

/// The sales page of a pass. *Join* posts `price_id`, `csrf` and, without a session, `email` to `/{space}/{pass}/purchase`.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "pass.html")]
pub struct PassPage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: SpaceHead,
    /// The pass.
    pub pass: PassOffer,
    /// The address as it was typed; empty at first.
    pub email: String,
    /// Why joining did not work.
    pub error: Option<JoinError>,
}
