//! The judge against the reference model, over histories drawn by chance. `JUDGE_CASES` says how many.

use std::{
    io::{IsTerminal, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRng, TestRunner},
};

use super::{
    history::{Happened, SPACE_OF_EXPERIENCE, moments, some_history},
    reference::{Told, told},
    rows::{Rows, grant_id},
};
use crate::{
    access::core::{Grant, Rights, Status, judge},
    clock::Timestamp,
};

/// Histories in an ordinary run.
const CASES: u64 = 10_000;
/// From so many on a run says how far it is.
const LONG: u64 = 100_000;
/// Histories in which each planted fault has to be found.
const CASES_FOR_A_FAULT: u32 = 2_000;

/// What can be asked: each experience, and the member page of each space.
const DOORS: [(usize, Option<usize>); 7] = [
    (SPACE_OF_EXPERIENCE[0], Some(0)),
    (SPACE_OF_EXPERIENCE[1], Some(1)),
    (SPACE_OF_EXPERIENCE[2], Some(2)),
    (SPACE_OF_EXPERIENCE[3], Some(3)),
    (0, None),
    (1, None),
    (2, None),
];

/// Something done to the rights before the judge sees them, as if it looked at them wrongly.
type Fault = fn(&mut Rights);

/// The first moment and door about which judge and model disagree.
fn disagreement(history: &[Happened], fault: Fault) -> Option<String> {
    let (mut rows, mut next) = (Rows::default(), 0);
    for now in moments(history) {
        while let Some(one) = history.get(next).filter(|one| one.at <= now) {
            rows.write(one.at, one.event);
            next += 1;
        }
        let mut rights = rows.rights();
        fault(&mut rights);
        let mut turned = rights.clone();
        turned.grants.reverse(); // a table has no order
        for (space, experience) in DOORS {
            let expected = told(history, now, space, experience);
            let opening = rows.opening(space, experience);
            for rights in [&rights, &turned] {
                let answer = judge(Timestamp(now), rights, &opening);
                let number = |id: Option<_>| id.and_then(|id| (0..rights.grants.len()).find(|n| grant_id(*n) == id));
                let said = Told {
                    allowed: answer.allowed,
                    reason: answer.reason.word(),
                    grant: number(answer.grant),
                    ends: answer.expires_at.map(|end| end.0),
                    refused_for: number(answer.refused_for),
                };
                if said != expected {
                    return Some(format!("space {space}, {experience:?}, at {now}: {said:?}, but {expected:?}"));
                }
            }
        }
    }
    None
}

/// What `runner` found first, made as small as it goes, with the history.
fn find(runner: &mut TestRunner, fault: Fault, each: impl Fn()) -> Option<String> {
    let run = runner.run(&some_history(), |history| {
        each();
        disagreement(&history, fault).map_or(Ok(()), |why| Err(TestCaseError::fail(why)))
    });
    match run {
        Ok(()) => None,
        Err(TestError::Fail(why, history)) => {
            let lines = history.iter().map(|one| format!("{:>4} {:?}\n", one.at, one.event));
            Some(format!("{why}\n{}", lines.collect::<String>()))
        }
        Err(TestError::Abort(why)) => Some(format!("gave up: {why}")),
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// A bar on a terminal, a plain line a hundredth elsewhere; nothing for a short run.
struct Progress {
    bar: ProgressBar,
    of: u64,
    done: AtomicU64,
}

impl Progress {
    fn of(cases: u64) -> Self {
        let seen = cases >= LONG && std::io::stderr().is_terminal();
        let bar = if seen { ProgressBar::new(cases) } else { ProgressBar::hidden() };
        let words = "{elapsed_precise} [{bar:40}] {pos}/{len} histories · {eta_precise} left";
        let style = ProgressStyle::with_template(words).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), of: cases, done: AtomicU64::new(0) }
    }

    fn step(&self) {
        self.bar.inc(1);
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.of >= LONG && self.bar.is_hidden() && done.is_multiple_of(self.of / 100) {
            let _nobody_reads = writeln!(std::io::stderr(), "judge: {done} of {} histories", self.of);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how many histories to draw is no configuration of the engine")]
fn asked_for() -> u64 {
    std::env::var("JUDGE_CASES").map_or(CASES, |text| text.parse().expect("a number of histories"))
}

#[test]
fn survive_091_the_judge_agrees_with_the_reference_model_over_every_history() {
    let cases = asked_for();
    let progress = Progress::of(cases);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = u32::try_from(cases.div_ceil(threads)).expect("fewer histories than that");
    let found: Vec<String> = std::thread::scope(|scope| {
        let draw = || find(&mut TestRunner::new(config(share)), |_| (), || progress.step());
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(draw)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("a thread that drew histories")).collect()
    });
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_judge_that_looks_at_rights_wrongly_is_found_out() {
    fn each_grant(rights: &mut Rights, change: impl Fn(&mut Grant)) {
        rights.grants.iter_mut().for_each(change);
    }
    let faults: [(&str, Fault); 9] = [
        ("begins too early", |rights| each_grant(rights, |grant| grant.starts_at.0 -= 1)),
        ("never looks at the beginning", |rights| each_grant(rights, |grant| grant.starts_at = Timestamp(i64::MIN))),
        ("ends a millisecond late", |rights| {
            each_grant(rights, |grant| grant.expires_at = grant.expires_at.map(|end| Timestamp(end.0 + 1)));
        }),
        ("ends a millisecond early", |rights| {
            each_grant(rights, |grant| grant.expires_at = grant.expires_at.map(|end| Timestamp(end.0 - 1)));
        }),
        ("never looks at the end", |rights| each_grant(rights, |grant| grant.expires_at = None)),
        ("grants no grace", |rights| each_grant(rights, |grant| grant.past_due_until = None)),
        ("lets the late stay", |rights| {
            each_grant(rights, |grant| {
                if grant.status == Status::PastDue {
                    grant.status = Status::Active;
                }
            });
        }),
        ("bans for ever", |rights| rights.bans.iter_mut().for_each(|ban| ban.until = None)),
        ("knows no staff", |rights| rights.staff = Box::default()),
    ];
    for (name, fault) in faults {
        let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
        let found = find(&mut TestRunner::new_with_rng(config(CASES_FOR_A_FAULT), rng), fault, || ());
        println!("{name}: {}", found.as_deref().unwrap_or("not found"));
        assert!(found.is_some(), "{name}: not found in {CASES_FOR_A_FAULT} histories");
    }
}
