//! Who may open what, a second time: from the written rules and a history alone, without a row, a cached end or a shortcut, and
//! without a word of the judge. Slow on purpose.

use super::history::{Event, Happened, SPACE_OF_EXPERIENCE, SPACE_OF_PASS, TEAM_OF_SPACE, Thing, Word};

/// "Refusals, in the order in which one is told when several hold", as the contract has it.
const ORDER: &str = "banned, device_limit, disputed, refunded, revoked, past_due_over, paused, expired, not_yet, not_included, \
                     space_unpublished, no_grant";

/// A moment that no history comes to.
const NEVER: i64 = 1_000;
/// No two times of a history lie further apart.
const FAR: i64 = 64;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub allowed: bool,
    pub reason: &'static str,
    /// The grant that allows it, by when it was given.
    pub grant: Option<usize>,
    /// The first moment at which that grant does not.
    pub ends: Option<i64>,
    /// The grant that the refusal is about.
    pub refused_for: Option<usize>,
}

/// One grant, as far as it is known at a moment.
struct Held {
    number: usize,
    thing: Thing,
    starts: i64,
    ends: Option<i64>,
    /// What holds of all that was said of it; nothing where it stands as it was given.
    word: Option<Word>,
}

/// What holds after all this was said, in this order.
fn holds(said: &[Word]) -> Option<Word> {
    let (last, before) = said.split_last()?;
    match last {
        // a won dispute restores what was before it; nothing is won where nothing is disputed
        Word::DisputeWon => {
            let mut before = before;
            while holds(before) == Some(Word::Disputed) {
                before = &before[..before.len() - 1];
            }
            holds(before)
        }
        // another end is another end, and nothing else
        Word::Extended { .. } => holds(before),
        Word::Resumed | Word::Recovered => None,
        other => Some(*other),
    }
}

fn held(past: &[Event]) -> Vec<Held> {
    let given = past.iter().filter_map(|event| match event {
        Event::Given { thing, starts, ends, .. } => Some((*thing, *starts, *ends)),
        _ => None,
    });
    let held = given.enumerate().map(|(number, (thing, starts, given_ends))| {
        let said: Vec<Word> = past
            .iter()
            .filter_map(|event| match event {
                Event::Said { grant, word } if *grant == number => Some(*word),
                _ => None,
            })
            .collect();
        let extended = said.iter().rev().find_map(|word| match word {
            Word::Extended { ends } => Some(*ends),
            _ => None,
        });
        Held { number, thing, starts, ends: extended.unwrap_or(given_ends), word: holds(&said) }
    });
    held.collect()
}

impl Held {
    /// Every reason for which it opens nothing at `at`, if nothing more is said.
    fn against(&self, at: i64) -> Vec<&'static str> {
        let mut against = vec![];
        match self.word {
            Some(Word::Paused) => against.push("paused"),
            Some(Word::Ended) => against.push("expired"),
            Some(Word::Revoked) => against.push("revoked"),
            Some(Word::Refunded) => against.push("refunded"),
            Some(Word::Disputed) => against.push("disputed"),
            Some(Word::Late { until }) if at >= until.unwrap_or(at) => against.push("past_due_over"),
            _ => {}
        }
        if at >= self.ends.unwrap_or(NEVER) {
            against.push("expired");
        }
        if at < self.starts {
            against.push("not_yet");
        }
        against
    }

    /// The first moment after `now` at which it opens nothing by itself.
    fn first_closed(&self, now: i64) -> i64 {
        (now + 1..now + FAR).find(|at| !self.against(*at).is_empty()).unwrap_or(NEVER)
    }

    fn space(&self) -> usize {
        match self.thing {
            Thing::Space(space) => space,
            Thing::Experience(experience) => SPACE_OF_EXPERIENCE[experience],
            Thing::Pass(pass) => SPACE_OF_PASS[pass],
        }
    }

    fn opens(&self, past: &[Event], wanted: Option<usize>) -> bool {
        match (self.thing, wanted) {
            (Thing::Space(_), _) | (Thing::Pass(_), None) => true,
            (Thing::Experience(one), wanted) => wanted == Some(one),
            (Thing::Pass(held), Some(wanted)) => last(past, |event| match event {
                Event::Ticked { pass, experience, on } if (*pass, *experience) == (held, wanted) => Some(*on),
                _ => None,
            })
            .unwrap_or(false),
        }
    }
}

/// The last that was said of something.
fn last<T>(past: &[Event], of: impl Fn(&Event) -> Option<T>) -> Option<T> {
    past.iter().rev().find_map(of)
}

/// Whether the person of this history may open the experience, or the member page, of `space` at `now`.
pub fn told(history: &[Happened], now: i64, space: usize, experience: Option<usize>) -> Told {
    let past: Vec<Event> = history.iter().filter(|one| one.at <= now).map(|one| one.event).collect();
    let nothing = Told { allowed: false, reason: "", grant: None, ends: None, refused_for: None };
    let banned = last(&past, |event| match event {
        Event::Banned { space: of, until } if *of == space => Some(now < until.unwrap_or(NEVER)),
        Event::Unbanned { space: of } if *of == space => Some(false),
        _ => None,
    });
    if banned == Some(true) {
        return Told { reason: "banned", ..nothing };
    }
    let staff = last(&past, |event| match event {
        Event::Joined { team, .. } if *team == TEAM_OF_SPACE[space] => Some(true),
        Event::Left { team } if *team == TEAM_OF_SPACE[space] => Some(false),
        _ => None,
    });
    if staff == Some(true) {
        return Told { allowed: true, reason: "staff", ..nothing };
    }
    let published = last(&past, |event| match event {
        Event::Published { space: of, on } if *of == space => Some(*on),
        _ => None,
    });
    let here: Vec<Held> = held(&past).into_iter().filter(|grant| grant.space() == space).collect();
    let open: Vec<&Held> =
        here.iter().filter(|grant| grant.opens(&past, experience) && grant.against(now).is_empty()).collect();
    let (longest, published) = (open.iter().map(|grant| grant.first_closed(now)).max(), published == Some(true));
    if let (Some(end), true) = (longest, published) {
        let older = open.iter().filter(|grant| grant.first_closed(now) == end).map(|grant| grant.number).min();
        return Told { allowed: true, reason: "grant", grant: older, ends: (end < NEVER).then_some(end), ..nothing };
    }
    // of those who could enter if only the space were published, nothing else is told
    let mut against: Vec<(&'static str, Option<&Held>)> = vec![("no_grant", None)];
    if !published {
        against.push(("space_unpublished", None));
    }
    if open.is_empty() {
        against.extend(here.iter().flat_map(|grant| refusals(grant, &past, now, experience)));
    }
    let reason =
        ORDER.split(", ").find_map(|word| against.iter().find(|(said, _)| *said == word).map(|(said, _)| *said));
    let reason = reason.expect("somebody who may not enter is told why");
    let about: Vec<&Held> =
        against.iter().filter(|(said, _)| *said == reason).filter_map(|(_, grant)| *grant).collect();
    // a door that opens later opens with the first that begins; otherwise the newest is what people have in mind
    let first = about.iter().map(|grant| grant.starts).min();
    let speaks = about.iter().filter(|grant| reason != "not_yet" || Some(grant.starts) == first);
    Told { reason, refused_for: speaks.map(|grant| grant.number).max(), ..nothing }
}

/// Why this grant does not open the door. One that was for another room says so while it is good, and nothing afterwards.
fn refusals<'a>(
    grant: &'a Held,
    past: &[Event],
    now: i64,
    experience: Option<usize>,
) -> Vec<(&'static str, Option<&'a Held>)> {
    let mut said = grant.against(now);
    if !grant.opens(past, experience) {
        match (said.is_empty(), grant.thing) {
            (true, _) => said.push("not_included"),
            (false, Thing::Experience(_)) => said.clear(),
            (false, Thing::Space(_) | Thing::Pass(_)) => {}
        }
    }
    said.into_iter().map(|word| (word, Some(grant))).collect()
}
