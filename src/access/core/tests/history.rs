//! What can happen to the rights of one person, drawn by chance. The rows that the judge reads and the reference model are both
//! made of such a history, each in its own way.

use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::identity::core::role::Role;

/// Whose team each space is of.
pub const TEAM_OF_SPACE: [usize; 3] = [0, 0, 1];
/// The space of each experience.
pub const SPACE_OF_EXPERIENCE: [usize; 4] = [0, 0, 1, 2];
/// The space of each pass.
pub const SPACE_OF_PASS: [usize; 3] = [0, 0, 2];

/// What a grant is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Space(usize),
    Experience(usize),
    Pass(usize),
}

/// What is said of a grant after it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Paused,
    Resumed,
    /// A payment is late; the grace, if there is one.
    Late {
        until: Option<i64>,
    },
    Recovered,
    /// It is over, whatever its time.
    Ended,
    /// It ends then instead.
    Extended {
        ends: Option<i64>,
    },
    Revoked,
    Refunded,
    Disputed,
    DisputeWon,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The next grant.
    Given {
        thing: Thing,
        trial: bool,
        starts: i64,
        ends: Option<i64>,
    },
    /// About the grant that was given as the `grant`th, from 0.
    Said {
        grant: usize,
        word: Word,
    },
    /// An experience is ticked for a pass, or not any more.
    Ticked {
        pass: usize,
        experience: usize,
        on: bool,
    },
    /// Kept out of a space, instead of any earlier ban there.
    Banned {
        space: usize,
        until: Option<i64>,
    },
    Unbanned {
        space: usize,
    },
    Published {
        space: usize,
        on: bool,
    },
    Joined {
        team: usize,
        role: Role,
    },
    Left {
        team: usize,
    },
    /// Grants whose time is up are written down as expired.
    Swept,
}

/// An event and its moment.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    pub at: i64,
    pub event: Event,
}

/// Every moment at which something happens or is said to begin or end, and those next to it.
pub fn moments(history: &[Happened]) -> Vec<i64> {
    let named = history.iter().flat_map(|Happened { at, event }| {
        let said = match event {
            Event::Given { starts, ends, .. } => [Some(*starts), *ends],
            Event::Said { word: Word::Late { until }, .. } => [*until, None],
            Event::Said { word: Word::Extended { ends }, .. } => [*ends, None],
            Event::Banned { until, .. } => [*until, None],
            _ => [None, None],
        };
        said.into_iter().flatten().chain([*at])
    });
    let mut moments: Vec<i64> = named.flat_map(|at| [at - 1, at, at + 1]).filter(|at| *at >= 0).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn some_thing() -> impl Strategy<Value = Thing> {
    let things = [
        Thing::Space(0),
        Thing::Space(1),
        Thing::Space(2),
        Thing::Experience(0),
        Thing::Experience(1),
        Thing::Experience(2),
        Thing::Pass(0),
        Thing::Pass(0),
        Thing::Pass(1),
        Thing::Pass(1),
        Thing::Pass(2),
    ];
    select(things.to_vec())
}

/// The times in it are counted from when it is said.
fn some_word() -> impl Strategy<Value = Word> {
    prop_oneof![
        2 => Just(Word::Paused),
        2 => Just(Word::Resumed),
        3 => option::weighted(0.8, -2i64..8).prop_map(|until| Word::Late { until }),
        2 => Just(Word::Recovered),
        1 => Just(Word::Ended),
        2 => option::weighted(0.8, -2i64..8).prop_map(|ends| Word::Extended { ends }),
        1 => Just(Word::Revoked),
        1 => Just(Word::Refunded),
        2 => Just(Word::Disputed),
        2 => Just(Word::DisputeWon),
    ]
}

/// The times in it are counted from when it happens, and the grant from any number.
fn some_event() -> impl Strategy<Value = Event> {
    let ticks = vec![(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)];
    prop_oneof![
        10 => (some_thing(), any::<bool>(), -3i64..5, option::weighted(0.7, 1i64..9)).prop_map(
            |(thing, trial, starts, lasts)| Event::Given { thing, trial, starts, ends: lasts.map(|lasts| starts + lasts) }
        ),
        16 => (0usize..64, some_word()).prop_map(|(grant, word)| Event::Said { grant, word }),
        6 => (select(ticks), any::<bool>())
            .prop_map(|((pass, experience), on)| Event::Ticked { pass, experience, on }),
        2 => (0usize..3, option::of(-1i64..6)).prop_map(|(space, until)| Event::Banned { space, until }),
        1 => (0usize..3).prop_map(|space| Event::Unbanned { space }),
        2 => (0usize..3, any::<bool>()).prop_map(|(space, on)| Event::Published { space, on }),
        1 => (0usize..2, select(Role::ALL.to_vec())).prop_map(|(team, role)| Event::Joined { team, role }),
        2 => (0usize..2).prop_map(|team| Event::Left { team }),
        3 => Just(Event::Swept),
    ]
}

/// Sets a drawn event at its moment; one about a grant falls away while there is none.
fn set(event: Event, at: i64, given: usize) -> Option<Event> {
    let later = |wait: Option<i64>| wait.map(|wait| at + wait);
    Some(match event {
        Event::Given { thing, trial, starts, ends } => {
            Event::Given { thing, trial, starts: at + starts, ends: later(ends) }
        }
        Event::Said { .. } if given == 0 => return None,
        Event::Said { grant, word } => {
            let word = match word {
                Word::Late { until } => Word::Late { until: later(until) },
                Word::Extended { ends } => Word::Extended { ends: later(ends) },
                other => other,
            };
            Event::Said { grant: grant % given, word }
        }
        Event::Banned { space, until } => Event::Banned { space, until: later(until) },
        other => other,
    })
}

/// A life of up to sixteen events, several of which may fall into one millisecond, in a world that is mostly open.
pub fn some_history() -> impl Strategy<Value = Vec<Happened>> {
    let begun = (vec(proptest::bool::weighted(0.85), 3), vec(any::<bool>(), 4));
    (begun, vec((select(vec![0i64, 0, 1, 1, 2]), some_event()), 1..16)).prop_map(|((published, ticked), drawn)| {
        let published = published.into_iter().enumerate().map(|(space, on)| Event::Published { space, on });
        let pairs = [(0, 0), (0, 1), (1, 0), (2, 3)];
        let ticked =
            pairs.into_iter().zip(ticked).map(|((pass, experience), on)| Event::Ticked { pass, experience, on });
        let mut history: Vec<Happened> = published.chain(ticked).map(|event| Happened { at: 0, event }).collect();
        let (mut at, mut given) = (3, 0);
        for (wait, event) in drawn {
            at += wait;
            let Some(event) = set(event, at, given) else { continue };
            given += usize::from(matches!(event, Event::Given { .. }));
            history.push(Happened { at, event });
        }
        history
    })
}
