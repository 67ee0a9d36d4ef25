//! Whether a media token is good, and how a webhook is signed: HS256 by key and secret.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits;

/// The name of a key and its secret.
#[derive(Clone)]
pub struct Key {
    /// Public name, `iss` of its tokens.
    pub name: String,
    /// What signs.
    pub secret: String,
}

/// What a token says, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// Key it is signed with.
    pub iss: String,
    /// Identity.
    pub sub: String,
    /// Unix seconds; a token without is refused.
    pub exp: Option<i64>,
    /// Unix seconds.
    pub nbf: Option<i64>,
    /// Display name.
    pub name: String,
    /// Free text of the app.
    pub metadata: String,
    /// Free pairs of the app.
    pub attributes: HashMap<String, String>,
    /// What it permits.
    pub video: Option<VideoGrant>,
}

/// What a token permits; absent flags take the server's defaults.
#[expect(clippy::struct_excessive_bools, reason = "the flags are the provider's own")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    /// Create and delete rooms.
    pub room_create: bool,
    /// List rooms.
    pub room_list: bool,
    /// Rule the participants of `room`.
    pub room_admin: bool,
    /// Join `room`.
    pub room_join: bool,
    /// The room it is about.
    pub room: String,
    /// Default true.
    pub can_publish: Option<bool>,
    /// Default true.
    pub can_subscribe: Option<bool>,
    /// Default: as `can_publish`.
    pub can_publish_data: Option<bool>,
    /// Narrows what may be published; empty: everything.
    pub can_publish_sources: Vec<String>,
    /// Default false.
    pub can_update_own_metadata: Option<bool>,
    /// Not seen by others.
    pub hidden: bool,
}

/// Why a token is refused, in the real server's words.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a token of this form.
    Malformed,
    /// Signed with a key nobody here knows.
    UnknownKey,
    /// Signature, time or algorithm is wrong.
    Invalid(&'static str),
}

impl Refusal {
    /// The text the real server answers with.
    pub fn text(&self) -> String {
        match self {
            Self::Malformed => "invalid authorization token".to_owned(),
            Self::UnknownKey => "invalid API key".to_owned(),
            Self::Invalid(why) => format!("invalid authorization token: {why}"),
        }
    }
}

/// Judges `token` at `now_secs`: signature, times with 60 seconds of leeway, and that it ends at all.
pub fn verify(now_secs: i64, key: &Key, token: &str) -> Result<Claims, Refusal> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed);
    };
    let algorithm: Algorithm = decode(header)?;
    if algorithm.alg != "HS256" {
        return Err(Refusal::Malformed);
    }
    let told: Claims = decode(claims)?;
    if told.iss != key.name {
        return Err(Refusal::UnknownKey);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Malformed)?;
    let mut mac = keyed(key);
    mac.update(header.as_bytes());
    mac.update(b".");
    mac.update(claims.as_bytes());
    mac.verify_slice(&signature).map_err(|_| Refusal::Invalid("token signature is invalid: signature is invalid"))?;
    let Some(exp) = told.exp else {
        return Err(Refusal::Invalid("token has invalid claims: exp claim is required"));
    };
    if now_secs >= exp.saturating_add(limits::TOKEN_LEEWAY_SECS) {
        return Err(Refusal::Invalid("token has invalid claims: token is expired"));
    }
    if told.nbf.is_some_and(|nbf| now_secs < nbf.saturating_sub(limits::TOKEN_LEEWAY_SECS)) {
        return Err(Refusal::Invalid("token has invalid claims: token is not valid yet"));
    }
    Ok(told)
}

/// The value of `Authorization` for a webhook with this body.
pub fn sign_webhook(now_secs: i64, key: &Key, body: &[u8]) -> String {
    let claims = serde_json::json!({
        "iss": key.name,
        "exp": now_secs + limits::WEBHOOK_TOKEN_SECS,
        "nbf": now_secs,
        "iat": now_secs,
        "sha256": STANDARD.encode(Sha256::digest(body)),
    });
    sign(key, &claims)
}

/// A token with these claims.
pub fn sign(key: &Key, claims: &impl Serialize) -> String {
    let claims = serde_json::to_vec(claims).expect("claims are plain JSON");
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let told = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let mut mac = keyed(key);
    mac.update(told.as_bytes());
    format!("{told}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[derive(Deserialize)]
struct Algorithm {
    alg: String,
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

fn keyed(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.secret.as_bytes()).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::{AccessToken, TokenVerifier, VideoGrants};

    use super::*;

    const NOW: i64 = 1_795_265_384;

    fn key() -> Key {
        Key { name: "backstage-local".to_owned(), secret: "a secret of at least thirty-two letters".to_owned() }
    }

    fn claims(exp: Option<i64>) -> Claims {
        Claims { iss: key().name, sub: "fan".to_owned(), exp, ..Claims::default() }
    }

    #[test]
    fn a_token_of_the_official_library_is_understood() {
        let grants = VideoGrants {
            room_join: true,
            room: "show".to_owned(),
            can_publish: Some(false),
            can_publish_sources: vec!["camera".to_owned()],
            ..VideoGrants::default()
        };
        let token = AccessToken::with_api_key(&key().name, &key().secret)
            .with_identity("fan")
            .with_name("A fan")
            .with_grants(grants)
            .to_jwt()
            .unwrap();
        let told = verify(crate::clock::Clock::new(0).now_ms() / 1_000, &key(), &token).unwrap();
        let video = told.video.unwrap();
        assert_eq!((told.sub.as_str(), told.name.as_str(), video.room.as_str()), ("fan", "A fan", "show"));
        assert!(video.room_join && !video.room_admin);
        assert_eq!((video.can_publish, video.can_subscribe), (Some(false), None));
        assert_eq!(video.can_publish_sources, ["camera"]);
    }

    #[test]
    fn a_token_is_taken_until_sixty_seconds_after_its_end() {
        let token = sign(&key(), &claims(Some(NOW)));
        assert!(verify(NOW + 59, &key(), &token).is_ok());
        let late = verify(NOW + 60, &key(), &token);
        assert_eq!(late, Err(Refusal::Invalid("token has invalid claims: token is expired")));
    }

    #[test]
    fn each_bad_token_is_refused_for_its_own_reason() {
        let good = sign(&key(), &claims(Some(NOW + 60)));
        let other = Key { secret: "another secret".to_owned(), ..key() };
        let stranger = Key { name: "stranger".to_owned(), ..key() };
        let none = format!("{}.e30.", URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#));
        let forged = Refusal::Invalid("token signature is invalid: signature is invalid");
        assert_eq!(verify(NOW, &other, &good), Err(forged));
        assert_eq!(verify(NOW, &stranger, &good), Err(Refusal::UnknownKey));
        assert_eq!(verify(NOW, &key(), &none), Err(Refusal::Malformed));
        assert_eq!(verify(NOW, &key(), "nonsense"), Err(Refusal::Malformed));
        let endless = verify(NOW, &key(), &sign(&key(), &claims(None)));
        assert_eq!(endless, Err(Refusal::Invalid("token has invalid claims: exp claim is required")));
    }

    #[test]
    fn the_official_verifier_takes_the_signature_of_a_webhook() {
        let now = crate::clock::Clock::new(0).now_ms() / 1_000;
        let token = sign_webhook(now, &key(), b"body");
        let told = TokenVerifier::with_api_key(&key().name, &key().secret).verify(&token).unwrap();
        assert_eq!(told.sha256, STANDARD.encode(Sha256::digest(b"body")));
    }
}
