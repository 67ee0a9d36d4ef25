//! Who sits where on this node. Doors and sockets write it without a mailbox, so it is right while an actor is not there, is
//! behind, or cannot take a message; actors are only poked, and look here. Also which devices gave way to others, which has to
//! outlive an actor just as well.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;

use crate::{
    clock::Timestamp,
    ids::{ExperienceId, UserId, ViewerId},
    limits::{DEVICE_REPLACED_KEPT, DEVICES_REPLACED_MAX},
    socket::door::{Kind, Seat},
};

/// One socket's own number: a viewer may have two while a reconnect overlaps the old socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chair(u64);

#[derive(Default)]
struct Hall {
    sittings: BTreeMap<(ViewerId, Chair), Sitting>,
    /// Somebody left and the actor could not be told.
    unheard: bool,
    /// The devices of each person that gave way to others and have not come anew, the last one at the end.
    replaced: BTreeMap<UserId, Vec<(String, Timestamp)>>,
}

impl Hall {
    fn is_empty(&self) -> bool {
        self.sittings.is_empty() && self.replaced.is_empty() && !self.unheard
    }
}

struct Sitting {
    seat: Arc<Seat>,
    /// The actor has given it a place; before that it is on its way in, and after its device gave way on its way out.
    admitted: bool,
}

#[derive(Default)]
struct Halls {
    of: DashMap<ExperienceId, Hall>,
    chairs: AtomicU64,
}

/// The seating of this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Seating(Arc<Halls>);

impl Seating {
    /// Somebody is on the way in.
    pub fn arrive(&self, seat: Arc<Seat>) -> Chair {
        let chair = Chair(self.0.chairs.fetch_add(1, Ordering::Relaxed));
        let mut hall = self.0.of.entry(seat.experience).or_default();
        hall.sittings.insert((seat.session, chair), Sitting { seat, admitted: false });
        chair
    }

    /// The actor gives a place; `false` when whoever wanted it has gone away meanwhile, and nobody will say so.
    pub fn admit(&self, seat: &Seat, chair: Chair) -> bool {
        let hall = self.0.of.get_mut(&seat.experience);
        let admitted = hall
            .and_then(|mut hall| hall.sittings.get_mut(&(seat.session, chair)).map(|sitting| sitting.admitted = true));
        admitted.is_some()
    }

    /// Somebody is gone; whether the actor had given a place, and so has to know.
    pub fn leave(&self, seat: &Seat, chair: Chair) -> bool {
        let Some(mut hall) = self.0.of.get_mut(&seat.experience) else { return false };
        let sitting = hall.sittings.remove(&(seat.session, chair));
        drop(hall);
        self.forget_empty(seat.experience);
        sitting.is_some_and(|sitting| sitting.admitted)
    }

    /// How many sockets sit on a viewer's place.
    #[must_use]
    pub fn sockets(&self, experience: ExperienceId, viewer: ViewerId) -> u32 {
        let Some(hall) = self.0.of.get(&experience) else { return 0 };
        let of_viewer = hall.sittings.range((viewer, Chair(0))..=(viewer, Chair(u64::MAX)));
        u32::try_from(of_viewer.filter(|(_, sitting)| sitting.admitted).count()).unwrap_or(u32::MAX)
    }

    /// Everybody who sits in an experience, one for each socket, in a stable order.
    #[must_use]
    pub fn seated(&self, experience: ExperienceId) -> Vec<Arc<Seat>> {
        let Some(hall) = self.0.of.get(&experience) else { return vec![] };
        hall.sittings.values().filter(|sitting| sitting.admitted).map(|sitting| sitting.seat.clone()).collect()
    }

    /// How many viewers' sockets an experience has.
    #[must_use]
    pub fn viewers(&self, experience: ExperienceId) -> u64 {
        let Some(hall) = self.0.of.get(&experience) else { return 0 };
        let watches = |sitting: &&Sitting| sitting.admitted && sitting.seat.kind == Kind::Viewer;
        u64::try_from(hall.sittings.values().filter(watches).count()).unwrap_or(u64::MAX)
    }

    /// The actor could not be told that somebody left: it has to count again.
    pub fn unheard(&self, experience: ExperienceId) {
        self.0.of.entry(experience).or_default().unheard = true;
    }

    /// Whether the actor has to count again; it is asked once.
    #[must_use]
    pub fn take_unheard(&self, experience: ExperienceId) -> bool {
        // nearly always there is nothing to take, and a look is cheaper than a lock for writing
        if !self.0.of.get(&experience).is_some_and(|hall| hall.unheard) {
            return false;
        }
        let taken = self.0.of.get_mut(&experience).is_some_and(|mut hall| std::mem::take(&mut hall.unheard));
        self.forget_empty(experience);
        taken
    }

    /// A device gave way: its sockets hold no place any more, and no ticket of it is good until it comes anew.
    pub fn replace(&self, now: Timestamp, experience: ExperienceId, user: UserId, device: &str) {
        let mut hall = self.0.of.entry(experience).or_default();
        let on_it = |sitting: &&mut Sitting| {
            let seat = &sitting.seat;
            seat.user == user && seat.device == device && seat.kind == Kind::Viewer
        };
        hall.sittings.values_mut().filter(on_it).for_each(|sitting| sitting.admitted = false);
        let devices = hall.replaced.entry(user).or_default();
        devices.retain(|(known, _)| known != device);
        if devices.len() >= DEVICES_REPLACED_MAX {
            devices.remove(0);
        }
        devices.push((device.to_owned(), now));
    }

    /// Whether a device gave way to another one and has not come anew.
    #[must_use]
    pub fn is_replaced(&self, experience: ExperienceId, user: UserId, device: &str) -> bool {
        let hall = self.0.of.get(&experience);
        hall.is_some_and(|hall| {
            hall.replaced.get(&user).is_some_and(|all| all.iter().any(|(known, _)| known == device))
        })
    }

    /// A device has come anew.
    pub fn came_anew(&self, experience: ExperienceId, user: UserId, device: &str) {
        if !self.is_replaced(experience, user, device) {
            return;
        }
        if let Some(mut hall) = self.0.of.get_mut(&experience)
            && let Some(devices) = hall.replaced.get_mut(&user)
        {
            devices.retain(|(known, _)| known != device);
            if devices.is_empty() {
                hall.replaced.remove(&user);
            }
        }
        self.forget_empty(experience);
    }

    /// Forgets devices that gave way so long ago that nothing of them can be good any more.
    pub fn forget_replaced(&self, now: Timestamp) {
        self.0.of.retain(|_, hall| {
            hall.replaced.retain(|_, devices| {
                devices.retain(|(_, at)| now < at.plus(DEVICE_REPLACED_KEPT));
                !devices.is_empty()
            });
            !hall.is_empty()
        });
    }

    fn forget_empty(&self, experience: ExperienceId) {
        self.0.of.remove_if(&experience, |_, hall| hall.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        identity::Basis,
        ids::{LoginId, UserId},
    };

    fn seat(session: u128) -> Arc<Seat> {
        Arc::new(Seat {
            experience: ExperienceId(Uuid::from_u128(1)),
            user: UserId(Uuid::from_u128(2)),
            device: "tv".to_owned(),
            session: ViewerId(Uuid::from_u128(session)),
            kind: Kind::Viewer,
            staff: false,
            basis: Basis::Login(LoginId(Uuid::from_u128(2))),
            good_until: Timestamp(i64::MAX),
        })
    }

    #[test]
    fn whoever_goes_away_on_the_way_in_is_never_admitted_and_nobody_has_to_be_told() {
        let seating = Seating::default();
        let one = seat(1);
        let chair = seating.arrive(one.clone());
        assert_eq!((seating.sockets(one.experience, one.session), seating.viewers(one.experience)), (0, 0));
        assert!(!seating.leave(&one, chair));
        assert!(!seating.admit(&one, chair));
        assert!(seating.seated(one.experience).is_empty() && seating.0.of.is_empty());
    }

    #[test]
    fn a_place_with_two_sockets_loses_them_one_by_one() {
        let seating = Seating::default();
        let one = seat(1);
        let chairs = [seating.arrive(one.clone()), seating.arrive(one.clone())];
        for chair in chairs {
            assert!(seating.admit(&one, chair));
        }
        assert!(seating.leave(&one, chairs[0]));
        assert!(!seating.leave(&one, chairs[0]), "a socket leaves once");
        assert_eq!(seating.sockets(one.experience, one.session), 1);
        assert!(seating.leave(&one, chairs[1]));
        assert!(seating.0.of.is_empty(), "an empty hall leaves nothing behind");
    }

    #[test]
    fn that_something_was_not_heard_is_kept_until_it_is_asked_once() {
        let seating = Seating::default();
        let of = seat(1).experience;
        assert!(!seating.take_unheard(of));
        seating.unheard(of);
        assert!(seating.take_unheard(of) && !seating.take_unheard(of));
        assert!(seating.0.of.is_empty());
    }
}
