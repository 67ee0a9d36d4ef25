//! Answers "whose credential is this?" for requests and sockets, many at a time: a herd that comes back costs some dozens of
//! queries, not one each.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    core::scope::{Scope, Scopes},
    store::credentials::{self, Found},
};
use crate::{
    clock::{SharedClock, Timestamp},
    ids::{LoginId, TokenId, UserId},
    keys::{KeyRing, Purpose},
    limits::{
        CREDENTIAL_BYTES_MAX, CREDENTIAL_FIRST_KNOWN, CREDENTIAL_KNOWN, CREDENTIAL_QUERIES_BURST,
        CREDENTIAL_QUERIES_EVERY, CREDENTIAL_RENEWALS_EVERY, CREDENTIALS_BATCH_MAX, CREDENTIALS_KNOWN_MAX,
        CREDENTIALS_WAITING_MAX,
    },
    pace::{Bucket, Pace},
    store::{Store, StoreError},
};

/// What every session token begins with.
pub const SESSION_PREFIX: &str = "bps_";
/// What every API token begins with.
pub const API_TOKEN_PREFIX: &str = "bpt_";

/// What somebody showed to say who they are.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The value of the session cookie.
    Cookie(String),
    /// What stood behind `Authorization: Bearer`: a session token or an API token.
    Bearer(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cookie(_) => "Cookie(secret)",
            Self::Bearer(_) => "Bearer(secret)",
        })
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: Arc<str>,
    /// The signed-in browser; `None` for an API token.
    pub login: Option<LoginId>,
    /// The API token; `None` for a session.
    pub token: Option<TokenId>,
    /// What the API token may be used for; `None` for a session, which may do whatever the person may.
    pub scopes: Option<Scopes>,
    /// Whether they run the platform.
    pub platform_admin: bool,
    /// Whether a role of theirs opens the studio of some team.
    pub sees_studio: bool,
    /// When the credential ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What being signed in rests on: when it ends, so does everything that was begun with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// A signed-in browser.
    Login(LoginId),
    /// An API token.
    Token(TokenId),
}

impl Signed {
    /// What it rests on; every credential is one or the other.
    #[must_use]
    pub fn basis(&self) -> Option<Basis> {
        self.login.map(Basis::Login).or(self.token.map(Basis::Token))
    }

    /// Whether the credential may be used for this.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.cover(scope))
    }
}

type Hash = [u8; 32];
type Answer = Result<Option<Signed>, StoreError>;

/// The hash under which the database keeps a token.
#[must_use]
pub fn token_hash(ring: &KeyRing, token: &str) -> [u8; 32] {
    ring.sign(Purpose::Token, &[token.as_bytes()])
}

/// Looks credentials up. Cheap to clone; one for the whole node.
#[derive(Clone)]
pub struct Authenticator(Arc<Desk>);

struct Desk {
    store: Store,
    ring: KeyRing,
    clock: SharedClock,
    runtime: Handle,
    state: Mutex<State>,
    /// Somebody has begun to wait.
    asked: Notify,
}

#[derive(Default)]
struct State {
    known: HashMap<Hash, Known>,
    waiting: HashMap<Hash, Vec<oneshot::Sender<Answer>>>,
    order: VecDeque<Hash>,
    at_work: bool,
    /// What is remembered is going to be swept.
    sweeping: bool,
    /// Credentials ended while a query was in flight, whose answer may be older than that.
    ended: Vec<Ended>,
    bucket: Bucket,
    queries: u64,
}

struct Known {
    signed: Signed,
    until: Duration,
    /// How long that was when it was looked up.
    kept: Duration,
    /// It is being looked up again.
    again: bool,
}

impl Known {
    /// Whether it is time to look it up again, so that whoever uses it all the time never waits.
    fn is_due(&self, now: Duration) -> bool {
        !self.again && now + self.kept / 2 >= self.until
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Basis(Basis),
    User(UserId),
}

impl Ended {
    fn ends(self, signed: &Signed) -> bool {
        match self {
            Self::Basis(basis) => signed.basis() == Some(basis),
            Self::User(user) => signed.user == user,
        }
    }
}

/// How fast queries follow each other.
const QUERIES: Pace = Pace { every: CREDENTIAL_QUERIES_EVERY, burst: CREDENTIAL_QUERIES_BURST };

impl Authenticator {
    /// A desk that asks `store`; its batches run on `runtime`.
    #[must_use]
    pub fn new(store: Store, ring: KeyRing, clock: SharedClock, runtime: Handle) -> Self {
        Self(Arc::new(Desk { store, ring, clock, runtime, state: Mutex::default(), asked: Notify::new() }))
    }

    /// Whose credential this is; `None` when it is nobody's, or not any more.
    ///
    /// # Errors
    /// When the database cannot say.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Option<Signed>, StoreError> {
        let (text, api_token_too) = match credential {
            Credential::Cookie(text) => (text, false),
            Credential::Bearer(text) => (text, true),
        };
        let ours = text.starts_with(SESSION_PREFIX) || (api_token_too && text.starts_with(API_TOKEN_PREFIX));
        if !ours || text.len() > CREDENTIAL_BYTES_MAX {
            return Ok(None);
        }
        let hash = token_hash(&self.0.ring, text);
        let answer = {
            let mut state = self.0.state();
            let now = self.0.clock.monotonic();
            if let Some(signed) = state.known(&hash, now, self.0.clock.now()) {
                if state.renew(hash, now) {
                    self.begin(&mut state);
                }
                return Ok(Some(signed));
            }
            let answer = state.wait_for(hash)?;
            self.begin(&mut state);
            self.0.asked.notify_one();
            answer
        };
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    fn begin(&self, state: &mut State) {
        if !std::mem::replace(&mut state.at_work, true) {
            self.0.runtime.spawn(work(self.0.clone()));
        }
    }

    /// Whether what somebody was signed in by a moment ago is good still; for tickets that were given out on it.
    ///
    /// # Errors
    /// When the database cannot say.
    pub async fn stands(&self, basis: Basis) -> Result<bool, StoreError> {
        credentials::stands(&self.0.store, basis, self.0.clock.now()).await
    }

    /// A session or an API token is over from now on, also for those whose look-up is in flight.
    pub fn forget(&self, basis: Basis) {
        self.0.state().end(Ended::Basis(basis));
    }

    /// What is remembered about a person is old: their address or their rank changed, or all their sessions ended.
    pub fn forget_user(&self, user: UserId) {
        self.0.state().end(Ended::User(user));
    }

    /// Queries made since the start.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.0.state().queries
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be done next about those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Ask the database now.
    Ask,
    /// Ask it after this long.
    Later(Duration),
    /// Nobody waits; what is known is only looked up again.
    Renew,
}

impl State {
    /// Whose turn it is. Renewals leave the bucket to those who wait.
    fn turn(&mut self, now: Duration) -> Turn {
        if self.waiting.is_empty() {
            return Turn::Renew;
        }
        match self.bucket.take(now, QUERIES) {
            Ok(()) => Turn::Ask,
            Err(wait) => Turn::Later(wait),
        }
    }

    fn known(&self, hash: &Hash, now: Duration, wall: Timestamp) -> Option<Signed> {
        let known = self.known.get(hash).filter(|known| known.until > now)?;
        known.signed.expires_at.is_none_or(|end| end > wall).then(|| known.signed.clone())
    }

    /// Has a credential that is known looked up once more while it is still good; whether it is now.
    fn renew(&mut self, hash: Hash, now: Duration) -> bool {
        let due = self.order.len() < CREDENTIALS_WAITING_MAX && self.known.get(&hash).is_some_and(|it| it.is_due(now));
        if due {
            self.known.entry(hash).and_modify(|known| known.again = true);
            self.order.push_back(hash);
        }
        due
    }

    fn wait_for(&mut self, hash: Hash) -> Result<oneshot::Receiver<Answer>, StoreError> {
        if self.order.len() >= CREDENTIALS_WAITING_MAX {
            return Err(StoreError::Unavailable("too many credentials wait to be looked up".into()));
        }
        let (sender, answer) = oneshot::channel();
        let waiting = self.waiting.entry(hash).or_default();
        if waiting.is_empty() {
            self.order.push_back(hash);
        }
        waiting.push(sender);
        Ok(answer)
    }

    fn end(&mut self, ended: Ended) {
        self.known.retain(|_, known| !ended.ends(&known.signed));
        if self.at_work {
            self.ended.push(ended);
        }
    }

    fn remember(&mut self, hash: Hash, signed: Signed, now: Duration) {
        if self.known.len() >= CREDENTIALS_KNOWN_MAX {
            self.known.retain(|_, known| known.until > now);
        }
        let kept = if self.known.contains_key(&hash) { CREDENTIAL_KNOWN } else { CREDENTIAL_FIRST_KNOWN };
        if self.known.len() < CREDENTIALS_KNOWN_MAX || self.known.contains_key(&hash) {
            self.known.insert(hash, Known { signed, until: now + kept, kept, again: false });
        }
    }

    /// Forgets what is too old to be used; a herd that came once does not weigh for ever.
    fn sweep(&mut self, now: Duration) {
        self.known.retain(|_, known| known.until > now);
        self.known.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.order.shrink_to_fit();
    }

    /// Gives everybody who waits for one of `batch` its answer.
    fn answer(&mut self, batch: Vec<Hash>, mut found: HashMap<Hash, Signed>, now: Duration) {
        found.retain(|_, signed| !self.ended.iter().any(|ended| ended.ends(signed)));
        for hash in batch {
            let signed = found.remove(&hash);
            match &signed {
                Some(signed) => self.remember(hash, signed.clone(), now),
                None => drop(self.known.remove(&hash)),
            }
            for waiting in self.waiting.remove(&hash).unwrap_or_default() {
                drop(waiting.send(Ok(signed.clone()))); // whoever asked may have gone away
            }
        }
        self.ended.clear();
    }

    fn fail(&mut self, batch: &[Hash]) {
        for hash in batch {
            self.known.entry(*hash).and_modify(|known| known.again = false);
            for waiting in self.waiting.remove(hash).unwrap_or_default() {
                drop(waiting.send(Err(lost()))); // whoever asked may have gone away
            }
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("credentials cannot be looked up just now".into())
}

impl Desk {
    /// Completes when a query may be made.
    async fn turn(&self) {
        loop {
            let turn = self.state().turn(self.clock.monotonic());
            match turn {
                Turn::Ask => return,
                Turn::Later(wait) => tokio::time::sleep(wait).await,
                Turn::Renew => match tokio::time::timeout(CREDENTIAL_RENEWALS_EVERY, self.asked.notified()).await {
                    Ok(()) => {}
                    Err(_) => return,
                },
            }
        }
    }
}

/// Looks up what waits, batch after batch, until nothing waits.
async fn work(desk: Arc<Desk>) {
    loop {
        desk.turn().await;
        let batch: Vec<Hash> = {
            let mut state = desk.state();
            let size = state.order.len().min(CREDENTIALS_BATCH_MAX);
            state.queries += 1;
            state.order.drain(..size).collect()
        };
        let now = desk.clock.now();
        let found = credentials::find(&desk.store, batch.clone(), now).await;
        let mut state = desk.state();
        match found {
            Ok(found) => {
                let found = found.into_iter().map(|Found { hash, signed }| (hash, signed)).collect();
                state.answer(batch, found, desk.clock.monotonic());
            }
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "credentials could not be looked up");
                state.fail(&batch);
            }
        }
        if state.order.is_empty() {
            state.at_work = false;
            state.ended.clear();
            if !state.known.is_empty() && !std::mem::replace(&mut state.sweeping, true) {
                desk.runtime.spawn(sweep(desk.clone()));
            }
            return;
        }
    }
}

/// Sweeps what is remembered, until nothing is.
async fn sweep(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(CREDENTIAL_FIRST_KNOWN).await;
        let mut state = desk.state();
        state.sweep(desk.clock.monotonic());
        if state.known.is_empty() {
            state.sweeping = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_leave_every_query_of_the_burst_to_those_who_wait() {
        let (mut state, now) = (State::default(), Duration::from_secs(10));
        for _ in 0..2 * CREDENTIAL_QUERIES_BURST {
            assert_eq!(state.turn(now), Turn::Renew);
        }
        let _answer = state.wait_for([7; 32]).unwrap();
        for _ in 0..CREDENTIAL_QUERIES_BURST {
            assert_eq!(state.turn(now), Turn::Ask);
        }
        assert_eq!(state.turn(now), Turn::Later(CREDENTIAL_QUERIES_EVERY));
    }

    fn somebody() -> Signed {
        Signed {
            user: UserId(uuid::Uuid::from_u128(1)),
            email: "a@b.test".into(),
            login: None,
            token: None,
            scopes: None,
            platform_admin: false,
            sees_studio: false,
            expires_at: None,
        }
    }

    #[test]
    fn a_credential_in_use_is_looked_up_again_once_before_anybody_has_to_wait_for_it() {
        let (mut state, hash, begun, wall) = (State::default(), [1; 32], Duration::from_secs(10), Timestamp(0));
        state.remember(hash, somebody(), begun);
        assert!(!state.renew(hash, begun + Duration::from_secs(1)), "it is fresh");
        let later = begun + CREDENTIAL_FIRST_KNOWN - Duration::from_secs(1);
        assert!(state.renew(hash, later) && !state.renew(hash, later), "once, however many use it");
        assert_eq!(state.order.drain(..).collect::<Vec<_>>(), [hash]);
        state.fail(&[hash]);
        assert!(state.known(&hash, later, wall).is_some() && state.renew(hash, later), "a failure may be tried again");
        state.answer(vec![hash], HashMap::from([(hash, somebody())]), later);
        let long = later + CREDENTIAL_KNOWN;
        assert!(state.known(&hash, long - Duration::from_millis(1), wall).is_some(), "now it is good for longer");
        assert!(state.known(&hash, long, wall).is_none() && !state.renew(hash, later + CREDENTIAL_KNOWN / 3));
        state.answer(vec![hash], HashMap::new(), later);
        assert!(
            state.known(&hash, later, wall).is_none(),
            "what was revoked elsewhere ends when it is looked up again"
        );
    }

    #[test]
    fn a_sweep_forgets_what_is_too_old_to_be_used_and_nothing_else() {
        let signed = somebody();
        let mut state = State::default();
        let begun = Duration::from_secs(10);
        state.remember([1; 32], signed.clone(), begun);
        state.remember([2; 32], signed, begun + Duration::from_secs(1));
        state.sweep(begun + CREDENTIAL_FIRST_KNOWN);
        let wall = Timestamp(0);
        assert!(!state.known.contains_key(&[1; 32]), "too old");
        assert!(state.known(&[2; 32], begun + CREDENTIAL_FIRST_KNOWN, wall).is_some(), "still good");
        state.sweep(begun + CREDENTIAL_FIRST_KNOWN + Duration::from_secs(1));
        assert!(state.known.is_empty() && state.known.capacity() == 0, "nothing is kept of a herd that left");
    }
}
