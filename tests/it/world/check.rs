//! What must hold at the end: the cloud shows what the calendars hold, and nothing else.

mod moves;
mod shows;

use calway::model::Span;

use self::shows::shows;
use super::play::{Flapping, Held, Play};
use super::watch::no_canary;

/// The longest that everything may take after the last fault: a mailbox or an account that was
/// refused is tried again after an hour and a fifth at the latest, and then a stream has to roll.
const SETTLES_WITHIN: Span = Span::HOUR.times(4);

/// How late the change of a listened mailbox may be seen while nothing is wrong.
const LIVE_WITHIN: Span = Span::from_secs(40);

/// The same beside a backlog of everybody else.
const LIVE_IN_A_CROWD: Span = Span::from_secs(15);

/// Plays a seed to its end and checks it.
pub fn play_to_the_end(play: &mut Play) -> Held {
    let hours = play.dice.of(90..240);
    play.run(Span::MINUTE.times(hours))?;
    play.calm_down();
    settle(play)?;
    mend(play)?;
    live(play)?;
    quiet(play)?;
    restart(play)?;
    recalled(play)?;
    flap(play)?;
    moves::deaf(play)?;
    moves::busy(play)?;
    moves::moved(play)?;
    moves::left(play)?;
    crowded(play)?;
    unheard(play)?;
    hope(play)?;
    let bytes = play.disk.bytes();
    no_canary("the store", &String::from_utf8_lossy(&bytes))
}

/// Runs until everything is well, and says what is not if that takes too long.
fn settle(play: &mut Play) -> Held {
    soon(play, SETTLES_WITHIN, Span::MINUTE, false)
        .map_err(|wrong| format!("never settles: {wrong}"))
}

/// Looks every so often whether all is well, until it has to be.
fn soon(play: &mut Play, within: Span, every: Span, strictly: bool) -> Held {
    let end = play.now().mono + within;
    loop {
        play.run(every)?;
        match well(play, strictly) {
            Err(wrong) if play.now().mono >= end => return Err(wrong),
            Err(_) => {}
            Ok(()) => return Ok(()),
        }
    }
}

/// What the cloud rejected comes back with a resend, and then nothing at all may differ.
fn mend(play: &mut Play) -> Held {
    let command = play.relay.resend(None);
    play.send_down(command)?;
    soon(play, Span::MINUTE.times(3), Span::from_secs(5), true)
        .map_err(|wrong| format!("after a resend: {wrong}"))
}

/// An edit beside a full resend of everybody is seen soon.
fn live(play: &mut Play) -> Held {
    let Some(address) = somebody(play) else { return Ok(()) };
    let command = play.relay.resend(None);
    play.send_down(command)?;
    play.run(Span::from_ms(1_500))?;
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    soon(play, LIVE_WITHIN, Span::SECOND, true)
        .map_err(|wrong| format!("a live edit is late: {wrong}"))
}

/// Nothing happens, so nothing is done: no event, and no more calls than rolling streams need.
fn quiet(play: &mut Play) -> Held {
    play.run(Span::MINUTE)?;
    let (taken, asks, inputs) = (play.relay.taken, play.watch.asks, play.watch.inputs);
    let mailboxes = play.wanted().len() as u64;
    let windows = play.windows();
    // What nobody can see is not sent.
    for address in play.wanted().into_iter().filter_map(|(_, address)| address) {
        play.touch(&address);
    }
    play.run(Span::MINUTE.times(40))?;
    soon(play, Span::from_secs(30), Span::SECOND, true)?;
    let (taken, asks) = (play.relay.taken - taken, play.watch.asks - asks);
    let inputs = play.watch.inputs - inputs;
    // A window may roll, and with it what is shown.
    let midnight = windows != play.windows();
    if taken > 0 && !midnight {
        return Err(format!("{taken} events though nothing changed"));
    }
    if asks > 40 * mailboxes && !midnight {
        return Err(format!("{asks} calls of {mailboxes} mailboxes though nothing changed"));
    }
    if inputs > 400 * mailboxes + 200 {
        return Err(format!("{inputs} inputs of {mailboxes} mailboxes though nothing changed"));
    }
    Ok(())
}

/// A start finds everything where it was: nothing is sent or listed again, the keys are recalled.
fn restart(play: &mut Play) -> Held {
    let had = play.resources();
    let before = (play.windows(), play.relay.taken, play.watch.views);
    play.crash();
    soon(play, Span::MINUTE.times(2), Span::from_secs(5), true)?;
    let after = (play.windows(), play.relay.taken, play.watch.views);
    if before != after && before.0 == after.0 {
        let (before, after) = ((before.1, before.2), (after.1, after.2));
        return Err(format!("a start does things again: {before:?} became {after:?}"));
    }
    let Some(address) = somebody(play) else { return Ok(()) };
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    soon(play, LIVE_WITHIN, Span::SECOND, true)?;
    match play.second_resource(&had) {
        Some(user) => Err(format!("{user} got another resource")),
        None => Ok(()),
    }
}

/// A start knows the homes although nobody can be asked for them.
fn recalled(play: &mut Play) -> Held {
    if play.seed.is_multiple_of(2) {
        return Ok(());
    }
    play.network.is_away = true;
    play.crash();
    soon(play, Span::MINUTE.times(2), Span::from_secs(5), true)
        .map_err(|wrong| format!("a start without Autodiscover: {wrong}"))?;
    play.network.is_away = false;
    Ok(())
}

/// Streams that break as soon as they listen are not opened again and again.
fn flap(play: &mut Play) -> Held {
    if !play.seed.is_multiple_of(8) {
        return Ok(());
    }
    let reachable = play.reachable();
    let one = play.dice.pick(&reachable).and_then(|(_, address)| play.places.place(address));
    play.flapping = match one {
        Some(place) if play.dice.one_in(2) => Flapping::Of(place),
        _ => Flapping::All,
    };
    play.run(Span::HOUR)?;
    let (before, mailboxes) = (play.watch.listens, play.wanted().len() as u64);
    play.run(Span::HOUR)?;
    let listens = play.watch.listens - before;
    let others = match play.flapping {
        Flapping::Of(place) => {
            let elsewhere = |address: &str| play.places.place(address) != Some(place);
            reachable.iter().filter(|(_, address)| elsewhere(address)).count()
        }
        Flapping::No | Flapping::All => 0,
    };
    let streaming = play.fleet_view().map_or(0, |fleet| fleet.census().streaming);
    if streaming < others {
        return Err(format!("{others} are of other groups, and {streaming} are listened to"));
    }
    polled(play)?;
    play.flapping = Flapping::No;
    if listens > 20 * mailboxes {
        return Err(format!("{listens} streams of {mailboxes} mailboxes were opened in an hour"));
    }
    settle(play)
}

/// Without a stream a mailbox is polled.
fn polled(play: &mut Play) -> Held {
    let Some(address) = somebody(play) else { return Ok(()) };
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    play.run(Span::MINUTE.times(2))?;
    shows(play, true).map_err(|wrong| format!("it is not polled: {wrong}"))
}

/// An edit that neither rings nor stands in the feed is found by the comparison of the next day.
fn unheard(play: &mut Play) -> Held {
    let reachable = play.reachable();
    let (16.., Some((_, address))) = (play.seed % 24, play.dice.pick(&reachable).cloned()) else {
        return Ok(());
    };
    let today = play.now().wall.midnight();
    play.edit_unheard(&address, today);
    // Whoever reads it: his own next day has begun then.
    play.run(Span::HOUR.times(25))?;
    soon(play, Span::MINUTE.times(5), Span::MINUTE, true)
        .map_err(|wrong| format!("the next day does not mend: {wrong}"))?;
    if play.seed % 24 == 16 { at_home(play) } else { Ok(()) }
}

/// Whoever travelled is read by his own time zone, two days later at the latest.
fn at_home(play: &mut Play) -> Held {
    play.run(Span::HOUR.times(24))?;
    play.reachable().iter().try_for_each(|(user, address)| {
        let told = play.watch.budget.home(user).and_then(|home| home.zone);
        let own = play.places.zone(address);
        let same = told == own || own.is_none();
        if same { Ok(()) } else { Err(format!("{user} lives in {own:?}, and is read by {told:?}")) }
    })
}

/// While everybody is read anew, an edit of one who is listened to does not wait for that.
fn crowded(play: &mut Play) -> Held {
    let Some(address) = somebody(play).filter(|_| play.reachable().len() > 20) else {
        return Ok(());
    };
    let command = play.relay.resend(None);
    play.send_down(command)?;
    play.run(Span::from_ms(2_500))?;
    let queued = play.fleet_view().map_or(0, |fleet| fleet.census().queued);
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    let users: Vec<_> = play
        .reachable()
        .into_iter()
        .filter(|(_, of)| *of == address)
        .map(|(user, _)| user)
        .collect();
    let end = play.now().mono + LIVE_IN_A_CROWD;
    loop {
        play.run(Span::from_ms(500))?;
        match users.iter().try_for_each(|user| shows::shows_one(play, user, &address)) {
            Ok(()) => return settle(play),
            Err(wrong) if play.now().mono >= end => {
                return Err(format!("a live edit waits for {queued} others: {wrong}"));
            }
            Err(_) => {}
        }
    }
}

/// Whoever was out of reach comes back, and is listened to again.
fn hope(play: &mut Play) -> Held {
    if play.hopeless.is_empty() {
        return Ok(());
    }
    play.give_hope();
    settle(play)
}

/// A mailbox in use that can be reached.
fn somebody(play: &mut Play) -> Option<String> {
    let reachable = play.reachable();
    play.dice.pick(&reachable).map(|(_, address)| address.clone())
}

/// Whether the connector is at rest and the cloud shows what it should.
fn well(play: &mut Play, strictly: bool) -> Held {
    if play.unanswered() > 0 {
        return Err(format!("{} commands have no answer", play.unanswered()));
    }
    let Some(fleet) = play.fleet_view() else { return Err("no connector".into()) };
    let (census, running) = (fleet.census(), fleet.running());
    let active = play.wanted().iter().filter(|(_, address)| address.is_some()).count();
    let reachable = play.reachable().len();
    if census.active != active || census.streaming < reachable {
        return Err(format!("{reachable} of {active} should be listened to: {census:?}"));
    }
    for (user, _) in play.reachable() {
        if !play.watch.is_in_a_stream(&user) || play.watch.named.contains_key(&user) {
            return Err(format!("{user} should be well and listened to: {census:?}"));
        }
    }
    if census.failing > active - reachable || census.queued > 0 || running > 0 {
        return Err(format!("not at rest: {running} passes, {census:?}"));
    }
    play.watch.grouped()?;
    let waiting = play.disk.backlog().map_err(|f| f.to_string())?.waiting;
    if waiting > 0 {
        return Err(format!("{waiting} events wait"));
    }
    shows(play, strictly)
}
