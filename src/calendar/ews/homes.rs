//! The homes that are known, with the times of their answers: what is asked anew, and when.
//!
//! **Promise.** An old answer is kept until a new one takes its place. Settings are asked for anew
//! after a day; what could not be asked anew, not again within the hour; what is only checked,
//! after some minutes; what is said to have moved, at once, but not twice within seconds: who
//! was said to be gone is still gone then. A place of Autodiscover is kept while it works. What the
//! ledger did not take is given to it again after the next question, whatever comes of that.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::Uri;
use serde::{Deserialize, Serialize};

use super::discover::{Endpoint, Form, Via};
use crate::model::{
    Address, Doubt, Fault, GroupKey, Next, Plain, Shift, Span, Time, TrustEntry, Zone,
};

/// Settings are good for so long: a day, less an hour, so that who asks once a day is not answered
/// from yesterday.
const FRESH_FOR: Span = Span::HOUR.times(23);
/// What could not be asked anew is let alone for so long.
const RETRY_AFTER: Span = Span::HOUR;
/// A zone that was not told in time is asked for with the next homes after so long: until then its
/// mailbox's days are those of UTC.
const ZONE_AFTER: Span = Span::MINUTE.times(5);
/// A mailbox that was asked for less long ago did not move since: all members of a stream that
/// broke may be said to have moved, some time after each other.
const SETTLED: Span = Span::from_secs(5);
/// Nor is one checked that was asked for less long ago.
const CHECKED: Span = Span::MINUTE.times(4);
/// A whole hunt that failed is not begun again within this, for whomever.
const HUNT_PAUSE: Span = Span::from_secs(30);
/// What the directory named counts for so long where the directory is out of reach since.
const NAMED_FOR: Span = Span::DAY.times(7);
/// Kept lines that are older name mailboxes that nobody asks for any more.
const FORGOTTEN_AFTER: Span = Span::DAY.times(30);

/// So many mailboxes, and places, are known before the first look for those that nobody asks for
/// any more; then twice as many as were left.
const FIRST_SWEEP: usize = 1_024;
/// Domains that are remembered, with the place that answered for them, and why none did.
const MOST_DOMAINS: usize = 1_024;
/// Lines that the ledger did not take, given to it again at once: a disk that was full for a day
/// is not asked for tens of thousands in one go.
const OWED_AT_ONCE: usize = 500;

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
    /// Why it is nowhere, as it was said when it was asked for last.
    gone: Option<Arc<Fault>>,
}

impl Known {
    /// Why it is nowhere, as it was said when it was asked for last.
    pub(super) fn gone(&self) -> Option<&Fault> {
        self.gone.as_deref()
    }

    /// Whether it was asked for after this.
    pub(super) fn is_asked_for(&self, since: Time) -> bool {
        self.tried > since
    }
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
    failures: HashMap<String, (Time, u64, Fault)>,
    /// Under these keys the ledger says something else.
    owed: BTreeSet<Box<str>>,
    /// Beyond so many mailboxes, and places, it is swept.
    sweep_at: (usize, usize),
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

    /// Whether it is to be asked for.
    pub(super) fn is_due(&self, now: Time, address: &Address, doubt: Doubt) -> bool {
        let Some(known) = self.get(address) else { return true };
        let tried = elapsed(now, known.tried);
        match doubt {
            Doubt::None => old(now, known.at) && tried >= RETRY_AFTER,
            Doubt::Routine => tried >= CHECKED,
            Doubt::Moved => tried >= SETTLED,
        }
    }

    /// It is there. The line is for the ledger; there is none where a young one says the same, as
    /// homes are checked every few minutes. `sure`: nothing better is to be had, so it is good
    /// for a day; else it is asked for again after an hour.
    pub(super) fn learn(
        &mut self,
        now: Time,
        address: &Address,
        place: Place,
        sure: bool,
    ) -> Option<(Plain, Option<Plain>)> {
        let place = self.shared(place);
        if let Some(known) = self.known.get_mut(&*key(address))
            && sure
            && known.place == place
            && !old(now, known.at)
        {
            (known.tried, known.gone) = (now, None);
            return None;
        }
        let before = self.get(address).map(|known| (known.zone, known.zone_tried));
        let (zone, zone_tried) = before.unwrap_or_default();
        let at = if sure { now } else { now - FRESH_FOR };
        let known = Known { place, zone, at, tried: now, zone_tried, gone: None };
        let line = line_of(address.reveal(), &known);
        self.known.insert(key(address), known);
        Some(line)
    }

    /// Whether its time zone is to be asked for.
    pub(super) fn is_zone_due(&self, now: Time, address: &Address) -> bool {
        self.get(address).is_some_and(|known| old(now, known.zone_tried))
    }

    /// What came of asking for its time zone: nothing where it never said, or could not be asked.
    /// In the latter case it is asked for again after minutes.
    pub(super) fn learn_zone(
        &mut self,
        now: Time,
        address: &Address,
        told: Option<Option<Zone>>,
    ) -> Option<(Plain, Option<Plain>)> {
        let known = self.known.get_mut(&*key(address))?;
        known.zone_tried = if told.is_some() { now } else { now - FRESH_FOR + ZONE_AFTER };
        let zone = told.flatten().or(known.zone);
        if std::mem::replace(&mut known.zone, zone) == zone {
            return None;
        }
        Some(line_of(address.reveal(), known))
    }

    /// It was asked for in vain: what was known stays, and so does the reason if that is that it
    /// is gone.
    pub(super) fn missed(&mut self, now: Time, address: &Address, why: Option<&Fault>) {
        if let Some(known) = self.known.get_mut(&*key(address)) {
            let gone = why.filter(|why| why.next == Next::Gone);
            (known.tried, known.gone) = (now, gone.cloned().map(Arc::new));
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
        // What the directory vouched for, it is asked about again each day.
        let vouched = endpoint.via != Via::Directory || !old(now, *found);
        let good = endpoint.form == Form::Soap || elapsed(now, *found) < RETRY_AFTER;
        (good && vouched).then(|| (endpoint.clone(), elapsed(now, *worked) < RETRY_AFTER))
    }

    /// The place that the directory named last, where that is more than a day ago and less than a
    /// week.
    pub(super) fn named_last(&self, now: Time, domain: &str) -> Option<Endpoint> {
        let Kept { endpoint, found, .. } = self.endpoints.get(domain)?;
        let named = endpoint.via == Via::Directory && old(now, *found);
        (named && elapsed(now, *found) < NAMED_FOR).then(|| endpoint.clone())
    }

    /// A place answered for a domain; `kept`: it was known before, and nothing led there anew. The
    /// line is for the ledger, where there is something new.
    pub(super) fn answered(
        &mut self,
        now: Time,
        domain: &str,
        endpoint: Endpoint,
        kept: bool,
    ) -> Option<(Plain, Option<Plain>)> {
        self.failures.remove(domain);
        if let Some(known) = self.endpoints.get_mut(domain)
            && known.endpoint == endpoint
        {
            let again = match (endpoint.form, endpoint.via) {
                (Form::Soap, Via::Directory) => old(now, known.found),
                (Form::Soap, _) => false,
                _ => elapsed(now, known.found) >= RETRY_AFTER,
            };
            known.worked = now;
            if kept || !again {
                return None;
            }
        }
        let kept = Kept { endpoint, found: now, worked: now };
        let line = endpoint_line(domain, &kept);
        self.endpoints.insert(domain.to_owned(), kept);
        Some(line)
    }

    /// Nothing answered for a domain, as things stand with trust.
    pub(super) fn failed(&mut self, now: Time, domain: &str, trust: &[TrustEntry], why: Fault) {
        if self.failures.len() >= MOST_DOMAINS {
            self.failures.retain(|_, (at, ..)| elapsed(now, *at) < HUNT_PAUSE);
        }
        if self.failures.len() < MOST_DOMAINS {
            self.failures.insert(domain.to_owned(), (now, verdicts(trust), why));
        }
    }

    /// Whatever failed is looked for again at once: there are other rules.
    pub(super) fn look_again(&mut self) {
        self.failures.clear();
    }

    /// Why there is no use in looking again just now. A directory that fails is not worn out by
    /// checks.
    pub(super) fn pause(
        &self,
        now: Time,
        domain: &str,
        trust: &[TrustEntry],
        doubt: Doubt,
    ) -> Option<Fault> {
        let pause = if doubt == Doubt::Routine { CHECKED } else { HUNT_PAUSE };
        let (at, then, why) = self.failures.get(domain)?;
        let same = *then == verdicts(trust);
        (same && elapsed(now, *at) < pause).then(|| why.clone())
    }

    /// Forgets mailboxes that nobody asked for in a month, places where nobody is, and the domains
    /// that answered longest ago, where there are many. The lines are for the ledger.
    pub(super) fn sweep(&mut self, now: Time) -> Vec<(Plain, Option<Plain>)> {
        let mut gone = Vec::new();
        let (mailboxes, places) = &mut self.sweep_at;
        if self.known.len() > (*mailboxes).max(FIRST_SWEEP) {
            self.known.retain(|key, known| {
                let stays = now.since(known.at.max(known.tried)) < FORGOTTEN_AFTER;
                if !stays {
                    gone.push((Plain::new(key.to_string()), None));
                }
                stays
            });
            *mailboxes = self.known.len() * 2;
        }
        if self.places.len() > (*places).max(FIRST_SWEEP) {
            self.places.retain(|_, place| Arc::strong_count(place) > 1);
            *places = self.places.len() * 2;
        }
        while self.endpoints.len() > MOST_DOMAINS {
            let oldest = self.endpoints.iter().min_by_key(|(_, kept)| kept.worked);
            let Some(domain) = oldest.map(|(domain, _)| domain.clone()) else { break };
            self.endpoints.remove(&domain);
            gone.push((endpoint_key(&domain), None));
        }
        gone
    }

    /// What the ledger is to take once more, as it is now.
    pub(super) fn owed(&self) -> Vec<(Plain, Option<Plain>)> {
        let line = |key: &str| {
            let domain = key.strip_prefix(ENDPOINT);
            let kept = domain.and_then(|domain| Some((domain, self.endpoints.get(domain)?)));
            match (kept, self.known.get(key)) {
                (Some((domain, kept)), _) => endpoint_line(domain, kept),
                (None, Some(known)) => line_of(key, known),
                (None, None) => (Plain::new(key), None),
            }
        };
        self.owed.iter().take(OWED_AT_ONCE).map(|key| line(key)).collect()
    }

    /// Whether the ledger took the lines under these keys.
    pub(super) fn kept(&mut self, keys: &[Plain], taken: bool) {
        for key in keys {
            match taken {
                true => self.owed.remove(key.reveal()),
                false => self.owed.insert(key.reveal().into()),
            };
        }
    }

    /// Takes in what was kept, where it is at the `fixed` server, if there is one. Lines that are
    /// not understood are passed over: they cost a question. Those of mailboxes that nobody asked
    /// for in a month are to be forgotten: they are given back for the ledger.
    pub(super) fn recall(
        &mut self,
        now: Time,
        lines: &[Plain],
        fixed: Option<&Uri>,
    ) -> Vec<(Plain, Option<Plain>)> {
        let mut gone = Vec::new();
        for line in lines {
            match serde_json::from_str(line.reveal()) {
                Ok(Line::Home { address, ews, group, zone, at }) => {
                    let (Ok(ews), Ok(address)) = (ews.parse(), Address::parse(&address)) else {
                        continue;
                    };
                    let at = Time::from_ms(at);
                    let elsewhere = fixed.is_some_and(|fixed| *fixed != ews);
                    let forgotten = now.since(at) > FORGOTTEN_AFTER;
                    if forgotten {
                        gone.push((Plain::new(String::from(key(&address))), None));
                    }
                    if elsewhere || forgotten || self.get(&address).is_some() {
                        continue;
                    }
                    let place = self.shared(Place { ews, group: GroupKey::new(group) });
                    let zone = zone.map(Zone::from);
                    let zone_tried = if zone.is_some() { at } else { Time::default() };
                    // After a restart an old answer is asked for at once.
                    let tried = Time::default();
                    let known = Known { place, zone, at, tried, zone_tried, gone: None };
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
        gone
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

/// With this the key of a domain's place begins; no address does.
const ENDPOINT: &str = "endpoint ";

/// Where the line of a domain's place stands.
fn endpoint_key(domain: &str) -> Plain {
    Plain::new(format!("{ENDPOINT}{domain}"))
}

/// What a trust list says, as a number to be compared.
fn verdicts(list: &[TrustEntry]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for entry in list {
        (&entry.host, entry.verdict.as_str()).hash(&mut hasher);
    }
    hasher.finish()
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

fn endpoint_line(domain: &str, kept: &Kept) -> (Plain, Option<Plain>) {
    let Kept { endpoint, found, .. } = kept;
    let line = Line::Endpoint {
        domain: domain.to_owned(),
        url: endpoint.url.to_string(),
        form: endpoint.form.as_str().into(),
        via: endpoint.via.as_str().into(),
        at: found.as_ms(),
    };
    (endpoint_key(domain), line.written())
}

fn line_of(address: &str, known: &Known) -> (Plain, Option<Plain>) {
    let line = Line::Home {
        address: address.to_owned(),
        ews: known.place.ews.to_string(),
        group: known.place.group.as_str().to_owned(),
        zone: known.zone.map(KeptZone::from),
        at: known.at.as_ms(),
    };
    (Plain::new(address.to_ascii_lowercase()), line.written())
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
