//! Items in batches, and those among them that fail alone.
//!
//! **Promise.** A bad item holds nobody up. Exchange says `ErrorInternalServerError` of itself when
//! it is ill, and also, for ever, of an item that it cannot render, as it does with other codes.
//! Where something else of the mailbox can be read, such an item is [`Found::Unreadable`] beside
//! its neighbours: with [`Next::Retry`] at first, so that it is asked for again, and with
//! [`Next::Refused`] once it has failed [`PATIENCE`] times, over [`LONG_ENOUGH`].
//!
//! Nor do items that are too much at once: where a batch takes too long, the mailbox's next ones
//! are half as large, and in the end each item is asked for alone, and only where that takes too
//! long without its body. One time-out a reading, and [`LATE`] of single items, with the body and
//! without it, are all that a server is asked to bear which is slow for everybody.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Ews, codes, get_folder, get_item, http};
use crate::model::{Fault, Found, ItemId, Next, Span, Target, Time, UserId};

/// How often an item must have failed before it is given up.
const PATIENCE: u32 = 6;

/// How long it must have failed before it is given up: a restart of Exchange's is over by then.
const LONG_ENOUGH: Span = Span::MINUTE.times(15);

/// Items that are remembered as failing; beyond it the one that fails longest is forgotten, and
/// counted anew.
const MOST: usize = 10_000;

/// Single items of one reading that may take too long.
const LATE: usize = 3;

/// So long after a time-out more at once are tried again. A pass asks for items more than once: if
/// it asked for more each time, it might never come to its end.
const BEARS_AGAIN: Span = Span::MINUTE.times(15);

/// How many items are asked for at once, where it is fewer than usual, and since when.
#[derive(Debug, Default)]
pub(super) struct Heavy(Mutex<HashMap<UserId, (usize, Time)>>);

impl Heavy {
    fn at_once(&self, user: &UserId) -> usize {
        self.known().get(user).map_or(get_item::BATCH, |(at_once, _)| *at_once)
    }

    /// So many took too long.
    fn is_too_much(&self, now: Time, user: &UserId, at_once: usize) {
        self.known().insert(user.clone(), ((at_once / 2).max(1), now));
    }

    /// All that was asked for came in time.
    fn is_well(&self, now: Time, user: &UserId) {
        let mut known = self.known();
        if let Some((at_once, since)) = known.get_mut(user)
            && (now.since(*since) >= BEARS_AGAIN || *since > now)
        {
            (*at_once, *since) = (*at_once * 2, now);
            if *at_once >= get_item::BATCH {
                known.remove(user);
            }
        }
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, user: &UserId) {
        self.known().remove(user);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserId, (usize, Time)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when, and how often, items have failed.
#[derive(Debug, Default)]
pub(super) struct Ill(Mutex<Sick>);

#[derive(Debug, Default)]
struct Sick {
    known: HashMap<ItemId, (Time, u32)>,
    since: BTreeSet<(Time, ItemId)>,
}

impl Sick {
    fn forget(&mut self, id: &ItemId) {
        if let Some((since, _)) = self.known.remove(id) {
            self.since.remove(&(since, id.clone()));
        }
    }
}

impl Ill {
    /// It failed once more; whether it is to be given up.
    fn fails(&self, now: Time, id: &ItemId) -> bool {
        let mut sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sick.known.get(id).is_none_or(|(since, _)| *since > now) {
            // It is new, or the clock was set back.
            sick.forget(id);
            if sick.known.len() >= MOST
                && let Some((_, eldest)) = sick.since.first().cloned()
            {
                sick.forget(&eldest);
            }
            sick.known.insert(id.clone(), (now, 0));
            sick.since.insert((now, id.clone()));
        }
        let Some((since, count)) = sick.known.get_mut(id) else { return false };
        *count = count.saturating_add(1);
        *count > PATIENCE && now.since(*since) >= LONG_ENOUGH
    }

    fn is_well(&self, id: &ItemId) {
        let mut sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sick.known.is_empty() {
            sick.forget(id);
        }
    }
}

/// What came of one id.
type Answer = Result<Found, Fault>;

/// The items, one answer for each id, in the order asked.
///
/// # Errors
/// What concerns more than single items.
pub(super) async fn read(ews: &Ews, target: &Target, ids: &[ItemId]) -> Result<Vec<Found>, Fault> {
    let mut answers: Vec<Answer> = Vec::with_capacity(ids.len());
    let mut late = 0;
    let at_once = ews.heavy.at_once(&target.user);
    let slow = |answer: &Answer| answer.as_ref().is_err_and(codes::is_too_slow);
    let mut batches: Vec<&[ItemId]> = ids.chunks(at_once).rev().collect();
    while let Some(batch) = batches.pop() {
        let asked = ask(ews, target, batch, true).await;
        let is_slow = match &asked {
            Ok(some) => some.iter().any(slow),
            Err(fault) => codes::is_too_slow(fault),
        };
        if is_slow {
            ews.heavy.is_too_much(ews.discovery.now(), &target.user, at_once);
        }
        let too_long = asked.as_ref().is_err_and(|fault| fault.cause.code == http::TOO_LONG);
        let gives_way = too_long || (is_slow && at_once < 2 && late < LATE);
        if batch.len() < 2 && gives_way {
            late += usize::from(is_slow);
            match ask(ews, target, batch, false).await {
                Ok(some) => take(ews, target, some, true, &mut answers).await?,
                Err(fault) if is_slow && codes::is_too_slow(&fault) => answers.push(Err(fault)),
                Err(fault) => return Err(fault),
            }
            continue;
        }
        match asked {
            Ok(some) => take(ews, target, some, at_once < 2, &mut answers).await?,
            Err(_) if too_long => {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            }
            Err(fault) => return Err(fault),
        }
    }
    if !answers.is_empty() && answers.iter().all(Result::is_err) {
        // Is it the items, or all of it?
        ews.ask_home(target, get_folder::request, get_folder::read).await?;
    }
    if !answers.iter().any(slow) {
        ews.heavy.is_well(ews.discovery.now(), &target.user);
    }
    Ok(ids.iter().zip(answers).map(|(id, answer)| settle(ews, id, answer)).collect())
}

async fn ask(
    ews: &Ews,
    target: &Target,
    ids: &[ItemId],
    bodies: bool,
) -> Result<Vec<Answer>, Fault> {
    ews.ask_home(
        target,
        |header| get_item::request(header, ids, bodies),
        |xml| get_item::read_each(xml, ids, Some(&target.address)),
    )
    .await
}

/// Takes a batch's answers, unless one says something of the mailbox or the server. `least`: one
/// alone was asked for, so that taking too long is its own fault, too.
async fn take(
    ews: &Ews,
    target: &Target,
    some: Vec<Answer>,
    least: bool,
    answers: &mut Vec<Answer>,
) -> Result<(), Fault> {
    for answer in some {
        let alone = |fault: &Fault| {
            codes::is_perhaps_the_item(fault) || (least && codes::is_too_slow(fault))
        };
        match answer {
            Err(fault) if !alone(&fault) => {
                return Err(ews.met(target, fault).await);
            }
            answer => answers.push(answer),
        }
    }
    Ok(())
}

fn settle(ews: &Ews, id: &ItemId, answer: Answer) -> Found {
    match answer {
        Ok(found) => {
            ews.ill.is_well(id);
            found
        }
        Err(fault) if ews.ill.fails(ews.discovery.now(), id) => {
            Found::Unreadable(id.clone(), Fault { next: Next::Refused, ..fault })
        }
        Err(fault) => Found::Unreadable(id.clone(), fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ItemId {
        ItemId(name.into())
    }

    #[test]
    fn a_batch_that_took_too_long_is_asked_for_in_halves_until_all_is_well() {
        let (heavy, ann) = (Heavy::default(), UserId::new("ann"));
        let mut now = Time::from_ms(1_000_000_000);
        let mut sizes = vec![heavy.at_once(&ann)];
        for _ in 0..5 {
            heavy.is_too_much(now, &ann, heavy.at_once(&ann));
            sizes.push(heavy.at_once(&ann));
        }
        assert_eq!(sizes, [get_item::BATCH, 5, 2, 1, 1, 1]);
        heavy.is_well(now, &ann);
        assert_eq!(heavy.at_once(&ann), 1, "a pass asks for items more than once");
        for size in [2, 4, 8, get_item::BATCH] {
            now = now + BEARS_AGAIN;
            heavy.is_well(now, &ann);
            assert_eq!(heavy.at_once(&ann), size);
        }
        assert!(heavy.known().is_empty(), "nothing is remembered of it");
    }

    #[test]
    fn an_item_is_given_up_after_many_failures_and_a_long_time() {
        let ill = Ill::default();
        let begin = Time::from_ms(1_000_000_000);
        for n in 0..100 {
            assert!(!ill.fails(begin + Span::SECOND.times(n), &id("a")), "a bad minute: {n}");
        }
        assert!(ill.fails(begin + LONG_ENOUGH, &id("a")));
        let first_ones = (0..u64::from(PATIENCE)).map(|n| begin + Span::HOUR.times(n));
        for at in first_ones {
            assert!(!ill.fails(at, &id("b")), "seldom asked for");
        }
        assert!(ill.fails(begin + Span::DAY, &id("b")));
        ill.is_well(&id("b"));
        assert!(!ill.fails(begin + Span::DAY, &id("b")), "it was well in between");
        assert!(!ill.fails(begin, &id("b")), "the clock was set back");
        assert!(!ill.fails(begin, &id("b")));
    }

    #[test]
    fn with_more_ill_items_than_are_remembered_some_are_still_given_up() {
        let ill = Ill::default();
        let begin = Time::from_ms(1_000_000_000);
        for n in 0..MOST + 500 {
            ill.fails(begin + Span::from_ms(n as u64), &id(&format!("{n}")));
        }
        let sick = ill.0.lock().unwrap();
        assert_eq!((sick.known.len(), sick.since.len()), (MOST, MOST));
        assert!(!sick.known.contains_key(&id("499")) && sick.known.contains_key(&id("500")));
    }
}
