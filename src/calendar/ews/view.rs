//! The listing of a window, asked for in pieces that the server lists whole.

use std::collections::HashSet;

use super::find_item::{self, LONGEST, MOST};
use super::soap::Header;
use super::{Ews, codes};
use crate::model::{Fault, ItemId, Listing, Span, Target, Time};

/// Spans are not halved below this: a meeting's times are in whole minutes.
const SHORTEST: Span = Span::MINUTE;

/// And not below this once a minute was too full: what fills one fills its neighbours as well, and
/// a day has 1,440 of them.
const SHORTEST_IN_A_CROWD: Span = Span::HOUR;

/// Requests for one listing; with more, what is listed of each span is taken as it is. The most
/// meetings that are relayed fill forty answers.
const REQUESTS: usize = 256;

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
    let mut spans = vec![(from, to)];
    while let Some((from, to)) = spans.pop() {
        let length = to.since(from);
        if length == Span::default() {
            continue;
        }
        if length > LONGEST {
            spans.extend([(from + LONGEST, to), (from, from + LONGEST)]);
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
        Err(fault) => Err(fault),
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
