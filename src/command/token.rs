//! `backstage token create`: a bearer token for scripts and load tests.

use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;

use super::means::Means;
use crate::{
    config::Config,
    identity::{
        core::{
            address::Address,
            scope::{Scope, Scopes},
        },
        store::api_tokens::Refusal,
        users,
    },
    store::Denied,
};

/// Makes a token for `email` (and the person, when the address is new) and prints it, alone on the last line.
///
/// # Errors
/// When the address is not one, the person has too many tokens, or the database cannot.
pub fn create(config: &Config, email: &str, scopes: Vec<Scope>, ttl_secs: Option<u64>) -> anyhow::Result<()> {
    let address = Address::parse(email).map_err(|refusal| anyhow::anyhow!("{email} is not an address: {refusal:?}"))?;
    let means = Means::gather(config)?;
    let identity = means.identity.clone();
    let now = identity.clock.now();
    let expires_at = ttl_secs.map(|secs| now.plus(Duration::from_secs(secs)));
    let made = means.store.transaction(move |connection| {
        async move {
            let user = users::find_or_insert(connection, identity.ids.fresh(), &address, now).await?;
            let scopes = Scopes::new(scopes);
            let name = "command line".to_owned();
            identity.make_api_token(connection, (None, user.id()), name, scopes, expires_at).await
        }
        .boxed()
    });
    let made = means.runtime.block_on(made).map_err(|denied: Denied<Refusal>| match denied {
        Denied::Refused(refusal) => anyhow::anyhow!("{email} cannot have another token: {refusal:?}"),
        Denied::Fault(fault) => fault.into(),
    });
    println!("{}", made.context("no token was made")?.token);
    Ok(())
}
