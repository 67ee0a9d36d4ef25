//! The door of the sockets: who knocks, with what, and what an admitted socket holds. Judging is the [`Door`]'s; here is
//! what the upgrade says, read strictly and within bounds.

use std::{fmt, net::IpAddr, sync::Arc};

use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use futures_util::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::codes::CloseCode;
use crate::{
    clock::Timestamp,
    identity::Basis,
    ids::{ExperienceId, UserId, ViewerId},
    limits::{DEVICE_BYTES_MAX, SUBPROTOCOL_BYTES_MAX, SUBPROTOCOLS_MAX},
    web::problem::{Code, Problem},
};

/// The subprotocol spoken here, and meant when none is offered.
pub const SUBPROTOCOL: &str = "backstage.v1";

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody watches.
    Viewer,
    /// Somebody runs the broadcast.
    Studio,
}

/// How the one who knocks says who it is. What is stated outright goes before what a browser sends by itself.
#[derive(Debug)]
pub enum Credential {
    /// Nothing at all.
    None,
    /// The `Cookie` header as it came; a browser sends it from foreign pages too, so `origin` must be judged with it.
    Cookies(SecretString),
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// A live token, offered as the subprotocol `ticket.{live-token}`.
    Ticket(SecretString),
}

impl Credential {
    /// The value of one cookie, when cookies are what was brought and `name` stands there exactly once.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<SecretString> {
        let Self::Cookies(all) = self else { return None };
        let mut named = all.expose_secret().split(';').filter_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name).then_some(value.trim_matches('"'))
        });
        let value = named.next()?;
        named.next().is_none().then(|| value.into())
    }
}

/// A claim to a place that was held before the connection was lost.
#[derive(Debug)]
pub struct ResumeClaim {
    /// Whose place.
    pub session: ViewerId,
    /// What `welcome` gave as `resume`.
    pub secret: SecretString,
    /// The last frame seen.
    pub seen: ResumePoint,
}

/// A place in the numbered frames of one activation of an experience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// Which activation.
    pub epoch: u64,
    /// The number of the last frame seen.
    pub offset: u64,
}

/// Somebody asks to be let in.
#[derive(Debug)]
pub struct Knock {
    /// To watch or to run it.
    pub kind: Kind,
    /// To which experience.
    pub experience: ExperienceId,
    /// The `Origin` header; programs send none.
    pub origin: Option<String>,
    /// The `Host` header.
    pub host: Option<String>,
    /// Who it is.
    pub credential: Credential,
    /// The place it had.
    pub resume: Option<ResumeClaim>,
    /// The device it says to be; without one, each socket is a device of its own.
    pub device: Option<String>,
    /// Where the connection comes from; behind a proxy, the proxy.
    pub peer: Option<IpAddr>,
    /// The `X-Forwarded-For` header, to be believed only from a proxy that is trusted.
    pub forwarded_for: Option<String>,
}

/// What is known of one socket for as long as it is open.
#[derive(Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where.
    pub experience: ExperienceId,
    /// Who.
    pub user: UserId,
    /// On which device.
    pub device: String,
    /// The place in the audience, kept across reconnects.
    pub session: ViewerId,
    /// To watch or to run it.
    pub kind: Kind,
    /// Whether it enters by a role in the team, without a grant.
    pub staff: bool,
    /// The sign-in or the API token it rests on.
    pub basis: Basis,
    /// When that ends by itself, as far as was known at the door.
    pub good_until: Timestamp,
}

/// A place in the audience: dropping it tells the live core, exactly once, that the socket is gone.
pub struct Place(Option<Box<dyn FnOnce() + Send>>);

impl Place {
    /// A place that runs `on_gone` when it is dropped.
    pub fn new(on_gone: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(on_gone)))
    }

    /// No place, of which nobody has to be told.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(on_gone) = self.0.take() {
            on_gone();
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// The door opened.
#[derive(Debug)]
pub struct Admission {
    /// Who sits there.
    pub seat: Arc<Seat>,
    /// The place it takes.
    pub place: Place,
    /// Why the socket is closed before its first frame, where it may not stay and has to be told so by a `bye`.
    pub over: Option<CloseCode>,
    /// The secret with which it may come back to this place; letters, digits, `-` and `_`.
    pub resume_secret: String,
    /// Where to go on from, when a claim was made and its secret is right.
    pub resume: Option<ResumePoint>,
}

/// Judges who may come in: authentication, the right, the place. Runs on a worker's thread and must not block it.
pub trait Door: Send + Sync + 'static {
    /// Admits or says why not. Dropping the future gives back whatever was taken.
    fn open(&self, knock: Knock) -> LocalBoxFuture<'static, Result<Admission, Problem>>;
}

/// What an upgrade offers in `Sec-WebSocket-Protocol`.
#[derive(Debug, Default)]
pub struct Offer {
    /// Whether `backstage.v1` is to be named in the answer.
    pub named: bool,
    ticket: Option<SecretString>,
    resume: Option<ResumeClaim>,
}

impl Offer {
    /// Reads the offers of all `Sec-WebSocket-Protocol` headers. Strangers among them are passed over, as RFC 6455 wants;
    /// what is ours must be well formed and stand there once.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut offer = Self::default();
        let mut strangers = 0;
        let mut bytes = 0;
        for header in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            let header = header.to_str().map_err(|_| malformed("Sec-WebSocket-Protocol is not plain text."))?;
            bytes += header.len();
            for (count, one) in header.split(',').map(str::trim).enumerate() {
                if count >= SUBPROTOCOLS_MAX || bytes > SUBPROTOCOL_BYTES_MAX {
                    return Err(malformed("Sec-WebSocket-Protocol offers more than anybody needs."));
                }
                let again = match one.split_once('.') {
                    Some(("backstage", "v1")) => std::mem::replace(&mut offer.named, true),
                    Some(("ticket", ticket)) => offer.ticket.replace(ticket.into()).is_some(),
                    Some(("resume", claim)) => offer.resume.replace(resume_claim(claim)?).is_some(),
                    Some(_) | None => {
                        strangers += 1;
                        false
                    }
                };
                if again {
                    return Err(malformed("Sec-WebSocket-Protocol says one thing twice."));
                }
            }
        }
        if strangers > 0 && !offer.named && offer.ticket.is_none() && offer.resume.is_none() {
            return Err(malformed("None of the offered subprotocols is spoken here; backstage.v1 is."));
        }
        Ok(offer)
    }
}

/// `{session}.{secret}.{epoch}.{offset}`.
fn resume_claim(text: &str) -> Result<ResumeClaim, Problem> {
    let parts: Vec<&str> = text.split('.').collect();
    let [session, secret, epoch, offset] = parts[..] else { return Err(bad_resume()) };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if secret.is_empty() || !secret.bytes().all(plain) {
        return Err(bad_resume());
    }
    Ok(ResumeClaim {
        session: session.parse().map_err(|_| bad_resume())?,
        secret: secret.into(),
        seen: ResumePoint { epoch: number(epoch)?, offset: number(offset)? },
    })
}

/// A decimal number without a sign or leading zeroes: one form a number.
fn number(text: &str) -> Result<u64, Problem> {
    let plain = text == "0" || (text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or_else(bad_resume)
}

fn bad_resume() -> Problem {
    malformed("The resume offer must read resume.{session}.{secret}.{epoch}.{offset}.")
}

fn malformed(why: &'static str) -> Problem {
    Problem::new(Code::Malformed).detail(why)
}

impl Knock {
    /// Puts a knock together from the upgrade's headers and query.
    pub fn read(
        kind: Kind,
        experience: ExperienceId,
        headers: &HeaderMap,
        query: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<(Self, Offer), Problem> {
        let mut offer = Offer::read(headers)?;
        let credential = match (offer.ticket.take(), bearer(headers)?, one(headers, &COOKIE)?) {
            (Some(ticket), _, _) => Credential::Ticket(ticket),
            (None, Some(token), _) => Credential::Bearer(token),
            (None, None, Some(cookies)) => Credential::Cookies(cookies.into()),
            (None, None, None) => Credential::None,
        };
        let knock = Self {
            kind,
            experience,
            origin: one(headers, &ORIGIN)?,
            host: one(headers, &HOST)?,
            credential,
            resume: offer.resume.take(),
            device: query.map(device).transpose()?.flatten(),
            peer,
            forwarded_for: one(headers, &HeaderName::from_static("x-forwarded-for"))?,
        };
        Ok((knock, offer))
    }
}

/// A header that may come once, as text.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(name);
    let Some(first) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(malformed("A header that may come once came twice."));
    }
    let text = first.to_str().map_err(|_| malformed("A header is not plain text."))?;
    Ok(Some(text.to_owned()))
}

/// The token of `Authorization: Bearer`; another scheme is nobody's.
fn bearer(headers: &HeaderMap) -> Result<Option<SecretString>, Problem> {
    let Some(header) = one(headers, &AUTHORIZATION)? else { return Ok(None) };
    let (scheme, token) = header.split_once(' ').unwrap_or((&header, ""));
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().into()))
}

/// `device=` of the query, at most once.
fn device(query: &str) -> Result<Option<String>, Problem> {
    let mut named = query.split('&').filter_map(|pair| pair.strip_prefix("device="));
    let Some(device) = named.next().filter(|device| !device.is_empty()) else { return Ok(None) };
    match device_name(device).filter(|_| named.next().is_none()) {
        Some(device) => Ok(Some(device.to_owned())),
        None => Err(malformed("A device is named once, by at most 64 letters, digits, - and _.")),
    }
}

/// The name of a device, where it can be one.
#[must_use]
pub fn device_name(text: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    Some(text).filter(|text| !text.is_empty() && text.len() <= DEVICE_BYTES_MAX && text.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn knock(all: &[(HeaderName, &str)], query: &str) -> Result<(Knock, Offer), Problem> {
        Knock::read(Kind::Viewer, ExperienceId(Uuid::nil()), &headers(all), Some(query), None)
    }

    #[test]
    fn a_full_offer_is_read_to_the_last_field() {
        let session = ViewerId(Uuid::from_u128(5));
        let offer = format!("backstage.v1, ticket.aaa.bbb.ccc, resume.{session}.s3-c_ret.7.42");
        let (knock, offer) = knock(&[(SEC_WEBSOCKET_PROTOCOL, &offer), (COOKIE, "a=b")], "device=d-1").unwrap();
        assert!(offer.named);
        assert!(matches!(knock.credential, Credential::Ticket(ticket) if ticket.expose_secret() == "aaa.bbb.ccc"));
        let claim = knock.resume.unwrap();
        assert_eq!((claim.session, claim.seen), (session, ResumePoint { epoch: 7, offset: 42 }));
        assert_eq!(claim.secret.expose_secret(), "s3-c_ret");
        assert_eq!(knock.device.as_deref(), Some("d-1"));
    }

    #[test]
    fn a_resume_offer_that_is_not_exact_is_malformed() {
        let session = ViewerId(Uuid::from_u128(5));
        for claim in [
            String::new(),
            format!("{session}.x.1"),
            format!("{session}.x.1.2.3"),
            format!("{session}..1.2"),
            format!("{session}.x.-1.2"),
            format!("{session}.x.01.2"),
            format!("{session}.x.1.+2"),
            format!("{session}.x.1.18446744073709551616"),
            format!("{session}.x/y.1.2"),
            "usr_00000000000000000000000000000005.x.1.2".into(),
        ] {
            let refused = knock(&[(SEC_WEBSOCKET_PROTOCOL, &format!("backstage.v1, resume.{claim}"))], "").unwrap_err();
            assert_eq!(refused.code, Code::Malformed, "{claim}");
        }
    }

    #[test]
    fn what_is_stated_outright_goes_before_cookies() {
        let (knock, _) = knock(&[(AUTHORIZATION, "bearer abc"), (COOKIE, "session=x")], "").unwrap();
        assert!(matches!(knock.credential, Credential::Bearer(token) if token.expose_secret() == "abc"));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_only_once() {
        let cookies = Credential::Cookies("xsession=1; session=2; other=3; twice=4; twice=5".into());
        assert_eq!(cookies.cookie("session").unwrap().expose_secret(), "2");
        assert!(cookies.cookie("sess").is_none() && cookies.cookie("twice").is_none());
        assert!(Credential::None.cookie("session").is_none());
    }

    #[test]
    fn strangers_are_passed_over_beside_ours_and_refused_alone() {
        let (_, offer) = knock(&[(SEC_WEBSOCKET_PROTOCOL, "chat, backstage.v1")], "").unwrap();
        assert!(offer.named);
        assert_eq!(knock(&[(SEC_WEBSOCKET_PROTOCOL, "chat, backstage.v2")], "").unwrap_err().code, Code::Malformed);
        assert!(!knock(&[], "").unwrap().1.named);
        let twice = knock(&[(SEC_WEBSOCKET_PROTOCOL, "backstage.v1"), (SEC_WEBSOCKET_PROTOCOL, "backstage.v1")], "");
        assert_eq!(twice.unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn a_device_is_a_short_plain_name() {
        assert_eq!(knock(&[], "").unwrap().0.device, None);
        assert_eq!(knock(&[], "x=1&device=").unwrap().0.device, None);
        for query in ["device=a%20b".into(), format!("device={}", "x".repeat(65)), "device=a&device=b".into()] {
            assert_eq!(knock(&[], &query).unwrap_err().code, Code::Malformed, "{query}");
        }
    }

    #[test]
    fn a_place_tells_of_its_end_exactly_once() {
        let (told, gone) = std::sync::mpsc::channel();
        let place = Place::new(move || told.send(()).unwrap());
        assert!(gone.try_recv().is_err());
        drop(place);
        assert_eq!(gone.try_iter().count(), 1);
    }

    proptest! {
        #[test]
        fn no_offer_makes_the_reader_panic(offer in "[ -~]{0,200}", query in "[ -~]{0,100}") {
            let _ = knock(&[(SEC_WEBSOCKET_PROTOCOL, &offer)], &query);
        }
    }
}
