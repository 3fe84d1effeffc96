//! Groups: the real fleet with the real machines of its streams, against servers that restart,
//! forget, refuse, rest and fall silent while mailboxes come, go and move; from a seed.
//!
//! What must hold: a mailbox is in one stream at a time, and a subscription in one group; nobody
//! asks a server for more at once than was agreed; once the trouble is over every active mailbox
//! has a living subscription in a standing stream of its place, whatever was edited meanwhile was
//! read, and what is edited from then on is read soon.

mod fate;
mod listen;
mod play;
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};

use self::play::Play;
use self::watch::{Kind, Watch};
use super::dice::Dice;

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[];

/// In so many of the thousand seeds each kind of trouble is played at least.
const PLAYED_AT_LEAST: usize = 300;

/// In how many seeds each kind was played.
static PLAYED: [AtomicUsize; Kind::ALL.len()] = [const { AtomicUsize::new(0) }; Kind::ALL.len()];

fn watched(seed: u64, trace: bool) -> Result<Watch, String> {
    let mut play = Play::new(Dice::new(seed ^ 0x0060_4205), trace);
    play.play()?;
    Ok(play.watch)
}

fn play(seed: u64, trace: bool) -> Result<String, String> {
    let watch = watched(seed, trace)?;
    for (kind, count) in Kind::ALL.iter().zip(&PLAYED) {
        count.fetch_add(usize::from(watch.was_played(*kind)), Ordering::Relaxed);
    }
    Ok(watch.summary())
}

#[test]
fn groups() {
    super::play_all(REGRESSIONS, "world::groups::groups", play);
    if super::asked_for().is_none() {
        for (kind, count) in Kind::ALL.iter().zip(&PLAYED) {
            let count = count.load(Ordering::Relaxed);
            eprintln!("{kind:?}: in {count} seeds");
            assert!(count >= PLAYED_AT_LEAST, "{kind:?} was played in {count} seeds only");
        }
    }
}

#[test]
fn a_world_of_groups_is_a_function_of_its_seed() {
    let summary = |seed| watched(seed, false).map(|watch| watch.summary());
    assert_eq!(summary(3), summary(3));
}
