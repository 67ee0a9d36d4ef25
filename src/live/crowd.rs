//! Everybody in one experience: places, reactions, the publisher's numbers, and what is said of them at most once a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    board::Loudspeaker,
    core::{
        audience::{Audience, Count, DeviceRule, Replaced},
        health::{Gauge, Stats},
        reaction::Tally,
        signal::{Signal, Verdict},
    },
    ledger::Saved,
    order::AdmitRefusal,
};
use crate::{
    clock::Timestamp,
    ids::{UserId, ViewerId},
    limits::{AUDIENCE_EVERY, REACTIONS_EVERY},
    socket::door::{Kind, Seat},
    storefront::core::experience::DevicePolicy,
};

/// What whoever was admitted once is measured by when everybody is counted anew.
const ANYBODY: DeviceRule = DeviceRule { devices_max: usize::MAX, policy: DevicePolicy::RefuseNewcomer };

/// Who is there and what they do.
#[derive(Debug, Default)]
pub struct Crowd {
    audience: Audience,
    studios: BTreeSet<ViewerId>,
    tally: Tally,
    signal: Signal,
    /// How good the publisher's picture is.
    pub gauge: Gauge,
    audience_said_at: Timestamp,
    audience_news: bool,
    /// When the publisher's numbers grow too old; `None` when that was said, or nothing is there.
    numbers_end: Option<Timestamp>,
    reactions_said_at: Timestamp,
    reactions_news: bool,
}

impl Crowd {
    /// Begins counting for a broadcast: anew, or on from what was saved.
    pub fn begin(&mut self, saved: Option<&Saved>) {
        let (peak, total) = saved.map_or((0, 0), |saved| (saved.peak, saved.total));
        self.audience.start_counting(peak, total);
        self.audience_news = true;
        if saved.is_none() {
            self.gauge.forget();
        }
    }

    /// Counts anew from those who sit there, one seat for each socket. Who is not among them is away; who is and has no place
    /// gets one: they were admitted once, and no limit puts them out now.
    pub fn recount(&mut self, now: Timestamp, seats: &[Arc<Seat>]) {
        let mut sockets: BTreeMap<ViewerId, u32> = BTreeMap::new();
        for seat in seats {
            *sockets.entry(seat.session).or_default() += 1;
            if !self.audience.holds(seat.session) {
                let _no_limit = self.admit(seat, ANYBODY);
            }
        }
        self.studios.retain(|studio| sockets.contains_key(studio));
        self.audience.settle_all(now, |viewer| sockets.get(&viewer).copied().unwrap_or(0));
        self.audience_news = true;
    }

    /// Gives a place; says which devices of the same person had to give way.
    ///
    /// # Errors
    /// When the person watches on too many other devices, and none of them gives way.
    pub fn admit(&mut self, seat: &Seat, rule: DeviceRule) -> Result<Vec<Replaced>, AdmitRefusal> {
        match seat.kind {
            Kind::Viewer => {
                let admitted = self.audience.admit(seat.session, seat.user, &seat.device, seat.staff, rule);
                self.audience_news |= admitted.is_ok();
                admitted.map_err(|_| AdmitRefusal::DeviceLimit)
            }
            Kind::Studio => {
                self.studios.insert(seat.session);
                Ok(vec![])
            }
        }
    }

    /// Whether a newcomer on this device would be given a place.
    pub fn has_room(&self, user: UserId, device: &str, rule: DeviceRule) -> bool {
        self.audience.has_room(user, device, rule)
    }

    /// So many sockets of `viewer` are here now.
    pub fn settle(&mut self, now: Timestamp, viewer: ViewerId, sockets: u32) {
        if sockets == 0 {
            self.studios.remove(&viewer);
        }
        self.audience.settle(now, viewer, sockets);
    }

    /// Takes somebody's places away; their devices.
    pub fn evict(&mut self, user: UserId) -> Vec<String> {
        self.audience_news = true;
        self.audience.evict(user)
    }

    /// Counts a reaction; one that is not of ours counts nothing.
    pub fn react(&mut self, _now: Timestamp, reaction: &str) {
        self.reactions_news |= self.tally.count(reaction);
    }

    /// A viewer says whether its picture stands still; off the air nobody's does.
    pub fn frozen(&mut self, now: Timestamp, user: UserId, frozen: bool, on_air: bool) -> Option<Verdict> {
        if on_air { self.signal.viewer(now, user, frozen) } else { None }
    }

    /// A studio says what it sends. Only a studio that is here is believed.
    pub fn sent(&mut self, now: Timestamp, viewer: ViewerId, publishing: bool, stats: Stats) -> Option<Verdict> {
        if !self.studios.contains(&viewer) {
            return None;
        }
        // the first word of a picture that has just begun brings no figures yet; it is a heartbeat, not a measurement
        if publishing && stats != Stats::default() {
            self.gauge.measure(now, stats);
            self.numbers_end = self.gauge.ends();
        }
        self.signal.studio(now, publishing)
    }

    /// The numbers now.
    pub fn count(&self) -> Count {
        self.audience.count()
    }

    /// Viewers there have ever been.
    pub fn total(&self) -> u32 {
        self.audience.total()
    }

    /// When `beat` has something to do.
    pub fn next_beat(&self) -> Option<Timestamp> {
        let audience = self.audience_news.then(|| self.audience_said_at.plus(AUDIENCE_EVERY));
        let reactions = self.reactions_news.then(|| self.reactions_said_at.plus(REACTIONS_EVERY));
        let said = [audience, reactions, self.numbers_end];
        said.into_iter().chain([self.audience.next_expiry(), self.signal.next_alarm()]).flatten().min()
    }

    /// Whether the publisher's numbers have just grown too old to be believed.
    pub fn fell_silent(&mut self, now: Timestamp) -> bool {
        self.numbers_end.take_if(|end| now >= *end).is_some()
    }

    /// Gives up places, says what is news and due, and listens for silence.
    pub fn beat(&mut self, now: Timestamp, speaker: &mut Loudspeaker) -> Option<Verdict> {
        self.audience_news |= self.audience.expire(now);
        if self.audience_news && now >= self.audience_said_at.plus(AUDIENCE_EVERY) {
            self.audience_news = false;
            if speaker.say_audience(self.audience.count()) {
                self.audience_said_at = now;
            }
        }
        if self.reactions_news && now >= self.reactions_said_at.plus(REACTIONS_EVERY) {
            self.reactions_news = false;
            if let Some(totals) = self.tally.take() {
                let window = u64::try_from(REACTIONS_EVERY.as_millis()).unwrap_or(u64::MAX);
                speaker.say_reactions(&totals, window);
                self.reactions_said_at = now;
            }
        }
        self.signal.tick(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Basis,
        live::core::{broadcast::Feed, broadcast::Witness, health::Health},
    };

    #[test]
    fn a_studio_that_says_that_it_sends_is_believed_at_once_and_measured_by_its_figures_alone() {
        let (mut crowd, now) = (Crowd::default(), Timestamp(1_000));
        let viewer = ViewerId::from(uuid::Uuid::from_u128(1));
        let studio = Seat {
            experience: uuid::Uuid::from_u128(3).into(),
            user: uuid::Uuid::from_u128(2).into(),
            device: "desk".to_owned(),
            session: viewer,
            kind: Kind::Studio,
            staff: true,
            basis: Basis::Login(uuid::Uuid::from_u128(4).into()),
            good_until: Timestamp(i64::MAX),
        };
        crowd.admit(&studio, ANYBODY).expect("a studio is not counted by devices");
        let up = Some(Verdict::Up(Feed::Browser, Witness::Studio));
        assert_eq!(crowd.sent(now, viewer, true, Stats::default()), up);
        assert_eq!(crowd.gauge.health(now), Health::Unknown);
        let figures = Stats { bitrate_bps: 0.0, rtt_ms: 4.0, ..Stats::default() };
        assert_eq!(crowd.sent(now, viewer, true, figures), up);
        assert!(matches!(crowd.gauge.health(now), Health::Known { score: 0, .. }), "no bits are a measurement too");
    }
}
