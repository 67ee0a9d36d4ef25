//! How long a signed-in browser stays signed in, and what its device is called in the list of devices.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    limits::{SESSION_IDLE, SESSION_SEEN_EVERY, SESSION_WHOLE},
};

/// When a session ends that was made at `created_at` and is used at `now`: idle time slides, the whole does not.
#[must_use]
pub fn expires_at(now: Timestamp, created_at: Timestamp) -> Timestamp {
    now.plus(SESSION_IDLE).min(created_at.plus(SESSION_WHOLE))
}

/// Whether the database should hear that this session is still in use.
#[must_use]
pub fn is_seen_anew(now: Timestamp, seen_at: Timestamp) -> bool {
    now.since(seen_at) >= SESSION_SEEN_EVERY
}

/// How long the browser keeps the cookie: the whole life of the session, since the engine ends idle ones itself.
#[must_use]
pub fn cookie_lasts() -> Duration {
    SESSION_WHOLE
}

const BROWSERS: [(&str, &str); 6] = [
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("chrom", "Chrome"),
    ("safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("mac os", "Mac"),
    ("linux", "Linux"),
];

/// What the list of devices shows for a browser that calls itself `user_agent`; never the text itself.
#[must_use]
pub fn device_label(user_agent: Option<&str>) -> String {
    let agent = user_agent.unwrap_or_default().to_ascii_lowercase();
    let named = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, n)| *n);
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Another device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_use_slides_but_not_beyond_its_whole_life() {
        let born = Timestamp(0);
        assert_eq!(expires_at(born, born), born.plus(SESSION_IDLE));
        let late = born.plus(SESSION_WHOLE).minus(Duration::from_secs(60));
        assert_eq!(expires_at(late, born), born.plus(SESSION_WHOLE));
    }

    #[test]
    fn a_device_is_named_by_browser_and_system() {
        for (agent, label) in [
            (Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"), "Chrome on Linux"),
            (
                Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1"),
                "Safari on iPhone",
            ),
            (Some("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/121.0"), "Firefox on Windows"),
            (Some("curl/8.0"), "Another device"),
            (None, "Another device"),
        ] {
            assert_eq!(device_label(agent), label);
        }
    }
}
