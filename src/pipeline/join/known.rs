//! The table made ready: from an address to its service, by its host first.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::address::Address;
use super::shape::Shape;
use super::table::{self, DECOYS, Kind, Service};

/// What the table says of an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// The door to a meeting.
    Door(Door),
    /// Surely none.
    Never,
    /// A page of a service, of no shape that the table knows.
    Page(&'static Service),
    /// The table knows nothing of it.
    Stranger,
}

/// The door to a meeting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) service: &'static Service,
    pub(super) kind: Kind,
}

/// The table, in the order in which hosts are looked up.
pub(super) struct Known {
    exact: HashMap<&'static str, Vec<Row>>,
    below: HashMap<&'static str, Vec<Row>>,
    /// By the first label.
    first: HashMap<&'static str, Vec<Row>>,
    /// By a label behind the first.
    inner: HashMap<&'static str, Vec<Row>>,
    any: Vec<Row>,
    dials: Vec<(&'static str, &'static Service)>,
}

#[derive(Clone)]
struct Row {
    /// Nothing for a host that is never joined.
    service: Option<&'static Service>,
    kind: Kind,
    shapes: Vec<Shape>,
}

/// The table, made ready once.
pub(super) fn known() -> &'static Known {
    static KNOWN: LazyLock<Known> = LazyLock::new(Known::new);
    &KNOWN
}

impl Known {
    fn new() -> Self {
        let mut known = Self {
            exact: HashMap::new(),
            below: HashMap::new(),
            first: HashMap::new(),
            inner: HashMap::new(),
            any: Vec::new(),
            dials: Vec::new(),
        };
        for host in DECOYS {
            known.put(host, Row { service: None, kind: Kind::Never, shapes: Vec::new() });
        }
        for service in table::services() {
            for row in service.rows {
                let shapes: Vec<_> =
                    row.shapes.iter().filter_map(|one| Shape::parse(one)).collect();
                for host in row.hosts {
                    let shapes = shapes.clone();
                    known.put(host, Row { service: Some(service), kind: row.kind, shapes });
                }
            }
            known.dials.extend(service.dials.iter().map(|host| (*host, service)));
        }
        known
    }

    fn put(&mut self, host: &'static str, row: Row) {
        let rows = if host == "*" {
            &mut self.any
        } else if let Some(label) = host.strip_prefix("*.").and_then(|h| h.strip_suffix(".*")) {
            self.inner.entry(label).or_default()
        } else if let Some(label) = host.strip_suffix(".*") {
            self.first.entry(label).or_default()
        } else if let Some(below) = host.strip_prefix("*.") {
            self.below.entry(below).or_default()
        } else {
            self.exact.entry(host).or_default()
        };
        rows.push(row);
    }

    /// Whether a host stands in the table by name.
    pub(super) fn names(&self, host: &str) -> bool {
        self.named(host).any(|row| row.service.is_some())
    }

    /// The rows of this very host, then of those above it, the nearest first.
    fn named<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Row> {
        let above =
            host.match_indices('.').filter_map(|(at, _)| self.below.get(host.get(at + 1..)?));
        self.exact.get(host).into_iter().chain(above).flatten()
    }

    /// The rows of hosts that nobody named.
    fn unnamed<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Row> {
        let mut labels = host.split('.');
        let first = labels.next().and_then(|label| self.first.get(label));
        let inner = labels.filter_map(|label| self.inner.get(label));
        first.into_iter().chain(inner).flatten().chain(&self.any)
    }

    /// What an address is.
    pub(super) fn verdict(&self, address: &Address<'_>) -> Verdict {
        let mut of = None;
        for row in self.named(&address.host) {
            let Some(service) = row.service else {
                // A service below a host of maps and files stands by its own name.
                return Verdict::Never;
            };
            of = of.or(Some(service));
        }
        match of {
            Some(of) => door(self.named(&address.host), address, Verdict::Page(of)),
            None => door(self.unnamed(&address.host), address, Verdict::Stranger),
        }
    }

    /// The service whose addresses for video devices are on this host.
    pub(super) fn dials(&self, host: &str) -> Option<&'static Service> {
        let fits = |own: &str| match own.strip_prefix("*.") {
            Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.')),
            None => own == host,
        };
        // A host that is named is nearer than one below a domain.
        let all = self.dials.iter().filter(|(own, _)| fits(own));
        all.min_by_key(|(own, _)| own.starts_with("*.")).map(|(_, service)| *service)
    }
}

/// The earliest kind among the rows that the address fits; what is never joined goes before.
fn door<'a>(
    rows: impl Iterator<Item = &'a Row>,
    address: &Address<'_>,
    otherwise: Verdict,
) -> Verdict {
    let mut best: Option<Door> = None;
    for row in rows {
        let fits = |shape: &Shape| shape.fits(address.path, address.query, address.fragment);
        let Some(service) = row.service.filter(|_| row.shapes.iter().any(fits)) else { continue };
        if row.kind == Kind::Never {
            return Verdict::Never;
        }
        if best.is_none_or(|best| row.kind < best.kind) {
            best = Some(Door { service, kind: row.kind });
        }
    }
    best.map_or(otherwise, Verdict::Door)
}
