//! Two kinds of ticket of ours, both signed and never stored: one says who opens a socket, one brings a viewer back to its place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    clock::Timestamp,
    identity::Basis,
    ids::{ExperienceId, UserId, ViewerId},
    keys::{KeyRing, Purpose},
};

/// Who comes with a ticket, and what it was given out on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Who.
    pub user: UserId,
    /// What they were signed in by.
    pub basis: Basis,
    /// When that ends by itself.
    pub good_until: Timestamp,
}

/// A ticket with which `bearer` may open a socket of `experience` until `expires_at`.
#[must_use]
pub fn live_ticket(ring: &KeyRing, bearer: Bearer, experience: ExperienceId, expires_at: Timestamp) -> String {
    let Bearer { user, basis, good_until } = bearer;
    let basis = match basis {
        Basis::Login(login) => login.to_string(),
        Basis::Token(token) => token.to_string(),
    };
    let said = format!("{user}.{basis}.{}.{}", good_until.0, expires_at.0);
    let signature = ring.sign(Purpose::LiveTicket, &[experience.0.as_bytes(), said.as_bytes()]);
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Whose ticket this is, if it is ours, for this experience, and not over.
#[must_use]
pub fn read_live_ticket(ring: &KeyRing, now: Timestamp, experience: ExperienceId, ticket: &str) -> Option<Bearer> {
    let (said, signature) = ticket.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !ring.verifies(Purpose::LiveTicket, &[experience.0.as_bytes(), said.as_bytes()], &signature) {
        return None;
    }
    let [user, basis, good_until, expires_at] = said.split('.').collect::<Vec<_>>().try_into().ok()?;
    let login = basis.parse().map(Basis::Login);
    let basis = login.or_else(|_| basis.parse().map(Basis::Token)).ok()?;
    let bearer = Bearer { user: user.parse().ok()?, basis, good_until: Timestamp(good_until.parse().ok()?) };
    (now.0 < expires_at.parse().ok()?).then_some(bearer)
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
    use crate::ids::{LoginId, TokenId};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn ring() -> KeyRing {
        KeyRing::new([3; 32])
    }

    #[test]
    fn a_ticket_opens_its_own_experience_until_it_is_over() {
        let (here, there) = (ExperienceId(Uuid::from_u128(2)), ExperienceId(Uuid::from_u128(3)));
        let (login, token) = (LoginId(Uuid::from_u128(4)), TokenId(Uuid::from_u128(4)));
        for basis in [Basis::Login(login), Basis::Token(token)] {
            let bearer = Bearer { user: UserId(Uuid::from_u128(1)), basis, good_until: Timestamp(i64::MAX) };
            let ticket = live_ticket(&ring(), bearer, here, Timestamp(NOW.0 + 1));
            assert_eq!(read_live_ticket(&ring(), NOW, here, &ticket), Some(bearer));
            assert_eq!(read_live_ticket(&ring(), Timestamp(NOW.0 + 1), here, &ticket), None, "over");
            assert_eq!(read_live_ticket(&ring(), NOW, there, &ticket), None, "another experience");
            let later = ticket.replace(&(NOW.0 + 1).to_string(), &(NOW.0 + 9).to_string());
            assert_eq!(read_live_ticket(&ring(), NOW, here, &later), None, "altered");
            assert_eq!(read_live_ticket(&KeyRing::new([4; 32]), NOW, here, &ticket), None, "another key");
            for garbage in ["", ".", "..", "usr_1.1.x", "a.b.c.d.e", &format!("{ticket}.x")] {
                assert_eq!(read_live_ticket(&ring(), NOW, here, garbage), None, "{garbage}");
            }
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
