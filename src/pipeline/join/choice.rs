//! Which of the links of a meeting is the one.

use super::Source;
use super::address::{Address, segments, value};
use super::known::{Known, Verdict, known};
use super::scan::{bare, links};
use super::table::{Kind, Service};
use super::unwrap::{Unwrapped, unwrap};
use crate::model::Meeting;
use crate::pipeline::decorate;
use crate::pipeline::limits::LINE_BYTES;

/// Doors that are compared. The first of them is the one, but for its length.
const DOORS: usize = 256;

/// A link that may be it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) url: String,
    pub(super) service: Option<&'static Service>,
    pub(super) source: Source,
    pub(super) way: Way,
}

/// How it came to be one, in the order of precedence within a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Of the table: one meeting.
    Meeting,
    /// Of the table: an event.
    Event,
    /// Of the table: the organiser's own room.
    OwnRoom,
    /// Of the table: a room.
    Room,
    /// The table does not know it, but the connector wrote it there itself.
    Written,
    /// The table does not know it, but it is all that is said.
    Unlisted,
}

impl Way {
    /// As the reference calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meeting => "meeting",
            Self::Event => "event",
            Self::OwnRoom => "own-room",
            Self::Room => "room",
            Self::Written => "written",
            Self::Unlisted => "unlisted",
        }
    }
}

/// The links of a meeting.
pub(super) struct Candidates<'a> {
    meeting: &'a Meeting,
    doors: Vec<Candidate>,
    /// Of a conference property or a location that is an address and nothing else.
    unlisted: Vec<Candidate>,
    /// Of a location: what stands in the join details as well that the connector put into the body.
    written: Option<Candidate>,
    /// Links that are no doors themselves but tell what a device needs.
    pub(super) links: Vec<String>,
    /// What rewritten links were before, for the administrator's rules.
    taken_off: Vec<(Source, String)>,
}

impl<'a> Candidates<'a> {
    /// Reads conference property, location and body.
    pub(super) fn of(meeting: &'a Meeting) -> Self {
        let mut all = Self {
            meeting,
            doors: Vec::new(),
            unlisted: Vec::new(),
            written: None,
            links: Vec::new(),
            taken_off: Vec::new(),
        };
        let known = known();
        let conference = meeting.conference.reveal();
        let location = meeting.location.reveal();
        all.place(known, Source::Conference, conference);
        all.place(known, Source::Location, location);
        let body = &meeting.body;
        if all.doors.is_empty() {
            all.find_written(known);
        }
        links(body.text.reveal(), body.html, &mut |link| all.add(known, Source::Body, &link));
        all
    }

    fn find_written(&mut self, known: &Known) {
        let body = &self.meeting.body;
        let Some(inside) = decorate::inside(body.text.reveal()) else { return };
        let strange = |link: &str| stranger(known, Source::Location, link).map(|(url, _)| url);
        let mut there = Vec::new();
        links(inside, body.html, &mut |link| there.extend(strange(&link)));
        let location = self.meeting.location.reveal();
        links(location, false, &mut |link| {
            let url = strange(&link).filter(|url| self.written.is_none() && there.contains(url));
            let (source, way) = (Source::Location, Way::Written);
            let found = url.map(|url| Candidate { url, service: None, source, way });
            self.written = self.written.take().or(found);
        });
    }

    fn place(&mut self, known: &Known, source: Source, text: &str) {
        let before = self.doors.len();
        links(text, false, &mut |link| self.add(known, source, &link));
        if self.doors.len() == before {
            self.add_bare(known, source, text);
        }
        if self.doors.len() > before {
            return;
        }
        // An item may have several such properties; each stands in a line of its own.
        match source {
            Source::Conference => {
                text.lines().for_each(|line| self.alone(known, source, line.trim()))
            }
            _ => self.alone(known, source, text.trim()),
        }
    }

    /// Where nothing of the table was found, what people wrote without `https://`.
    pub(super) fn complete(&mut self, known: &Known, notes: &str) {
        if self.doors.is_empty() {
            self.add_bare(known, Source::Body, notes);
        }
    }

    fn add_bare(&mut self, known: &Known, source: Source, text: &str) {
        let named = |host: &str| known.names(host);
        bare(text, &named, &mut |link| self.add(known, source, &format!("https://{link}")));
    }

    fn add(&mut self, known: &Known, source: Source, link: &str) {
        let Some(address) = Address::parse(link) else { return };
        match unwrap(&address) {
            Unwrapped::Plain => self.judge(known, source, &address),
            Unwrapped::To(inner) => {
                if let Some(address) = Address::parse(&inner) {
                    self.judge(known, source, &address);
                }
                if self.taken_off.len() < DOORS {
                    self.taken_off.push((source, inner));
                }
            }
            Unwrapped::Broken => {}
        }
    }

    fn judge(&mut self, known: &Known, source: Source, address: &Address<'_>) {
        let Verdict::Door(door) = known.verdict(address) else {
            if address.path.contains("msteams") && self.links.len() < DOORS {
                self.links.push(address.whole.to_owned());
            }
            return;
        };
        // A record would cut it, and half a link opens something else or nothing.
        if self.doors.len() >= DOORS || address.whole.len() > LINE_BYTES {
            return;
        }
        let way = match door.kind {
            Kind::Meeting => Way::Meeting,
            Kind::Event => Way::Event,
            Kind::Room if self.is_own(address) => Way::OwnRoom,
            Kind::Room | Kind::Never => Way::Room,
        };
        let url = address.canonical();
        let service = Some(door.service);
        self.doors.push(Candidate { url, service, source, way });
    }

    /// Whether a room has the organiser's name: that of the mail address, but for its marks.
    fn is_own(&self, address: &Address<'_>) -> bool {
        let organizer = self.meeting.organizer.as_ref().and_then(|person| person.address.as_ref());
        let Some(organizer) = organizer.map(|address| address.reveal()) else { return false };
        let local = organizer.rsplit_once('@').map_or(organizer, |(local, _)| local);
        let letters = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let own = letters(local);
        own.len() >= 3 && letters(address.last_segment()) == own
    }

    /// An address that the table does not know, where the whole text is that address.
    fn alone(&mut self, known: &Known, source: Source, text: &str) {
        if let Some((url, service)) = stranger(known, source, text) {
            self.unlisted.push(Candidate { url, service, source, way: Way::Unlisted });
        }
    }

    /// What the links of a source were before anybody rewrote them.
    pub(super) fn unwrapped(&self, source: Source) -> impl Iterator<Item = &str> {
        let of = self.taken_off.iter().filter(move |(own, _)| *own == source);
        of.map(|(_, link)| link.as_str())
    }

    /// The one.
    pub(super) fn best(&self) -> Option<&Candidate> {
        let of = |source: Source| {
            let own = self.doors.iter().filter(move |own| own.source == source);
            // `min_by_key` takes the first of equals.
            own.min_by_key(|own| own.way)
        };
        let unlisted = |source: Source| self.unlisted.iter().find(|own| own.source == source);
        let best = of(Source::Conference)
            .or_else(|| unlisted(Source::Conference))
            .or_else(|| of(Source::Location))
            .or(self.written.as_ref())
            .or_else(|| of(Source::Body))
            .or_else(|| unlisted(Source::Location))?;
        Some(self.longest(best))
    }

    /// The same meeting with its password, where one is told beside it.
    fn longest<'b>(&'b self, best: &'b Candidate) -> &'b Candidate {
        let Some(own) = Address::parse(&best.url) else { return best };
        let id = |service: Option<&Service>| service.map(|service| service.id);
        let same = |other: &&Candidate| {
            id(other.service) == id(best.service)
                && other.source >= best.source
                && Address::parse(&other.url).is_some_and(|other| extends(&other, &own))
        };
        if own.path.trim_matches('/').is_empty() {
            return best;
        }
        let mut longest = best;
        for other in self.doors.iter().filter(same) {
            if other.url.len() > longest.url.len() {
                longest = other;
            }
        }
        longest
    }
}

/// The address that a text is, where the table does not know it, or only the service.
fn stranger(
    known: &Known,
    source: Source,
    text: &str,
) -> Option<(String, Option<&'static Service>)> {
    let https = text.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("https://"));
    if !https || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let outer = Address::parse(text)?;
    let inner = match unwrap(&outer) {
        Unwrapped::Plain => None,
        Unwrapped::To(inner) => Some(inner),
        Unwrapped::Broken => return None,
    };
    let text = inner.as_deref().unwrap_or(text);
    let address = Address::parse(text)?;
    let service = match (known.verdict(&address), source) {
        _ if text.len() > LINE_BYTES => return None,
        (Verdict::Stranger, _) => None,
        // A service may have found another form of address; the property says what it is.
        (Verdict::Page(service), Source::Conference) => Some(service),
        _ => return None,
    };
    Some((address.canonical(), service))
}

/// Whether an address is another with more behind it: what tells one meeting from the next stands
/// in the path, or in a key that both have.
fn extends(other: &Address<'_>, own: &Address<'_>) -> bool {
    let mut pairs = own.query.split('&').filter(|pair| !pair.is_empty());
    let has = |pair: &str| {
        let (key, given) = pair.split_once('=').unwrap_or((pair, ""));
        value(other.query, key) == Some(given)
    };
    let fragment = own.fragment.is_empty() || own.fragment == other.fragment;
    fragment && segments(other.path).eq(segments(own.path)) && pairs.all(has)
}
