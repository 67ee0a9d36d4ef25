//! Seals what the database keeps secret, and signs what we hand out, with keys made from one configured key.

use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::entropy::{Entropy, random_bytes};

const NONCE_BYTES: usize = 24;

/// What a key is for; each purpose has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Hashes of e-mail addresses, codes and browser secrets.
    LoginCode,
    /// Session and API tokens as the database keeps them.
    Token,
    /// Tokens against cross-site requests.
    Csrf,
    /// Tickets with which a viewer comes back to its place.
    Resume,
    /// Tickets with which a socket says who it is.
    LiveTicket,
    /// Payloads of jobs that carry a secret, such as a sign-in code.
    JobPayload,
    /// Answers kept for requests that are sent again.
    KeptReply,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::LoginCode => b"login-code",
            Self::Token => b"token",
            Self::Csrf => b"csrf",
            Self::Resume => b"resume",
            Self::LiveTicket => b"live-ticket",
            Self::JobPayload => b"job-payload",
            Self::KeptReply => b"kept-reply",
        }
    }
}

/// A sealed text that was altered, or sealed with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed with another key, or altered")]
pub struct NotSealedByUs;

/// The configured key and what is derived from it (HMAC-SHA-256 of the purpose).
#[derive(Clone)]
pub struct KeyRing([u8; 32]);

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(secret)")
    }
}

impl KeyRing {
    /// A ring on this root key.
    #[must_use]
    pub fn new(root: [u8; 32]) -> Self {
        Self(root)
    }

    fn key(&self, purpose: Purpose) -> [u8; 32] {
        mac(&self.0, &[purpose.label()])
    }

    /// An authenticator of `parts`, each with its length, under the key of `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.key(purpose), parts)
    }

    /// Whether `signature` is ours for `parts`; takes the same time for every wrong one.
    #[must_use]
    pub fn verifies(&self, purpose: Purpose, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.sign(purpose, parts).ct_eq(signature).into()
    }

    /// Encrypts and authenticates `clear`; the nonce stands in front.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, entropy: &dyn Entropy, clear: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>(entropy);
        let mut body = clear.to_vec();
        let cipher = XChaCha20Poly1305::new(&self.key(purpose).into());
        cipher
            .encrypt_in_place(&XNonce::from(nonce), purpose.label(), &mut body)
            .expect("a text that fits into memory is shorter than the cipher's limit");
        [nonce.as_slice(), &body].concat()
    }

    /// Gives back what [`KeyRing::seal`] took.
    ///
    /// # Errors
    /// When it was altered or sealed under another key or purpose.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, NotSealedByUs> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(NotSealedByUs)?;
        let mut clear = body.to_vec();
        XChaCha20Poly1305::new(&self.key(purpose).into())
            .decrypt_in_place(&XNonce::from(*nonce), purpose.label(), &mut clear)
            .map_err(|_| NotSealedByUs)?;
        Ok(clear)
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn what_was_sealed_opens_only_whole_and_for_its_purpose() {
        let ring = KeyRing::new([7; 32]);
        let sealed = ring.seal(Purpose::JobPayload, &SystemEntropy, b"123456");
        assert_eq!(ring.open(Purpose::JobPayload, &sealed).unwrap(), b"123456");
        assert_eq!(ring.open(Purpose::LoginCode, &sealed), Err(NotSealedByUs));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(ring.open(Purpose::JobPayload, &altered), Err(NotSealedByUs), "byte {at}");
        }
    }

    #[test]
    fn parts_cannot_be_moved_across_their_border() {
        let ring = KeyRing::new([7; 32]);
        let signature = ring.sign(Purpose::Resume, &[b"ab", b"c"]);
        assert!(ring.verifies(Purpose::Resume, &[b"ab", b"c"], &signature));
        assert!(!ring.verifies(Purpose::Resume, &[b"a", b"bc"], &signature));
    }
}
