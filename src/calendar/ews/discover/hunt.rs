//! The search for where some mailboxes are served: one step at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use http::Uri;

use super::faults::{is_busy, is_not_offered};
use super::hosts::{Standing, is_cloud, is_within, plain};
use super::places::{leads_to_cloud, place};
use super::services::{draw, in_order};
use super::trail::Trail;
use super::ways::{Group, Try, UNASKED, What, redirected, waits_for_trust};
use super::{
    Answer, BLOCKED, Endpoint, Form, Found, IN_THE_CLOUD, Note, Points, Rules, Seen, Service, Step,
    Via, domain_of, points,
};
use crate::calendar::ews::autodiscover::Place;
use crate::calendar::ews::get_user_settings::Told;
use crate::model::{Address, Fault, Next};

/// Addresses, and other directories of each kind, that are taken from one directory; the nearest.
const MOST_LEADS: usize = 16;

/// What version 2 says of a mailbox that was deleted, and a web site that knows nobody as well.
const UNKNOWN_THERE: &str = "Autodiscover: version 2 does not know the mailbox";

/// One hunt, for [`MOST_USERS`](crate::calendar::ews::get_user_settings::MOST_USERS) at most.
#[derive(Debug)]
pub struct Hunt {
    rules: Rules,
    users: Vec<User>,
    groups: VecDeque<Group>,
    current: Option<(Try, Vec<usize>)>,
    notes: Vec<Note>,
    endpoints: Vec<(String, Endpoint)>,
    kept: Vec<String>,
}

/// What came of a hunt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What each mailbox came to, in the order given.
    pub homes: Vec<Result<Found, Fault>>,
    /// The places that answered, by domain.
    pub endpoints: Vec<(String, Endpoint)>,
    /// Those of these domains whose place was known before, and which nothing led to anew.
    pub kept: Vec<String>,
}

#[derive(Debug)]
struct User {
    /// As it was redirected.
    address: Arc<Address>,
    outcome: Option<Result<Found, Fault>>,
}

impl Hunt {
    /// Begins to look for these mailboxes.
    pub fn new(rules: Rules, addresses: impl IntoIterator<Item = Arc<Address>>) -> Self {
        let user = |address| User { address, outcome: None };
        let users: Vec<User> = addresses.into_iter().map(user).collect();
        let mut groups: VecDeque<Group> = VecDeque::new();
        for (at, user) in users.iter().enumerate() {
            let domain = domain_of(&user.address);
            match groups.iter_mut().find(|group| group.domain == domain) {
                Some(group) => group.users.push(at),
                None => {
                    let mut group = Group::of_domain(&domain, &rules, &Trail::default(), false);
                    group.users.push(at);
                    groups.push_back(group);
                }
            }
        }
        let (notes, endpoints, kept) = (Vec::new(), Vec::new(), Vec::new());
        Self { rules, users, groups, current: None, notes, endpoints, kept }
    }

    /// What is to be done now; `None` when every mailbox has its answer. The same step until it is
    /// answered.
    pub fn step(&mut self) -> Option<Step> {
        loop {
            if let Some((way, users)) = &self.current {
                return Some(self.asked(way, users));
            }
            let Self { groups, users, .. } = self;
            let group = groups.front_mut()?;
            group.users.retain(|at| users.get(*at).is_some_and(|user| user.outcome.is_none()));
            if group.users.is_empty() {
                groups.pop_front();
                continue;
            }
            match group.next() {
                Some(way) => self.begin(way),
                None => {
                    let verdict = group.verdict();
                    for at in std::mem::take(&mut group.users) {
                        self.settle(at, Err(verdict.clone()));
                    }
                }
            }
        }
    }

    /// What came of the step. An answer to another step than the one given is not looked at.
    pub fn answer(&mut self, answer: Answer) {
        let Some((way, users)) = self.current.take() else { return };
        match (&way.what, answer) {
            (What::Search(_), Answer::Points(found)) => self.searched(&way, found),
            (What::Services(_), Answer::Services(found)) => self.resolved(&way, found),
            (What::Look(url) | What::LookPlain(url), Answer::Seen(seen)) => {
                self.looked(&way, url, seen);
            }
            (What::Ask(Form::Soap, url), Answer::Settings(told)) => {
                self.told(&way, url, &users, told);
            }
            (What::Ask(form, url), Answer::Place(place)) => {
                self.placed(&way, *form, url, &users, place);
            }
            _ => {}
        }
    }

    /// What was met on the way since this was asked last.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// What came of it all; of those that have no answer yet, what was met so far.
    pub fn finish(self) -> Outcome {
        let so_far = |at: usize| {
            let group = self.groups.iter().find(|group| group.users.contains(&at));
            Err(group.map_or_else(|| Fault::retry(UNASKED), Group::so_far))
        };
        let users = self.users.into_iter().enumerate();
        let homes = users.map(|(at, user)| user.outcome.unwrap_or_else(|| so_far(at))).collect();
        Outcome { homes, endpoints: self.endpoints, kept: self.kept }
    }

    fn asked(&self, way: &Try, users: &[usize]) -> Step {
        let address = |at: &usize| self.users.get(*at).map(|user| Arc::clone(&user.address));
        let addresses: Vec<_> = users.iter().filter_map(address).collect();
        match (&way.what, addresses.first()) {
            (What::Search(server), _) => Step::Search(server.clone()),
            (What::Look(url), _) => Step::Look(url.clone()),
            (What::LookPlain(url), _) => Step::LookPlain(url.clone()),
            (What::Services(name), _) => Step::Services(name.clone()),
            (What::Ask(Form::Pox, url), Some(first)) => Step::Pox(url.clone(), first.clone()),
            (What::Ask(Form::Json, url), Some(first)) => Step::Json(url.clone(), first.clone()),
            (What::Ask(_, url), _) => Step::Settings(url.clone(), addresses),
        }
    }

    /// Takes a way up, unless its host may not be sent anything.
    fn begin(&mut self, way: Try) {
        let host = way.host().map(plain);
        // What the directory names, it vouches for; another directory, where it is near.
        let named = |host: &str| match way.what {
            What::Search(_) => is_within(host, &self.rules.directories),
            _ => way.via == Via::Directory,
        };
        let standing = host.as_deref().map_or(Standing::Trusted, |host| {
            match self.rules.hosts.standing(host) {
                Standing::Unknown if named(host) => Standing::Trusted,
                standing => standing,
            }
        });
        let (host, via) = (host.unwrap_or_default(), way.via);
        if standing != Standing::Trusted
            && let Some(group) = self.groups.front_mut()
        {
            group.passed_over();
        }
        let Some(group) = self.groups.front() else { return };
        match standing {
            Standing::Trusted => self.current = Some((way, group.users.clone())),
            Standing::Unknown => self.pass_over(Note::Unknown { host, via }, waits_for_trust()),
            Standing::Blocked => {
                self.pass_over(Note::Blocked { host }, Fault::new(Next::Denied, BLOCKED));
            }
            Standing::Cloud => self.pass_over(
                Note::Cloud { host, via },
                Fault::new(Next::Denied, "Autodiscover leads to Microsoft 365 only"),
            ),
        }
    }

    fn pass_over(&mut self, note: Note, fault: Fault) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        if let Some(group) = self.groups.front_mut() {
            group.weigh(None, fault);
        }
    }

    fn searched(&mut self, way: &Try, found: Result<Points, Fault>) {
        let Some(group) = self.groups.front_mut() else { return };
        let leads = match found {
            Ok(found) => points::leads(&found, &group.domain),
            Err(fault) => {
                group.no_answer(way, fault);
                // It names nobody now; whom it named last it may well name again.
                let last = group.last.take();
                return group.now(last);
            }
        };
        let mut next = Vec::new();
        let mut refused = None;
        let mut directories = |servers: Vec<super::Server>, next: &mut Vec<Try>| {
            for server in servers.into_iter().take(MOST_LEADS) {
                match way.trail.to(&format!("ldap://{}", server.host)) {
                    Ok(trail) => {
                        next.push(Try::new(What::Search(Some(server)), Via::Directory, trail));
                    }
                    Err(fault) => refused = Some(fault),
                }
            }
        };
        directories(leads.own, &mut next);
        for url in leads.urls.into_iter().take(MOST_LEADS) {
            self.rules.hosts.name(url.host().unwrap_or_default());
            let trail = way.trail.past(&url.to_string());
            next.push(Try::new(What::Look(url), Via::Directory, trail));
        }
        directories(leads.any, &mut next);
        group.now(next);
        if let Some(fault) = refused {
            group.weigh(Some(way), fault);
        }
    }

    fn resolved(&mut self, way: &Try, found: Result<Vec<Service>, Fault>) {
        let seed = &mut self.rules.seed;
        let Some(group) = self.groups.front_mut() else { return };
        match found {
            Ok(found) => {
                let ordered = in_order(found, |most| draw(seed, most));
                let look = |service: Service| {
                    let port = match service.port {
                        443 => String::new(),
                        port => format!(":{port}"),
                    };
                    let url = format!(
                        "https://{}{port}/autodiscover/autodiscover.xml",
                        service.target.trim_end_matches('.').to_ascii_lowercase()
                    );
                    Some(Try::new(What::Look(url.parse().ok()?), way.via, way.trail.past(&url)))
                };
                group.now(ordered.into_iter().filter_map(look).collect::<Vec<_>>());
            }
            Err(fault) => group.weigh(Some(way), fault),
        }
    }

    fn looked(&mut self, way: &Try, url: &Uri, seen: Result<Seen, Fault>) {
        let Some(group) = self.groups.front_mut() else { return };
        let seen = match seen {
            Ok(seen) => seen,
            Err(fault) => return group.no_answer(way, fault),
        };
        let plain = matches!(way.what, What::LookPlain(_));
        let target = seen.location.as_deref().and_then(|location| redirected(url, location));
        match (seen.status, target) {
            // Nothing is read over http but where to go from there.
            (301 | 302 | 303 | 307 | 308, Some(target)) => {
                if target.scheme_str() != Some("https") {
                    let fault = Fault::retry("Autodiscover redirects to http");
                    return group.weigh(Some(way), fault);
                }
                match way.trail.to(&target.to_string()) {
                    Ok(trail) => {
                        let same = target.host() == url.host() && !plain;
                        let via = if same { way.via } else { Via::Redirect };
                        group.now([Try::new(What::Look(target), via, trail)]);
                    }
                    Err(fault) => group.weigh(Some(way), fault),
                }
            }
            _ if plain => {}
            (401, _) if seen.soap => group.now(way.ask(Form::Soap, url)),
            // Any web site may ask for a password, and is not given ours; whoever looks like
            // Windows is asked when the others gave no answer.
            (401, _) if way.via == Via::Domain => {
                let form = if seen.windows { Form::Pox } else { Form::Json };
                group.later(way.ask(form, url));
                group.weigh(Some(way), Fault::retry("HTTP 401"));
            }
            (401, _) => group.now(way.ask(Form::Pox, url)),
            (200, _) if seen.soap => group.now(way.ask(Form::Soap, url)),
            (status, _) => {
                group.later(way.ask(Form::Json, url));
                group.weigh(Some(way), Fault::retry(format!("HTTP {status}")));
            }
        }
    }

    fn told(
        &mut self,
        way: &Try,
        url: &Uri,
        users: &[usize],
        told: Result<Vec<Result<Told, Fault>>, Fault>,
    ) {
        let told = match told {
            Ok(told) => told,
            Err(fault) => return self.failed(way, Form::Soap, url, &fault),
        };
        self.answered(way, url, Form::Soap);
        let mut nameless = false;
        for (at, told) in users.iter().zip(told) {
            match told {
                Ok(Told::Settings(settings)) => match settings.ews_url() {
                    Some(ews) => {
                        let found = self.server(ews).map(|ews| Found {
                            ews,
                            grouping: settings.grouping.clone(),
                            external: settings.external_ews_url.clone(),
                        });
                        self.settle(*at, found);
                    }
                    None => nameless = true,
                },
                Ok(Told::Address(address)) => self.move_to_address(way, *at, address.reveal()),
                Ok(Told::Url(to)) => self.move_to_place(way, *at, &to),
                Err(fault) => self.settle(*at, Err(fault)),
            }
        }
        if nameless && let Some(group) = self.groups.front_mut() {
            // Another form, or another place, may know it.
            group.weigh(Some(way), Fault::retry("Autodiscover names no EWS address"));
            group.now(way.ask(Form::Pox, url));
        }
    }

    fn placed(
        &mut self,
        way: &Try,
        form: Form,
        url: &Uri,
        users: &[usize],
        place_told: Result<Place, Fault>,
    ) {
        let Some((&at, rest)) = users.split_first() else { return };
        let open = form == Form::Json;
        let stranger = match &place_told {
            Ok(Place::Ews(ews)) if open => self.stranger(ews),
            _ => None,
        };
        match (place_told, stranger) {
            // Nobody signed in for this answer: it may be anybody's.
            (_, Some(host)) => {
                self.pass_over(Note::Unknown { host, via: way.via }, waits_for_trust());
            }
            // Nor does a web site move one away, or delete it.
            (Ok(told), None) if open && way.via == Via::Domain && leads_to_cloud(&told) => {
                self.doubt(way, "Autodiscover leads to Microsoft 365, says a web site");
            }
            (Ok(told), None) => {
                self.answered(way, url, form);
                match told {
                    Place::Ews(ews) => {
                        let home = |ews| Found { ews, grouping: None, external: None };
                        self.settle(at, self.server(&ews).map(home));
                    }
                    Place::Address(address) => self.move_to_address(way, at, address.reveal()),
                    Place::Url(to) => self.move_to_place(way, at, &to),
                }
            }
            (Err(fault), None) if fault.next != Next::Gone => {
                return self.failed(way, form, url, &fault);
            }
            (Err(_), None) if open => self.doubt(way, UNKNOWN_THERE),
            (Err(fault), None) => self.settle(at, Err(fault)),
        }
        if !rest.is_empty() {
            self.current = Some((way.clone(), rest.to_vec()));
        }
    }

    /// What was told without a sign-in, and is not taken for true.
    fn doubt(&mut self, way: &Try, why: &str) {
        if let Some(group) = self.groups.front_mut() {
            group.weigh(Some(way), Fault::retry(why));
        }
    }

    /// The place as a whole gave no answer.
    fn failed(&mut self, way: &Try, form: Form, url: &Uri, fault: &Fault) {
        let Some(group) = self.groups.front_mut() else { return };
        if matches!(fault.next, Next::BackOff { .. }) && is_busy(fault) {
            // It is the right place; whoever goes on asking prolongs its recovery.
            for at in std::mem::take(&mut group.users) {
                self.settle(at, Err(fault.clone()));
            }
            return;
        }
        group.weigh(Some(way), fault.clone());
        let spoke = is_not_offered(fault);
        match form {
            Form::Soap if spoke => {
                group.later(way.ask(Form::Json, url));
                group.now(way.ask(Form::Pox, url));
            }
            Form::Pox if spoke => group.later(way.ask(Form::Json, url)),
            _ => {}
        }
    }

    fn answered(&mut self, way: &Try, url: &Uri, form: Form) {
        let Some(group) = self.groups.front() else { return };
        let known = self.endpoints.iter().any(|(domain, _)| *domain == group.domain);
        if !known && !group.domain.is_empty() {
            let endpoint = Endpoint { url: url.clone(), form, via: way.via };
            self.endpoints.push((group.domain.clone(), endpoint));
            if way.kept {
                self.kept.push(group.domain.clone());
            }
        }
    }

    fn move_to_address(&mut self, way: &Try, at: usize, text: &str) {
        let Ok(address) = Address::parse(text) else {
            return self.settle(at, Err(Fault::refused("Autodiscover redirects to no address")));
        };
        let domain = domain_of(&address);
        if is_cloud(&domain) {
            return self.settle(at, Err(Fault::new(Next::Gone, IN_THE_CLOUD)));
        }
        let before = self.users.get(at).map(|user| user.address.reveal().to_owned());
        match way.trail.past(&before.unwrap_or_default()).to(text) {
            Ok(trail) => {
                if let Some(user) = self.users.get_mut(at) {
                    user.address = Arc::new(address);
                }
                let mut group = Group::of_domain(&domain, &self.rules, &trail, true);
                group.users.push(at);
                self.regroup(at, group);
            }
            Err(fault) => self.settle(at, Err(fault)),
        }
    }

    fn move_to_place(&mut self, way: &Try, at: usize, text: &str) {
        let url = match place(text) {
            Ok(url) => url,
            Err(fault) => return self.settle(at, Err(fault)),
        };
        match way.trail.to(text) {
            Ok(trail) => {
                let mut group = Group::of_place(url, trail);
                group.users.push(at);
                self.regroup(at, group);
            }
            Err(fault) => self.settle(at, Err(fault)),
        }
    }

    /// Into a group of its own, after those that are there.
    fn regroup(&mut self, at: usize, group: Group) {
        if let Some(front) = self.groups.front_mut() {
            front.users.retain(|known| *known != at);
        }
        let first = |group: &Group| group.ways.front().map(|way| format!("{:?}", way.what));
        let same = |known: &&mut Group| {
            known.domain == group.domain && first(known).is_some() && first(known) == first(&group)
        };
        match self.groups.iter_mut().skip(1).find(same) {
            Some(known) => known.users.push(at),
            None => self.groups.push_back(group),
        }
    }

    /// A server that a trusted place names is trusted with it, unless an administrator blocked it.
    fn server(&self, ews: &str) -> Result<Uri, Fault> {
        let ews = place(ews)?;
        match self.rules.hosts.standing(ews.host().unwrap_or_default()) {
            Standing::Blocked => Err(Fault::new(Next::Denied, BLOCKED)),
            _ => Ok(ews),
        }
    }

    /// The host of an EWS address, where neither the configuration nor anybody vouches for it.
    fn stranger(&self, ews: &str) -> Option<String> {
        let url = place(ews).ok()?;
        let host = url.host()?;
        let unknown = self.rules.hosts.standing(host) == Standing::Unknown;
        (unknown && !is_within(host, &self.rules.domains)).then(|| plain(host))
    }

    fn settle(&mut self, at: usize, outcome: Result<Found, Fault>) {
        if let Some(user) = self.users.get_mut(at) {
            user.outcome.get_or_insert(outcome);
        }
    }
}
