//! What must hold at the end: the cloud shows what the calendars hold, and nothing else.

use calway::model::{Span, Time, UserId};
use serde_json::Value;

use super::keys::open;
use super::play::{Held, Play};
use super::watch::no_canary;

/// The longest that everything may take after the last fault: a mailbox or an account that was
/// refused is tried again after an hour and a fifth at the latest, and then a stream has to roll.
const SETTLES_WITHIN: Span = Span::HOUR.times(4);

/// How late the change of a listened mailbox may be seen while nothing is wrong.
const LIVE_WITHIN: Span = Span::from_secs(40);

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
    flap(play)?;
    unheard(play)?;
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
    let wanted = play.wanted();
    let active: Vec<_> = wanted.into_iter().filter_map(|(_, address)| address).collect();
    let Some(address) = play.dice.pick(&active).cloned() else { return Ok(()) };
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
    // What nobody can see is not sent.
    for address in play.wanted().into_iter().filter_map(|(_, address)| address) {
        play.touch(&address);
    }
    play.run(Span::MINUTE.times(40))?;
    soon(play, Span::from_secs(30), Span::SECOND, true)?;
    let (taken, asks) = (play.relay.taken - taken, play.watch.asks - asks);
    let inputs = play.watch.inputs - inputs;
    // The window may roll at midnight, and with it what is shown.
    let midnight = play.now().wall.since(play.now().wall.midnight()) < Span::HOUR;
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
    let before = (play.now().wall.midnight(), play.relay.taken, play.watch.views);
    play.crash();
    soon(play, Span::MINUTE.times(2), Span::from_secs(5), true)?;
    let after = (play.now().wall.midnight(), play.relay.taken, play.watch.views);
    if before != after && before.0 == after.0 {
        return Err(format!("a start does things again: {before:?} became {after:?}"));
    }
    let wanted = play.wanted();
    let active: Vec<_> = wanted.into_iter().filter_map(|(_, address)| address).collect();
    let Some(address) = play.dice.pick(&active).cloned() else { return Ok(()) };
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    soon(play, LIVE_WITHIN, Span::SECOND, true)?;
    match play.second_resource(&had) {
        Some(user) => Err(format!("{user} got another resource")),
        None => Ok(()),
    }
}

/// Streams that break as soon as they listen are not opened again and again.
fn flap(play: &mut Play) -> Held {
    if !play.seed.is_multiple_of(8) {
        return Ok(());
    }
    play.flapping = true;
    play.run(Span::HOUR)?;
    let (before, mailboxes) = (play.watch.listens, play.wanted().len() as u64);
    play.run(Span::HOUR)?;
    let listens = play.watch.listens - before;
    polled(play)?;
    play.flapping = false;
    if listens > 20 * mailboxes {
        return Err(format!("{listens} streams of {mailboxes} mailboxes were opened in an hour"));
    }
    settle(play)
}

/// Without a stream a mailbox is polled.
fn polled(play: &mut Play) -> Held {
    let wanted = play.wanted();
    let active: Vec<_> = wanted.into_iter().filter_map(|(_, address)| address).collect();
    let Some(address) = play.dice.pick(&active).cloned() else { return Ok(()) };
    let today = play.now().wall.midnight();
    play.edit_one(&address, today);
    play.run(Span::MINUTE.times(2))?;
    shows(play, true).map_err(|wrong| format!("it is not polled: {wrong}"))
}

/// An edit that neither rings nor stands in the feed is found by the comparison of the next day.
fn unheard(play: &mut Play) -> Held {
    let wanted = play.wanted();
    let active: Vec<_> = wanted.into_iter().filter_map(|(_, address)| address).collect();
    let (16.., Some(address)) = (play.seed % 24, play.dice.pick(&active).cloned()) else {
        return Ok(());
    };
    let today = play.now().wall.midnight();
    play.edit_unheard(&address, today);
    let tomorrow = (today + Span::DAY).since(play.now().wall);
    play.run(tomorrow)?;
    soon(play, Span::MINUTE.times(5), Span::MINUTE, true)
        .map_err(|wrong| format!("the next day does not mend: {wrong}"))
}

/// Whether the connector is at rest and the cloud shows what it should.
fn well(play: &mut Play, strictly: bool) -> Held {
    if play.unanswered() > 0 {
        return Err(format!("{} commands have no answer", play.unanswered()));
    }
    let Some(fleet) = play.fleet_view() else { return Err("no connector".into()) };
    let (census, running) = (fleet.census(), fleet.running());
    let wanted = play.wanted();
    let active = wanted.iter().filter(|(_, address)| address.is_some()).count();
    if census.active != active || census.streaming != active {
        return Err(format!("{active} should be listened to: {census:?}"));
    }
    if census.failing > 0 || census.queued > 0 || running > 0 {
        return Err(format!("not at rest: {running} passes, {census:?}"));
    }
    let waiting = play.disk.backlog().map_err(|f| f.to_string())?.waiting;
    if waiting > 0 {
        return Err(format!("{waiting} events wait"));
    }
    shows(play, strictly)
}

/// Whether the cloud shows exactly the calendars' windows.
fn shows(play: &Play, strictly: bool) -> Held {
    for (user, address) in play.wanted() {
        let expected = match address {
            Some(address) => play.exchange.reading(&address, play.window()),
            None => Vec::new(),
        };
        same(play, &user, &expected, strictly)?;
    }
    Ok(())
}

fn same(play: &Play, user: &UserId, expected: &[String], strictly: bool) -> Held {
    let visible = play.relay.visible(user);
    let aside = play.relay.set_aside.iter().any(|(of, _)| of == user);
    if aside && (!strictly || expected.is_empty()) {
        return Ok(());
    }
    let mut shown = Vec::new();
    for (key, record) in visible {
        if record.get("id").and_then(Value::as_str) != Some(key) || key.len() != 43 {
            return Err(format!("{user}: a record called {key} with another id in it"));
        }
        shown.push(line(play, user, record)?);
    }
    shown.sort();
    if shown == expected {
        return Ok(());
    }
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
    };
    Err(format!(
        "{user}: the cloud shows {} of {} meetings; missing {:#?}; too much {:#?}",
        shown.len(),
        expected.len(),
        only(expected, &shown),
        only(&shown, expected),
    ))
}

/// What a user reads in a record, in the form of `calendar::Facts::line`.
fn line(play: &Play, user: &UserId, record: &Value) -> Held<String> {
    let url = record.get("encryptionKeyUrl").and_then(Value::as_str).unwrap_or_default();
    if !play.opens_for(url, user) {
        return Err(format!("{user} is not authorised for {url}"));
    }
    let text = |value: Option<&Value>| -> Held<String> {
        let Some(value) = value else { return Ok(String::new()) };
        let jwe = value.as_str().ok_or("not a string")?;
        let (key, plain) = open(jwe).ok_or_else(|| format!("not sealed: {jwe}"))?;
        if key == url { Ok(plain) } else { Err(format!("sealed with {key}, named {url}")) }
    };
    let person = |value: &Value| -> Held<String> {
        let name = text(value.get("encryptedName"))?;
        Ok(format!("{name} <{}>", text(value.get("encryptedEmailAddress"))?))
    };
    let guests = match record.get("encryptedParticipants").and_then(Value::as_array) {
        None => Vec::new(),
        Some(all) => {
            let word = |value: &Value| -> Held<String> {
                let answer = value.get("responseType").and_then(Value::as_str);
                Ok(format!("{} {}", person(value)?, answer.unwrap_or_default()))
            };
            all.iter().map(word).collect::<Held<_>>()?
        }
    };
    let organizer = record.get("encryptedOrganizer").map(person).transpose()?;
    let start = record.get("start").and_then(Value::as_str).unwrap_or_default();
    let start: jiff::Timestamp = start.parse().map_err(|e| format!("{start:?}: {e}"))?;
    let join = record.get("meetingJoinInfo").and_then(|info| info.get("meetingJoinURL"));
    Ok(format!(
        "{} +{} recurring={} {} |{}|{}|{}|{}|{}|{}",
        Time::from_ms(start.as_millisecond()).as_ms(),
        record.get("durationMinutes").unwrap_or(&Value::Null),
        record.get("isRecurring").unwrap_or(&Value::Null),
        record.get("meetingSensitivity").and_then(Value::as_str).unwrap_or_default(),
        text(record.get("encryptedSubject"))?,
        text(record.get("encryptedLocation"))?,
        text(record.get("encryptedNotes"))?,
        organizer.unwrap_or_default(),
        guests.join(","),
        text(join)?,
    ))
}
