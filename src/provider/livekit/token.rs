//! Tokens for the media server. What a token does not say the server allows, so ours say what they forbid.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_api::access_token::VideoGrants;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::clock::Timestamp;

/// The key with which tokens and webhooks are signed.
#[derive(Clone, Debug)]
pub struct MediaKey {
    /// The key's name.
    pub key: String,
    /// Its secret.
    pub secret: SecretString,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    exp: i64,
    nbf: i64,
    iss: &'a str,
    sub: &'a str,
    video: VideoGrants,
}

/// A token with which `identity` may watch `room` and nothing else, for `ttl`.
#[must_use]
pub fn viewer_token(key: &MediaKey, now: Timestamp, ttl: Duration, room: &str, identity: &str) -> String {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_subscribe: Some(true),
        can_publish: Some(false),
        can_publish_data: Some(false),
        can_update_own_metadata: Some(false),
        hidden: true,
        ..VideoGrants::default()
    };
    sign(key, now, ttl, identity, grants)
}

/// A token with which `identity` may send camera, microphone and screen into `room`, for `ttl`.
#[must_use]
pub fn publisher_token(key: &MediaKey, now: Timestamp, ttl: Duration, room: &str, identity: &str) -> String {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_subscribe: Some(false),
        can_publish: Some(true),
        can_publish_data: Some(false),
        can_publish_sources: ["camera", "microphone", "screen_share", "screen_share_audio"].map(str::to_owned).to_vec(),
        can_update_own_metadata: Some(false),
        ..VideoGrants::default()
    };
    sign(key, now, ttl, identity, grants)
}

fn sign(key: &MediaKey, now: Timestamp, ttl: Duration, identity: &str, video: VideoGrants) -> String {
    let now_secs = now.0.div_euclid(1000);
    let exp = now_secs.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
    let claims = Claims { exp, nbf: now_secs, iss: &key.key, sub: identity, video };
    let secret = EncodingKey::from_secret(key.secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret)
        .expect("plain claims always encode, and HMAC takes keys of any length")
}
