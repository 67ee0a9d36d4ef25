//! Rules for what people write into fields, and how a wrong one is told.

use serde::{Deserialize, Deserializer, Serialize};

use super::slug::{NotASlug, Slug};

/// A field that needs another look, and a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrongField {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What to do about it.
    pub message: String,
}

/// Collects every wrong field, so that a person mends all of them at once.
#[derive(Debug, Default)]
pub struct Check(Vec<WrongField>);

impl Check {
    /// Nothing looked at yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `field` is wrong.
    pub fn wrong(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(WrongField { field, message: message.into() });
    }

    /// A line that must hold something: trimmed, at most `chars_max` characters, nothing invisible.
    pub fn line(&mut self, field: &'static str, text: &str, chars_max: usize) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.wrong(field, "This cannot be empty.");
        } else if text.chars().count() > chars_max {
            self.wrong(field, format!("Keep it to {chars_max} characters."));
        } else if text.chars().any(is_invisible) {
            self.wrong(field, "This holds invisible characters. Type it again.");
        }
        text.to_owned()
    }

    /// Notes that a field that must be there is not.
    pub fn missing<T>(&mut self, field: &'static str) -> Option<T> {
        self.wrong(field, "This is needed.");
        None
    }

    /// A line that must hold something: the new text, else what stood there.
    pub fn needed_line(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        before: Option<&String>,
        chars_max: usize,
    ) -> String {
        match (text, before) {
            (Some(text), _) => self.line(field, text, chars_max),
            (None, Some(before)) => before.clone(),
            (None, None) => self.missing::<String>(field).unwrap_or_default(),
        }
    }

    /// One of a few words; an unknown one is noted with the words there are.
    pub fn word<W: Copy>(&mut self, field: &'static str, text: Option<&str>, words: &[(W, &str)]) -> Option<W> {
        let text = text?;
        let found = words.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(_, word)| *word).collect();
            self.wrong(field, format!("Choose one of {}.", known.join(", ")));
        }
        found
    }

    /// A line that may be missing; blanks alone are the same as nothing.
    pub fn optional_line(&mut self, field: &'static str, text: Option<&str>, chars_max: usize) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        Some(self.line(field, text, chars_max))
    }

    /// A text of several lines that may be missing; line ends become `\n`.
    pub fn optional_text(&mut self, field: &'static str, text: Option<&str>, chars_max: usize) -> Option<String> {
        let text = text.map(|text| text.trim().replace("\r\n", "\n")).filter(|text| !text.is_empty())?;
        if text.chars().count() > chars_max {
            self.wrong(field, format!("Keep it to {chars_max} characters."));
        } else if text.chars().any(|c| c != '\n' && c != '\t' && is_invisible(c)) {
            self.wrong(field, "This holds invisible characters. Type it again.");
        }
        Some(text)
    }

    /// A number within bounds, both included, as the type that keeps it.
    pub fn number<N: TryFrom<i64> + Default>(
        &mut self,
        field: &'static str,
        number: i64,
        (low, high): (i64, i64),
    ) -> N {
        if !(low..=high).contains(&number) {
            self.wrong(field, format!("Choose a number from {low} to {high}."));
            return N::default();
        }
        N::try_from(number).unwrap_or_default()
    }

    /// A slug as `parse` takes it; `None` is noted as wrong.
    pub fn slug(&mut self, text: &str, parse: impl FnOnce(&str) -> Result<Slug, NotASlug>) -> Option<Slug> {
        match parse(text) {
            Ok(slug) => Some(slug),
            Err(why) => {
                self.wrong("slug", why.sentence());
                None
            }
        }
    }

    /// `value` when nothing was wrong.
    ///
    /// # Errors
    /// All wrong fields.
    pub fn done<T>(self, value: T) -> Result<T, Vec<WrongField>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

impl Check {
    /// The one value that `None` stands against, when nothing was wrong; a `None` has been noted as wrong before.
    ///
    /// # Errors
    /// All wrong fields.
    pub fn whole<T>(self, value: Option<T>) -> Result<T, Vec<WrongField>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// Reads a field that may be absent (`None`), `null` (`Some(None)`) or there.
///
/// # Errors
/// When the value is of another type.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Makes an enum of a few words, each with its form on the wire and in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// Every one with its word.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$word, $text),)*];

            /// The word on the wire and in the database.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// The one with this word.
            #[must_use]
            pub fn of(text: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, word)| *word == text).map(|(value, _)| *value)
            }
        }
    };
}
pub(crate) use words;

/// Control characters, and format characters that hide or turn what is written.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut check = Check::new();
        check.line("name", "  ", 10);
        check.optional_text("description", Some("far too long"), 3);
        let _: i32 = check.number("grace", 7, (0, 5));
        let wrong = check.done(()).unwrap_err();
        assert_eq!(wrong.iter().map(|w| w.field).collect::<Vec<_>>(), ["name", "description", "grace"]);
    }

    #[test]
    fn text_is_trimmed_and_blanks_are_nothing() {
        let mut check = Check::new();
        assert_eq!(check.line("name", " Main Stage ", 20), "Main Stage");
        assert_eq!(check.optional_line("tagline", Some("  "), 20), None);
        assert_eq!(check.optional_text("description", Some("a\r\nb\n"), 20).as_deref(), Some("a\nb"));
        assert_eq!(check.done(()), Ok(()));
    }

    #[test]
    fn letters_that_turn_or_hide_a_name_are_refused() {
        for name in ["a\u{202e}b", "a\u{200b}b", "a\0b", "a\nb", "a\u{2066}b"] {
            let mut check = Check::new();
            check.line("name", name, 20);
            assert!(check.done(()).is_err(), "{name:?}");
        }
        let mut check = Check::new();
        check.line("name", "L’été 🎸 日本", 20);
        assert_eq!(check.done(()), Ok(()));
    }
}
