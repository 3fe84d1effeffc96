//! World: the decisions against a faulty Exchange, key server, cloud and disk, in virtual time,
//! from a seed.
//!
//! A seed plays some hours in a fraction of a second. Afterwards the cloud must show exactly what
//! the calendars hold. `CALWAY_SEEDS=17..18 cargo test --test it world -- --nocapture` plays one
//! seed again and tells what happened; `CALWAY_SEEDS=0..10000` plays many.

mod calendar;
mod check;
mod dice;
mod disk;
mod keys;
mod meetings;
mod memory;
mod play;
mod relay;
mod watch;

use std::ops::Range;
use std::panic::AssertUnwindSafe;

use self::check::play_to_the_end;
use self::disk::Disk;
use self::play::Play;

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[];

/// One in so many seeds has the real store beside the stupid one.
const SQLITE_ONE_IN: u64 = 12;

fn play(seed: u64, trace: bool) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = (seed % SQLITE_ONE_IN == 5).then(|| folder.path().join("store.db"));
    let mut play = Play::new(seed, Disk::new(file), trace)?;
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| play_to_the_end(&mut play)));
    match played {
        Ok(held) => held.map(|()| play.summary()),
        Err(_) => Err("it panicked".into()),
    }
}

fn play_all(seeds: impl Iterator<Item = u64>, trace: bool) {
    let mut broken = Vec::new();
    for seed in seeds {
        match play(seed, trace) {
            Ok(summary) if trace => eprintln!("seed {seed}: {summary}"),
            Ok(_) => {}
            Err(why) => {
                eprintln!("seed {seed}: {why}");
                eprintln!(
                    "  CALWAY_SEEDS={seed}..{} cargo test --test it world -- --nocapture",
                    seed + 1
                );
                broken.push(seed);
            }
        }
    }
    assert!(broken.is_empty(), "these seeds break a promise: {broken:?}");
}

fn asked_for() -> Option<Range<u64>> {
    let asked = std::env::var("CALWAY_SEEDS").ok()?;
    let (from, to) = asked.split_once("..")?;
    Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
}

#[test]
fn world() {
    match asked_for() {
        Some(seeds) => {
            let one = seeds.end.saturating_sub(seeds.start) == 1;
            play_all(seeds, one);
        }
        None => play_all(REGRESSIONS.iter().copied().chain(0..320), false),
    }
}

#[test]
fn world_is_a_function_of_its_seed() {
    assert_eq!(play(3, false), play(3, false));
}
