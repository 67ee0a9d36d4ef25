//! Whether media flows, from what the studio, the viewers and the media server say; the quickest true word counts.

use std::{collections::BTreeMap, time::Duration};

use super::broadcast::{Feed, Witness};
use crate::{
    clock::Timestamp,
    ids::UserId,
    limits::{FROZEN_VIEWERS_MIN, FROZEN_WINDOW, STUDIO_SILENCE},
};

/// What the witnesses said last.
#[derive(Clone, Debug, Default)]
pub struct Signal {
    /// When the publishing studio last said that it sends media; `None` when no studio publishes.
    studio_at: Option<Timestamp>,
    /// Viewers whose picture froze, with the time of their word.
    frozen: BTreeMap<UserId, Timestamp>,
}

/// What the witnesses' words amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Media flows, freshly seen.
    Up(Feed, Witness),
    /// Media is gone.
    Down(Witness),
}

impl Signal {
    /// The studio said whether it publishes media that moves.
    pub fn studio(&mut self, now: Timestamp, publishing: bool) -> Option<Verdict> {
        if publishing {
            self.studio_at = Some(now);
            self.frozen.clear();
            return Some(Verdict::Up(Feed::Browser, Witness::Studio));
        }
        self.studio_at.take().map(|_| Verdict::Down(Witness::Studio))
    }

    /// A viewer said whether its picture stands still.
    pub fn viewer(&mut self, now: Timestamp, user: UserId, frozen: bool) -> Option<Verdict> {
        if !frozen {
            let was_frozen = self.frozen.remove(&user).is_some();
            return (was_frozen && self.frozen.is_empty()).then_some(Verdict::Up(Feed::Browser, Witness::Viewers));
        }
        self.frozen.retain(|_, at| now.since(*at) < FROZEN_WINDOW);
        if self.frozen.len() < FROZEN_VIEWERS_MIN {
            self.frozen.insert(user, now);
        }
        // one line may be at fault; and a studio that has just spoken outweighs the viewers
        let studio_is_fresh = self.studio_at.is_some_and(|at| now.since(at) < STUDIO_SILENCE);
        (self.frozen.len() >= FROZEN_VIEWERS_MIN && !studio_is_fresh).then_some(Verdict::Down(Witness::Viewers))
    }

    /// Time has passed: a studio that published and went silent has lost its media.
    pub fn tick(&mut self, now: Timestamp) -> Option<Verdict> {
        let silent = self.studio_at.is_some_and(|at| now.since(at) >= STUDIO_SILENCE);
        if silent {
            self.studio_at = None;
        }
        silent.then_some(Verdict::Down(Witness::Studio))
    }

    /// When `tick` would say something.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Timestamp> {
        self.studio_at.map(|at| at.plus(STUDIO_SILENCE))
    }

    /// How long a studio may be silent.
    #[must_use]
    pub fn patience() -> Duration {
        STUDIO_SILENCE
    }
}
