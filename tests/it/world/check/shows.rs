//! What the cloud shows, beside what the calendars hold.

use calway::model::{Time, UserId};
use serde_json::Value;

use super::super::keys::open;
use super::super::play::{Held, Play};

/// Whether the cloud shows exactly the calendars' windows.
pub fn shows(play: &Play, strictly: bool) -> Held {
    for (user, address) in play.wanted() {
        let expected = match address {
            // What was shown before it went out of reach may be old.
            Some(address) if play.hopeless.contains(&address) => continue,
            Some(address) => play.exchange.reading(&address, play.window(&user)),
            None => Vec::new(),
        };
        same(play, &user, &expected, strictly)?;
    }
    Ok(())
}

/// The same of one user.
pub fn shows_one(play: &Play, user: &UserId, address: &str) -> Held {
    same(play, user, &play.exchange.reading(address, play.window(user)), true)
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
