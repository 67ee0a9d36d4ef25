//! The one place where a refusal or a fault becomes an HTTP answer (RFC 9457). `code` is for programs and never changes.

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use serde::Serialize;

use crate::store::{Denied, StoreError};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        /// Every error code there is, with its status and a title for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$name => $status,)* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// A sentence that people can act on.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    // requests
    /// The request cannot be understood.
    Malformed = 400 "malformed" "The request cannot be understood.";
    /// Fields are wrong; `fields` names each with a sentence.
    Invalid = 422 "invalid" "Some fields need another look.";
    /// The body is larger than allowed.
    TooLarge = 413 "too_large" "The request is larger than allowed.";
    /// The body's type is not one of ours.
    UnsupportedType = 415 "unsupported_type" "The request must be JSON.";
    /// No such thing, or not for this person to know.
    NotFound = 404 "not_found" "There is nothing here that you may see.";
    /// The path exists, the method does not.
    MethodNotAllowed = 405 "method_not_allowed" "This cannot be done here.";
    /// Only a websocket may come here.
    UpgradeRequired = 426 "upgrade_required" "This address speaks websocket.";
    /// The request did not arrive, or was not answered, in time.
    TooSlow = 408 "too_slow" "The request took too long.";
    /// Too many requests.
    TooManyRequests = 429 "too_many_requests" "That was too often. Wait a moment and try again.";
    /// The same key came with another request.
    IdempotencyMismatch = 422 "idempotency_mismatch" "This Idempotency-Key was used for another request.";
    /// The same key is being worked on.
    IdempotencyInFlight = 409 "idempotency_in_flight" "The same request is being worked on.";
    // who
    /// Nobody is signed in.
    SignInNeeded = 401 "sign_in_needed" "Sign in to go on.";
    /// The code is wrong, used or over.
    CodeInvalid = 401 "code_invalid" "This code does not open the door. Check it, or ask for a new one.";
    /// Seen, but not allowed.
    Forbidden = 403 "forbidden" "Your role does not allow this.";
    /// A cookie request without its token, or from another site.
    CrossSite = 403 "cross_site" "This request did not come from our own page.";
    /// The token does not carry the scope.
    ScopeMissing = 403 "scope_missing" "This token may not do that.";
    // teams and tokens
    /// The person is a member of the team.
    AlreadyMember = 409 "already_member" "This person is a member already.";
    /// A team without an owner would belong to nobody.
    LastOwner = 409 "last_owner" "A team keeps at least one owner. Make somebody else an owner first.";
    /// As many as anybody may have.
    LimitReached = 409 "limit_reached" "There are as many of these as there may be. Remove one first.";
    /// The door is closed to this person; `code` is replaced by the entitlement's reason.
    EntryRefused = 403 "entry_refused" "This door is closed to you.";
    // broadcasts
    /// The deed does not fit the state; `state` says which.
    IllegalTransition = 409 "illegal_transition" "The broadcast's state does not allow this.";
    /// Another broadcast of the experience is open; `broadcast_id` names it.
    BroadcastOpen = 409 "broadcast_open" "Another broadcast is open here.";
    /// The media server does not answer.
    MediaUnavailable = 503 "media_unavailable" "The media server does not answer just now. Try again in a moment.";
    /// The signature of a webhook is not good.
    BadSignature = 401 "bad_signature" "The signature is not good for this body.";
    // the catalogue
    /// The slug is, or was, another's.
    SlugTaken = 409 "slug_taken" "This address is taken. Choose another.";
    /// Nobody can buy or join this.
    NotForSale = 409 "not_for_sale" "This pass is not offered. The team gives it by hand, or has withdrawn it.";
    /// No unit is free.
    SoldOut = 409 "sold_out" "This is sold out. A unit comes back when somebody does not pay in time.";
    /// Fewer units than are sold or being paid for; `sold` and `held` say how many.
    StockBelowSold = 409 "stock_below_sold" "More than that are sold or being paid for.";
    /// It costs something, and this engine takes no payments.
    PaymentsUnavailable = 503 "payments_unavailable" "Payments cannot be taken here yet. Nothing was charged.";
    /// The person holds it.
    AlreadyOwned = 409 "already_owned" "You hold this pass already.";
    // ours
    /// We cannot answer now.
    Unavailable = 503 "unavailable" "We cannot do this just now. Nothing was changed. Try again in a moment.";
    /// We do not know whether it happened.
    OutcomeUnknown = 503 "outcome_unknown" "The answer has not reached us yet. Look before you try again.";
    /// Our mistake.
    Internal = 500 "internal" "Something went wrong on our side.";
}

/// An answer that is not the one hoped for.
#[derive(Debug)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// What is so in this case; the title when there is nothing to add.
    pub detail: Option<Cow<'static, str>>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Further members of the body, such as `state` or `fields`.
    pub members: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem with nothing but its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, retry_after: None, members: serde_json::Map::new() }
    }

    /// Says what is so in this case.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// One field that needs another look, with the sentence that says why.
    #[must_use]
    pub fn wrong(field: &str, told: impl Into<Cow<'static, str>>) -> Self {
        let told = told.into();
        let fields = serde_json::Map::from_iter([(field.to_owned(), told.clone().into())]);
        Self::new(Code::Invalid).detail(told).with("fields", fields)
    }

    /// A closed door, with the entitlement's reason as its code.
    #[must_use]
    pub fn refused_entry(reason: &str) -> Self {
        Self::new(Code::EntryRefused).with("code", reason)
    }

    /// The body as it goes out.
    #[must_use]
    pub fn body(&self) -> serde_json::Value {
        let mut body = self.members.clone();
        let code = body.get("code").and_then(|code| code.as_str()).unwrap_or(self.code.as_str()).to_owned();
        body.insert("type".into(), format!("/problems/{code}").into());
        body.insert("title".into(), self.code.title().into());
        body.insert("status".into(), self.code.status().as_u16().into());
        body.insert("detail".into(), self.detail.as_deref().unwrap_or(self.code.title()).into());
        body.entry("code").or_insert_with(|| self.code.as_str().into());
        body.into()
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(wait) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, wait.as_secs().max(1).to_string()));
        }
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        answer.content_type("application/problem+json").body(self.body().to_string())
    }
}

impl From<StoreError> for Problem {
    /// Faults are logged here, once, where they leave the program; nothing of the inside goes out.
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Busy(_) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store could not answer");
                Self::new(Code::Unavailable).retry_after(Duration::from_secs(1))
            }
            StoreError::OutcomeUnknown(_) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a commit's outcome is unknown");
                Self::new(Code::OutcomeUnknown).retry_after(Duration::from_secs(1))
            }
            StoreError::Constraint { .. } | StoreError::Corrupt { .. } | StoreError::Query(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::new(Code::Internal)
            }
        }
    }
}

impl<R: Into<Self>> From<Denied<R>> for Problem {
    fn from(denied: Denied<R>) -> Self {
        match denied {
            Denied::Refused(refusal) => refusal.into(),
            Denied::Fault(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_codes_share_a_name() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn every_code_stands_in_the_catalogue_with_its_status() {
        let catalogue = include_str!("../../docs/problems.md");
        for code in Code::ALL {
            let row = format!("| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.title());
            assert!(catalogue.contains(&row), "docs/problems.md lacks: {row}");
        }
    }

    #[test]
    fn nothing_of_the_inside_reaches_the_body() {
        let fault = StoreError::Corrupt { table: "broadcasts", why: "facts".into() };
        let body = Problem::from(fault).body().to_string();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("broadcasts"), "{body}");
    }
}
