//! A grant: what a person owns, since when and until when, and whether that opens anything just now.

use std::{fmt, str::FromStr, sync::Arc};

use super::entitlement::Refusal;
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, GrantId, PassId, SpaceId},
};

/// A word that names no status or no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a word for this")]
pub struct NotAWord(pub String);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire and in the database.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = NotAWord;

            fn from_str(word: &str) -> Result<Self, NotAWord> {
                Self::ALL.iter().copied().find(|one| one.word() == word).ok_or_else(|| NotAWord(word.to_owned()))
            }
        }
    };
}

words! {
    /// Where a grant stands.
    Status {
        /// Paid for, given, or joined free.
        Active = "active",
        /// In its trial.
        Trialing = "trialing",
        /// A payment is late; open until the space's grace is over.
        PastDue = "past_due",
        /// Paused by its holder or the seller.
        Paused = "paused",
        /// Over because its time was up.
        Expired = "expired",
        /// Taken away.
        Revoked = "revoked",
        /// Paid back.
        Refunded = "refunded",
        /// The payment is disputed.
        Disputed = "disputed",
    }
}

words! {
    /// Where a grant came from.
    Source {
        /// Somebody joined a free pass.
        Free = "free",
        /// The team gave a pass away.
        Comp = "comp",
        /// The team opened a space or an experience without a pass.
        Direct = "direct",
        /// It was brought from elsewhere.
        Import = "import",
    }
}

/// What a grant opens. The experiences of a pass are sorted, and shared by all who hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opens {
    /// All of the space.
    Space,
    /// One experience of it.
    Experience(ExperienceId),
    /// The member page of the space, and the experiences ticked for the pass at this moment.
    Pass(PassId, Arc<[ExperienceId]>),
}

impl Opens {
    /// Whether it reaches the experience, or the space's member page where none is named.
    #[must_use]
    pub fn includes(&self, experience: Option<ExperienceId>) -> bool {
        match (self, experience) {
            (Self::Space, _) | (Self::Pass(..), None) => true,
            (Self::Experience(held), Some(wanted)) => *held == wanted,
            (Self::Experience(_), None) => false,
            (Self::Pass(_, ticked), Some(wanted)) => ticked.binary_search(&wanted).is_ok(),
        }
    }

    /// The pass, where it is one.
    #[must_use]
    pub fn pass(&self) -> Option<PassId> {
        match self {
            Self::Pass(pass, _) => Some(*pass),
            Self::Space | Self::Experience(_) => None,
        }
    }
}

/// A grant somebody holds or held, as far as judging needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub id: GrantId,
    /// The space it belongs to.
    pub space: SpaceId,
    /// What it opens there.
    pub opens: Opens,
    /// Where it came from.
    pub source: Source,
    /// Where it stands.
    pub status: Status,
    /// The first moment at which it opens.
    pub starts_at: Timestamp,
    /// The first moment at which it opens no more; `None` lasts for ever.
    pub expires_at: Option<Timestamp>,
    /// The end of the grace while a payment is late.
    pub past_due_until: Option<Timestamp>,
}

/// Whether a grant opens what it includes, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does, until then (`None`: for ever).
    Open {
        /// The first moment at which it opens no more by itself.
        until: Option<Timestamp>,
    },
    /// It does not.
    Closed(Refusal),
}

impl Grant {
    /// Where it stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let closed = match self.status {
            Status::Disputed => Some(Refusal::Disputed),
            Status::Refunded => Some(Refusal::Refunded),
            Status::Revoked => Some(Refusal::Revoked),
            Status::Paused => Some(Refusal::Paused),
            Status::Expired => Some(Refusal::Expired),
            // a late payment without a grace is over at once
            Status::PastDue if self.past_due_until.is_none_or(|end| now >= end) => Some(Refusal::PastDueOver),
            Status::PastDue | Status::Active | Status::Trialing if self.expires_at.is_some_and(|end| now >= end) => {
                Some(Refusal::Expired)
            }
            Status::PastDue | Status::Active | Status::Trialing if now < self.starts_at => Some(Refusal::NotYet),
            Status::PastDue | Status::Active | Status::Trialing => None,
        };
        closed.map_or(Standing::Open { until: self.ends_at() }, Standing::Closed)
    }

    /// The moment at which it ends by itself, as far as it stands open at all.
    fn ends_at(&self) -> Option<Timestamp> {
        match (self.status, self.expires_at, self.past_due_until) {
            (Status::PastDue, Some(end), Some(grace)) => Some(end.min(grace)),
            (Status::PastDue, None, grace) => grace,
            (_, end, _) => end,
        }
    }

    /// The next moment after `now` at which its standing changes by itself.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match self.status {
            Status::Active | Status::Trialing | Status::PastDue => {
                // the grace after the end changes no door, but the reason that is told
                let grace = self.past_due_until.filter(|_| self.status == Status::PastDue);
                [Some(self.starts_at), self.expires_at, grace].into_iter().flatten().filter(|at| *at > now).min()
            }
            Status::Paused | Status::Expired | Status::Revoked | Status::Refunded | Status::Disputed => None,
        }
    }
}
