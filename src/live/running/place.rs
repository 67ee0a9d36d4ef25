//! Who is given a place, who loses one to another device of the same person, and how everybody is counted anew.

use super::{Job, Running};
use crate::{
    clock::Timestamp,
    ids::{UserId, ViewerId},
    limits::RECOUNT_EVERY,
    live::{
        core::audience::Replaced,
        media::identity_of,
        order::{AdmitRefusal, Coming, Eviction},
        seating::Chair,
        tally,
    },
    socket::{
        codes::CloseCode,
        door::{Kind, Seat},
    },
    supervision::Reply,
    telemetry::metric::Watch,
};

impl Running {
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        seat: &Seat,
        chair: Chair,
        coming: Coming,
        answer: Reply<Result<(), AdmitRefusal>>,
        jobs: &mut Vec<Job>,
    ) {
        if answer.is_abandoned() {
            return; // one who has gone away meanwhile would never leave
        }
        // what comes back by itself after it gave way must not put out in turn what it gave way to
        if coming == Coming::Back && self.is_replaced(seat) {
            return answer.send(Err(AdmitRefusal::Replaced));
        }
        let admitted = self.crowd.admit(seat, self.profile.devices);
        let admitted = admitted.map(|replaced| {
            if seat.kind == Kind::Viewer {
                self.seating.came_anew(self.experience, seat.user, &seat.device);
            }
            replaced.into_iter().for_each(|device| self.put_out(now, seat.user, &device, jobs));
            if !self.seating.admit(seat, chair) {
                self.settle(now, seat.session); // gone in this very moment, and nobody will say so
            }
        });
        answer.send(admitted);
    }

    fn is_replaced(&self, seat: &Seat) -> bool {
        seat.kind == Kind::Viewer && self.seating.is_replaced(self.experience, seat.user, &seat.device)
    }

    /// Closes every door that a device of `user` holds open; those of the others stay as they are.
    fn put_out(&mut self, now: Timestamp, user: UserId, replaced: &Replaced, jobs: &mut Vec<Job>) {
        let Replaced { device, viewers } = replaced;
        self.seating.replace(now, self.experience, user, device);
        let code = CloseCode::Replaced;
        viewers.iter().for_each(|viewer| self.hub.close_session(*viewer, code, code.word().into()));
        let eviction = Eviction { reason: "device_limit".into(), since: Watch::start(), tried: false };
        tally::put_out("socket", &eviction);
        if self.wants_room() {
            self.remember_evictions([(user, eviction)]);
            self.remove(vec![identity_of(user, device)], jobs);
        }
    }

    pub(super) fn settle(&mut self, now: Timestamp, viewer: ViewerId) {
        self.crowd.settle(now, viewer, self.seating.sockets(self.experience, viewer));
    }

    /// A departure that a full mailbox refused left a mark; everybody is counted anew, but not for each mark.
    pub(super) fn recount_if_due(&mut self, now: Timestamp) {
        if self.seating.take_unheard(self.experience) && self.recount_at.is_none() {
            self.recount_at = Some(now.max(self.recounted_at.plus(RECOUNT_EVERY)));
        }
        if self.recount_at.is_some_and(|at| now >= at) {
            (self.recount_at, self.recounted_at) = (None, now);
            self.crowd.recount(now, &self.seating.seated(self.experience));
        }
    }
}
