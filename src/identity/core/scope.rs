//! What an API token may be used for. A signed-in browser has no scopes: it may do whatever the person may.

use std::{fmt, str::FromStr};

/// One thing a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything the person may do, tokens and sessions included.
    All,
    /// Reading.
    Read,
    /// Reading and changing, but not tokens, sessions or members.
    Write,
    /// Entering live experiences as a viewer.
    Live,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::All, Self::Read, Self::Write, Self::Live];

    /// The word on the wire and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Read => "read",
            Self::Write => "write",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope; there are all, read, write and live")]
pub struct NotAScope(pub String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(word: &str) -> Result<Self, NotAScope> {
        Self::ALL.into_iter().find(|scope| scope.word() == word).ok_or_else(|| NotAScope(word.to_owned()))
    }
}

/// The scopes of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These scopes; none given means [`Scope::All`].
    #[must_use]
    pub fn new(given: Vec<Scope>) -> Self {
        if given.is_empty() { Self(vec![Scope::All]) } else { Self(given) }
    }

    /// Reads the words of the database; a word this version does not know gives nothing.
    #[must_use]
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self(words.into_iter().filter_map(|word| word.parse().ok()).collect())
    }

    /// The words for the wire and the database.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether they cover `wanted`.
    #[must_use]
    pub fn cover(&self, wanted: Scope) -> bool {
        self.0.iter().any(|held| match held {
            Scope::All => true,
            Scope::Write => matches!(wanted, Scope::Read | Scope::Write),
            Scope::Read => wanted == Scope::Read,
            Scope::Live => wanted == Scope::Live,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_covers_its_scopes_and_what_they_imply() {
        for (held, covered) in
            [("all", "all read write live"), ("read", "read"), ("write", "read write"), ("live", "live"), ("odd", "")]
        {
            let scopes = Scopes::from_words([held]);
            let covers: Vec<_> = Scope::ALL.into_iter().filter(|s| scopes.cover(*s)).map(Scope::word).collect();
            assert_eq!(covers.join(" "), covered, "{held}");
        }
    }

    #[test]
    fn a_token_made_without_a_scope_may_do_everything() {
        assert!(Scopes::new(vec![]).cover(Scope::All));
    }
}
