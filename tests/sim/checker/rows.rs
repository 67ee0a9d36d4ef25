//! What holds of the rows: fenced, whole, one open, over once, live once, and every button answered once.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::world::{Answer, Deed, Seen};

/// Only the newest activation writes; versions have no hole; one broadcast is open at a time.
pub fn fenced_and_whole(history: &History) -> Result<(), String> {
    let mut newest = 0;
    let mut open: Option<u128> = None;
    let mut versions: BTreeMap<u128, i64> = BTreeMap::new();
    for (at, seen) in history {
        match seen {
            Seen::Activated { epoch, .. } if *epoch <= newest => {
                return Err(format!("fence: {at} ms: epoch {epoch} again"));
            }
            Seen::Activated { epoch, .. } => newest = *epoch,
            Seen::Created { broadcast, epoch } => {
                if *epoch != newest {
                    return Err(format!("fence: {at} ms: epoch {epoch} created while {newest} owned"));
                }
                if let Some(other) = open.replace(*broadcast) {
                    return Err(format!("one open: {at} ms: {broadcast} was made while {other} was open"));
                }
                versions.insert(*broadcast, 0);
            }
            Seen::Saved { broadcast, epoch, version, state, .. } => {
                if *epoch != newest {
                    return Err(format!("fence: {at} ms: epoch {epoch} wrote {state} while {newest} owned"));
                }
                let before = versions.insert(*broadcast, *version);
                if before.is_none_or(|before| before + 1 != *version) {
                    return Err(format!("fence: {at} ms: version {version} of {broadcast} after {before:?}"));
                }
                if matches!(*state, "ended" | "cancelled") && open == Some(*broadcast) {
                    open = None;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// After the end there is nothing.
pub fn ended_once(history: &History) -> Result<(), String> {
    let mut over = BTreeSet::new();
    for (at, seen) in history {
        if let Seen::Saved { broadcast, state, .. } = seen {
            if over.contains(broadcast) {
                return Err(format!("over is over: {at} ms: {broadcast} became {state} after its end"));
            }
            if matches!(*state, "ended" | "cancelled") {
                over.insert(*broadcast);
            }
        }
    }
    Ok(())
}

/// A broadcast goes live once, and the moment it did never changes.
pub fn live_once(history: &History) -> Result<(), String> {
    let mut began: BTreeMap<u128, (i64, u32)> = BTreeMap::new();
    let mut before: BTreeMap<u128, &'static str> = BTreeMap::new();
    for (at, seen) in history {
        let Seen::Saved { broadcast, state, facts, .. } = seen else { continue };
        let was = before.insert(*broadcast, state).unwrap_or("scheduled");
        if let Some(live_at) = facts.live_at {
            let (first, starts) = began.entry(*broadcast).or_insert((live_at, 0));
            *starts += u32::from(matches!(was, "scheduled" | "lobby"));
            if *first != live_at || *starts != 1 {
                return Err(format!("live once: {at} ms: {broadcast} is live since {live_at}, {starts} starts"));
            }
        }
        let lawful = matches!(
            (was, *state),
            ("scheduled" | "lobby", "lobby" | "live" | "cancelled")
                | ("live" | "reconnecting", "live" | "reconnecting" | "ended")
        );
        if !lawful {
            return Err(format!("live once: {at} ms: {broadcast} went from {was} to {state}"));
        }
    }
    Ok(())
}

/// How long somebody waits for an answer at most.
const PATIENCE: u64 = 5_100;

/// Every button is answered once and in time; what was said to be done is durable.
pub fn answered_once(history: &History) -> Result<(), String> {
    let mut open: BTreeMap<u64, (u64, Deed, u128)> = BTreeMap::new();
    let mut states: BTreeSet<(u128, &'static str)> = BTreeSet::new();
    for (at, seen) in history {
        match seen {
            Seen::Created { broadcast, .. } => {
                states.insert((*broadcast, "scheduled"));
            }
            Seen::Saved { broadcast, state, .. } => {
                states.insert((*broadcast, state));
            }
            Seen::Pressed { press, deed, broadcast } => {
                open.insert(*press, (*at, *deed, *broadcast));
            }
            Seen::Answered { press, answer } => {
                let Some((since, deed, wanted)) = open.remove(press) else {
                    return Err(format!("answers: {at} ms: press {press} was answered twice"));
                };
                if at - since > PATIENCE {
                    return Err(format!("answers: {at} ms: press {press} of {since} ms was answered late"));
                }
                if let Answer::Done { broadcast, state } = answer {
                    let fits = match deed {
                        Deed::Create => true,
                        Deed::OpenLobby => *state == "lobby",
                        Deed::GoLive => matches!(*state, "live" | "reconnecting"),
                        Deed::End => *state == "ended",
                        Deed::Cancel => *state == "cancelled",
                    };
                    if *broadcast != wanted || !fits || !states.contains(&(*broadcast, state)) {
                        return Err(format!("durable first: {at} ms: {deed:?} of {wanted} was answered {answer:?}"));
                    }
                }
                if let Answer::AlreadyOpen(other) = answer
                    && !states.iter().any(|(broadcast, _)| broadcast == other)
                    && !open.values().any(|(_, deed, made)| *deed == Deed::Create && made == other)
                {
                    return Err(format!("answers: {at} ms: {other} is said to be open and never was"));
                }
            }
            _ => {}
        }
    }
    let last = history.end();
    match open.iter().find(|(_, (since, ..))| last - since > PATIENCE) {
        Some((press, (since, ..))) => Err(format!("answers: press {press} of {since} ms was never answered")),
        None => Ok(()),
    }
}
