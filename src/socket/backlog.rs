//! What waits for one slow reader: whole frames in order, the newest of its kind where only the newest matters, up to a
//! limit.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

use super::topic::Lane;
use crate::limits::{SOCKET_BACKLOG_BYTES_MAX, SOCKET_SLICES_MAX};

/// More waits than a reader may have waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overfull;

/// Frames that a full socket buffer has refused.
#[derive(Debug, Default)]
pub struct Backlog {
    frames: VecDeque<(Bytes, Lane)>,
    bytes: usize,
    /// Some of the first frame has been written: it must be finished, whatever happens.
    begun: bool,
}

impl Backlog {
    /// Starts with the rest of a frame of which something has been written.
    pub fn push_rest(&mut self, rest: Bytes, lane: Lane) -> Result<(), Overfull> {
        self.begun = self.frames.is_empty();
        debug_assert!(self.begun, "only the first frame of a backlog can have been begun");
        self.push(rest, lane)
    }

    /// Adds a whole frame at the end; an older one that it replaces goes.
    pub fn push(&mut self, frame: Bytes, lane: Lane) -> Result<(), Overfull> {
        if let Lane::Newest(_) = lane {
            let untouched = usize::from(self.begun);
            if let Some(at) = self.frames.iter().skip(untouched).position(|(_, waits)| *waits == lane) {
                let replaced = self.frames.remove(untouched + at);
                self.bytes -= replaced.map_or(0, |(frame, _)| frame.len());
            }
        }
        self.bytes += frame.len();
        self.frames.push_back((frame, lane));
        if self.bytes > SOCKET_BACKLOG_BYTES_MAX { Err(Overfull) } else { Ok(()) }
    }

    /// Forgets what waits, but for the frame that has been begun.
    pub fn abandon(&mut self) {
        self.frames.truncate(usize::from(self.begun));
        self.bytes = self.frames.iter().map(|(frame, _)| frame.len()).sum();
    }

    /// The front of it, for one vectored write.
    pub fn slices(&self) -> impl Iterator<Item = IoSlice<'_>> {
        self.frames.iter().take(SOCKET_SLICES_MAX).map(|(frame, _)| IoSlice::new(frame))
    }

    /// Takes off what was written.
    pub fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some((front, _)) = self.frames.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.begun |= written > 0;
                return;
            }
            written -= front.len();
            self.begun = false;
            self.frames.pop_front();
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::hub::Latest;

    const AUDIENCE: Lane = Lane::Newest(Latest::Audience);
    const REACTIONS: Lane = Lane::Newest(Latest::Reactions);

    fn waiting(backlog: &Backlog) -> String {
        let bytes: Vec<u8> = backlog.slices().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes.len(), backlog.bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_newest_count_replaces_an_older_one_and_what_is_owed_stays() {
        let mut backlog = Backlog::default();
        for (frame, lane) in
            [("a1 ", AUDIENCE), ("s1 ", Lane::Keep), ("r1 ", REACTIONS), ("a2 ", AUDIENCE), ("s2 ", Lane::Keep)]
        {
            backlog.push(frame.into(), lane).unwrap();
        }
        assert_eq!(waiting(&backlog), "s1 r1 a2 s2 ");
    }

    #[test]
    fn a_frame_that_has_been_begun_is_finished_before_anything_else() {
        let mut backlog = Backlog::default();
        backlog.push_rest("udience1 ".into(), AUDIENCE).unwrap();
        backlog.push("a2 ".into(), AUDIENCE).unwrap();
        backlog.push("a3 ".into(), AUDIENCE).unwrap();
        assert_eq!(waiting(&backlog), "udience1 a3 ");
        backlog.abandon();
        backlog.push("bye".into(), Lane::Keep).unwrap();
        assert_eq!(waiting(&backlog), "udience1 bye");
        backlog.advance(9);
        backlog.abandon();
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_frame_begun_by_a_later_write_is_kept_too() {
        let mut backlog = Backlog::default();
        backlog.push("one ".into(), Lane::Keep).unwrap();
        backlog.push("two ".into(), AUDIENCE).unwrap();
        backlog.advance(5);
        backlog.push("a2 ".into(), AUDIENCE).unwrap();
        assert_eq!(waiting(&backlog), "wo a2 ");
        backlog.advance(6);
        assert!(backlog.is_empty() && !backlog.begun);
    }

    #[test]
    fn more_than_the_limit_is_too_much() {
        let mut backlog = Backlog::default();
        let frame = Bytes::from(vec![b'x'; SOCKET_BACKLOG_BYTES_MAX / 2]);
        assert_eq!(backlog.push(frame.clone(), Lane::Keep), Ok(()));
        assert_eq!(backlog.push(frame, Lane::Keep), Ok(()));
        assert_eq!(backlog.push("x".into(), Lane::Keep), Err(Overfull));
    }
}
