//! Nobody is inside without a right for longer than a bound, not at a socket, not in a room of the media server; and nobody is
//! put out of one experience for what happened in another.

use std::collections::BTreeMap;

use super::{History, Unrest};
use crate::world::Seen;

/// A socket of somebody without a right is closed within this.
const SOCKET: u64 = 2_000;
/// Somebody in a room without a right is out within this: some rounds of questions, and removals that fail twice.
const ROOM: u64 = 20_000;

#[derive(Default)]
struct Rights {
    watch: BTreeMap<u128, (bool, u64)>,
    run: BTreeMap<u128, (bool, u64)>,
}

impl Rights {
    /// Since when somebody has no right, if so.
    fn none_since(&self, user: u128, run: bool) -> Option<u64> {
        let all = if run { &self.run } else { &self.watch };
        match all.get(&user) {
            Some((true, _)) => None,
            Some((false, since)) => Some(*since),
            None => Some(0),
        }
    }
}

/// Who is where, and since when without a right.
#[derive(Default)]
struct Inside {
    sockets: BTreeMap<u64, (u128, bool, u64)>,
    people: BTreeMap<(u128, String), (u128, bool, u64)>,
    over: BTreeMap<u128, u64>,
}

impl Inside {
    fn look(&self, at: u64, rights: &Rights, unrest: &Unrest, of: impl Fn(u128) -> bool) -> Result<(), String> {
        for (socket, (user, run, since)) in self.sockets.iter().filter(|(_, (user, ..))| of(*user)) {
            let Some(ended) = rights.none_since(*user, *run) else { continue };
            let due = unrest.due(ended.max(*since), SOCKET);
            if at > due {
                return Err(format!("rights: {at} ms: socket {socket} of {user} was open after {due} ms"));
            }
        }
        for ((room, identity), (user, run, since)) in self.people.iter().filter(|(_, (user, ..))| of(*user)) {
            let Some(ended) = rights.none_since(*user, *run) else { continue };
            let due = unrest.due(ended.max(*since), ROOM);
            // what is over is closed, and that is another rule's
            if at > due && self.over.get(room).is_none_or(|over| *over > due) {
                return Err(format!("rights: {at} ms: {identity} was in the room of {room} after {due} ms"));
            }
        }
        Ok(())
    }
}

/// Looks at everybody whenever a right or a stay begins or ends.
pub fn rights(history: &History, unrest: &Unrest) -> Result<(), String> {
    let (mut rights, mut inside) = (Rights::default(), Inside::default());
    for (at, seen) in history {
        match seen {
            Seen::Right { user, run, held } => {
                inside.look(*at, &rights, unrest, |one| one == *user)?;
                let all = if *run { &mut rights.run } else { &mut rights.watch };
                all.insert(*user, (*held, *at));
            }
            Seen::Seated { socket, user, studio, .. } => {
                inside.sockets.insert(*socket, (*user, *studio, *at));
            }
            Seen::Gone { socket } => {
                if let Some((user, ..)) = inside.sockets.get(socket).copied() {
                    inside.look(*at, &rights, unrest, |one| one == user)?;
                    inside.sockets.remove(socket);
                }
            }
            Seen::Entered { broadcast, identity, user, studio } => {
                inside.people.insert((*broadcast, identity.clone()), (*user, *studio, *at));
            }
            Seen::Out { broadcast, identity } => {
                let who = (*broadcast, identity.clone());
                if let Some((user, ..)) = inside.people.get(&who).copied() {
                    inside.look(*at, &rights, unrest, |one| one == user)?;
                    inside.people.remove(&who);
                }
            }
            Seen::Saved { broadcast, state: "ended" | "cancelled", .. } => {
                inside.over.insert(*broadcast, *at);
            }
            Seen::Over => inside.look(*at, &rights, unrest, |_| true)?,
            _ => {}
        }
    }
    Ok(())
}

/// A socket that is closed for a right that ended belongs to somebody whose right, there, was not held within this time.
const REASON: u64 = 2_000;
/// The close code for it.
const ACCESS_ENDED: u16 = 4003;

/// Nobody with a right is put out.
pub fn put_out_for_a_reason(history: &History) -> Result<(), String> {
    let mut held: BTreeMap<(u128, bool), (bool, u64)> = BTreeMap::new();
    let mut sockets: BTreeMap<u64, (u128, bool)> = BTreeMap::new();
    for (at, seen) in history {
        match seen {
            Seen::Right { user, run, held: now } => {
                held.insert((*user, *run), (*now, *at));
            }
            Seen::Seated { socket, user, studio, .. } => {
                sockets.insert(*socket, (*user, *studio));
            }
            Seen::Closed { socket, code: ACCESS_ENDED } => {
                let Some(who) = sockets.get(socket) else { continue };
                if held.get(who).is_some_and(|(held, since)| *held && *at > since + REASON) {
                    return Err(format!("rights: {at} ms: socket {socket} of {} was closed with a right", who.0));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
