//! The table of meeting services: which addresses are the door to a meeting, and which look it.
//!
//! A row has hosts and shapes; both are in a language without repetition or choice, so that no
//! address takes longer than it is long.
//!
//! **Hosts.** `meet.example.com` is that host, `*.example.com` every host below it, `meet.*` every
//! host that begins so, `*.meet.*` every host with such a label behind its first, `*` any. A host
//! that the table names is not looked for in the rows of hosts that it does not name.
//!
//! **Shapes.** A path, then `?key` and `&key=value` that must be there (`key=` with or without a
//! value), then `#` with what must follow it: a path again, or keys. Case does not matter in what
//! is written out; a last `/` does not matter. In a path, `*` is one segment, `**` all that follow,
//! also none; the rest of the language is in [`CLASSES`]: `{digits:9-11}` has 9 to 11 of them,
//! `{digits:3}` three, `{digits}` one at least.

mod anywhere;
mod countries;
mod decoys;
mod events;
mod large;
mod more;
mod spaces;

/// A meeting service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its id, lower case.
    pub id: &'static str,
    /// Its name, for people.
    pub name: &'static str,
    /// What its addresses look like.
    pub rows: &'static [Row],
    /// Hosts of its addresses for video devices (SIP, H.323), as in [`Row::hosts`].
    pub dials: &'static [&'static str],
}

/// Addresses of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What they lead to.
    pub kind: Kind,
    /// On which hosts.
    pub hosts: &'static [&'static str],
    /// Path, query and fragment.
    pub shapes: &'static [&'static str],
}

/// What an address leads to. The earlier kind goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One meeting.
    Meeting,
    /// A webinar or an event, with the participant's own link.
    Event,
    /// A room that somebody always has.
    Room,
    /// Nothing to be joined: a recording, a page of help, of numbers to dial, of settings.
    Never,
}

impl Kind {
    /// As the reference calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meeting => "meeting",
            Self::Event => "event",
            Self::Room => "room",
            Self::Never => "never",
        }
    }
}

/// What may stand in a segment of a path, with what people are told about it.
pub const CLASSES: [(&str, &str); 7] = [
    ("digits", "digits 0 to 9"),
    ("letters", "letters a to z"),
    ("alnum", "letters a to z and digits"),
    ("caps", "capital letters and digits, with a letter among them"),
    ("token", "letters a to z and digits, with a digit among them"),
    ("word", "all that a segment can hold"),
    ("room", "as `word`, but no word that pages have (`pricing`, `help`, `download` …)"),
];

const fn meeting(hosts: &'static [&'static str], shapes: &'static [&'static str]) -> Row {
    Row { kind: Kind::Meeting, hosts, shapes }
}

const fn event(hosts: &'static [&'static str], shapes: &'static [&'static str]) -> Row {
    Row { kind: Kind::Event, hosts, shapes }
}

const fn room(hosts: &'static [&'static str], shapes: &'static [&'static str]) -> Row {
    Row { kind: Kind::Room, hosts, shapes }
}

const fn never(hosts: &'static [&'static str], shapes: &'static [&'static str]) -> Row {
    Row { kind: Kind::Never, hosts, shapes }
}

const fn service(id: &'static str, name: &'static str, rows: &'static [Row]) -> Service {
    Service { id, name, rows, dials: &[] }
}

/// All services, the most met first, those on any host last.
pub fn services() -> impl Iterator<Item = &'static Service> {
    let by_name = [large::ALL, countries::ALL, more::ALL, events::ALL, spaces::ALL];
    by_name.into_iter().chain([anywhere::ALL]).flatten()
}

pub use decoys::{DECOYS, PAGES};
