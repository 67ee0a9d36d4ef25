//! What holds of owners: only they act, and what is open has one.

use std::collections::BTreeMap;

use super::History;
use crate::world::{Part, Seen};

/// An owner stops this long before the store's word for its lease ends, at least.
const MARGIN: u64 = 1_000;
/// The longest time without an owner: one that is cut off comes back before its lease has ended (28 s), is killed a while later
/// (20 s), and its lease runs out (30 s) and is found by the others' next look (10 s, and some for failures). The store's own
/// absence comes on top.
const WITHOUT_OWNER: u64 = 95_000;

/// Whoever does not own an experience neither speaks of it nor orders anything for it.
pub fn owners_alone_act(history: &History) -> Result<(), String> {
    let mut owners: BTreeMap<u32, (i64, u64)> = BTreeMap::new();
    for (at, seen) in history {
        match seen {
            Seen::Activated { engine, epoch, until } => {
                owners.insert(*engine, (*epoch, until.saturating_sub(MARGIN)));
            }
            Seen::Renewed { engine, epoch, until } => {
                if let Some(owner) = owners.get_mut(engine).filter(|(held, _)| held == epoch) {
                    owner.1 = until.saturating_sub(MARGIN);
                }
            }
            Seen::Replaced { engine, epoch } => {
                if let Some(owner) = owners.get_mut(engine).filter(|(held, _)| held == epoch) {
                    owner.1 = owner.1.min(*at);
                }
            }
            Seen::Told { engine, .. } | Seen::Asked { engine, .. } | Seen::Ordered { engine } => {
                let until = owners.get(engine).map(|(_, until)| *until);
                if until.is_none_or(|until| *at > until) {
                    return Err(format!("lease: {at} ms: engine {engine} acted, and might until {until:?}: {seen:?}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A broadcast that is open is run by the engine that serves, again and again within a bound of time in which there is a store.
pub fn owned_again(history: &History) -> Result<(), String> {
    let (mut serving, mut open, mut without, mut away) = (0, false, None::<u64>, None::<u64>);
    for (at, seen) in history {
        if away.is_none() && open && without.is_some_and(|since| *at > since + WITHOUT_OWNER) {
            return Err(format!("owner: {at} ms: nobody has run it since {without:?} ms"));
        }
        match seen {
            Seen::Away { what: Part::Store } => away = Some(*at),
            Seen::Back { what: Part::Store } => {
                away = None;
                without = without.map(|_| *at);
            }
            Seen::Created { .. } => open = true,
            Seen::Saved { state, .. } => open = !matches!(*state, "ended" | "cancelled"),
            Seen::TookOver { engine } => (serving, without) = (*engine, Some(*at)),
            Seen::Activated { engine, .. } => without = (*engine != serving).then_some(*at),
            _ => {}
        }
    }
    Ok(())
}
