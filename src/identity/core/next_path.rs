//! Where signing in leads: a path of ours, never another site.

use crate::limits::NEXT_PATH_BYTES_MAX;

/// Where somebody lands who was on the way to nowhere in particular.
pub const HOME: &str = "/account/purchased_spaces";

/// The path when it is one of ours, else [`HOME`]. Browsers read `\` as `/` and drop tabs and line breaks, so texts with those are
/// not paths; `//host` is another site.
#[must_use]
pub fn checked(asked: &str) -> String {
    let mut bytes = asked.bytes();
    let rooted = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let fits = asked.len() <= NEXT_PATH_BYTES_MAX && !asked.starts_with("/login") && !asked.starts_with("/logout");
    if rooted && plain && fits { asked.to_owned() } else { HOME.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survive_147_only_paths_of_ours_are_followed() {
        for path in ["/", "/demo", "/account/purchased_spaces/demo/experiences/main-stage?x=1#y", "/@ann"] {
            assert_eq!(checked(path), path);
        }
        for evil in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\/evil",
            "https://evil.example",
            "https:/\\/evil",
            "good@evil",
            "\tjavascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/login?next=/",
            "/%0d%0a/\u{e9}",
        ] {
            assert_eq!(checked(evil), HOME, "{evil:?}");
        }
    }
}
