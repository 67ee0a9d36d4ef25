//! What a shard knows of one experience, and what its sockets are told when the live core speaks. Pure: frames in, frames
//! out; nothing numbered is ever passed over in silence.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    door::ResumePoint,
    hub::{Board, Latest, MediaChange, MediaPlan, Publication},
};

/// How a frame may be treated when its reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// It is owed.
    Keep,
    /// A newer one of its kind replaces it.
    Newest(Latest),
}

/// What follows from a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Everybody gets these frames, one after the other, and a token when `media` is set.
    Everybody {
        /// The frames.
        frames: Vec<Bytes>,
        /// How they may be treated.
        lane: Lane,
        /// Whether where media comes from has changed.
        media: bool,
    },
    /// Only the studio's sockets get it.
    Studio(Bytes),
    /// Something was missed: ask for a board. Until it comes, nothing is told.
    Ask,
}

/// What a newcomer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The activation.
    pub epoch: u64,
    /// What the viewer knows up to before `frames`.
    pub offset: u64,
    /// Whether `frames` are what it missed, rather than a snapshot.
    pub recovered: bool,
    /// What follows `welcome`.
    pub frames: Vec<Bytes>,
}

/// One experience as one shard sees it.
#[derive(Debug, Default)]
pub struct Topic {
    board: Option<Arc<Board>>,
    /// Something was missed; what comes before the next board is of no use.
    behind: bool,
}

impl Topic {
    /// Takes in what the live core says.
    pub fn take(&mut self, publication: Publication) -> Step {
        match publication {
            Publication::Board(board) => self.take_board(board),
            Publication::Numbered { epoch, offset, frame, snapshot, media } => {
                self.take_numbered(ResumePoint { epoch, offset }, frame, snapshot, media)
            }
            Publication::Latest { epoch, kind, frame, snapshot } => match self.current(epoch) {
                Some(board) => {
                    Arc::make_mut(board).snapshot = snapshot;
                    Step::Everybody { frames: vec![frame], lane: Lane::Newest(kind), media: false }
                }
                None => Step::Nothing,
            },
            Publication::Studio { frame } => Step::Studio(frame),
        }
    }

    /// Something did not reach this shard: its sockets are told nothing until a board has come.
    pub fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// Whether a board is awaited.
    #[must_use]
    pub fn awaits_board(&self) -> bool {
        self.behind || self.board.is_none()
    }

    /// What a newcomer gets, once there is a board that nothing is missing from.
    #[must_use]
    pub fn greet(&self, resume: Option<ResumePoint>) -> Option<Greeting> {
        let board = self.board.as_ref().filter(|_| !self.behind)?;
        let missed = resume.and_then(|seen| Some((seen, board.missed(seen)?)));
        Some(match missed {
            Some((seen, frames)) => Greeting { epoch: board.epoch, offset: seen.offset, recovered: true, frames },
            None => Greeting {
                epoch: board.epoch,
                offset: board.offset,
                recovered: false,
                frames: vec![board.snapshot.clone()],
            },
        })
    }

    /// Where media comes from.
    #[must_use]
    pub fn media(&self) -> Option<&Arc<MediaPlan>> {
        self.board.as_ref()?.media.as_ref()
    }

    /// The board, when it is of this activation and nothing is missing from it.
    fn current(&mut self, epoch: u64) -> Option<&mut Arc<Board>> {
        self.board.as_mut().filter(|board| !self.behind && board.epoch == epoch)
    }

    fn take_board(&mut self, board: Arc<Board>) -> Step {
        let Some(old) = self.board.as_ref() else {
            self.behind = false;
            self.board = Some(board);
            return Step::Nothing;
        };
        let seen = ResumePoint { epoch: old.epoch, offset: old.offset };
        if (board.epoch, board.offset) < (seen.epoch, seen.offset) {
            return Step::Nothing; // an answer to an earlier question, overtaken by frames we have
        }
        let media = board.media != old.media && board.media.is_some();
        let frames = board.missed(seen).unwrap_or_else(|| vec![board.snapshot.clone()]);
        self.behind = false;
        self.board = Some(board);
        if frames.is_empty() && !media { Step::Nothing } else { Step::Everybody { frames, lane: Lane::Keep, media } }
    }

    fn take_numbered(&mut self, at: ResumePoint, frame: Bytes, snapshot: Bytes, media: MediaChange) -> Step {
        let Some(board) = self.board.as_mut().filter(|_| !self.behind) else { return Step::Nothing };
        if at.epoch < board.epoch || (at.epoch == board.epoch && at.offset <= board.offset) {
            return Step::Nothing; // of an earlier activation, or already in the board
        }
        if at.epoch > board.epoch || Some(at.offset) != board.offset.checked_add(1) {
            self.behind = true;
            return Step::Ask;
        }
        let board = Arc::make_mut(board);
        board.offset = at.offset;
        board.snapshot = snapshot;
        board.ring.push(at.offset, frame.clone());
        let changed = matches!(media, MediaChange::Use(_));
        match media {
            MediaChange::Keep => {}
            MediaChange::Use(plan) => board.media = Some(plan),
            MediaChange::Clear => board.media = None,
        }
        Step::Everybody { frames: vec![frame], lane: Lane::Keep, media: changed }
    }
}

#[cfg(test)]
mod tests;
