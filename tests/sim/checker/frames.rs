//! What holds of frames: no hole, no double, no step back; and nothing told before it was durable.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::world::{Line, Seen};

/// Every socket sees every numbered frame in order, or a snapshot that is not behind it; every engine numbers without a hole.
pub fn without_a_hole(history: &History) -> Result<(), String> {
    let mut sockets: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut engines: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for (at, seen) in history {
        match seen {
            Seen::Gone { socket } => {
                gone.insert(*socket);
            }
            Seen::Recovered { socket, epoch, offset } => {
                sockets.insert(*socket, (*epoch, *offset));
            }
            Seen::Heard { socket, line } => {
                if gone.contains(socket) {
                    return Err(format!("offsets: {at} ms: socket {socket} heard {line:?} after it was gone"));
                }
                follow(&mut sockets, *socket, line)
                    .map_err(|why| format!("offsets: {at} ms: socket {socket}: {why}"))?;
            }
            Seen::Told { engine, line } => {
                follow(&mut engines, *engine, line)
                    .map_err(|why| format!("offsets: {at} ms: engine {engine}: {why}"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn follow<K: Ord + Copy>(known: &mut BTreeMap<K, (u64, u64)>, who: K, line: &Line) -> Result<(), String> {
    let next = (line.epoch, line.offset);
    let before = known.get(&who).copied();
    let fits = match (line.kind.as_str(), before) {
        ("snapshot", Some(before)) => next >= before,
        ("snapshot", None) => true,
        ("state" | "playback", Some((epoch, offset))) => next == (epoch, offset + 1),
        (_, Some(before)) => next == before,
        (_, None) => false,
    };
    if !fits {
        return Err(format!("{} {next:?} after {before:?}", line.kind));
    }
    known.insert(who, next);
    Ok(())
}

/// Nobody is told a state that is not durable yet.
pub fn durable_first(history: &History) -> Result<(), String> {
    let mut states: BTreeSet<(u128, String)> = BTreeSet::new();
    let mut newest = None;
    let mut shown: BTreeMap<u32, u128> = BTreeMap::new();
    let mut serving = 0;
    for (at, seen) in history {
        match seen {
            Seen::Created { broadcast, .. } => {
                newest = Some(*broadcast);
                states.insert((*broadcast, "scheduled".to_owned()));
            }
            Seen::Saved { broadcast, state, .. } => {
                states.insert((*broadcast, (*state).to_owned()));
            }
            Seen::TookOver { engine } => serving = *engine,
            Seen::Told { engine, line } => {
                if let Some(broadcast) = line.broadcast {
                    shown.insert(*engine, broadcast);
                }
                let Some(state) = &line.state else { continue };
                let about = [line.broadcast.or(newest), shown.get(engine).copied()];
                // one that was replaced may still speak, to nobody, of a broadcast that is over
                let durable = about.into_iter().flatten().any(|of| states.contains(&(of, state.clone())))
                    || (*engine < serving && states.iter().any(|(_, durable)| durable == state));
                if !durable && state != "offline" {
                    return Err(format!("durable first: {at} ms: engine {engine} told {line:?}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
