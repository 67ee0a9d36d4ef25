//! The ports between the live core and the sockets: what it tells them ([`Hub`]), and what they ask of it ([`Floor`],
//! [`Minter`]).

use std::{borrow::Cow, collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    codes::CloseCode,
    door::{ResumePoint, Seat},
    protocol::{Emoji, Quality, Stats},
};
use crate::{
    clock::Timestamp,
    identity::Basis,
    ids::{ExperienceId, UserId, ViewerId},
    limits::RESUME_FRAMES_MAX,
};

/// Why a socket is closed, in the stable word that `bye` carries; an entitlement's reason where a right has ended.
pub type Reason = Cow<'static, str>;

/// One shard of one engine, for as long as its thread lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// Where a viewer's media comes from, as far as everybody in the room shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlan {
    /// The media server's address for browsers.
    pub url: String,
    /// The room.
    pub room: String,
}

/// What a numbered frame does to where media comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaChange {
    /// Nothing.
    Keep,
    /// There is media now, or other media: every viewer is minted a token.
    Use(Arc<MediaPlan>),
    /// There is no media any more.
    Clear,
}

/// All a shard needs to know of an experience: what newcomers are shown, and the frames kept for those who return.
#[derive(Clone, Debug)]
pub struct Board {
    /// The activation.
    pub epoch: u64,
    /// The number of the last numbered frame that `snapshot` contains.
    pub offset: u64,
    /// The `snapshot` frame, encoded.
    pub snapshot: Bytes,
    /// Numbered frames up to `offset`, without a hole.
    pub ring: Ring,
    /// Where media comes from.
    pub media: Option<Arc<MediaPlan>>,
}

/// The last numbered frames of one activation, without a hole, the newest at the end.
#[derive(Clone, Debug, Default)]
pub struct Ring(VecDeque<(u64, Bytes)>);

impl Ring {
    /// Adds the next frame. A frame that does not follow the last one starts the ring anew.
    pub fn push(&mut self, offset: u64, frame: Bytes) {
        if self.0.back().is_some_and(|(last, _)| last.checked_add(1) != Some(offset)) {
            self.0.clear();
        }
        if self.0.len() == RESUME_FRAMES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((offset, frame));
    }

    /// The frames after `seen` up to `last`, all of them or `None`.
    #[must_use]
    pub fn after(&self, seen: u64, last: u64) -> Option<Vec<Bytes>> {
        if seen >= last {
            return (seen == last).then(Vec::new);
        }
        let missed = usize::try_from(last - seen).ok().filter(|missed| *missed <= self.0.len())?;
        if self.0.back().is_none_or(|(newest, _)| *newest != last) {
            return None;
        }
        Some(self.0.iter().skip(self.0.len() - missed).map(|(_, frame)| frame.clone()).collect())
    }
}

impl Board {
    /// The frames somebody missed who saw `seen`: all of them, or `None`, which means a snapshot.
    #[must_use]
    pub fn missed(&self, seen: ResumePoint) -> Option<Vec<Bytes>> {
        if seen.epoch == self.epoch { self.ring.after(seen.offset, self.offset) } else { None }
    }
}

/// Which of the frames that only their newest matters of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Latest {
    /// How many are there.
    Audience,
    /// What they react with.
    Reactions,
}

/// Something the live core has to say about one experience. Frames are complete and encoded ([`super::frame::text`]).
#[derive(Clone, Debug)]
pub enum Publication {
    /// Everything, for a shard that asked, or for all of them at a new activation.
    Board(Arc<Board>),
    /// The next numbered frame.
    Numbered {
        /// The activation.
        epoch: u64,
        /// Its number, one above the last.
        offset: u64,
        /// The frame for those who are here.
        frame: Bytes,
        /// The `snapshot` for those who come after it.
        snapshot: Bytes,
        /// What it does to where media comes from.
        media: MediaChange,
    },
    /// A frame that replaces an earlier one of its kind where a reader is slow.
    Latest {
        /// The activation.
        epoch: u64,
        /// Which.
        kind: Latest,
        /// The frame for those who are here.
        frame: Bytes,
        /// The `snapshot` for those who come after it.
        snapshot: Bytes,
    },
    /// A frame for the studio's sockets alone.
    Studio {
        /// The frame.
        frame: Bytes,
    },
}

/// What the engine tells its sockets. Nothing here blocks; order is kept for each experience, closes included.
pub trait Hub: Send + Sync + 'static {
    /// To every shard with sockets of the experience.
    fn publish(&self, experience: ExperienceId, publication: Publication);
    /// To one shard, as the answer to [`Floor::subscribe`].
    fn publish_to(&self, shard: ShardId, experience: ExperienceId, publication: Publication);
    /// Closes every socket of an experience.
    fn close_experience(&self, experience: ExperienceId, code: CloseCode, reason: Reason);
    /// Closes a user's sockets, in one experience or in all.
    fn close_user(&self, user: UserId, experience: Option<ExperienceId>, code: CloseCode, reason: Reason);
    /// Closes the sockets that rest on one sign-in or one API token.
    fn close_basis(&self, basis: Basis, code: CloseCode, reason: Reason);
    /// Closes the sockets of one place in an audience.
    fn close_session(&self, session: ViewerId, code: CloseCode, reason: Reason);
    /// Sends everybody away with 4010, told to come back at a random moment within `spread`; newcomers are refused. Done
    /// when all have gone or a limit has passed.
    fn drain(&self, spread: Duration) -> BoxFuture<'static, ()>;
}

/// What sockets ask of the live core. Nothing here may block.
pub trait Floor: Send + Sync + 'static {
    /// A shard has its first socket of an experience, or missed something: answered by a [`Publication::Board`].
    fn subscribe(&self, experience: ExperienceId, shard: ShardId);
    /// A shard has no socket of the experience any more.
    fn unsubscribe(&self, experience: ExperienceId, shard: ShardId);
    /// Somebody reacts.
    fn react(&self, seat: &Seat, emoji: Emoji);
    /// A viewer's player reports.
    fn quality(&self, seat: &Seat, quality: Quality);
    /// The creator's page reports.
    fn stats(&self, seat: &Seat, stats: Stats);
}

/// What came of asking for one viewer's media token.
#[derive(Clone, Debug)]
pub enum Minted {
    /// A frame for this socket alone.
    Token {
        /// The `token` or `playback` frame, encoded.
        frame: Bytes,
        /// When to mint the next one, well before this one ends.
        renew_at: Timestamp,
    },
    /// The right has ended; the socket is closed with 4003.
    Ended(Reason),
    /// Whether the right still holds cannot be known just now: asked again shortly, and when it stays so, the socket is closed
    /// with 4011.
    Unknown,
}

/// Makes media tokens for one viewer at a time, judging the right again each time. Must not block.
pub trait Minter: Send + Sync + 'static {
    /// A token for `seat` and the plan.
    fn mint(&self, seat: &Seat, plan: &MediaPlan) -> Minted;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(offset: u64) -> Bytes {
        offset.to_string().into()
    }

    fn board(offsets: std::ops::RangeInclusive<u64>) -> Board {
        let mut ring = Ring::default();
        offsets.clone().for_each(|offset| ring.push(offset, frame(offset)));
        Board { epoch: 2, offset: *offsets.end(), snapshot: Bytes::new(), ring, media: None }
    }

    #[test]
    fn survive_112_a_returning_viewer_gets_all_it_missed_or_nothing() {
        let board = board(5..=9);
        let missed = |epoch, offset| board.missed(ResumePoint { epoch, offset });
        assert_eq!(missed(2, 9), Some(vec![]), "nothing missed");
        assert_eq!(missed(2, 7), Some(vec![frame(8), frame(9)]));
        assert_eq!(missed(2, 4), Some((5..=9).map(frame).collect()), "exactly as far back as the ring goes");
        assert_eq!(missed(2, 3), None, "one frame too long ago");
        assert_eq!(missed(2, 10), None, "the future");
        assert_eq!(missed(2, u64::MAX), None, "the far future");
        assert_eq!(missed(1, 9), None, "another activation");
    }

    #[test]
    fn a_hole_starts_the_ring_anew() {
        let mut board = board(1..=3);
        board.ring.push(5, frame(5));
        board.offset = 5;
        assert_eq!(board.missed(ResumePoint { epoch: 2, offset: 4 }), Some(vec![frame(5)]));
        assert_eq!(board.missed(ResumePoint { epoch: 2, offset: 3 }), None);
    }

    proptest! {
        #[test]
        fn what_is_recovered_is_exactly_what_was_missed(len in 0u64..600, seen in 0u64..700) {
            let board = board(1..=len);
            match board.missed(ResumePoint { epoch: 2, offset: seen }) {
                Some(missed) => {
                    prop_assert!(seen <= len);
                    prop_assert_eq!(missed, (seen + 1..=len).map(frame).collect::<Vec<_>>());
                }
                None => prop_assert!(seen > len || len - seen > RESUME_FRAMES_MAX as u64),
            }
        }
    }
}
