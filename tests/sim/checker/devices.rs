//! Where one device of a person watches at a time, the next one takes the place of the one before: at its sockets and in the room
//! of the media server.

use std::collections::BTreeMap;

use super::{History, Unrest};
use crate::world::Seen;

/// Two devices of one person are there together for no longer than this.
const TOGETHER: u64 = 2_000;
/// A device that gave way is out of the room within this, as anybody who is put out.
const ROOM: u64 = 20_000;
/// A socket is closed this much after it was ordered, at most.
const GOES: u64 = 300;
/// The close code of a device that gave way.
const REPLACED: u16 = 4009;

#[derive(Clone, Copy)]
struct Sitting {
    user: u128,
    device: u64,
    since: u64,
}

/// Whether this is a life in which it counts.
fn counts(history: &History) -> bool {
    history.into_iter().any(|(_, seen)| *seen == Seen::OneDevice)
}

/// No two devices of a person sit there together.
pub fn one_at_a_time(history: &History, unrest: &Unrest) -> Result<(), String> {
    if !counts(history) {
        return Ok(());
    }
    let mut sitting: BTreeMap<u64, Sitting> = BTreeMap::new();
    let look = |at: u64, socket: u64, sitting: &BTreeMap<u64, Sitting>| {
        let Some(one) = sitting.get(&socket) else { return Ok(()) };
        for (other_socket, other) in sitting.iter().filter(|(_, other)| other.user == one.user) {
            let due = unrest.due(one.since.max(other.since), TOGETHER);
            if other.device != one.device && at > due {
                let user = one.user;
                return Err(format!("devices: {at} ms: sockets {socket} and {other_socket} of {user} after {due} ms"));
            }
        }
        Ok(())
    };
    for (at, seen) in history {
        match seen {
            Seen::Seated { socket, user, device, studio: false, .. } => {
                sitting.insert(*socket, Sitting { user: *user, device: *device, since: *at });
            }
            Seen::Gone { socket } => {
                look(*at, *socket, &sitting)?;
                sitting.remove(socket);
            }
            Seen::Over => sitting.keys().try_for_each(|socket| look(*at, *socket, &sitting))?,
            _ => {}
        }
    }
    Ok(())
}

/// Who gave way, and who is in the rooms.
#[derive(Default)]
struct Rooms {
    gave_way: BTreeMap<(u128, u64), u64>,
    people: BTreeMap<(u128, String), ((u128, u64), u64)>,
    over: BTreeMap<u128, u64>,
}

impl Rooms {
    fn look(&self, at: u64, place: &(u128, String), unrest: &Unrest) -> Result<(), String> {
        let Some((who, entered)) = self.people.get(place) else { return Ok(()) };
        let Some(since) = self.gave_way.get(who) else { return Ok(()) };
        let (room, identity) = place;
        let due = unrest.due(*entered.max(since), ROOM);
        // what is over is closed, and that is another rule's
        if at > due && self.over.get(room).is_none_or(|over| *over > due) {
            return Err(format!("devices: {at} ms: {identity} was in the room after {due} ms"));
        }
        Ok(())
    }
}

/// A device that gave way is soon out of the room, and whenever it comes there again, until it knocks anew. An engine
/// that takes over has not heard of it.
pub fn what_gave_way_is_out(history: &History, unrest: &Unrest) -> Result<(), String> {
    let (mut rooms, mut sockets, mut came) = (Rooms::default(), BTreeMap::new(), BTreeMap::new());
    for (at, seen) in history {
        match seen {
            Seen::Seated { socket, user, device, studio: false, .. } => {
                sockets.insert(*socket, (*user, *device));
                rooms.gave_way.remove(&(*user, *device));
                came.insert((*user, *device), *at);
            }
            Seen::TookOver { .. } => rooms.gave_way.clear(),
            Seen::Anew { user, device } => {
                rooms.gave_way.remove(&(*user, *device));
                came.insert((*user, *device), *at);
            }
            Seen::Closed { socket, code: REPLACED } => {
                let Some(who) = sockets.get(socket) else { continue };
                // its socket goes a moment after it gave way, and it may have come again between
                if came.get(who).is_none_or(|came| came + GOES < *at) {
                    rooms.gave_way.insert(*who, *at);
                }
            }
            Seen::Saved { broadcast, state: "ended" | "cancelled", .. } => {
                rooms.over.insert(*broadcast, *at);
            }
            Seen::Entered { broadcast, identity, user, studio: false } => {
                if let Some(device) = identity.split_once(':').and_then(|(_, device)| device.parse().ok()) {
                    rooms.people.insert((*broadcast, identity.clone()), ((*user, device), *at));
                }
            }
            Seen::Out { broadcast, identity } => {
                let place = (*broadcast, identity.clone());
                rooms.look(*at, &place, unrest)?;
                rooms.people.remove(&place);
            }
            Seen::Over => rooms.people.keys().try_for_each(|place| rooms.look(*at, place, unrest))?,
            _ => {}
        }
    }
    Ok(())
}
