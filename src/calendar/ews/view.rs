//! The listing of a window, asked for in pieces that the server lists whole, and in time.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::find_item::{self, LONGEST, MOST};
use super::soap::Header;
use super::{Ews, codes};
use crate::model::{Fault, ItemId, Listing, Span, Target, Time, UserId};

/// Spans are not halved below this: a meeting's times are in whole minutes.
const SHORTEST: Span = Span::MINUTE;

/// And not below this once a minute was too full: what fills one fills its neighbours as well, and
/// a day has 1,440 of them.
const SHORTEST_IN_A_CROWD: Span = Span::HOUR;

/// Requests for one listing; with more, what is listed of each span is taken as it is. The most
/// meetings that are relayed fill forty answers.
const REQUESTS: usize = 256;

/// What takes too long is asked for in pieces of a day, if need be.
const LEAST_IN_TIME: Span = Span::DAY;

/// So long after a time-out longer pieces are tried again, and each time they did well.
const BEARS_AGAIN: Span = Span::DAY;

/// The longest piece that is asked for at once, where a longer one took too long, and since when:
/// one time-out a listing is all that a server is asked to bear.
#[derive(Debug, Default)]
pub(super) struct Slow(Mutex<HashMap<UserId, (Span, Time)>>);

impl Slow {
    fn at_once(&self, user: &UserId) -> Span {
        self.known().get(user).map_or(LONGEST, |(length, _)| *length)
    }

    /// So much took too long.
    fn is_too_much(&self, now: Time, user: &UserId, length: Span) {
        let half = Span::from_ms(length.as_ms() / 2).max(LEAST_IN_TIME);
        self.known().insert(user.clone(), (half, now));
    }

    /// The whole listing came in time. A pass lists more than once: if the second were asked for
    /// in longer pieces than the first, it might never end.
    fn is_well(&self, now: Time, user: &UserId) {
        let mut known = self.known();
        if let Some((length, since)) = known.get_mut(user)
            && (now.since(*since) >= BEARS_AGAIN || *since > now)
        {
            (*length, *since) = (length.times(2), now);
            if *length >= LONGEST {
                known.remove(user);
            }
        }
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, user: &UserId) {
        self.known().remove(user);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserId, (Span, Time)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that touches the span. Where more touches one minute than the server lists, what it
/// lists of that minute, and the listing is not complete.
///
/// # Errors
/// What concerns more than the length of an answer.
pub(super) async fn read(
    ews: &Ews,
    target: &Target,
    from: Time,
    to: Time,
) -> Result<Listing, Fault> {
    let mut all = Listing { complete: true, ..Listing::default() };
    let (mut shortest, mut requests) = (SHORTEST, 0_usize);
    let mut seen = HashSet::new();
    let at_once = ews.slow.at_once(&target.user);
    let mut spans = vec![(from, to)];
    while let Some((from, to)) = spans.pop() {
        let length = to.since(from);
        if length == Span::default() {
            continue;
        }
        if length > at_once {
            spans.extend([(from + at_once, to), (from, from + at_once)]);
            continue;
        }
        requests += 1;
        let part = if length > shortest && requests < REQUESTS {
            piece(ews, target, (from, to), MOST).await?.filter(|part| part.complete)
        } else {
            Some(beginning(ews, target, (from, to)).await?)
        };
        let Some(part) = part else {
            let middle = from + Span::from_ms(length.as_ms() / 2);
            spans.extend([(middle, to), (from, middle)]);
            continue;
        };
        if !part.complete {
            (all.complete, shortest) = (false, SHORTEST_IN_A_CROWD);
        }
        // What touches the seam of two spans is in both.
        take(&mut all, part, &mut seen);
    }
    ews.slow.is_well(ews.discovery.now(), &target.user);
    Ok(all)
}

fn take(all: &mut Listing, part: Listing, seen: &mut HashSet<ItemId>) {
    let new = part.entries.into_iter();
    all.entries.extend(new.filter(|entry| seen.insert(entry.item.clone())));
}

/// One answer; nothing where the server says that it would be too long.
async fn piece(
    ews: &Ews,
    target: &Target,
    (from, to): (Time, Time),
    most: usize,
) -> Result<Option<Listing>, Fault> {
    let write = |header: &Header<'_>| find_item::request(header, from, to, most);
    match ews.ask_home(target, write, find_item::read).await {
        Ok(listing) => Ok(Some(listing)),
        Err(fault) if fault.cause.code == codes::EXCEEDED_FIND_COUNT => Ok(None),
        Err(fault) => {
            if codes::is_too_slow(&fault) {
                let length = to.since(from);
                ews.slow.is_too_much(ews.discovery.now(), &target.user, length);
            }
            Err(fault)
        }
    }
}

/// As much as the server lists at once, where it refuses to cut an answer.
async fn beginning(ews: &Ews, target: &Target, span: (Time, Time)) -> Result<Listing, Fault> {
    let mut most = MOST;
    while most > 0 {
        if let Some(listing) = piece(ews, target, span, most).await? {
            return Ok(listing);
        }
        most /= 2;
    }
    Ok(Listing::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_too_long_is_listed_in_halves_for_a_day_and_longer_pieces_are_tried_again() {
        let (slow, ann) = (Slow::default(), UserId::new("ann"));
        let mut now = Time::from_ms(1_000_000_000);
        slow.is_too_much(now, &ann, Span::DAY.times(60));
        slow.is_too_much(now, &ann, Span::DAY.times(30));
        for _ in 0..3 {
            slow.is_well(now, &ann);
            assert_eq!(slow.at_once(&ann), Span::DAY.times(15), "a pass lists more than once");
        }
        for days in [30, 60, 120, 240, 480] {
            now = now + BEARS_AGAIN;
            slow.is_well(now, &ann);
            assert_eq!(slow.at_once(&ann), Span::DAY.times(days));
            slow.is_well(now, &ann);
            assert_eq!(slow.at_once(&ann), Span::DAY.times(days), "one step a day");
        }
        slow.is_well(now + BEARS_AGAIN, &ann);
        assert_eq!(slow.at_once(&ann), LONGEST);
        assert!(slow.known().is_empty(), "nothing is remembered of it");
        for _ in 0..99 {
            slow.is_too_much(now, &ann, slow.at_once(&ann));
        }
        assert_eq!(slow.at_once(&ann), LEAST_IN_TIME);
    }
}
