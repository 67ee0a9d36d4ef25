//! The whole live engine in simulation: its own core, actors, keeper and directory on a paused clock, every choice from one
//! seed, and a checker that reads the history alone. `SIM_SEEDS` says how many seeds, `SIM_FIRST` with which to begin, `SIM_SEED`
//! repeats one and prints it.

mod books;
mod checker;
mod drills;
mod house;
mod people;
mod play;
mod progress;
mod rights;
mod shards;
mod stage;
mod world;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use backstage::clock::{Clock, SystemClock};
use play::{Life, live};
use progress::Progress;
use world::{Bug, Noted};

/// Seeds in an ordinary run.
const SEEDS: u64 = 2_000;
/// One seed in this many runs twice.
const TWICE_IN: u64 = 10;
/// Seeds in which each planted bug has to be found.
const SEEDS_FOR_A_BUG: u64 = 1_000;

#[expect(clippy::disallowed_methods, reason = "how many seeds to run is no configuration of the engine")]
fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number of seeds, or a seed"))
}

/// Panics that are drilled are part of the play; any other is shown.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let drill = panic.payload().downcast_ref::<&str>().is_some_and(|said| *said == "this is a drill");
            if !drill {
                shown(panic);
            }
        }));
    });
}

fn hash(history: &[Noted]) -> u64 {
    let mut hasher = DefaultHasher::new();
    history.hash(&mut hasher);
    hasher.finish()
}

/// Runs `first..first + count` on all cores, or as many as `SIM_THREADS` says; what was broken, in the order of the seeds.
fn run(first: u64, count: u64, enough: usize, judge: impl Fn(u64) -> Option<String> + Sync) -> Vec<(u64, String)> {
    hush();
    let (next, found) = (AtomicU64::new(first), Mutex::new(vec![]));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = asked_for("SIM_THREADS").and_then(|asked| usize::try_from(asked).ok()).unwrap_or(threads);
    let progress = Progress::of(count);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let full = found.lock().unwrap_or_else(PoisonError::into_inner).len() >= enough;
                    if seed >= first + count || full {
                        return;
                    }
                    if let Some(why) = judge(seed) {
                        progress.note(&format!("SIM_SEED={seed}: {why}"));
                        found.lock().unwrap_or_else(PoisonError::into_inner).push((seed, why));
                    }
                    progress.step();
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    found
}

/// What is wrong with one seed, if anything.
fn judge(seed: u64) -> Option<String> {
    let life = live(seed, None);
    if seed.is_multiple_of(TWICE_IN) && hash(&life.history) != hash(&live(seed, None).history) {
        return Some("the same seed made another history".to_owned());
    }
    checker::check(&life.history, life.settings.publisher_grace).err()
}

fn told(broken: &[(u64, String)]) -> String {
    broken.iter().map(|(seed, why)| format!("SIM_SEED={seed}: {why}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_life_keeps_every_promise() {
    if let Some(seed) = asked_for("SIM_SEED") {
        hush();
        let Life { history, settings } = live(seed, None);
        for Noted { at, of, seen } in &history {
            println!("{at:>8} {} {seen:?}", of.map_or("-".to_owned(), |of| of.to_string()));
        }
        assert_eq!(checker::check(&history, settings.publisher_grace), Ok(()), "{settings:?}");
        assert_eq!(hash(&history), hash(&live(seed, None).history), "the same seed made another history");
        return;
    }
    let (seeds, clock) = (asked_for("SIM_SEEDS").unwrap_or(SEEDS), SystemClock::new());
    let broken = run(asked_for("SIM_FIRST").unwrap_or(0), seeds, 20, judge);
    println!("{seeds} lives, or as many as it took to break twenty, in {:.1} s", clock.monotonic().as_secs_f64());
    assert!(broken.is_empty(), "\n{}\n", told(&broken));
}

/// Runs seeds with a planted bug until the checker complains, which it must with one of `rules`.
fn finds(bug: Bug, rules: &[&str]) {
    let found = run(0, SEEDS_FOR_A_BUG, 1, |seed| {
        let life = live(seed, Some(bug));
        let why = checker::check(&life.history, life.settings.publisher_grace).err()?;
        rules.iter().any(|rule| why.starts_with(rule)).then_some(why)
    });
    assert!(!found.is_empty(), "{bug:?} was not found in {SEEDS_FOR_A_BUG} seeds");
    println!("{}", told(&found));
}

#[test]
fn a_store_that_ignores_the_fence_is_found() {
    finds(Bug::FenceIgnored, &["fence", "over is over"]);
}

#[test]
fn a_step_acknowledged_and_lost_is_found() {
    finds(Bug::LostAfterDone, &["durable first"]);
}

#[test]
fn an_end_on_an_old_answer_is_found() {
    finds(Bug::StaleAnswers, &["grace"]);
}

#[test]
fn a_right_that_ends_unheard_is_found() {
    finds(Bug::RightsUndelivered, &["rights"]);
}

#[test]
fn a_place_that_outlives_its_socket_is_found() {
    finds(Bug::PlaceKept, &["audience"]);
}

#[test]
fn survive_093_a_device_that_gave_way_and_stays_is_found() {
    finds(Bug::DeviceKept, &["devices"]);
}

#[test]
fn survive_014_an_owner_that_acts_when_its_lease_is_over_is_found() {
    finds(Bug::LeaseForEver, &["lease"]);
}
