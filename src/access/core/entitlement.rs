//! Decides whether somebody may open a space or an experience now, by which grant or for which reason not, and until when.

use super::grant::{Grant, Standing};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, GrantId, SpaceId, TeamId, UserId},
};

/// Why a door is closed. Where several hold, the first of this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Kept out of the space by its team.
    Banned,
    /// On as many devices as the grant allows. Told by the live experience, which counts them, never by [`judge`].
    DeviceLimit,
    /// The payment is disputed.
    Disputed,
    /// The payment was returned.
    Refunded,
    /// The team took the grant away.
    Revoked,
    /// A payment is late and its grace is over.
    PastDueOver,
    /// The grant is paused.
    Paused,
    /// The grant's time is up.
    Expired,
    /// The grant begins later.
    NotYet,
    /// What they hold does not include this.
    NotIncluded,
    /// The space is not published.
    SpaceUnpublished,
    /// They hold nothing here.
    NoGrant,
}

impl Refusal {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Banned,
        Self::DeviceLimit,
        Self::Disputed,
        Self::Refunded,
        Self::Revoked,
        Self::PastDueOver,
        Self::Paused,
        Self::Expired,
        Self::NotYet,
        Self::NotIncluded,
        Self::SpaceUnpublished,
        Self::NoGrant,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::DeviceLimit => "device_limit",
            Self::Disputed => "disputed",
            Self::Refunded => "refunded",
            Self::Revoked => "revoked",
            Self::PastDueOver => "past_due_over",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::NotIncluded => "not_included",
            Self::SpaceUnpublished => "space_unpublished",
            Self::NoGrant => "no_grant",
        }
    }
}

/// Why the answer is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A grant allows it.
    Grant,
    /// A role in the space's team allows it.
    Staff,
    /// Refused.
    Refused(Refusal),
}

impl Reason {
    /// Whether a role allows it.
    #[must_use]
    pub fn is_staff(self) -> bool {
        self == Self::Staff
    }

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Staff => "staff",
            Self::Refused(refusal) => refusal.word(),
        }
    }
}

/// What a role in a team lets somebody do at the team's doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staff {
    /// The team.
    pub team: TeamId,
    /// Whether they enter without a grant.
    pub enters: bool,
    /// Whether they run its broadcasts.
    pub runs: bool,
}

/// Somebody is kept out of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The space.
    pub space: SpaceId,
    /// The first moment at which it is over; `None` is for good.
    pub until: Option<Timestamp>,
}

impl Ban {
    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Everything that bears on what one person may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Who.
    pub user: UserId,
    /// What they hold and held.
    pub grants: Box<[Grant]>,
    /// The teams they belong to.
    pub staff: Box<[Staff]>,
    /// The spaces that keep them out.
    pub bans: Box<[Ban]>,
}

impl Rights {
    /// The rights of somebody who has none.
    #[must_use]
    pub fn none(user: UserId) -> Self {
        Self { user, grants: Box::default(), staff: Box::default(), bans: Box::default() }
    }

    /// The next moment after `now` at which any answer about this person can change by itself.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let grants = self.grants.iter().filter_map(|grant| grant.next_change(now));
        let bans = self.bans.iter().filter_map(|ban| ban.until).filter(|until| *until > now);
        grants.chain(bans).min()
    }

    /// Whether they run the broadcasts of `team`.
    #[must_use]
    pub fn runs(&self, team: TeamId) -> bool {
        self.staff.iter().any(|staff| staff.team == team && staff.runs)
    }

    /// One of the grants.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.id == id)
    }
}

/// What somebody wants to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The team the space belongs to.
    pub team: TeamId,
    /// The space.
    pub space: SpaceId,
    /// Whether the space is published.
    pub space_published: bool,
    /// The experience; `None` is the space's member page.
    pub experience: Option<ExperienceId>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Whether they may.
    pub allowed: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// The grant that allows it.
    pub grant: Option<GrantId>,
    /// The first moment at which that grant allows it no more; `None` lasts for ever.
    pub expires_at: Option<Timestamp>,
    /// Where a grant is why it is refused: that grant.
    pub refused_for: Option<GrantId>,
}

impl Entitlement {
    /// A refusal.
    #[must_use]
    pub fn refused(refusal: Refusal, refused_for: Option<GrantId>) -> Self {
        Self { allowed: false, reason: Reason::Refused(refusal), grant: None, expires_at: None, refused_for }
    }

    /// The refusal, where it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self.reason {
            Reason::Refused(refusal) => Some(refusal),
            Reason::Grant | Reason::Staff => None,
        }
    }

    /// The same answer on a device that is one too many: a grant opens nothing there. A role is not counted by devices.
    #[must_use]
    pub fn on_a_device_too_many(self) -> Self {
        match self.reason {
            Reason::Grant => Self::refused(Refusal::DeviceLimit, self.grant),
            Reason::Staff | Reason::Refused(_) => self,
        }
    }

    /// The grant that this answer rests on, whichever way it went.
    #[must_use]
    pub fn rests_on(&self) -> Option<GrantId> {
        self.grant.or(self.refused_for)
    }
}

/// Whether the one with these rights may open this at `now`.
///
/// A ban closes every door of its space. Staff enter by their role. Otherwise grants are a union: of those that open it,
/// the one that lasts longest decides, the older one where two last as long; of those that do not, the first refusal in
/// the order of [`Refusal`] is told, and of several that say the same, the one that opens first, or else the newest. A grant
/// on another experience alone says nothing but "not included", and that only while it is in force. In which order the grants
/// stand makes no difference.
#[must_use]
pub fn judge(now: Timestamp, rights: &Rights, opening: &Opening) -> Entitlement {
    if rights.bans.iter().any(|ban| ban.space == opening.space && ban.holds(now)) {
        return Entitlement::refused(Refusal::Banned, None);
    }
    if rights.staff.iter().any(|staff| staff.team == opening.team && staff.enters) {
        return Entitlement { allowed: true, reason: Reason::Staff, grant: None, expires_at: None, refused_for: None };
    }
    let mut longest: Option<(Option<Timestamp>, GrantId)> = None;
    let mut refusal: (Refusal, Option<&Grant>) = (Refusal::NoGrant, None);
    for grant in rights.grants.iter().filter(|grant| grant.space == opening.space) {
        let told = match (grant.standing(now), grant.opens.includes(opening.experience)) {
            (Standing::Open { until }, true) => {
                if longest.is_none_or(|(best, id)| outlasts(until, best) || (until == best && grant.id < id)) {
                    longest = Some((until, grant.id));
                }
                continue;
            }
            (Standing::Open { .. }, false) => Refusal::NotIncluded,
            (Standing::Closed(_), false) if is_about_another(grant, opening) => continue,
            (Standing::Closed(refusal), _) => refusal,
        };
        if told < refusal.0 || (told == refusal.0 && refusal.1.is_none_or(|other| speaks_before(told, grant, other))) {
            refusal = (told, Some(grant));
        }
    }
    match longest {
        Some((expires_at, grant)) if opening.space_published => {
            Entitlement { allowed: true, reason: Reason::Grant, grant: Some(grant), expires_at, refused_for: None }
        }
        Some(_) => Entitlement::refused(Refusal::SpaceUnpublished, None),
        None if !opening.space_published && refusal.0 > Refusal::SpaceUnpublished => {
            Entitlement::refused(Refusal::SpaceUnpublished, None)
        }
        None => Entitlement::refused(refusal.0, refusal.1.map(|grant| grant.id)),
    }
}

/// Whether one end is later than the other; no end is the latest of all.
fn outlasts(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}

/// Which of two grants with the same refusal speaks: where a door opens later, the one that opens it first; else the newest.
fn speaks_before(told: Refusal, one: &Grant, other: &Grant) -> bool {
    let waits = |grant: &Grant| if told == Refusal::NotYet { grant.starts_at } else { Timestamp(0) };
    (waits(one), other.id) < (waits(other), one.id)
}

/// Whether the grant was for one experience, and not for this one.
fn is_about_another(grant: &Grant, opening: &Opening) -> bool {
    matches!(grant.opens, super::grant::Opens::Experience(held) if Some(held) != opening.experience)
}
