//! The media server's webhooks: verified on the raw body, read leniently, and cut down to what we use.
//!
//! A raw body holds a credential (`turnPassword`), so it is neither logged nor kept. An unknown enum value would make the
//! generated types refuse the whole event, so only our fields are read.

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::token::MediaKey;
use crate::{
    clock::Timestamp,
    limits::HOOK_LEEWAY,
    live::media::{Hook, HookKind},
};

/// Why a webhook is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// Not signed by our key, for another body, or too long ago.
    #[error("the signature is not good for this body")]
    BadSignature,
    /// Signed, but not an event.
    #[error("the body is not an event")]
    Malformed,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    #[serde(default)]
    nbf: i64,
    iss: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Body {
    event: String,
    id: String,
    #[serde(default)]
    room: Named,
    #[serde(default)]
    participant: Named,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    identity: String,
    kind: serde_json::Value,
}

/// Verifies a webhook's signature over its raw body and gives back what it says.
///
/// # Errors
/// [`HookRefusal`]; nothing of the body may be believed then.
pub fn read_hook(key: &MediaKey, now: Timestamp, authorization: &str, body: &[u8]) -> Result<Hook, HookRefusal> {
    let mut validation = Validation::new(Algorithm::HS256);
    // times are checked below, by our own clock
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let secret = DecodingKey::from_secret(key.secret.expose_secret().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(authorization, &secret, &validation)
        .map_err(|_| HookRefusal::BadSignature)?
        .claims;
    let (now_secs, leeway) = (now.0.div_euclid(1000), i64::try_from(HOOK_LEEWAY.as_secs()).unwrap_or(0));
    let told = STANDARD.decode(&claims.sha256).map_err(|_| HookRefusal::BadSignature)?;
    let same_body: bool = Sha256::digest(body)[..].ct_eq(&told).into();
    if !same_body || claims.iss != key.key || now_secs > claims.exp + leeway || now_secs + leeway < claims.nbf {
        return Err(HookRefusal::BadSignature);
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| HookRefusal::Malformed)?;
    let encoder = body.participant.kind == "INGRESS" || body.participant.kind == 1;
    let kind = match body.event.as_str() {
        "room_started" => HookKind::RoomStarted,
        "room_finished" => HookKind::RoomFinished,
        "participant_joined" => HookKind::Joined,
        "participant_left" | "participant_connection_aborted" => HookKind::Left,
        "track_published" => HookKind::Published { encoder },
        "track_unpublished" => HookKind::Unpublished,
        _ => HookKind::Other,
    };
    Ok(Hook { id: body.id, kind, name: body.event, room: body.room.name, identity: body.participant.identity })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_262_400_000);
    const BODY: &[u8] = br#"{"event": "participant_joined", "id": "EV_1", "room": {"name": "bc_1", "turnPassword": "x"}, "participant": {"identity": "usr_1:tv", "kind": "SOMETHING_NEW"}}"#;

    fn key() -> MediaKey {
        MediaKey { key: "house".into(), secret: "a-secret-of-at-least-thirty-two-bytes".to_owned().into() }
    }

    fn signed(issuer: &str, secret: &str, exp_secs: i64, body: &[u8]) -> String {
        let claims = json!({"iss": issuer, "exp": exp_secs, "nbf": 0, "sha256": STANDARD.encode(Sha256::digest(body))});
        let secret = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap()
    }

    #[test]
    fn a_signed_event_with_unknown_words_is_read() {
        let token = signed("house", "a-secret-of-at-least-thirty-two-bytes", NOW.0 / 1000 + 300, BODY);
        let hook = read_hook(&key(), NOW, &token, BODY).unwrap();
        assert_eq!((hook.kind, hook.room.as_str(), hook.identity.as_str()), (HookKind::Joined, "bc_1", "usr_1:tv"));
    }

    #[test]
    fn survive_041_a_forged_or_altered_webhook_changes_nothing() {
        let secret = "a-secret-of-at-least-thirty-two-bytes";
        let good = signed("house", secret, NOW.0 / 1000 + 300, BODY);
        let mut altered = BODY.to_vec();
        altered[30] ^= 1;
        let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
        let table = [
            ("no token", String::new(), BODY),
            ("a Bearer prefix", format!("Bearer {good}"), BODY),
            ("another secret", signed("house", "another-secret-another-secret-xx", NOW.0 / 1000 + 300, BODY), BODY),
            ("another issuer", signed("other", secret, NOW.0 / 1000 + 300, BODY), BODY),
            ("long over", signed("house", secret, NOW.0 / 1000 - 61, BODY), BODY),
            ("no algorithm", none, BODY),
            ("another body", good, &altered),
        ];
        for (what, token, body) in table {
            assert_eq!(read_hook(&key(), NOW, &token, body).unwrap_err(), HookRefusal::BadSignature, "{what}");
        }
    }
}
