//! A mail server that keeps what it is given.

use std::{
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
    time::Duration,
};

use backstage::provider::mail::{Letter, Post, PostFault};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

/// How long a test waits for a letter.
const PATIENCE: Duration = Duration::from_secs(10);

/// Letters in the order they came. Clones share them.
#[derive(Clone)]
pub struct Outbox {
    letters: Arc<watch::Sender<Vec<Letter>>>,
    away: Arc<AtomicU32>,
}

impl Outbox {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self { letters: Arc::new(watch::Sender::new(vec![])), away: Arc::default() }
    }

    /// The next `times` letters are not taken.
    pub fn be_away(&self, times: u32) {
        self.away.store(times, Ordering::SeqCst);
    }

    /// Everything that came.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.borrow().clone()
    }

    /// Waits until `count` letters came for `to` and gives the newest.
    pub async fn newest(&self, to: &str, count: usize) -> Letter {
        let mut letters = self.letters.subscribe();
        let theirs = |all: &Vec<Letter>| all.iter().filter(|letter| letter.to == to).count() >= count;
        let arrived = tokio::time::timeout(PATIENCE, letters.wait_for(theirs)).await;
        let all = arrived.unwrap_or_else(|_| panic!("fewer than {count} letters to {to} came")).unwrap().clone();
        all.into_iter().rfind(|letter| letter.to == to).unwrap()
    }

    /// The code in the newest of `count` letters to `to`.
    pub async fn code(&self, to: &str, count: usize) -> String {
        let letter = self.newest(to, count).await;
        let code = regex::Regex::new(r"(?m)^ +([0-9]{6,12})$").unwrap();
        code.captures(&letter.text).unwrap_or_else(|| panic!("no code in {}", letter.text))[1].to_owned()
    }
}

impl Post for Outbox {
    fn send<'p>(&'p self, letter: &'p Letter) -> BoxFuture<'p, Result<(), PostFault>> {
        async move {
            let away = self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if away.is_ok() {
                return Err(PostFault::Away("told to".to_owned()));
            }
            self.letters.send_modify(|all| all.push(letter.clone()));
            Ok(())
        }
        .boxed()
    }
}
