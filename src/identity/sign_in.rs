//! Signing in: a code is mailed, the asking browser brings it back, a session begins.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::FutureExt;

use super::{
    Basis, Identity,
    authenticator::{SESSION_PREFIX, token_hash},
    core::{
        address::Address,
        login_code::{self, Code, Refusal},
        session,
        window::Windows,
    },
    store::{
        login_codes::{self, NewCode},
        sessions::{self, NewSession},
        users::{self, User},
    },
};
use crate::{
    clock::Timestamp,
    config::LimitProfile,
    entropy::{random_below, random_bytes},
    ids::{CodeRequestId, LoginId},
    keys::Purpose,
    limits::{
        CLIENT_MAIL_WINDOW, CODE_DIGITS, CODE_LASTS, CREDENTIAL_BYTES_MAX, GUESS_WINDOW, LOGIN_OPEN, LOGIN_STRICT,
        LONG_CODE_DIGITS, LoginLimits,
    },
    notify::SignInCode,
    store::{Connection, Denied, StoreError},
    web::client_address::ClientAddress,
};

const SECRET_BYTES: usize = 32;

/// Counts what one client and the whole site did lately, on this node.
pub struct Throttle {
    limits: LoginLimits,
    counts: Mutex<Counts>,
}

struct Counts {
    mails: Windows<ClientAddress>,
    wrong: Windows<ClientAddress>,
    wrong_on_the_site: Windows<()>,
    right_on_the_site: Windows<()>,
}

impl Throttle {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new(profile: LimitProfile) -> Self {
        let limits = match profile {
            LimitProfile::Open => LOGIN_OPEN,
            LimitProfile::Strict => LOGIN_STRICT,
        };
        let counts = Counts {
            mails: Windows::new(CLIENT_MAIL_WINDOW),
            wrong: Windows::new(GUESS_WINDOW),
            wrong_on_the_site: Windows::new(GUESS_WINDOW),
            right_on_the_site: Windows::new(GUESS_WINDOW),
        };
        Self { limits, counts: Mutex::new(counts) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codes_must_be_long(&self, now: Timestamp) -> bool {
        let mut counts = self.counts();
        let (wrong, right) = (counts.wrong_on_the_site.count(now, &()), counts.right_on_the_site.count(now, &()));
        login_code::must_be_long(wrong, right, &self.limits)
    }

    /// How many digits a code has that is mailed now.
    #[must_use]
    pub fn code_digits(&self, now: Timestamp) -> u32 {
        if self.codes_must_be_long(now) { LONG_CODE_DIGITS } else { CODE_DIGITS }
    }

    fn judge_client(&self, now: Timestamp, client: ClientAddress) -> Result<(), Refusal> {
        if self.counts().wrong.count(now, &client) < self.limits.wrong_guesses_a_client as usize {
            return Ok(());
        }
        Err(Refusal::TooMany { again_in: GUESS_WINDOW })
    }

    fn guessed(&self, now: Timestamp, client: ClientAddress, right: bool) {
        let mut counts = self.counts();
        if right {
            counts.right_on_the_site.add(now, ());
        } else {
            counts.wrong.add(now, client);
            counts.wrong_on_the_site.add(now, ());
        }
    }
}

/// A code was asked for; the same is said whether one went out or not.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request, for clients that keep no cookie.
    pub request: CodeRequestId,
    /// The browser's secret, for its cookie.
    pub browser: String,
}

/// Somebody brings a code back.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The address it was mailed to.
    pub address: Address,
    /// What was typed.
    pub code: String,
    /// The request it came from, if the client says.
    pub request: Option<CodeRequestId>,
    /// The browser's secret, if it has one.
    pub browser: Option<String>,
    /// The session the browser holds already, which ends: who signs in starts anew.
    pub session_before: Option<LoginId>,
    /// From where.
    pub client: ClientAddress,
    /// How the browser calls itself.
    pub user_agent: Option<String>,
}

/// A session that has just begun.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Whose.
    pub user: User,
    /// The session.
    pub login: LoginId,
    /// Its secret, for the cookie or the `Authorization` header.
    pub token: String,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
}

impl Identity {
    fn secret(&self, prefix: &str) -> String {
        let random = random_bytes::<SECRET_BYTES>(self.entropy.as_ref());
        format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random))
    }

    /// A fresh session token and its hash.
    pub(super) fn fresh_token(&self, prefix: &str) -> (String, [u8; 32]) {
        let token = self.secret(prefix);
        let hash = token_hash(&self.ring, &token);
        (token, hash)
    }

    fn address_hash(&self, address: &Address) -> [u8; 32] {
        self.ring.sign(Purpose::LoginCode, &[b"address", address.as_str().as_bytes()])
    }

    fn browser_hash(&self, secret: &str) -> [u8; 32] {
        self.ring.sign(Purpose::LoginCode, &[b"browser", secret.as_bytes()])
    }

    fn code_hash(&self, request: CodeRequestId, code: &Code) -> [u8; 32] {
        self.ring.sign(Purpose::LoginCode, &[b"code", request.0.as_bytes(), code.expose().as_bytes()])
    }

    fn fresh_code(&self, now: Timestamp) -> Code {
        let digits = self.throttle.code_digits(now);
        Code::numbered(random_below(self.entropy.as_ref(), Code::count(digits)), digits)
    }

    /// Mails a code to `address`, unless the limits say no, which is not told. Known and unknown addresses take the same way.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn ask_for_code(
        &self,
        address: Address,
        browser: Option<String>,
        client: ClientAddress,
    ) -> Result<Asked, StoreError> {
        let now = self.clock.now();
        let browser = browser.filter(|secret| secret.len() <= CREDENTIAL_BYTES_MAX).unwrap_or_else(|| self.secret(""));
        let asked = Asked { request: self.ids.fresh(), browser };
        let admitted = self.throttle.counts().mails.admit(now, client, self.throttle.limits.mails_a_client);
        if admitted.is_err() {
            tracing::debug!("a client asked for too many codes");
            return Ok(asked);
        }
        let code = self.fresh_code(now);
        let new = NewCode {
            id: asked.request,
            address_hash: self.address_hash(&address),
            code_hash: self.code_hash(asked.request, &code),
            browser_hash: self.browser_hash(&asked.browser),
        };
        let mail = SignInCode {
            address: address.as_str().to_owned(),
            code: code.expose().to_owned(),
            expires_at: now.plus(CODE_LASTS),
        };
        let job = mail.job().map_err(|e| StoreError::Corrupt { table: "jobs", why: e.to_string() })?;
        let (jobs, limits) = (self.jobs.clone(), self.throttle.limits);
        self.store
            .transaction::<(), StoreError, _>(move |connection| {
                async move {
                    let sent = login_codes::sent_so_far(connection, &new.address_hash, now).await?;
                    if login_code::may_send(sent, &limits) {
                        login_codes::replace(connection, &new, now).await?;
                        jobs.enqueue(connection, job).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await?;
        self.jobs.poke();
        Ok(asked)
    }

    /// Lets somebody in who brings the right code in the right browser.
    ///
    /// # Errors
    /// [`Refusal::CodeInvalid`] for everything that is wrong with the code, [`Refusal::TooMany`] for too many wrong ones.
    pub async fn sign_in(&self, attempt: Attempt) -> Result<SignedIn, Denied<Refusal>> {
        let now = self.clock.now();
        self.throttle.judge_client(now, attempt.client).map_err(Denied::Refused)?;
        let typed = Code::typed(&attempt.code);
        // While somebody guesses at large, the short codes that are still about are dead; a new one is long.
        let typed = typed.filter(|code| !code.is_short() || !self.throttle.codes_must_be_long(now));
        let Some(typed) = typed else {
            self.throttle.guessed(now, attempt.client, false);
            return Err(Denied::Refused(Refusal::CodeInvalid));
        };
        let (client, before) = (attempt.client, attempt.session_before);
        let me = self.clone();
        let entered: Option<SignedIn> = self
            .store
            .transaction::<_, StoreError, _>(move |connection| {
                async move { me.enter(connection, attempt, &typed, now).await }.boxed()
            })
            .await?;
        self.throttle.guessed(now, client, entered.is_some());
        let entered = entered.ok_or(Denied::Refused(Refusal::CodeInvalid))?;
        if let Some(before) = before {
            self.is_over(Basis::Login(before));
        }
        Ok(entered)
    }

    /// A wrong guess is no error here, since the try it took must be kept.
    async fn enter(
        &self,
        connection: &mut Connection,
        attempt: Attempt,
        typed: &Code,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, StoreError> {
        let address_hash = self.address_hash(&attempt.address);
        let browser_hash = attempt.browser.as_deref().map(|secret| self.browser_hash(secret));
        let guessed_at = login_codes::take_try(connection, &address_hash, attempt.request, browser_hash, now).await?;
        // Without a row the same is computed over nothing, so that both take as long.
        let (id, kept) =
            guessed_at.map_or_else(|| (CodeRequestId(uuid::Uuid::nil()), vec![0; 32]), |row| (row.id(), row.code_hash));
        let right: bool = subtle::ConstantTimeEq::ct_eq(self.code_hash(id, typed).as_slice(), kept.as_slice()).into();
        if !right {
            return Ok(None);
        }
        login_codes::mark_used(connection, id, now).await?;
        let user = users::find_or_insert(connection, self.ids.fresh(), &attempt.address, now).await?;
        if user.deleted_at.is_some() {
            return Ok(None);
        }
        users::mark_proven(connection, user.id(), now).await?;
        let (token, token_hash) = self.fresh_token(SESSION_PREFIX);
        let new = NewSession {
            id: self.ids.fresh(),
            user: user.id(),
            token_hash,
            device: session::device_label(attempt.user_agent.as_deref()),
            expires_at: session::expires_at(now, now),
        };
        sessions::insert(connection, &new, now).await?;
        if let Some(before) = attempt.session_before {
            sessions::revoke_any(connection, before, now).await?;
        }
        Ok(Some(SignedIn { user, login: new.id, token, expires_at: new.expires_at }))
    }

    /// A session is over: nobody remembers it, and its sockets close.
    pub(super) fn is_over(&self, basis: Basis) {
        self.authenticator.forget(basis);
        self.consequence.ended(basis);
    }
}
