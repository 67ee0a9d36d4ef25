//! How the media server delivers its events: in order within a room, signed once, tried at 0, 1, 3, 7 and 15 s, then lost.

use super::token::{Key, sign_webhook};
use crate::courier::{Address, Headers, Manner, Verdict};
use crate::limits;

/// The manner of the media server.
pub fn manner() -> Manner {
    Manner {
        provider: "livekit",
        agent: "Go-http-client/1.1",
        pauses: &limits::WEBHOOK_PAUSES,
        age_max: Some(limits::WEBHOOK_AGE_MAX),
        in_order: true,
        receipts: false,
        judge,
        seal,
    }
}

/// Where the events of a room go.
pub fn addresses(urls: &[String], room: &str, key: &Key) -> Vec<Address> {
    let address = |url: &String| Address {
        url: url.clone(),
        line: room.to_owned(),
        receiver: key.name.clone(),
        secret: key.secret.clone(),
    };
    urls.iter().map(address).collect()
}

fn judge(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        429 | 500 | 502..=599 => Verdict::Again,
        _ => Verdict::Refused,
    }
}

fn seal(now_secs: i64, address: &Address, body: &[u8]) -> Headers {
    let key = Key { name: address.receiver.clone(), secret: address.secret.clone() };
    vec![("Authorization", sign_webhook(now_secs, &key, body)), ("Content-Type", "application/webhook+json".to_owned())]
}
