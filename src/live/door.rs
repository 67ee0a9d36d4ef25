//! The door of live experiences: who knocks, whether they may, and whether there is a place. Also mints viewers' media tokens.

use std::sync::Arc;

use futures_util::{FutureExt, future::LocalBoxFuture};
use secrecy::ExposeSecret;
use serde::Serialize;
use url::Url;

use super::{
    directory::Directory,
    media::identity_of,
    order::{AdmitRefusal, Coming},
    rights::{LiveRights, Right},
    ticket::{self, Bearer},
};
use crate::{
    clock::{SharedClock, Timestamp},
    entropy::Ids,
    identity::{Authenticator, Credential as Shown, Signed, core::scope::Scope},
    ids::{UserId, ViewerId},
    keys::KeyRing,
    limits::{MEDIA_TOKEN_RENEW, MEDIA_TOKEN_TTL},
    provider::livekit::{MediaKey, viewer_token},
    socket::{
        codes::CloseCode,
        door::{Admission, Credential, Door, Kind, Knock, Place, Seat},
        frame,
        hub::{MediaPlan, Minted, Minter},
    },
    web::{
        auth::SESSION_COOKIE,
        problem::{Code, Problem},
    },
};

/// The door of this node. Cheap to clone.
#[derive(Clone)]
pub struct LiveDoor {
    /// Who is who.
    pub authenticator: Authenticator,
    /// Who may be where.
    pub rights: Arc<dyn LiveRights>,
    /// Where experiences are.
    pub directory: Directory,
    /// Fresh places.
    pub ids: Ids,
    /// Time.
    pub clock: SharedClock,
    /// Signs tickets.
    pub ring: KeyRing,
    /// What people type, for the `Origin` check.
    pub public_url: String,
}

impl LiveDoor {
    async fn who(&self, knock: &Knock) -> Result<Bearer, Problem> {
        let shown = match &knock.credential {
            Credential::None => return Err(Code::SignInNeeded.into()),
            Credential::Ticket(ticket) => {
                let shown = ticket.expose_secret();
                let bearer = ticket::read_live_ticket(&self.ring, self.clock.now(), knock.experience, shown);
                let bearer = bearer.ok_or(Code::SignInNeeded)?;
                // it outlives what it was given out on by no moment
                let stands = self.authenticator.stands(bearer.basis).await?;
                return if stands { Ok(bearer) } else { Err(Code::SignInNeeded.into()) };
            }
            Credential::Bearer(token) => Shown::Bearer(token.expose_secret().to_owned()),
            Credential::Cookies(_) => {
                let cookie = knock.credential.cookie(SESSION_COOKIE).ok_or(Code::SignInNeeded)?;
                Shown::Cookie(cookie.expose_secret().to_owned())
            }
        };
        let signed = self.authenticator.authenticate(&shown).await?.ok_or(Code::SignInNeeded)?;
        if !signed.covers(Scope::Live) {
            return Err(Code::ScopeMissing.into());
        }
        Ok(bearer_of(&signed)?)
    }

    /// A page of another site must not open sockets with our visitors' cookies; programs send no `Origin`.
    fn is_ours(&self, origin: &str, host: Option<&str>) -> bool {
        let Ok(origin) = Url::parse(origin) else { return false };
        let Some(name) = origin.host_str() else { return false };
        let authority = origin.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let public = Url::parse(&self.public_url).is_ok_and(|public| public.origin() == origin.origin());
        matches!(origin.scheme(), "http" | "https")
            && (public || host.is_some_and(|host| host.eq_ignore_ascii_case(&authority)))
    }

    async fn judge(&self, knock: &Knock, user: UserId) -> Result<bool, Problem> {
        if !self.rights.learn(user, knock.experience).await {
            return Err(Code::NotFound.into());
        }
        let (watch, run) = (self.rights.may_watch(user, knock.experience), self.rights.may_run(user, knock.experience));
        match (knock.kind, watch, run) {
            (Kind::Studio, _, Right::Yes { .. }) => Ok(true),
            (Kind::Viewer, Right::Yes { staff }, _) => Ok(staff),
            (Kind::Viewer, Right::No(reason), _) => Err(Problem::refused_entry(&reason)),
            (Kind::Studio, _, Right::No(_)) => Err(Code::NotFound.into()),
            (Kind::Viewer, Right::Unknown, _) | (Kind::Studio, _, Right::Unknown) => {
                Err(Problem::new(Code::Unavailable).retry_after(std::time::Duration::from_secs(1)))
            }
        }
    }
}

/// Who is signed in, as a ticket or a socket remembers it.
///
/// # Errors
/// Never for a credential of ours: each is a session or an API token.
pub fn bearer_of(signed: &Signed) -> Result<Bearer, Code> {
    let basis = signed.basis().ok_or(Code::SignInNeeded)?;
    Ok(Bearer { user: signed.user, basis, good_until: signed.expires_at.unwrap_or(Timestamp(i64::MAX)) })
}

impl Door for LiveDoor {
    fn open(&self, knock: Knock) -> LocalBoxFuture<'static, Result<Admission, Problem>> {
        let this = self.clone();
        async move {
            if knock.origin.as_deref().is_some_and(|origin| !this.is_ours(origin, knock.host.as_deref())) {
                return Err(Code::CrossSite.into());
            }
            let who = this.who(&knock).await?;
            let staff = this.judge(&knock, who.user).await?;
            let (experience, user, kind) = (knock.experience, who.user, knock.kind);
            let claim = knock.resume.filter(|claim| {
                ticket::resumes(&this.ring, claim.session, user, experience, claim.secret.expose_secret())
            });
            let session: ViewerId = claim.as_ref().map_or_else(|| this.ids.fresh(), |claim| claim.session);
            let device = knock.device.unwrap_or_else(|| session.to_string());
            let Bearer { basis, good_until, .. } = who;
            let seat = Arc::new(Seat { experience, user, device, session, kind, staff, basis, good_until });
            let coming = if claim.is_some() { Coming::Back } else { Coming::Anew };
            let (place, over) = match this.directory.admit(seat.clone(), coming).await {
                Ok(place) => (place, None),
                // the browser's page learns a refusal before the upgrade by nothing but silence, and would come again
                Err(AdmitRefusal::Replaced) => (Place::none(), Some(CloseCode::Replaced)),
                Err(refusal @ (AdmitRefusal::DeviceLimit | AdmitRefusal::Unavailable)) => return Err(refusal.into()),
            };
            Ok(Admission {
                seat,
                place,
                over,
                resume_secret: ticket::resume_secret(&this.ring, session, user, experience),
                resume: claim.map(|claim| claim.seen),
            })
        }
        .boxed_local()
    }
}

impl From<AdmitRefusal> for Problem {
    fn from(refusal: AdmitRefusal) -> Self {
        match refusal {
            AdmitRefusal::DeviceLimit | AdmitRefusal::Replaced => Self::refused_entry("device_limit"),
            AdmitRefusal::Unavailable => Self::new(Code::Unavailable).retry_after(std::time::Duration::from_secs(1)),
        }
    }
}

/// Mints viewers' media tokens, judging the right again each time.
#[derive(Clone)]
pub struct TokenMinter {
    /// Who may be where.
    pub rights: Arc<dyn LiveRights>,
    /// Remembers whose tokens are out.
    pub directory: Directory,
    /// Signs.
    pub key: MediaKey,
    /// Time.
    pub clock: SharedClock,
}

#[derive(Serialize)]
struct TokenFrame<'a> {
    t: &'static str,
    kind: &'static str,
    token: &'a str,
    expires_at: Timestamp,
}

impl Minter for TokenMinter {
    fn mint(&self, seat: &Seat, plan: &MediaPlan) -> Minted {
        let right = match seat.kind {
            Kind::Viewer => self.rights.may_watch(seat.user, seat.experience),
            Kind::Studio => self.rights.may_run(seat.user, seat.experience),
        };
        match right {
            Right::No(reason) => Minted::Ended(reason),
            Right::Unknown => {
                // for the next try: what is doubted is mostly being read already
                actix_web::rt::spawn(self.rights.learn(seat.user, seat.experience));
                Minted::Unknown
            }
            Right::Yes { .. } => {
                let now = self.clock.now();
                let expires_at = now.plus(MEDIA_TOKEN_TTL);
                let identity = identity_of(seat.user, &seat.device);
                let token = viewer_token(&self.key, now, MEDIA_TOKEN_TTL, &plan.room, &identity);
                self.directory.token_given(seat.user, seat.experience, &seat.device, expires_at);
                let frame = frame::json(&TokenFrame { t: "token", kind: "livekit", token: &token, expires_at });
                Minted::Token { frame, renew_at: now.plus(MEDIA_TOKEN_RENEW) }
            }
        }
    }
}
