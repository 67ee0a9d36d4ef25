//! `backstage seed`: the demo's data, and crowds for load tests.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::FutureExt;

use super::means::Means;
use crate::{
    clock::{Clock, Timestamp},
    config::{Config, Mode},
    entropy::{Entropy, Ids, random_bytes},
    identity::{
        Identity,
        authenticator::{API_TOKEN_PREFIX, token_hash},
    },
    ids::{GrantId, TokenId, UserId},
    keys::KeyRing,
    limits::{CROWD_ROWS_AT_ONCE, CROWD_VIEWERS_MAX},
    local::secret_file,
    store::{Denied, Store, StoreError},
    storefront::{
        core::Refusal,
        store::demo::{self, Place, Viewer},
    },
};

/// Makes whatever of the demo data is not there yet.
///
/// # Errors
/// When the database cannot, or the demo's names belong to somebody else.
pub async fn demo(store: &Store, ids: &Ids, now: Timestamp) -> anyhow::Result<()> {
    let ids = ids.clone();
    let seeded: Result<(), Denied<Refusal>> =
        store.transaction(move |connection| async move { demo::seed(connection, now, &ids).await }.boxed()).await;
    match seeded {
        Ok(()) => Ok(()),
        Err(Denied::Refused(refusal)) => bail!("the demo data cannot be made: {refusal:?}"),
        Err(Denied::Fault(fault)) => Err(fault).context("the demo data cannot be made"),
    }
}

/// `backstage seed demo`.
///
/// # Errors
/// As [`demo`].
pub fn run_demo(config: &Config) -> anyhow::Result<()> {
    let means = Means::gather(config)?;
    let identity = &means.identity;
    means.runtime.block_on(demo(&means.store, &identity.ids, identity.clock.now()))?;
    println!("The demo data is there.");
    Ok(())
}

/// `backstage seed crowd`, in local mode only: it makes people nobody asked.
///
/// # Errors
/// As [`crowd`].
pub fn run_crowd(config: &Config, experience: &str, viewers: usize, out: &Path) -> anyhow::Result<()> {
    if config.mode == Mode::Production {
        bail!("a crowd is made in local mode only: these people would be real grants in production");
    }
    let means = Means::gather(config)?;
    let Identity { ring, ids, entropy, clock, .. } = &means.identity;
    let parts = Parts { store: &means.store, ring, ids, entropy: entropy.as_ref(), clock: clock.as_ref() };
    means.runtime.block_on(crowd(parts, Crowd { experience, viewers, out }))?;
    println!("{viewers} people may watch {experience}; their tokens are in {}", out.display());
    Ok(())
}

/// A crowd to be made.
#[derive(Clone, Debug)]
pub struct Crowd<'a> {
    /// `SPACE/EXPERIENCE`.
    pub experience: &'a str,
    /// How many people.
    pub viewers: usize,
    /// The file that gets one bearer token a line.
    pub out: &'a Path,
}

/// What a crowd is made of.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The database.
    pub store: &'a Store,
    /// Hashes the tokens.
    pub ring: &'a KeyRing,
    /// Fresh ids.
    pub ids: &'a Ids,
    /// Fresh tokens.
    pub entropy: &'a dyn Entropy,
    /// When.
    pub clock: &'a dyn Clock,
}

/// Makes people who may watch an experience, and writes their tokens into a file that only its owner can read.
///
/// # Errors
/// When there is no such experience, the file cannot be written, or the database cannot.
pub async fn crowd(means: Parts<'_>, crowd: Crowd<'_>) -> anyhow::Result<()> {
    if crowd.viewers > CROWD_VIEWERS_MAX {
        bail!("a crowd has at most {CROWD_VIEWERS_MAX} people");
    }
    let names = crowd.experience.split_once('/').context("name the experience as SPACE/EXPERIENCE")?;
    let place = place(means.store, (names.0.to_owned(), names.1.to_owned())).await?;
    let place = place.with_context(|| format!("there is no experience {}", crowd.experience))?;
    let (tokens, people) = people(means, crowd.viewers);
    let now = means.clock.now();
    let done: Result<(), StoreError> = means
        .store
        .transaction(move |connection| {
            async move {
                for chunk in people.chunks(CROWD_ROWS_AT_ONCE) {
                    demo::insert_crowd(connection, now, place, chunk.to_vec()).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await;
    done.context("the crowd cannot be made")?;
    let text: String = tokens.into_iter().map(|token| token + "\n").collect();
    secret_file::write(crowd.out, text.as_bytes()).with_context(|| format!("{} cannot be written", crowd.out.display()))
}

async fn place(store: &Store, (space, experience): (String, String)) -> anyhow::Result<Option<Place>> {
    let found: Result<_, StoreError> = store
        .run(move |connection| async move { demo::find_place(connection, (&space, &experience)).await }.boxed())
        .await;
    found.context("the experience cannot be looked up")
}

/// Fresh people with fresh tokens; two crowds never share an address.
fn people(means: Parts<'_>, viewers: usize) -> (Vec<String>, Vec<Viewer>) {
    let run = u64::from_le_bytes(random_bytes(means.entropy));
    let one = |number: usize| {
        let secret = random_bytes::<32>(means.entropy);
        let token = format!("{API_TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let viewer = Viewer {
            user: means.ids.fresh::<UserId>().0,
            grant: means.ids.fresh::<GrantId>().0,
            token: means.ids.fresh::<TokenId>().0,
            token_hash: token_hash(means.ring, &token).to_vec(),
            email: format!("viewer-{number}-{run:016x}@crowd.test"),
        };
        (token, viewer)
    };
    (1..=viewers).map(one).unzip()
}
