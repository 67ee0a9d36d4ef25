//! Slugs: which names a space, a pass or an experience may carry in an address, and which belong to the engine.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::limits::SLUG_CHARS_MAX;

/// First segments of addresses that are the engine's own, today or by plan; no space may be called so. Sorted.
///
/// A test compares them with the routes, so that a new top-level route cannot be forgotten here.
pub const RESERVED: &[&str] = &[
    "about",
    "account",
    "admin",
    "api",
    "app",
    "apps",
    "assets",
    "backstage",
    "billing",
    "blog",
    "cdn",
    "clips",
    "creators",
    "discover",
    "docs",
    "embed",
    "experiences",
    "favicon",
    "gifts",
    "health",
    "healthz",
    "help",
    "hooks",
    "images",
    "index",
    "join",
    "legal",
    "library",
    "live",
    "login",
    "logout",
    "m",
    "me",
    "media",
    "metrics",
    "new",
    "notifications",
    "passes",
    "platform",
    "pricing",
    "privacy",
    "problems",
    "public",
    "robots",
    "search",
    "security",
    "settings",
    "sign-in",
    "sign-out",
    "sign-up",
    "signin",
    "signout",
    "signup",
    "sitemap",
    "spaces",
    "static",
    "status",
    "studio",
    "support",
    "teams",
    "terms",
    "tokens",
    "users",
    "well-known",
    "www",
];

/// Why a text is no slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotASlug {
    /// Nothing was written.
    Empty,
    /// Longer than [`SLUG_CHARS_MAX`].
    TooLong,
    /// Something else than small Latin letters, digits and single hyphens between them.
    Characters,
    /// The engine's own.
    Reserved,
}

impl NotASlug {
    /// A sentence that helps to write a better one.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "Write a short name for the address.",
            Self::TooLong => "Keep it to 64 characters.",
            Self::Characters => "Use small letters a to z, digits, and single hyphens between them.",
            Self::Reserved => "This name is kept for the site itself. Choose another.",
        }
    }
}

/// A name in an address, in its one canonical form: `[a-z0-9]+(-[a-z0-9]+)*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Takes `text` as it stands; a space's slug must also not be [`RESERVED`] (see [`Slug::for_space`]).
    ///
    /// # Errors
    /// The first reason why it is none.
    pub fn parse(text: &str) -> Result<Self, NotASlug> {
        if text.is_empty() {
            return Err(NotASlug::Empty);
        }
        if text.len() > SLUG_CHARS_MAX {
            return Err(NotASlug::TooLong);
        }
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.split('-').all(word) { Ok(Self(text.to_owned())) } else { Err(NotASlug::Characters) }
    }

    /// The name of a space, which stands first in an address and so must not be one of the engine's own.
    ///
    /// # Errors
    /// The first reason why it is none.
    pub fn for_space(text: &str) -> Result<Self, NotASlug> {
        let slug = Self::parse(text)?;
        if RESERVED.binary_search(&slug.as_str()).is_ok() { Err(NotASlug::Reserved) } else { Ok(slug) }
    }

    /// What somebody meant who typed `asked` into an address: other case, compatibility forms of the same letters, and
    /// trailing dots or blanks are forgiven. `None` when no slug could have been meant; look-alikes of other scripts are not forgiven.
    #[must_use]
    pub fn meant_by(asked: &str) -> Option<Self> {
        if asked.len() > SLUG_CHARS_MAX * 4 {
            return None;
        }
        let folded: String = asked.nfkc().collect::<String>().to_ascii_lowercase();
        let trimmed = folded.trim_matches(|c: char| c.is_whitespace()).trim_end_matches(['.', ' ']);
        Self::parse(trimmed).ok()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_names_are_sorted_and_slugs_themselves() {
        assert!(RESERVED.is_sorted(), "binary search needs order");
        for name in RESERVED {
            assert!(Slug::parse(name).is_ok(), "{name}");
            assert_eq!(Slug::for_space(name), Err(NotASlug::Reserved), "{name}");
        }
    }

    #[test]
    fn only_the_canonical_form_is_taken_at_creation() {
        for good in ["demo", "a", "9", "main-stage", "a-1-b", &"x".repeat(64)] {
            assert_eq!(Slug::parse(good).unwrap().as_str(), good);
        }
        let wrong: &[(&str, NotASlug)] = &[
            ("", NotASlug::Empty),
            ("Demo", NotASlug::Characters),
            ("demo.", NotASlug::Characters),
            ("demo ", NotASlug::Characters),
            ("-demo", NotASlug::Characters),
            ("demo-", NotASlug::Characters),
            ("de--mo", NotASlug::Characters),
            ("de_mo", NotASlug::Characters),
            ("@demo", NotASlug::Characters),
            ("..", NotASlug::Characters),
            (".well-known", NotASlug::Characters),
            ("robots.txt", NotASlug::Characters),
            ("de%6do", NotASlug::Characters),
            ("a/b", NotASlug::Characters),
            ("d\u{435}mo", NotASlug::Characters),   // Cyrillic е
            ("\u{430}dmin", NotASlug::Characters),  // Cyrillic а
            ("\u{ff44}emo", NotASlug::Characters),  // full-width d
            ("demo\u{200b}", NotASlug::Characters), // zero width
            ("\u{202e}omed", NotASlug::Characters), // right to left
            ("demo\0", NotASlug::Characters),
        ];
        for (text, why) in wrong {
            assert_eq!(Slug::parse(text), Err(*why), "{text:?}");
        }
        assert_eq!(Slug::parse(&"x".repeat(65)), Err(NotASlug::TooLong));
    }

    #[test]
    fn every_form_of_one_name_leads_to_the_same_slug_and_look_alikes_to_none() {
        for form in ["demo", "Demo", "DEMO", "demo.", "demo ", " demo", "demo. .", "\u{ff44}\u{ff45}mo"] {
            assert_eq!(Slug::meant_by(form).map(|s| s.to_string()).as_deref(), Some("demo"), "{form:?}");
        }
        for form in
            ["d\u{435}mo", "demo\u{200b}", "\u{202e}demo", "de mo", "..", ".", "", "demo/..", "%64emo", "d\u{e9}mo"]
        {
            assert_eq!(Slug::meant_by(form), None, "{form:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_meant_is_always_a_slug_and_means_itself(asked in ".{0,80}") {
            if let Some(slug) = Slug::meant_by(&asked) {
                proptest::prop_assert_eq!(Slug::parse(slug.as_str()).unwrap(), slug.clone());
                proptest::prop_assert_eq!(Slug::meant_by(slug.as_str()).unwrap(), slug);
            }
        }
    }
}
