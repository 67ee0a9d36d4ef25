//! Two kinds of ticket of ours, both signed and never stored: one says who opens a socket, one brings a viewer back to its place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    clock::Timestamp,
    ids::{ExperienceId, UserId, ViewerId},
    keys::{KeyRing, Purpose},
};

/// A ticket with which `user` may open a socket of `experience` until `expires_at`.
#[must_use]
pub fn live_ticket(ring: &KeyRing, user: UserId, experience: ExperienceId, expires_at: Timestamp) -> String {
    let until = expires_at.0.to_string();
    let signature = ring.sign(Purpose::LiveTicket, &[user.0.as_bytes(), experience.0.as_bytes(), until.as_bytes()]);
    format!("{user}.{until}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Whose ticket this is, if it is ours, for this experience, and not over.
#[must_use]
pub fn read_live_ticket(ring: &KeyRing, now: Timestamp, experience: ExperienceId, ticket: &str) -> Option<UserId> {
    let mut parts = ticket.split('.');
    let (user, until, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let user: UserId = user.parse().ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = [user.0.as_bytes().as_slice(), experience.0.as_bytes(), until.as_bytes()];
    let good = parts.next().is_none() && ring.verifies(Purpose::LiveTicket, &signed, &signature);
    (good && now.0 < until.parse().ok()?).then_some(user)
}

/// The secret with which a viewer comes back to its place.
#[must_use]
pub fn resume_secret(ring: &KeyRing, viewer: ViewerId, user: UserId, experience: ExperienceId) -> String {
    let parts = [viewer.0.as_bytes().as_slice(), user.0.as_bytes(), experience.0.as_bytes()];
    URL_SAFE_NO_PAD.encode(ring.sign(Purpose::Resume, &parts))
}

/// Whether `secret` brings this person back to this place.
#[must_use]
pub fn resumes(ring: &KeyRing, viewer: ViewerId, user: UserId, experience: ExperienceId, secret: &str) -> bool {
    let parts = [viewer.0.as_bytes().as_slice(), user.0.as_bytes(), experience.0.as_bytes()];
    URL_SAFE_NO_PAD.decode(secret).is_ok_and(|secret| ring.verifies(Purpose::Resume, &parts, &secret))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn ring() -> KeyRing {
        KeyRing::new([3; 32])
    }

    #[test]
    fn a_ticket_opens_its_own_experience_until_it_is_over() {
        let (user, here, there) =
            (UserId(Uuid::from_u128(1)), ExperienceId(Uuid::from_u128(2)), ExperienceId(Uuid::from_u128(3)));
        let ticket = live_ticket(&ring(), user, here, Timestamp(NOW.0 + 1));
        assert_eq!(read_live_ticket(&ring(), NOW, here, &ticket), Some(user));
        assert_eq!(read_live_ticket(&ring(), Timestamp(NOW.0 + 1), here, &ticket), None, "over");
        assert_eq!(read_live_ticket(&ring(), NOW, there, &ticket), None, "another experience");
        let later = ticket.replace(&(NOW.0 + 1).to_string(), &(NOW.0 + 9).to_string());
        assert_eq!(read_live_ticket(&ring(), NOW, here, &later), None, "altered");
        assert_eq!(read_live_ticket(&KeyRing::new([4; 32]), NOW, here, &ticket), None, "another key");
        for garbage in ["", ".", "..", "usr_1.1.x", &format!("{ticket}.x")] {
            assert_eq!(read_live_ticket(&ring(), NOW, here, garbage), None, "{garbage}");
        }
    }

    #[test]
    fn a_place_is_given_back_to_its_own_person_alone() {
        let (viewer, user, other) =
            (ViewerId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)), UserId(Uuid::from_u128(3)));
        let here = ExperienceId(Uuid::from_u128(4));
        let secret = resume_secret(&ring(), viewer, user, here);
        assert!(resumes(&ring(), viewer, user, here, &secret));
        assert!(!resumes(&ring(), viewer, other, here, &secret));
        assert!(!resumes(&ring(), ViewerId(Uuid::from_u128(9)), user, here, &secret));
        assert!(!resumes(&ring(), viewer, user, here, "forged"));
    }
}
