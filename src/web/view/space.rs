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

/// A price that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceChoice {
    /// The id on the wire.
    pub id: String,
    /// What it costs: `Free for 7 days`, `$50 a month`.
    pub words: String,
    /// What comes with it, in whole sentences.
    pub note: String,
    /// Whether nothing is paid.
    pub free: bool,
}

/// A question of the seller, with what was answered before something else went wrong.
#[derive(Clone, Debug)]
pub struct QuestionField {
    /// Its name.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// Whether it must be answered.
    pub required: bool,
    /// What was typed; empty at first.
    pub value: String,
}

/// What the visitor can do with a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// They hold it.
    Held {
        /// Until when; for good when there is no end.
        until: Option<Moment>,
    },
    /// They can take it at one of these prices; there is at least one.
    Offered {
        /// In the order in which they were made; the first is chosen.
        prices: Vec<PriceChoice>,
    },
    /// All units are taken.
    SoldOut,
    /// The pass has come to its end.
    Ended,
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
    /// How many units are left, when there is a limit and few enough to say so.
    pub left: Option<i64>,
    /// When the pass itself ends.
    pub ends: Option<Moment>,
    /// The host of another site to which the seller sends those who have taken it.
    pub leaves_to: Option<String>,
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
    /// All units are taken.
    SoldOut,
    /// It costs something, and nothing can be paid here.
    PaymentsUnavailable,
    /// Answers are missing or wrong; the sentence says which.
    Answers(String),
    /// Too many tries from here.
    TooMany,
    /// Something we need does not answer just now.
    Unavailable,
}

/// The sales page of a pass. *Join* posts `price_id`, `csrf`, an `answer.{id}` for each question and, without a session, `email` to `/{space}/{pass}/purchase`.
#[derive(Clone, Debug, Template, WebTemplate)]
#[template(path = "pass.html")]
pub struct PassPage {
    /// What is round the page.
    pub layout: Layout,
    /// The space.
    pub space: SpaceHead,
    /// The pass.
    pub pass: PassOffer,
    /// What is asked before checkout.
    pub questions: Vec<QuestionField>,
    /// The price that was chosen before something went wrong; the first when empty.
    pub chosen: String,
    /// The address as it was typed; empty at first.
    pub email: String,
    /// Why joining did not work.
    pub error: Option<JoinError>,
}
