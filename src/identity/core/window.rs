//! Counting what happened lately, exactly: no burst at the border of two windows.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use crate::{clock::Timestamp, limits::WINDOW_KEYS_MAX};

/// What happened lately to each key, inside one span.
#[derive(Debug)]
pub struct Windows<K> {
    span: Duration,
    seen: HashMap<K, VecDeque<Timestamp>>,
}

impl<K: Eq + Hash> Windows<K> {
    /// Nothing happened yet; what is older than `span` does not count.
    #[must_use]
    pub fn new(span: Duration) -> Self {
        Self { span, seen: HashMap::new() }
    }

    /// How often it happened in the span that ends at `now`.
    pub fn count(&mut self, now: Timestamp, key: &K) -> usize {
        let since = now.minus(self.span);
        let Some(seen) = self.seen.get_mut(key) else { return 0 };
        while seen.front().is_some_and(|at| *at <= since) {
            seen.pop_front();
        }
        if seen.is_empty() {
            self.seen.remove(key);
            return 0;
        }
        seen.len()
    }

    /// It happened at `now`.
    pub fn add(&mut self, now: Timestamp, key: K) {
        if self.seen.len() >= WINDOW_KEYS_MAX {
            let since = now.minus(self.span);
            self.seen.retain(|_, seen| seen.back().is_some_and(|at| *at > since));
        }
        // Full of keys that all count: whoever holds so many addresses is met by the limit of the whole site.
        if self.seen.len() < WINDOW_KEYS_MAX || self.seen.contains_key(&key) {
            self.seen.entry(key).or_default().push_back(now);
        }
    }

    /// Counts it when fewer than `most` happened lately.
    ///
    /// # Errors
    /// How long until one more fits.
    pub fn admit(&mut self, now: Timestamp, key: K, most: u32) -> Result<(), Duration> {
        if self.count(now, &key) < most as usize {
            self.add(now, key);
            return Ok(());
        }
        let oldest = self.seen.get(&key).and_then(|seen| seen.front()).copied().unwrap_or(now);
        Err(oldest.plus(self.span).since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_of_that_length_ever_holds_more_than_the_limit() {
        let span = Duration::from_secs(900);
        let mut windows = Windows::new(span);
        let at = |secs| Timestamp(secs * 1000);
        let admitted: Vec<i64> = (0..4000).filter(|secs| windows.admit(at(*secs), "key", 3).is_ok()).collect();
        for window in admitted.windows(4) {
            assert!(window[3] - window[0] >= 900, "{window:?}");
        }
        assert_eq!(windows.admit(at(4000), "other", 3), Ok(()));
    }

    #[test]
    fn a_refusal_says_when_one_more_fits() {
        let mut windows = Windows::new(Duration::from_secs(60));
        assert_eq!(windows.admit(Timestamp(0), 1, 1), Ok(()));
        assert_eq!(windows.admit(Timestamp(20_000), 1, 1), Err(Duration::from_secs(40)));
        assert_eq!(windows.admit(Timestamp(60_000), 1, 1), Ok(()));
    }
}
