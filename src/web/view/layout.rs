//! What every page has round it: title, who is signed in, theme, the browser bundle, notices.

use std::sync::Arc;

use serde::Deserialize;

use super::parts::{Notice, Person};

/// Where the built browser files lie, read from `web/dist/manifest.json`. Each is a path below `/assets/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Bundle {
    /// The stylesheet.
    pub css: String,
    /// The script of every page: theme, menus, times, forms.
    pub shell: String,
    /// The script of the sign-in page.
    pub sign_in: String,
    /// The script of the sales pages.
    pub space: String,
    /// The script of the member's experience page.
    pub watch: String,
    /// The script of the live studio.
    pub studio: String,
    /// The text font, to be preloaded.
    pub font_text: String,
    /// The font of titles, to be preloaded.
    pub font_display: String,
}

/// Light, dark, or as the device says; kept in the cookie `theme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    #[default]
    Device,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// The word in the cookie and in `data-theme`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Which entry of the main navigation is the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Section {
    /// None of them.
    #[default]
    Elsewhere,
    /// The public pages.
    Discover,
    /// The member's own spaces.
    Spaces,
    /// The studio.
    Studio,
    /// The account's devices.
    Account,
}

impl Section {
    /// The word that the templates compare with.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Discover => "discover",
            Self::Spaces => "spaces",
            Self::Studio => "studio",
            Self::Account => "account",
        }
    }
}

/// What every page has round it.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The title of the page, without the product's name.
    pub title: String,
    /// The anti-forgery token for forms (`csrf`) and scripts (`X-CSRF-Token`).
    pub csrf: String,
    /// Who is signed in.
    pub signed_in: Option<Person>,
    /// Light, dark, or as the device says.
    pub theme: Theme,
    /// The browser bundle; without one the page says how to build it.
    pub bundle: Option<Arc<Bundle>>,
    /// Messages above the content.
    pub notices: Vec<Notice>,
    /// The current entry of the main navigation.
    pub section: Section,
    /// The path of this page, where signing in leads back to.
    pub path: String,
    /// A sentence for the whole page, such as that the media server is a stand-in and no picture can be seen.
    pub banner: Option<String>,
}
