//! The address behind the Join button.
//!
//! **Promise.** The same meeting has the same address, in the order of precedence that
//! `docs/reference/join.md` publishes. One pass over the body; what is found there is bounded in
//! number, length and depth, so that no invitation takes longer than its length, and none fails.

mod address;
mod choice;
mod device;
mod known;
mod order;
mod phone;
mod proofpoint;
mod rules;
mod scan;
mod shape;
mod sip;
pub mod table;
mod unwrap;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

pub use self::address::ADDRESS_BYTES;
use self::choice::{Candidate, Candidates};
pub use self::device::Device;
use self::known::known;
pub use self::order::{ORDER, rewriters};
pub use self::phone::Phone;
pub use self::rules::{PATTERN_BYTES, PROGRAM_BYTES, RULES, Rule, TEXT_BYTES, Written};
pub use self::scan::LINKS;
use self::sip::Where;
pub use self::unwrap::DEEPEST;
use super::notes::Notes;
use crate::model::{Meeting, Plain};

/// To be raised where the way from a text to its address changes, or what of it is in a record, and
/// not the table alone.
const VERSION: u32 = 3;

/// How a meeting is joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// `https:` address, or an app's own.
    pub url: Option<Plain>,
    /// `sip:`, `sips:` or `h323:` address.
    pub uri: Option<Plain>,
    /// A number to call, where there is nothing else.
    pub phone: Option<Phone>,
    /// What a video device needs beside the address.
    pub device: Device,
    /// What chose the address.
    pub chosen: Option<Chosen>,
}

impl Join {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uri.is_none() && self.url.is_none() && self.phone.is_none()
    }

    /// The address that a button opens: of the web, else a device's, else a telephone's.
    pub fn address(&self) -> Option<Plain> {
        self.url.clone().or_else(|| self.dialled())
    }

    /// What a device dials; where there is nothing else, `tel:` and the telephone's.
    pub fn dialled(&self) -> Option<Plain> {
        let phone = || Some(Plain::new(format!("tel:{}", self.phone.as_ref()?.dialled().reveal())));
        self.uri.clone().or_else(phone)
    }
}

/// What chose the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The service's id in the table; nothing where the table does not know it.
    pub service: Option<&'static str>,
    /// The rule: an id of the published order, or an administrator's rule by name.
    pub rule: Arc<str>,
    /// Where the address stood.
    pub source: Source,
}

/// Where an address stands, in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A property of the item for it.
    Conference,
    /// The place.
    Location,
    /// The text of the invitation.
    Body,
}

impl Source {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Conference, Self::Location, Self::Body];

    /// As the reference calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conference => "conference",
            Self::Location => "location",
            Self::Body => "body",
        }
    }
}

/// The table, and the administrator's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    own: Vec<Rule>,
    /// Differs where the rules do.
    mark: [u8; 8],
}

impl Rules {
    /// The table with these rules before it, in the order of their priorities.
    pub fn new(mut own: Vec<Rule>) -> Self {
        if own.is_empty() {
            return Self::TABLE;
        }
        own.sort_by_key(Rule::priority);
        let mark = print_of(&format!("{own:?}"));
        Self { own, mark }
    }

    /// The table alone.
    pub const TABLE: Self = Self { own: Vec::new(), mark: [0; 8] };

    /// Differs between tables and rules that may find different addresses: parts of a keyed hash.
    /// So a record is made anew once the table knows more services than it did.
    pub fn mark(&self) -> [&[u8]; 2] {
        static TABLE: LazyLock<[u8; 8]> = LazyLock::new(|| {
            let services: Vec<_> = table::services().collect();
            let (decoys, pages, others) = (table::DECOYS, table::PAGES, unwrap::REWRITERS);
            print_of(&format!("{VERSION} {services:?} {decoys:?} {pages:?} {others:?}"))
        });
        [TABLE.as_slice(), &self.mark]
    }

    /// Finds the address of a meeting.
    pub fn join(&self, meeting: &Meeting) -> Join {
        let notes = Notes::of(&meeting.body);
        self.join_with(meeting, notes.text().reveal())
    }

    /// As [`Rules::join`], by whoever has the text of the body already.
    pub fn join_with(&self, meeting: &Meeting, notes: &str) -> Join {
        let known = known();
        let mut candidates = Candidates::of(meeting);
        let texts = [meeting.conference.reveal(), meeting.location.reveal(), notes];
        let mut found = Join::default();
        self.own_rules(&mut found, &candidates, texts);
        if found.url.is_none() {
            candidates.complete(known, notes);
            if let Some(best) = candidates.best() {
                found.chosen.get_or_insert_with(|| best.chosen());
                found.url = Some(Plain::new(best.url.as_str()));
            }
        }
        self.dialled(&mut found, meeting, texts);
        if found.url.is_none() && found.uri.is_none() {
            Self::last_resort(&mut found, texts);
        }
        match found.chosen.as_ref().and_then(|chosen| chosen.service) {
            Some("teams") => found.device = device::teams(known, notes, &candidates.links),
            Some("webex") => {
                let uri = found.uri.as_ref().map(Plain::reveal);
                found.device.webex_number = device::webex(uri, notes);
            }
            _ => {}
        }
        found
    }

    /// Each rule reads the text of a source, and then the links in it as they were before anybody
    /// rewrote them.
    fn own_rules(&self, found: &mut Join, candidates: &Candidates<'_>, texts: [&str; 3]) {
        for rule in &self.own {
            for (source, text) in Source::ALL.into_iter().zip(texts) {
                let links = candidates.unwrapped(source);
                let mut all = std::iter::once(text).chain(links);
                let Some(address) = all.find_map(|text| rule.find(text)) else { continue };
                let rule = Arc::from(rule.name());
                found.chosen = Some(Chosen { service: None, rule, source });
                let web = address.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("http"));
                *(if web { &mut found.url } else { &mut found.uri }) = Some(Plain::new(address));
                return;
            }
        }
    }

    fn dialled(&self, found: &mut Join, meeting: &Meeting, texts: [&str; 3]) {
        if found.uri.is_some() {
            return;
        }
        for (source, text) in Source::ALL.into_iter().zip(texts) {
            let place = if source == Source::Body { Where::Body } else { Where::Place };
            let Some(dialled) = sip::first(known(), meeting, text, place) else { continue };
            let rule = Arc::from(format!("{}-sip", source.name()));
            found.uri = Some(Plain::new(dialled.uri));
            let service = dialled.service.or(Some("sip"));
            found.chosen.get_or_insert(Chosen { service, rule, source });
            return;
        }
    }

    fn last_resort(found: &mut Join, texts: [&str; 3]) {
        for (source, text) in Source::ALL.into_iter().zip(texts) {
            let Some(phone) = phone::first(text) else { continue };
            let rule = Arc::from(format!("{}-phone", source.name()));
            found.chosen = Some(Chosen { service: Some("phone"), rule, source });
            found.phone = Some(phone);
            return;
        }
    }
}

/// FNV-1a, 64 bits: tells one table from the next, and hides nothing.
fn print_of(text: &str) -> [u8; 8] {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

impl Candidate {
    fn chosen(&self) -> Chosen {
        let service = self.service.map(|service| service.id);
        let rule = Arc::from(format!("{}-{}", self.source.name(), self.way.name()));
        Chosen { service, rule, source: self.source }
    }
}
