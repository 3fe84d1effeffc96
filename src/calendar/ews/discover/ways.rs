//! The ways that are open to a group of mailboxes, in the order in which they are tried.

use std::collections::VecDeque;

use http::Uri;

use super::faults::{DECIDED, SPEAKS, weight};
use super::trail::Trail;
use super::{Endpoint, Form, Rules, Server, Via, WAITS_FOR_TRUST};
use crate::model::{Fault, Next, Span};
use crate::net::gate::REFUSED_HERE;

/// Ways that are taken up for mailboxes that are looked for together: directories that point to
/// each other, and redirects, would go on for long.
const MOST_STEPS: usize = 50;

/// So many that the directory names are waited for in vain before others are asked.
const MOST_SILENT: usize = 2;

/// One thing to try.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) what: What,
    pub(super) via: Via,
    pub(super) trail: Trail,
    /// It answered before; nothing led there in this hunt.
    pub(super) kept: bool,
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Search(Option<Server>),
    Look(Uri),
    LookPlain(Uri),
    Services(String),
    Ask(Form, Uri),
}

impl Try {
    pub(super) fn new(what: What, via: Via, trail: Trail) -> Self {
        Self { what, via, trail, kept: false }
    }

    /// A place that answered before.
    fn kept(endpoint: &Endpoint, trail: &Trail) -> Self {
        let what = What::Ask(endpoint.form, endpoint.url.clone());
        Self { kept: true, ..Self::new(what, endpoint.via, trail.clone()) }
    }

    /// The same place in another form.
    pub(super) fn ask(&self, form: Form, url: &Uri) -> Option<Self> {
        let url = match form {
            Form::Soap => sibling(url, "svc"),
            Form::Pox => sibling(url, "xml"),
            Form::Json => at(url, "/autodiscover/autodiscover.json"),
        }?;
        Some(Self { what: What::Ask(form, url), ..self.clone() })
    }

    /// The host that would be sent something over https, or over LDAP where another one names it.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.what {
            What::Look(url) | What::Ask(_, url) => url.host(),
            What::Search(server) => server.as_ref().map(|server| server.host.as_str()),
            What::LookPlain(_) | What::Services(_) => None,
        }
    }
}

/// Mailboxes that are looked for together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The domain whose hosts are asked; empty where it is a redirect's place.
    pub(super) domain: String,
    /// Places in the hunt's list of those that have no answer yet.
    pub(super) users: Vec<usize>,
    /// What is to be tried.
    pub(super) ways: VecDeque<Try>,
    /// What is to be tried when all that failed.
    pub(super) later: Vec<Try>,
    /// What the directory named last, for when it names nothing.
    pub(super) last: Option<Try>,
    /// What was taken up: nothing is asked twice.
    asked: Vec<What>,
    /// Directories, and places that they named, which were waited for in vain.
    silent: usize,
    /// What kept it from an answer, the most telling.
    fault: Option<(u8, Option<Via>, Fault)>,
}

impl Group {
    /// The documented order for a domain. `trail` is where a redirect by address came from.
    pub(super) fn of_domain(domain: &str, rules: &Rules, trail: &Trail, redirected: bool) -> Self {
        let mut group = Self { domain: domain.to_owned(), ..Self::default() };
        if !redirected {
            let kept = |endpoint| Try::kept(endpoint, trail);
            group.ways.extend(rules.first.as_ref().map(kept));
            group.last = rules.last.as_ref().map(kept);
        }
        let mut push = |what: What, via| {
            let trail = match &what {
                What::Look(url) | What::LookPlain(url) => trail.past(&url.to_string()),
                _ => trail.clone(),
            };
            group.ways.push_back(Try::new(what, via, trail));
        };
        // An address that a trusted place redirects to has no other place than its domain's.
        if rules.only_first && !redirected {
            return group;
        }
        if rules.directory {
            push(What::Search(None), Via::Directory);
        }
        let own = rules.domains.iter().any(|known| known.eq_ignore_ascii_case(domain));
        let host = format!("autodiscover.{domain}");
        let look = |host: &str| {
            let url = format!("https://{host}/autodiscover/autodiscover.xml").parse();
            url.ok().map(What::Look)
        };
        if own && let Some(look) = look(domain) {
            push(look, Via::Domain);
        }
        if (own || redirected)
            && let Some(look) = look(&host)
        {
            push(look, if own { Via::Host } else { Via::Address });
        }
        if own {
            let url = format!("http://{host}/autodiscover/autodiscover.xml").parse();
            if let Ok(url) = url {
                push(What::LookPlain(url), Via::Host);
            }
            if rules.services {
                push(What::Services(format!("_autodiscover._tcp.{domain}.")), Via::Service);
            }
        }
        group
    }

    /// One place, that an answer redirected to.
    pub(super) fn of_place(url: Uri, trail: Trail) -> Self {
        let way = Try::new(What::Look(url), Via::Redirect, trail);
        Self { ways: [way].into(), ..Self::default() }
    }

    /// Next of all.
    pub(super) fn now(
        &mut self,
        ways: impl IntoIterator<Item = Try, IntoIter: DoubleEndedIterator>,
    ) {
        for way in ways.into_iter().rev() {
            self.ways.push_front(way);
        }
    }

    /// Weighs what a directory, or a place that was looked at, answered instead of a way on.
    ///
    /// The directory names the servers of all sites, and other directories, and each that a
    /// firewall keeps us from is waited for: after [`MOST_SILENT`] of them the domain's own hosts
    /// are asked before the rest. One that refuses at once costs nothing and keeps its turn.
    pub(super) fn no_answer(&mut self, way: &Try, fault: Fault) {
        let late = fault.cause.is_late();
        self.weigh(Some(way), fault);
        if way.via != Via::Directory || !late {
            return;
        }
        self.silent += 1;
        if self.silent == MOST_SILENT {
            let ways = std::mem::take(&mut self.ways).into_iter();
            let (named, own): (Vec<_>, Vec<_>) =
                ways.partition(|way| way.via == Via::Directory && !way.kept);
            self.ways = own.into_iter().chain(named).collect();
        }
    }

    /// When nothing else led to an answer; each place and form once.
    pub(super) fn later(&mut self, way: Option<Try>) {
        let Some(way) = way else { return };
        let What::Ask(form, url) = &way.what else { return };
        let same = |known: &Try| matches!(&known.what, What::Ask(f, u) if f == form && u == url);
        if !self.later.iter().any(same) {
            self.later.push(way);
        }
    }

    /// The next way. The late ones come in the order of their forms: a web site that guards itself
    /// with a password is asked before addresses are shown to sites without one.
    pub(super) fn next(&mut self) -> Option<Try> {
        loop {
            let way = self.pop()?;
            if self.asked.contains(&way.what) {
                continue;
            }
            if self.asked.len() >= MOST_STEPS {
                self.weigh(None, Fault::retry("Autodiscover: more ways than are tried"));
                return None;
            }
            self.asked.push(way.what.clone());
            return Some(way);
        }
    }

    /// What was taken up last was passed over: whoever vouches for it later may still lead there.
    pub(super) fn passed_over(&mut self) {
        self.asked.pop();
    }

    fn pop(&mut self) -> Option<Try> {
        if self.ways.is_empty() {
            let (signed, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.later)
                .into_iter()
                .partition(|way| !matches!(way.what, What::Ask(Form::Json, _)));
            // Those without a sign-in come after those with one found nothing either.
            if signed.is_empty() {
                self.ways.extend(open);
            } else {
                self.ways.extend(signed);
                self.later = open;
            }
        }
        self.ways.pop_front()
    }

    /// Remembers what went wrong on a way, if it says as much as what is remembered.
    pub(super) fn weigh(&mut self, way: Option<&Try>, mut fault: Fault) {
        if fault.cause.code == REFUSED_HERE {
            // It concerns those alone who are looked for there.
            fault.next = Next::Denied;
        }
        let weight = weight(way, &fault);
        if self.fault.as_ref().is_none_or(|(known, ..)| *known <= weight) {
            self.fault = Some((weight, way.map(|way| way.via), fault));
        }
    }

    /// What to say to those who got no answer.
    pub(super) fn verdict(&self) -> Fault {
        match &self.fault {
            Some((SPEAKS, Some(via), fault)) => {
                Fault::retry(format!("Autodiscover ({}): {fault}", via.as_str()))
            }
            Some((0..SPEAKS, _, fault)) => Fault::retry(format!(
                "Autodiscover: no way led to an answer; look first at: {fault}"
            )),
            Some((_, _, fault)) => fault.clone(),
            None => Fault::new(
                Next::Denied,
                "Autodiscover: the mailbox's domain is not among the configured ones, and the \
                 directory names no server",
            ),
        }
    }

    /// What to say to those for whom there was no time: nothing is denied for what one way said.
    pub(super) fn so_far(&self) -> Fault {
        match &self.fault {
            Some((SPEAKS | DECIDED.., ..)) => self.verdict(),
            Some((0..SPEAKS, _, fault)) => {
                Fault::retry(format!("{UNASKED}; look first at: {fault}"))
            }
            _ => Fault::retry(UNASKED),
        }
    }
}

/// What to say where there was no time for all ways.
pub(super) const UNASKED: &str = "Autodiscover was not asked to the end";

/// Somebody has to decide; asked again after a minute, so that the decision is soon taken up.
pub(super) fn waits_for_trust() -> Fault {
    Fault::new(Next::Retry { after: Some(Span::MINUTE) }, WAITS_FOR_TRUST)
}

/// The address with another ending: `…/autodiscover.xml` and `…/autodiscover.svc` are siblings.
fn sibling(url: &Uri, ending: &str) -> Option<Uri> {
    let path = url.path();
    let stem = path.len().checked_sub(4).and_then(|at| path.split_at_checked(at));
    match stem {
        Some((stem, old)) if [".xml", ".svc"].iter().any(|e| old.eq_ignore_ascii_case(e)) => {
            at(url, &format!("{stem}.{ending}"))
        }
        _ => at(url, &format!("/autodiscover/autodiscover.{ending}")),
    }
}

/// The same host, another path.
pub(super) fn at(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).ok()
}

/// Where a redirect leads (RFC 9110 section 10.2.2): a whole address, one without its scheme, a
/// path on the same host, or one beside the path that was asked.
pub(super) fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.trim();
    if location.starts_with("//") {
        return format!("{}:{location}", from.scheme_str()?).parse().ok();
    }
    if location.starts_with('/') {
        return at(from, location);
    }
    let first = location.split(['/', '?', '#']).next().unwrap_or_default();
    if first.contains(':') {
        return location.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    }
    let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    at(from, &format!("{folder}/{location}")).filter(|_| !location.is_empty())
}
