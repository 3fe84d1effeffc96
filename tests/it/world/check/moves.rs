//! Servers that are busy, and mailboxes that move, while all else is well.

use calway::model::{Next, Span, UserId};

use super::super::play::{Held, Play};
use super::shows::{shows, shows_one};
use super::{LIVE_WITHIN, settle, soon};

/// How soon a move is noticed.
const NOTICED_WITHIN: Span = Span::MINUTE.times(10);

/// How soon it is healed, or named.
const HEALED_WITHIN: Span = Span::MINUTE.times(20);

/// How long a stream is deaf at most.
const DEAF_FOR: Span = Span::from_secs(100);

/// How late the change of a polled mailbox may be seen while nothing is wrong.
const POLLED_WITHIN: Span = Span::MINUTE.times(2);

/// What happens while a stream is deaf is seen once it listens again.
pub fn deaf(play: &mut Play) -> Held {
    if play.seed % 4 != 2 {
        return Ok(());
    }
    let reachable = play.reachable();
    let Some((user, address)) = play.dice.pick(&reachable).cloned() else { return Ok(()) };
    let Some(place) = play.places.place(&address) else { return Ok(()) };
    play.gap(place.server);
    play.edit_one(&address, play.now().wall.midnight());
    let end = play.now().mono + DEAF_FOR + LIVE_WITHIN;
    loop {
        play.run(Span::SECOND)?;
        match shows_one(play, &user, &address) {
            Ok(()) => return settle(play),
            Err(wrong) if play.now().mono > end => {
                return Err(format!("what happened in a gap is not seen: {wrong}"));
            }
            Err(_) => {}
        }
    }
}

/// A server that is busy delays its own mailboxes alone.
pub fn busy(play: &mut Play) -> Held {
    if play.seed % 4 != 3 {
        return Ok(());
    }
    let reachable = play.reachable();
    let server = |play: &Play, address: &str| play.asked.get(address).copied();
    let Some((_, first)) = play.dice.pick(&reachable).cloned() else { return Ok(()) };
    let busy = server(play, &first);
    let elsewhere: Vec<(UserId, String)> =
        reachable.into_iter().filter(|(_, other)| server(play, other) != busy).collect();
    let Some((_, second)) = play.dice.pick(&elsewhere).cloned() else { return Ok(()) };
    play.busy = busy;
    let today = play.now().wall.midnight();
    play.edit_one(&first, today);
    play.run(Span::from_secs(30))?;
    play.edit_one(&second, today);
    let end = play.now().mono + LIVE_WITHIN;
    loop {
        play.run(Span::SECOND)?;
        let same = |(_, address): &&(UserId, String)| *address == second;
        match elsewhere.iter().filter(same).try_for_each(|(u, a)| shows_one(play, u, a)) {
            Ok(()) => break,
            Err(wrong) if play.now().mono >= end => {
                return Err(format!("one busy server delays another: {wrong}"));
            }
            Err(_) => {}
        }
    }
    play.run(Span::MINUTE.times(10))?;
    play.busy = None;
    soon(play, Span::MINUTE.times(5), Span::SECOND, true)
        .map_err(|wrong| format!("after a server was busy: {wrong}"))
}

/// A mailbox that moved is noticed, and healed.
pub fn moved(play: &mut Play) -> Held {
    if play.seed % 4 != 1 {
        return Ok(());
    }
    let reachable = play.reachable();
    let Some((user, address)) = play.dice.pick(&reachable).cloned() else { return Ok(()) };
    let then = play.now().mono;
    play.relocate(&address, false);
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    let seen = |play: &Play| play.watch.budget.sought(&user).is_some_and(|at| at >= then);
    while !seen(play) {
        play.run(Span::from_secs(10))?;
        if play.now().mono > then + NOTICED_WITHIN {
            return Err(format!("nobody notices that {user} moved"));
        }
    }
    // Its stream may come later, and its neighbours' too, if it led them: all are polled till then.
    let left = (then + HEALED_WITHIN).since(play.now().mono);
    play.run(left)?;
    play.edit_one(&address, play.now().wall.midnight());
    let end = play.now().mono + POLLED_WITHIN;
    loop {
        play.run(Span::SECOND)?;
        match shows_one(play, &user, &address) {
            Ok(()) => return settle(play),
            Err(wrong) if play.now().mono > end => {
                return Err(format!("{user} moved and is not healed: {wrong}"));
            }
            Err(_) => {}
        }
    }
}

/// One that left for the cloud is named, costs little, and is taken up when it comes back.
pub fn left(play: &mut Play) -> Held {
    if play.seed % 8 != 5 {
        return Ok(());
    }
    let reachable = play.reachable();
    let Some((user, address)) = play.dice.pick(&reachable).cloned() else { return Ok(()) };
    play.relocate(&address, true);
    play.run(HEALED_WITHIN)?;
    match play.watch.named.get(&user).map(|fault| (fault.next, fault.cause.code.as_str())) {
        Some((Next::Gone, "mailbox moved to Microsoft 365")) => {}
        other => return Err(format!("{user} left, and the operator knows {other:?}")),
    }
    let before = play.watch.asks;
    play.hopeless.insert(address);
    play.run(Span::HOUR)?;
    let asks = play.watch.asks - before;
    let mailboxes = play.wanted().len() as u64;
    if asks > 60 * mailboxes {
        return Err(format!("{asks} calls of {mailboxes} mailboxes beside one that left"));
    }
    shows(play, true)?;
    play.give_hope();
    settle(play)
}
