//! The one form of an e-mail address: what accounts are found by is exactly where mail goes, so no look-alike opens another's account.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::limits::{ADDRESS_BYTES_MAX, ADDRESS_LOCAL_BYTES_MAX};

/// An address in its one form: ASCII, lower case, the domain as DNS has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Why a text is no address for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than mail allows.
    TooLong,
    /// A line break or another control character, which no honest form sends.
    ControlCharacter,
    /// Not of the form `name@host.example`.
    NotAnAddress,
}

impl Address {
    /// Reads what somebody typed. Compatibility forms (full-width letters) and capitals fold; letters outside ASCII before the `@`
    /// are refused, since mail servers disagree about them; an international domain becomes its ASCII form.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        if typed.len() > ADDRESS_BYTES_MAX * 4 {
            return Err(Refusal::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return Err(Refusal::ControlCharacter);
        }
        let folded: String = typed.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let (local, domain) = folded.rsplit_once('@').ok_or(Refusal::NotAnAddress)?;
        if !is_local_part(local) {
            return Err(Refusal::NotAnAddress);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| Refusal::NotAnAddress)?;
        if !is_host(&domain) {
            return Err(Refusal::NotAnAddress);
        }
        if local.len() > ADDRESS_LOCAL_BYTES_MAX || local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The one form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A dot-atom of RFC 5322; quoted forms are refused.
fn is_local_part(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    })
}

/// At least two labels, the last of which is no number: mail does not go to bare addresses of machines.
fn is_host(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let last = labels.next().unwrap_or_default();
    labels.next().is_some() && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn survive_131_unicode_twins_fold_to_one_address_or_are_refused() {
        for (typed, form) in [
            ("Ann@Example.COM", Ok("ann@example.com")),
            ("  ann@example.com ", Ok("ann@example.com")),
            ("\u{ff41}nn@example.com", Ok("ann@example.com")),
            ("ann@\u{ff45}xample.com", Ok("ann@example.com")),
            ("ann@example\u{3002}com", Ok("ann@example.com")),
            ("\u{212a}im@example.com", Ok("kim@example.com")),
            ("ann@b\u{fc}cher.example", Ok("ann@xn--bcher-kva.example")),
            ("ann@xn--bcher-kva.example", Ok("ann@xn--bcher-kva.example")),
            ("a.nn@example.com", Ok("a.nn@example.com")),
            ("adm\u{131}n@example.com", Err(Refusal::NotAnAddress)),
            ("ADM\u{130}N@example.com", Err(Refusal::NotAnAddress)),
            ("\u{430}nn@example.com", Err(Refusal::NotAnAddress)),
            ("a\u{200b}nn@example.com", Err(Refusal::NotAnAddress)),
        ] {
            assert_eq!(Address::parse(typed).as_ref().map(Address::as_str), form.as_ref().copied(), "{typed:?}");
        }
    }

    #[test]
    fn survive_124_an_address_cannot_carry_a_header() {
        for typed in ["a@b.example\r\nBcc: c@d.example", "a@b.example\nBcc: x", "a\0@b.example", "a@b.example\u{85}x"] {
            assert_eq!(Address::parse(typed), Err(Refusal::ControlCharacter), "{typed:?}");
        }
        for typed in ["a@b.example, c@d.example", "<a@b.example>", "\"a b\"@c.example", "a@b@c.example", "a @b.example"]
        {
            assert_eq!(Address::parse(typed), Err(Refusal::NotAnAddress), "{typed:?}");
        }
    }

    #[test]
    fn what_mail_cannot_reach_is_refused() {
        for typed in [
            "",
            "@",
            "a@",
            "@b.example",
            "a@b",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a..b@c.example",
            ".a@b.example",
            "a@-b.example",
        ] {
            assert_eq!(Address::parse(typed), Err(Refusal::NotAnAddress), "{typed:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b.example", "a".repeat(65))), Err(Refusal::TooLong));
        assert_eq!(Address::parse(&format!("a@{}.example", "b".repeat(2000))), Err(Refusal::TooLong));
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself_and_is_plain(typed in "\\PC{0,20}@\\PC{0,12}\\.[a-zA-Z]{2,5}") {
            if let Ok(address) = Address::parse(&typed) {
                prop_assert_eq!(Address::parse(address.as_str()), Ok(address.clone()));
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()));
                prop_assert_eq!(Address::parse(&typed.to_uppercase()).map_or(true, |upper| upper == address), true);
            }
        }
    }
}
