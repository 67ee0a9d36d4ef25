//! Who is there: places kept across short absences, devices counted, numbers that never flap, never double, never negative.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{UserId, ViewerId},
    limits::VIEWER_GRACE,
    storefront::core::experience::DevicePolicy,
};

/// How many devices of one person may watch at once, and which one gives way beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// How many.
    pub devices_max: usize,
    /// Which one gives way.
    pub policy: DevicePolicy,
}

/// A device that gave way to a newer one of the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Which.
    pub device: String,
    /// The places it had.
    pub viewers: Vec<ViewerId>,
}

/// One viewer's place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    user: UserId,
    device: String,
    staff: bool,
    /// When its device came among this person's, as a number that only grows: it keeps it for as long as it has a place.
    came: u64,
    /// Sockets that sit on this place; more than one only while a reconnect overlaps the old socket.
    sockets: u32,
    away_since: Option<Timestamp>,
}

/// A device too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many devices watch already as the creator allows")]
pub struct DeviceLimit;

/// The numbers that people see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Viewers now, those inside their grace among them.
    pub now: u32,
    /// Distinct people now.
    pub users: u32,
    /// The most viewers at once in this broadcast.
    pub peak: u32,
}

/// Everybody who is there.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    places: BTreeMap<ViewerId, Held>,
    /// The places of each person.
    users: BTreeMap<UserId, Vec<ViewerId>>,
    arrivals: u64,
    peak: u32,
    total: u32,
}

impl Audience {
    /// Gives `viewer` a place, or the one it held; `rule` counts distinct devices of one person, staff exempt. The devices that
    /// had to give way have no place any more.
    ///
    /// # Errors
    /// [`DeviceLimit`] when the person watches on that many other devices, and none of them gives way.
    pub fn admit(
        &mut self,
        viewer: ViewerId,
        user: UserId,
        device: &str,
        staff: bool,
        rule: DeviceRule,
    ) -> Result<Vec<Replaced>, DeviceLimit> {
        if let Some(held) = self.places.get_mut(&viewer).filter(|held| held.user == user && held.device == device) {
            held.sockets += 1;
            held.away_since = None;
            return Ok(vec![]);
        }
        if !staff && !self.has_room(user, device, rule) {
            return Err(DeviceLimit);
        }
        let replaced = if staff { vec![] } else { self.make_room(user, device, rule.devices_max) };
        let came = self.of_user(user).find(|(_, held)| held.device == device).map(|(_, held)| held.came);
        let came = came.unwrap_or(self.arrivals);
        self.arrivals += 1;
        // The same device without its ticket, such as a reloaded page, sits down where it sat; it is away nowhere any more.
        let returning = self.away_places(user, device);
        for old in &returning {
            self.give_up(*old);
        }
        if self.places.contains_key(&viewer) {
            self.give_up(viewer);
        }
        self.total += u32::from(returning.is_empty());
        let held = Held { user, device: device.to_owned(), staff, came, sockets: 1, away_since: None };
        self.places.insert(viewer, held);
        self.users.entry(user).or_default().push(viewer);
        self.peak = self.peak.max(self.viewers());
        Ok(replaced)
    }

    /// Whether a newcomer on this device of `user` would be given a place.
    #[must_use]
    pub fn has_room(&self, user: UserId, device: &str, rule: DeviceRule) -> bool {
        match rule.policy {
            DevicePolicy::DropOldest => true,
            DevicePolicy::RefuseNewcomer => self.other_devices(user, device).len() < rule.devices_max,
        }
    }

    /// Takes the places of as many other devices of `user` as have to give way: those where nobody sits any more first, then
    /// those that came first.
    fn make_room(&mut self, user: UserId, device: &str, devices_max: usize) -> Vec<Replaced> {
        let mut others: Vec<_> = self.other_devices(user, device).into_iter().collect();
        others.sort_unstable_by_key(|(_, age)| *age);
        let too_many = (others.len() + 1).saturating_sub(devices_max);
        let names: Vec<String> = others.into_iter().take(too_many).map(|(name, _)| name.to_owned()).collect();
        names.into_iter().map(|device| self.replace(user, device)).collect()
    }

    fn replace(&mut self, user: UserId, device: String) -> Replaced {
        let on_it = self.of_user(user).filter(|(_, held)| held.device == device);
        let viewers: Vec<ViewerId> = on_it.map(|(viewer, _)| viewer).collect();
        viewers.iter().for_each(|viewer| self.give_up(*viewer));
        Replaced { device, viewers }
    }

    /// So many sockets of `viewer` are here now. When there is none, the place is kept for the viewer's grace, unless the device
    /// sits on another by now. Saying it twice changes nothing.
    pub fn settle(&mut self, now: Timestamp, viewer: ViewerId, sockets: u32) {
        let Some(held) = self.places.get_mut(&viewer) else { return };
        held.sockets = sockets;
        held.away_since = if sockets == 0 { held.away_since.or(Some(now)) } else { None };
        let (user, device) = (held.user, held.device.clone());
        if sockets == 0 && self.of_user(user).any(|(_, other)| other.device == device && other.sockets > 0) {
            self.give_up(viewer);
        }
    }

    /// Settles every place by what `sockets` says of its viewer.
    pub fn settle_all(&mut self, now: Timestamp, sockets: impl Fn(ViewerId) -> u32) {
        let viewers: Vec<ViewerId> = self.places.keys().copied().collect();
        viewers.into_iter().for_each(|viewer| self.settle(now, viewer, sockets(viewer)));
    }

    /// Whether `viewer` has a place.
    #[must_use]
    pub fn holds(&self, viewer: ViewerId) -> bool {
        self.places.contains_key(&viewer)
    }

    /// Gives up every place of `user`, whose right has ended, and returns its devices: no grace for those who may not be here.
    pub fn evict(&mut self, user: UserId) -> Vec<String> {
        let viewers = self.users.remove(&user).unwrap_or_default();
        viewers.iter().filter_map(|viewer| self.places.remove(viewer)).map(|held| held.device).collect()
    }

    /// Gives up the places whose grace is over; says whether any was.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let over = |held: &Held| held.away_since.is_some_and(|since| now >= since.plus(VIEWER_GRACE));
        let gone: Vec<_> = self.places.iter().filter(|(_, held)| over(held)).map(|(viewer, _)| *viewer).collect();
        for viewer in &gone {
            self.give_up(*viewer);
        }
        !gone.is_empty()
    }

    /// When the next place is given up if nobody comes back.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.places.values().filter_map(|held| held.away_since).min().map(|since| since.plus(VIEWER_GRACE))
    }

    /// The numbers now.
    #[must_use]
    pub fn count(&self) -> Count {
        let users = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
        Count { now: self.viewers(), users, peak: self.peak }
    }

    /// Viewers there have ever been in this broadcast.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// People who are there or inside their grace, in a stable order.
    pub fn users(&self) -> impl Iterator<Item = UserId> + '_ {
        self.users.keys().copied()
    }

    /// Begins a new broadcast's count with those who are there, or goes on with what was saved.
    pub fn start_counting(&mut self, peak: u32, total: u32) {
        self.peak = peak.max(self.viewers());
        self.total = total.max(self.viewers());
    }

    /// How long a viewer's place is kept.
    #[must_use]
    pub fn grace() -> Duration {
        VIEWER_GRACE
    }

    fn viewers(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    fn of_user(&self, user: UserId) -> impl Iterator<Item = (ViewerId, &Held)> {
        let viewers = self.users.get(&user).map(Vec::as_slice).unwrap_or_default();
        viewers.iter().filter_map(|viewer| self.places.get(viewer).map(|held| (*viewer, held)))
    }

    fn away_places(&self, user: UserId, device: &str) -> Vec<ViewerId> {
        let away = self.of_user(user).filter(|(_, held)| held.device == device && held.sockets == 0);
        away.map(|(viewer, _)| viewer).collect()
    }

    /// The devices of `user` that count, but for this one, each with whether somebody sits there and when it came.
    fn other_devices(&self, user: UserId, device: &str) -> BTreeMap<&str, (bool, u64)> {
        let mut devices = BTreeMap::new();
        for (_, held) in self.of_user(user).filter(|(_, held)| held.device != device && !held.staff) {
            let (sat_on, _) = devices.entry(held.device.as_str()).or_insert((false, held.came));
            *sat_on |= held.sockets > 0;
        }
        devices
    }

    fn give_up(&mut self, viewer: ViewerId) {
        let Some(held) = self.places.remove(&viewer) else { return };
        if let Some(places) = self.users.get_mut(&held.user) {
            places.retain(|place| *place != viewer);
            if places.is_empty() {
                self.users.remove(&held.user);
            }
        }
    }
}
