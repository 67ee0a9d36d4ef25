//! Keeps people out of rooms: their tokens are good for minutes after their right ended, and the media server takes every one.
//!
//! Word of a join comes when media flows already, and a frame may be shown before it has reached us. So whoever was put out is put
//! out again and again without waiting for word: between the first knock and the first frame there is more time than one round.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;

use super::client::{LiveKit, Removed};
use crate::{
    limits::{BAR_EVERY, BAR_LASTS, BARRED_AT_ONCE_MAX, BARRED_MAX},
    live::media::StillBarred,
};

/// A room and an identity.
type Who = (String, String);

struct Barred {
    left: Duration,
    still: StillBarred,
}

#[derive(Default)]
struct Book {
    barred: BTreeMap<Who, Barred>,
    /// Whose turn it was last.
    last: Option<Who>,
    rounds: bool,
}

/// Who is kept out of which room. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Bar(Arc<Mutex<Book>>);

impl Bar {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, and for as long as tokens may be about.
    pub(super) fn add(&self, server: &LiveKit, who: Who, still: StillBarred) {
        let mut book = self.book();
        if book.barred.len() >= BARRED_MAX && !book.barred.contains_key(&who) {
            tracing::warn!(room = who.0, "so many are kept out that one more is only put out when it is heard of");
            return;
        }
        book.barred.insert(who, Barred { left: BAR_LASTS, still });
        if !std::mem::replace(&mut book.rounds, true) {
            server.runtime().spawn(rounds(self.clone(), server.clone()));
        }
    }

    /// Time has passed; whose turn it is now. `None` when nobody is kept out any more.
    fn turn(&self) -> Option<Vec<Who>> {
        let mut book = self.book();
        book.barred.retain(|_, barred| {
            barred.left = barred.left.saturating_sub(BAR_EVERY);
            !barred.left.is_zero() && (barred.still)()
        });
        if book.barred.is_empty() {
            book.rounds = false;
            return None;
        }
        let after = book.last.take();
        let later = book.barred.keys().filter(|who| after.as_ref().is_none_or(|last| *who > last));
        let earlier = book.barred.keys().filter(|who| after.as_ref().is_some_and(|last| *who <= last));
        let turn: Vec<Who> = later.chain(earlier).take(BARRED_AT_ONCE_MAX).cloned().collect();
        book.last = turn.last().cloned();
        Some(turn)
    }

    /// Somebody had come: the server has given a fresh token to whoever it was.
    fn had_come(&self, who: &Who) {
        if let Some(barred) = self.book().barred.get_mut(who) {
            barred.left = BAR_LASTS;
        }
    }
}

async fn rounds(bar: Bar, server: LiveKit) {
    while let Some(turn) = bar.turn() {
        let removed = join_all(turn.iter().map(|(room, identity)| server.put_out(room, identity, "keep_out"))).await;
        for (who, _) in turn.iter().zip(removed).filter(|(_, done)| matches!(done, Ok(Removed::Out))) {
            tracing::info!(room = who.0, "somebody who is kept out had come in again");
            bar.had_come(who);
        }
        tokio::time::sleep(BAR_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn who(number: usize) -> Who {
        ("bc_1".to_owned(), format!("usr_{number:04}:tv"))
    }

    fn barred(bar: &Bar, number: usize, still: StillBarred) {
        bar.book().barred.insert(who(number), Barred { left: BAR_LASTS, still });
    }

    #[test]
    fn everybody_has_a_turn_however_many_there_are() {
        let bar = Bar::default();
        let many = BARRED_AT_ONCE_MAX * 2 + 1;
        (0..many).for_each(|number| barred(&bar, number, Arc::new(|| true)));
        let mut turns: Vec<Who> = (0..3).flat_map(|_| bar.turn().unwrap()).collect();
        assert_eq!(turns.len(), BARRED_AT_ONCE_MAX * 3);
        turns.sort();
        turns.dedup();
        assert_eq!(turns.len(), many);
    }

    #[test]
    fn it_ends_with_the_last_token_or_when_the_right_is_back() {
        let (bar, banned) = (Bar::default(), Arc::new(AtomicBool::new(true)));
        let still = banned.clone();
        barred(&bar, 1, Arc::new(move || still.load(Ordering::SeqCst)));
        barred(&bar, 2, Arc::new(|| true));
        assert_eq!(bar.turn().unwrap(), [who(1), who(2)]);
        banned.store(false, Ordering::SeqCst);
        assert_eq!(bar.turn().unwrap(), [who(2)], "one is welcome again");
        let rounds = usize::try_from(BAR_LASTS.as_millis() / BAR_EVERY.as_millis()).unwrap();
        for _ in 0..rounds - 5 {
            assert!(bar.turn().is_some());
        }
        bar.had_come(&who(2));
        for _ in 0..rounds - 5 {
            assert!(bar.turn().is_some(), "a fresh token is good for as long again");
        }
        assert!((0..10).any(|_| bar.turn().is_none()));
    }
}
