//! The homes that are known, with the times of their answers: what is asked anew, and when.
//!
//! **Promise.** An old answer is kept until a new one takes its place. Settings are asked for anew
//! after a day; what could not be asked anew, not again within the hour; what is said to have
//! moved, at once, but not twice within seconds. A place of Autodiscover is kept while it works.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::Uri;
use serde::{Deserialize, Serialize};

use super::discover::{Endpoint, Form, Via};
use crate::model::{Address, Fault, GroupKey, Plain, Shift, Span, Time, TrustEntry, Zone};

/// Settings are good for so long: a day, less an hour, so that who asks once a day is not answered
/// from yesterday.
const FRESH_FOR: Span = Span::HOUR.times(23);
/// What could not be asked anew is let alone for so long.
const RETRY_AFTER: Span = Span::HOUR;
/// A mailbox that was asked for less long ago did not move since: all members of a stream that
/// broke may be said to have moved, some time after each other.
const SETTLED: Span = Span::from_secs(5);
/// A whole hunt that failed is not begun again within this, for whomever.
const HUNT_PAUSE: Span = Span::from_secs(30);
/// Kept lines that are older name mailboxes that nobody asks for any more.
const FORGOTTEN_AFTER: Span = Span::DAY.times(30);

/// Where mailboxes are served; one for all that share it.
#[derive(PartialEq, Eq)]
pub(super) struct Place {
    /// Their EWS.
    pub(super) ews: Uri,
    /// Which of them may share a stream.
    pub(super) group: GroupKey,
}

/// One mailbox.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) place: Arc<Place>,
    pub(super) zone: Option<Zone>,
    /// When its place was told.
    at: Time,
    /// When it was asked for last, whatever came of it.
    tried: Time,
    /// When its zone was asked for last.
    zone_tried: Time,
}

/// A place of Autodiscover.
struct Kept {
    endpoint: Endpoint,
    found: Time,
    worked: Time,
}

/// All of a calendar's.
#[derive(Default)]
pub(super) struct Homes {
    known: HashMap<Box<str>, Known>,
    places: HashMap<GroupKey, Arc<Place>>,
    endpoints: HashMap<String, Kept>,
    failures: HashMap<String, (Time, Vec<TrustEntry>, Fault)>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.group.as_str())
    }
}

impl fmt::Debug for Homes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Homes({} known)", self.known.len())
    }
}

impl Homes {
    /// What is known of a mailbox, however old.
    pub(super) fn get(&self, address: &Address) -> Option<&Known> {
        self.known.get(&*key(address))
    }

    /// Whether it is to be asked for; `moved` says that what is known is wrong.
    pub(super) fn is_due(&self, now: Time, address: &Address, moved: bool) -> bool {
        let Some(known) = self.get(address) else { return true };
        let tried = elapsed(now, known.tried);
        if moved { tried >= SETTLED } else { old(now, known.at) && tried >= RETRY_AFTER }
    }

    /// It is there. The line is for the ledger. `sure`: nothing better is to be had, so it is good
    /// for a day; else it is asked for again after an hour.
    pub(super) fn learn(
        &mut self,
        now: Time,
        address: &Address,
        place: Place,
        sure: bool,
    ) -> (Plain, Option<Plain>) {
        let place = self.shared(place);
        let before = self.get(address).map(|known| (known.zone, known.zone_tried));
        let (zone, zone_tried) = before.unwrap_or_default();
        let at = if sure { now } else { now - FRESH_FOR };
        let known = Known { place, zone, at, tried: now, zone_tried };
        let line = line_of(address, &known);
        self.known.insert(key(address), known);
        line
    }

    /// Whether its time zone is to be asked for.
    pub(super) fn is_zone_due(&self, now: Time, address: &Address) -> bool {
        self.get(address).is_some_and(|known| old(now, known.zone_tried))
    }

    /// What came of asking for its time zone: nothing where it never said, or could not be asked.
    /// In the latter case it is asked for again after an hour.
    pub(super) fn learn_zone(
        &mut self,
        now: Time,
        address: &Address,
        told: Option<Option<Zone>>,
    ) -> Option<(Plain, Option<Plain>)> {
        let known = self.known.get_mut(&*key(address))?;
        known.zone_tried = if told.is_some() { now } else { now - FRESH_FOR + RETRY_AFTER };
        let zone = told.flatten().or(known.zone);
        if std::mem::replace(&mut known.zone, zone) == zone {
            return None;
        }
        Some(line_of(address, known))
    }

    /// It was asked for in vain: what was known stays.
    pub(super) fn missed(&mut self, now: Time, address: &Address) {
        if let Some(known) = self.known.get_mut(&*key(address)) {
            known.tried = now;
        }
    }

    /// It is not served by us any more.
    pub(super) fn forget(&mut self, address: &Address) -> Option<(Plain, Option<Plain>)> {
        let key = key(address);
        self.known.remove(&*key)?;
        Some((Plain::new(String::from(key)), None))
    }

    /// The place of Autodiscover that answered last for a domain, and whether that was within the
    /// hour: then its failure is no reason to look for another one. After an hour a place that
    /// offers a lesser form is no place any more: perhaps it only failed in the better one, which
    /// alone tells groups.
    pub(super) fn endpoint(&self, now: Time, domain: &str) -> Option<(Endpoint, bool)> {
        let Kept { endpoint, found, worked } = self.endpoints.get(domain)?;
        let good = endpoint.form == Form::Soap || elapsed(now, *found) < RETRY_AFTER;
        good.then(|| (endpoint.clone(), elapsed(now, *worked) < RETRY_AFTER))
    }

    /// A place answered for a domain. The line is for the ledger, where it is new.
    pub(super) fn answered(
        &mut self,
        now: Time,
        domain: &str,
        endpoint: Endpoint,
    ) -> Option<(Plain, Option<Plain>)> {
        self.failures.remove(domain);
        let line = Line::Endpoint {
            domain: domain.to_owned(),
            url: endpoint.url.to_string(),
            form: endpoint.form.as_str().into(),
            via: endpoint.via.as_str().into(),
            at: now.as_ms(),
        };
        if let Some(kept) = self.endpoints.get_mut(domain)
            && kept.endpoint == endpoint
            && (endpoint.form == Form::Soap || elapsed(now, kept.found) < RETRY_AFTER)
        {
            kept.worked = now;
            return None;
        }
        let kept = Kept { endpoint, found: now, worked: now };
        self.endpoints.insert(domain.to_owned(), kept);
        Some((Plain::new(format!("endpoint {domain}")), line.written()))
    }

    /// Nothing answered for a domain, as things stand with trust.
    pub(super) fn failed(&mut self, now: Time, domain: &str, trust: Vec<TrustEntry>, why: Fault) {
        self.failures.insert(domain.to_owned(), (now, trust, why));
    }

    /// Why there is no use in looking again just now.
    pub(super) fn pause(&self, now: Time, domain: &str, trust: &[TrustEntry]) -> Option<Fault> {
        let (at, then, why) = self.failures.get(domain)?;
        let verdicts = |list: &[TrustEntry]| -> Vec<_> {
            list.iter().map(|entry| (entry.host.clone(), entry.verdict)).collect()
        };
        let same = verdicts(then) == verdicts(trust);
        (same && elapsed(now, *at) < HUNT_PAUSE).then(|| why.clone())
    }

    /// Takes in what was kept, where it is at the `fixed` server, if there is one. Lines that are
    /// not understood are passed over: they cost a question.
    pub(super) fn recall(&mut self, now: Time, lines: &[Plain], fixed: Option<&Uri>) {
        for line in lines {
            match serde_json::from_str(line.reveal()) {
                Ok(Line::Home { address, ews, group, zone, at }) => {
                    let (Ok(ews), Ok(address)) = (ews.parse(), Address::parse(&address)) else {
                        continue;
                    };
                    let at = Time::from_ms(at);
                    let elsewhere = fixed.is_some_and(|fixed| *fixed != ews);
                    let forgotten = now.since(at) > FORGOTTEN_AFTER;
                    if elsewhere || forgotten || self.get(&address).is_some() {
                        continue;
                    }
                    let place = self.shared(Place { ews, group: GroupKey::new(group) });
                    let zone = zone.map(Zone::from);
                    let zone_tried = if zone.is_some() { at } else { Time::default() };
                    // After a restart an old answer is asked for at once.
                    let known = Known { place, zone, at, tried: Time::default(), zone_tried };
                    self.known.insert(key(&address), known);
                }
                Ok(Line::Endpoint { domain, url, form, via, at }) => {
                    let (Ok(url), Some(form), Some(via)) =
                        (url.parse(), Form::named(&form), Via::named(&via))
                    else {
                        continue;
                    };
                    let at = Time::from_ms(at);
                    let kept =
                        Kept { endpoint: Endpoint { url, form, via }, found: at, worked: at };
                    self.endpoints.entry(domain).or_insert(kept);
                }
                Err(_) => {}
            }
        }
    }

    /// Places are few and mailboxes many.
    fn shared(&mut self, place: Place) -> Arc<Place> {
        let known = self.places.get(&place.group).filter(|known| ***known == place);
        match known {
            Some(known) => Arc::clone(known),
            None => {
                let place = Arc::new(place);
                self.places.insert(place.group.clone(), Arc::clone(&place));
                place
            }
        }
    }
}

fn key(address: &Address) -> Box<str> {
    address.reveal().to_ascii_lowercase().into()
}

/// The time since then. What comes from the future was noted before the clock was set back, who
/// knows when: it counts as long ago.
pub(super) fn elapsed(now: Time, at: Time) -> Span {
    if at > now + Span::MINUTE { Span::DAY.times(366) } else { now.since(at) }
}

fn old(now: Time, at: Time) -> bool {
    elapsed(now, at) >= FRESH_FOR
}

/// What is kept over a restart.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Home { address: String, ews: String, group: String, zone: Option<KeptZone>, at: i64 },
    Endpoint { domain: String, url: String, form: String, via: String, at: i64 },
}

#[derive(Serialize, Deserialize)]
struct KeptZone(i16, Option<[KeptShift; 2]>);

#[derive(Serialize, Deserialize)]
struct KeptShift(i16, u32, u8, u8, u8, Option<i16>);

impl Line {
    fn written(&self) -> Option<Plain> {
        serde_json::to_string(self).ok().map(Plain::new)
    }
}

fn line_of(address: &Address, known: &Known) -> (Plain, Option<Plain>) {
    let line = Line::Home {
        address: address.reveal().to_owned(),
        ews: known.place.ews.to_string(),
        group: known.place.group.as_str().to_owned(),
        zone: known.zone.map(KeptZone::from),
        at: known.at.as_ms(),
    };
    (Plain::new(String::from(key(address))), line.written())
}

impl From<Zone> for KeptZone {
    fn from(zone: Zone) -> Self {
        let shift =
            |s: Shift| KeptShift(s.bias_minutes, s.second, s.month, s.order, s.weekday, s.year);
        let (bias, shifts) = zone.parts();
        Self(bias, shifts.map(|shifts| shifts.map(shift)))
    }
}

impl From<KeptZone> for Zone {
    fn from(KeptZone(bias, shifts): KeptZone) -> Self {
        let shift = |KeptShift(bias_minutes, second, month, order, weekday, year)| Shift {
            bias_minutes,
            second,
            month,
            order,
            weekday,
            year,
        };
        match shifts.map(|shifts| shifts.map(shift)) {
            Some([standard, daylight]) => Self::new(bias, Some(standard), Some(daylight)),
            None => Self::new(bias, None, None),
        }
    }
}

#[cfg(test)]
#[path = "homes_tests.rs"]
mod tests;
