//! Counts the audience by itself, from who sat down and who left, and compares.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::world::{Part, Seen};

/// How long a place is kept.
const KEPT: u64 = 30_000;
/// A socket that was closed leaves its place this much later, and so does one whose departure found the mailbox full: everybody
/// is counted anew once a second at most.
const SLACK: u64 = 1_100;

/// A device that gives way to another loses its place at once, and its socket this much later.
const GIVES_WAY: u64 = 300;

/// By when somebody whose right has ended is out, where there is a store to say so.
const OUT: u64 = 3_000;

/// Between being admitted and sitting down somebody is counted already.
const SITS_DOWN: u64 = 5;

#[derive(Clone)]
struct Place {
    user: u128,
    device: u64,
    sockets: u32,
    away: Option<u64>,
    since: u64,
}

#[derive(Default)]
struct Roll {
    sockets: BTreeMap<u64, u128>,
    places: BTreeMap<u128, Place>,
    /// When somebody's right last ended, and the store could say so.
    out: BTreeMap<u128, u64>,
    /// Since when the store is away.
    unsaid: Option<u64>,
    /// When a place was given up because its device sat down elsewhere.
    moved: Vec<u64>,
    /// Where one device of a person watches at a time: when each socket goes.
    goes: BTreeMap<u64, u64>,
}

impl Roll {
    fn sit(&mut self, at: u64, socket: u64, viewer: u128, user: u128, device: u64) {
        self.sockets.insert(socket, viewer);
        if let Some(place) = self.places.get_mut(&viewer) {
            place.sockets += 1;
            place.away = None;
            return;
        }
        let before = self.places.len();
        self.places.retain(|_, place| place.sockets > 0 || (place.user, place.device) != (user, device));
        self.moved.extend((self.places.len()..before).map(|_| at));
        self.places.insert(viewer, Place { user, device, sockets: 1, away: None, since: at });
    }

    fn leave(&mut self, at: u64, socket: u64) {
        let Some(place) = self.sockets.remove(&socket).and_then(|viewer| self.places.get_mut(&viewer)) else { return };
        place.sockets -= 1;
        if place.sockets == 0 {
            place.away = Some(at);
        }
    }

    /// Whether a viewer's place is one of those that are there or kept: one who returns too late sits down anew.
    fn keeps(&self, viewer: u128, at: u64) -> bool {
        self.places.get(&viewer).is_some_and(|place| place.away.is_none_or(|away| at < away + KEPT))
    }

    /// The store is back. Rights that ended without it were believed in until now, at the door too.
    fn told_who_is_out(&mut self, at: u64) {
        let Some(since) = self.unsaid.take() else { return };
        self.out.values_mut().filter(|out| **out + OUT >= since).for_each(|out| *out = at);
    }

    /// The fewest and the most who may be counted now: places, and people.
    fn bounds(&self, at: u64) -> [(usize, usize); 2] {
        let evicted = |place: &Place| self.out.get(&place.user).is_some_and(|out| place.since <= out + OUT);
        let gives_way = |viewer: u128| {
            let soon = |socket: &u64| self.goes.get(socket).is_some_and(|goes| *goes <= at + GIVES_WAY);
            let mut its = self.sockets.iter().filter(|(_, of)| **of == viewer).peekable();
            !self.goes.is_empty() && its.peek().is_some() && its.all(|(socket, _)| soon(socket))
        };
        let sure = |(viewer, place): &(&u128, &Place)| place.sockets > 0 && !evicted(place) && !gives_way(**viewer);
        let perhaps = |place: &&Place| place.away.is_none_or(|away| at < away + KEPT + SLACK);
        let users = |places: Vec<&Place>| places.iter().map(|place| place.user).collect::<BTreeSet<_>>().len();
        let least: Vec<&Place> = self.places.iter().filter(sure).map(|(_, place)| place).collect();
        let most: Vec<&Place> = self.places.values().filter(perhaps).collect();
        let moved = self.moved.iter().filter(|moved| at < **moved + SLACK).count();
        [(least.len(), most.len() + moved), (users(least), users(most))]
    }
}

/// What is counted is what is there, the absent inside their grace among them; it is never negative and never double.
pub fn audience(history: &History) -> Result<(), String> {
    let (mut roll, mut taken) = (Roll::default(), None);
    let sits = |(at, seen): (&u64, &Seen)| match seen {
        Seen::Seated { viewer, studio: false, .. } => Some((*at, *viewer)),
        _ => None,
    };
    let sittings: Vec<(u64, u128)> = history.into_iter().filter_map(sits).collect();
    if history.into_iter().any(|(_, seen)| *seen == Seen::OneDevice) {
        let goes =
            |(at, seen): (&u64, &Seen)| if let Seen::Gone { socket } = seen { Some((*socket, *at)) } else { None };
        roll.goes = history.into_iter().filter_map(goes).collect();
    }
    for (at, seen) in history {
        match seen {
            Seen::Seated { socket, viewer, user, device, studio: false } => {
                roll.sit(*at, *socket, *viewer, *user, *device);
            }
            Seen::Gone { socket } => roll.leave(*at, *socket),
            Seen::Right { user, run: false, held: false } => {
                roll.out.insert(*user, *at);
            }
            Seen::Away { what: Part::Store } => roll.unsaid = Some(*at),
            Seen::Back { what: Part::Store } => roll.told_who_is_out(*at),
            Seen::TookOver { .. } => {
                let Roll { out, unsaid, goes, .. } = roll;
                (roll, taken) = (Roll { out, unsaid, goes, ..Roll::default() }, Some(*at));
            }
            // the engine that was just lost may still be the one that answers
            Seen::Counted { .. } if taken.is_some_and(|taken| *at < taken + SLACK) => {}
            Seen::Told { line, .. } | Seen::Heard { line, .. } => {
                if let Some((now, users, peak)) = line.count
                    && !(0 <= users && users <= now && now <= peak)
                {
                    return Err(format!("audience: {at} ms: {users} people, {now} viewers, peak {peak}"));
                }
            }
            Seen::Counted { now, users, .. } => {
                let coming =
                    sittings.iter().skip_while(|(sits, _)| sits < at).take_while(|(sits, _)| *sits <= at + SITS_DOWN);
                let coming = coming.filter(|(_, viewer)| !roll.keeps(*viewer, *at)).count();
                for (said, (least, most)) in [*now, *users].into_iter().zip(roll.bounds(*at)) {
                    let said = said as usize;
                    if said < least || said > most + coming {
                        return Err(format!("audience: {at} ms: {said} counted, {least} to {most} are there"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
