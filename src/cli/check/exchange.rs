//! One calendar: how its servers are found, what they offer, and what they let us do.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::book::{Book, Tell};
use super::case::{Prepared, Site};
use super::finding::{Finding, Verdict, Words};
use super::judge;
use super::way::{Arrived, Way, greet};
use crate::calendar::ews::discover::{Answer, Step};
use crate::calendar::ews::{self, Auth, Entered, Ews};
use crate::calendar::{Calendar as _, Ledger as _};
use crate::model::{self, Address, Fault, Found, Target, UserId};

/// Requests of the throttling check: what the connector has open at most.
const PACE: usize = 10;

/// Items of a room that are looked at.
const ITEMS: usize = 10;

/// What follows the way to a server.
const AFTER: [&str; 5] = ["clock", "offers", "sign-in", "protection", "version"];

/// What is looked at of mailboxes.
const OF_MAILBOXES: [&str; 3] = ["impersonation", "throttling", "rooms"];

/// A server, and the test mailboxes that it serves.
type Server = (Uri, Vec<Arc<Address>>);

/// Looks at one calendar.
pub(super) async fn calendar(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    hearing: (Tell<'_>, Option<&[&'static str]>),
) -> Vec<Finding> {
    let options = &site.calendar.ews;
    let user = options.account.rsplit('\\').next().unwrap_or_default();
    let user = user.split('@').next().unwrap_or_default();
    let words = Words::default()
        .with("calendar", options.name.as_str())
        .with("account", &options.account)
        .with("kept", prepared.kept())
        .with("user", user)
        .with("secret", format!("calendar.{}.password", options.name))
        .with("proxy_secret", format!("calendar.{}.proxy_password", options.name));
    let book = Book::new(format!("calendar {}", options.name), words, true, hearing);
    let case = prepared.case;
    let looking = Looking {
        book: &book,
        site,
        mailboxes: case.of_calendar(site.calendar, &case.mailboxes, &site.calendar.test_mailboxes),
        rooms: case.of_calendar(site.calendar, &case.rooms, &site.calendar.test_rooms),
        no_proxy: prepared.no_secrets().map(str::to_owned),
    };
    looking.all().await;
    book.close()
}

struct Looking<'a> {
    book: &'a Book<'a>,
    site: &'a Site<'a>,
    mailboxes: Vec<Arc<Address>>,
    rooms: Vec<Arc<Address>>,
    no_proxy: Option<String>,
}

impl Looking<'_> {
    async fn all(&self) {
        self.directory().await;
        let options = &self.site.calendar.ews;
        let servers = match &options.url {
            Some(url) => vec![(url.clone(), self.mailboxes.clone())],
            None => self.found().await,
        };
        let mut entered = Vec::new();
        for (url, mailboxes) in servers {
            if self.server(&url).await {
                entered.push((url, mailboxes));
            }
        }
        if options.url.is_some() {
            self.groups(!entered.is_empty()).await;
        }
        self.domains();
        self.mailboxes(&entered).await;
    }

    /// The service connection points.
    async fn directory(&self) {
        let discover = self.site.calendar.ews.discover.as_ref();
        let Some(scp) = discover.and_then(|discover| discover.scp.as_ref()) else {
            self.book.skip(&["scp"], "", "none is configured (discover.scp)");
            return;
        };
        let ews = match &self.site.ews {
            Ok(ews) => ews,
            Err(why) => return self.book.skip(&["scp"], &scp.host, why),
        };
        let place = format!("{}:{}", scp.host, scp.port);
        let words = Words::default().with("directory", place);
        let looking = async {
            let verdict = match ews.points().await {
                Some(Ok(found)) if found.points.is_empty() => Verdict::of("none"),
                Some(Ok(found)) => {
                    let site = found.site.map(|site| format!(", our site is {site}"));
                    let count = found.points.len();
                    Verdict::Pass(format!("{count} named{}", site.unwrap_or_default()))
                }
                Some(Err(fault)) => judge::directory(&fault),
                None => Verdict::Skip("none is configured".into()),
            };
            (verdict, Some(()))
        };
        self.book.look("scp", (&scp.host, &words), looking).await;
    }

    /// Where Autodiscover says that the test mailboxes are served.
    async fn found(&self) -> Vec<Server> {
        let rest = ["dns", "tcp", "proxy", "tls"].into_iter().chain(AFTER).chain(OF_MAILBOXES);
        let rest: Vec<_> = rest.collect();
        let ews = match &self.site.ews {
            Ok(ews) => ews,
            Err(why) => {
                self.book.skip(&["autodiscover"], "", why);
                self.book.skip(&rest, "", "no server is known before Autodiscover names one");
                return Vec::new();
            }
        };
        if self.mailboxes.is_empty() {
            let why = "no test mailbox is named to ask for (test_mailboxes, --mailbox)";
            self.book.skip(&["autodiscover"], "", why);
            self.book.skip(&rest, "", why);
            return Vec::new();
        }
        let mut servers: Vec<Server> = Vec::new();
        for address in &self.mailboxes {
            let Some(url) = self.hunt(ews, address).await else { continue };
            match servers.iter_mut().find(|(known, _)| *known == url) {
                Some((_, served)) => served.push(Arc::clone(address)),
                None => servers.push((url, vec![Arc::clone(address)])),
            }
        }
        if servers.is_empty() {
            self.book.skip(&rest, "", "autodiscover found no server above");
        }
        servers
    }

    async fn hunt(&self, ews: &Ews, address: &Arc<Address>) -> Option<Uri> {
        let words = Words::default().with("mailbox", address.reveal());
        let looking = async {
            let steps = Mutex::new(0_usize);
            let tell = |_: &Step, _: &Answer| {
                *steps.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            };
            match ews.discover(address, &tell).await {
                Ok(url) => {
                    let steps = *steps.lock().unwrap_or_else(PoisonError::into_inner);
                    let said = format!("served at {url}, found in {steps} steps");
                    (Verdict::Pass(said), Some(url))
                }
                Err(fault) => {
                    let trust = self.site.ledger.trust().await.unwrap_or_default();
                    let waits = |one: &&model::TrustEntry| one.verdict == model::Verdict::Pending;
                    let waiting = trust.iter().find(waits).map(|one| one.host.clone());
                    (judge::discovery(&fault, waiting), None)
                }
            }
        };
        self.book.look("autodiscover", (address.reveal(), &words), looking).await
    }

    /// Beside a configured address Autodiscover only makes groups.
    async fn groups(&self, entered: bool) {
        let options = &self.site.calendar.ews;
        let asks = options.autodiscover.is_some() || options.discover.is_some();
        let skip = |why: &str| self.book.skip(&["autodiscover"], "", why);
        let Some(address) = self.mailboxes.first().filter(|_| asks) else {
            return match asks {
                true => skip("no test mailbox is named to ask for (test_mailboxes, --mailbox)"),
                false => skip("`url` names the server"),
            };
        };
        let ews = match &self.site.ews {
            Ok(ews) if entered => ews,
            Ok(_) => return skip("sign-in failed above"),
            Err(why) => return skip(why),
        };
        let words = Words::default().with("mailbox", address.reveal());
        let looking = async {
            let last = Mutex::new(None::<Fault>);
            let tell = |_: &Step, answer: &Answer| {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = judge::failed(answer);
            };
            let found = ews.discover(address, &tell).await;
            let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
            let verdict = match found.err().or(last) {
                None => Verdict::Pass("it names the mailbox's group".into()),
                Some(fault) => Verdict::from("no-groups", &fault),
            };
            (verdict, Some(()))
        };
        self.book.look("autodiscover", (address.reveal(), &words), looking).await;
    }

    /// One server: the way there, and in. Whether we are in.
    async fn server(&self, url: &Uri) -> bool {
        let options = &self.site.calendar.ews;
        let proxy = self.site.proxy.clone();
        let dial = options.dial.clone();
        let Ok(mut way) = Way::new(url, &options.trust, proxy, dial) else {
            let why = "the configuration is wrong above";
            self.book.skip(&["dns", "tcp", "proxy", "tls"], "", why);
            self.book.skip(&AFTER, "", why);
            return false;
        };
        let signs_in = self.site.proxy.as_ref().is_some_and(|proxy| proxy.account.is_some());
        way.no_proxy = self.no_proxy.clone().filter(|_| signs_in);
        let Some(arrived) = way.walk(self.book, &AFTER).await else { return false };
        let Arrived { mut connection, certificate } = arrived;
        let host = way.origin.host().to_owned();
        let words = way.words.clone().with("url", url);
        let subject = (host.as_str(), &words);
        let greeted = Mutex::new(None);
        let offers = self.book.look("offers", subject, async {
            match greet(&mut connection, Method::POST, url).await {
                Ok(one) => {
                    let verdict = offered(one.status, &one.headers, &options.auth);
                    *greeted.lock().unwrap_or_else(PoisonError::into_inner) = Some(one);
                    (verdict, Some(()))
                }
                Err(fault) => (Verdict::from("no-answer", &fault), None),
            }
        });
        let offers = offers.await;
        let mut greeted = greeted.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.book.wants("clock") && !self.book.wants("offers") {
            greeted = greet(&mut connection, Method::POST, url).await.ok();
        }
        way.clock(self.book, greeted.as_ref());
        let inside = ["sign-in", "protection", "version"];
        if offers.is_none() {
            self.book.skip(&inside, &host, "offers failed above");
            return false;
        }
        let ews = match &self.site.ews {
            Ok(ews) => ews,
            Err(why) => {
                self.book.skip(&inside, &host, why);
                return false;
            }
        };
        self.enter(ews, url, subject, &certificate).await
    }

    async fn enter(
        &self,
        ews: &Ews,
        url: &Uri,
        subject: (&str, &Words),
        certificate: &[u8],
    ) -> bool {
        let failed = Mutex::new(None);
        let looking = async {
            match ews.enter(url).await {
                Ok(entered) => {
                    let way = entered.way.map_or("", judge::way);
                    let account = &self.site.calendar.ews.account;
                    (Verdict::Pass(format!("as {account}, by {way}")), Some(entered))
                }
                Err(fault) => {
                    let verdict = judge::sign_in(&fault);
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                    (verdict, None)
                }
            }
        };
        let Some(entered) = self.book.look("sign-in", subject, looking).await else {
            let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
            match failed.as_ref().is_some_and(judge::is_protection) {
                true => self.book.note("protection", subject, Verdict::of("broken")),
                false => self.book.skip(&["protection"], subject.0, "sign-in failed above"),
            }
            self.book.skip(&["version"], subject.0, "sign-in failed above");
            return false;
        };
        self.book.note("protection", subject, protected(&entered, certificate));
        self.book.note("version", subject, judge::version(entered.build));
        true
    }

    /// Domains for which nobody is named.
    fn domains(&self) {
        let calendar = self.site.calendar;
        let discover = calendar.ews.discover.iter().flat_map(|one| one.domains.iter());
        let mut domains: Vec<&String> = calendar.domains.iter().chain(discover).collect();
        domains.sort();
        domains.dedup();
        let named = |domain: &str| {
            self.mailboxes.iter().any(|one| one.domain().eq_ignore_ascii_case(domain))
        };
        let why = "no test mailbox is named (test_mailboxes, --mailbox)";
        for domain in domains.iter().filter(|domain| !named(domain)) {
            self.book.skip(&["impersonation"], domain, why);
        }
        if domains.is_empty() && self.mailboxes.is_empty() {
            self.book.skip(&["impersonation"], "", why);
        }
    }

    /// What may be done in mailboxes and rooms.
    async fn mailboxes(&self, servers: &[Server]) {
        let ews = match &self.site.ews {
            Ok(ews) if !servers.is_empty() => ews,
            _ => {
                for address in &self.mailboxes {
                    self.book.skip(&["impersonation"], address.reveal(), "sign-in failed above");
                }
                self.book.skip(&["throttling", "rooms"], "", "sign-in failed above");
                return;
            }
        };
        let all = servers.iter().flat_map(|(_, mailboxes)| mailboxes);
        let tried = join_all(all.map(|address| self.act(ews, address))).await;
        let (open, busy): (Vec<_>, Vec<_>) = tried.into_iter().partition(Result::is_ok);
        let open: Vec<_> = open.into_iter().flatten().collect();
        let busy: Vec<_> = busy.into_iter().filter_map(Result::err).flatten().collect();
        self.pace(ews, &open, &busy).await;
        if self.rooms.is_empty() {
            self.book.skip(&["rooms"], "", "no room is named (test_rooms, --room)");
        }
        for room in &self.rooms {
            let words = Words::default().with("mailbox", room.reveal());
            let looking = async {
                match look_into(ews, room).await {
                    Ok(verdict) => (verdict, Some(())),
                    Err(fault) => (Verdict::from("unreadable", &fault), None),
                }
            };
            self.book.look("rooms", (room.reveal(), &words), looking).await;
        }
    }

    /// Whether the account may act in this mailbox; if not, and Exchange only asked to wait, what
    /// it said.
    async fn act(&self, ews: &Ews, address: &Arc<Address>) -> Result<Target, Option<Fault>> {
        let words = Words::default().with("mailbox", address.reveal());
        let target = target(address);
        let throttled = Mutex::new(None);
        let looking = async {
            match ews.verify(&target).await {
                Ok(()) => (Verdict::Pass("its calendar may be read".into()), Some(())),
                Err(fault) => {
                    let verdict = judge::impersonation(&fault);
                    let asked = judge::is_throttled(&fault).then_some(fault);
                    *throttled.lock().unwrap_or_else(PoisonError::into_inner) = asked;
                    (verdict, None)
                }
            }
        };
        let may = self.book.look("impersonation", (address.reveal(), &words), looking).await;
        let throttled = throttled.into_inner().unwrap_or_else(PoisonError::into_inner);
        may.map(|()| target).ok_or(throttled)
    }

    /// Ten requests as the connector sends them; no mailbox has more than two of them at once.
    async fn pace(&self, ews: &Ews, open: &[Target], busy: &[Fault]) {
        if !busy.is_empty() {
            let verdict = judge::pace(busy.len(), busy, std::time::Duration::ZERO);
            return self.book.note("throttling", ("", &Words::default()), verdict);
        }
        if open.is_empty() {
            self.book.skip(&["throttling"], "", "no mailbox may be opened to see it");
            return;
        }
        let looking = async {
            let asked = open.iter().cycle().take(PACE).map(|target| ews.verify(target));
            let start = tokio::time::Instant::now();
            let faults: Vec<Fault> =
                join_all(asked).await.into_iter().filter_map(Result::err).collect();
            (judge::pace(PACE, &faults, start.elapsed()), Some(()))
        };
        self.book.look("throttling", ("", &Words::default()), looking).await;
    }
}

fn target(address: &Arc<Address>) -> Target {
    Target { user: UserId::new("check"), address: Arc::clone(address) }
}

/// Which ways the answer to a question without credentials offers.
fn offered(status: StatusCode, headers: &HeaderMap, ways: &[Auth]) -> Verdict {
    let schemes = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|one| one.to_str().ok());
    let mut offered: Vec<&str> = schemes
        .filter_map(|one| one.split([' ', ',']).next())
        .filter(|one| !one.is_empty())
        .collect();
    offered.dedup();
    judge::offers(status.as_u16(), &offered, ways)
}

fn protected(entered: &Entered, certificate: &[u8]) -> Verdict {
    match entered.way {
        Some(Auth::Basic) => {
            Verdict::Skip("Basic is not bound to anything; TLS protects it".into())
        }
        None => Verdict::Skip("how the server let us in is not known".into()),
        Some(_) if ews::can_bind_to(certificate) => {
            Verdict::Pass("the sign-in was bound to the server's certificate".into())
        }
        Some(_) => Verdict::of("unbound"),
    }
}

/// What is left of invitations in a room.
async fn look_into(ews: &Ews, room: &Arc<Address>) -> Result<Verdict, Fault> {
    let target = target(room);
    let now = super::way::now();
    let listing = ews.view(&target, now, now + model::Span::DAY.times(31)).await?;
    // One of each series: what it says, it says each time.
    let mut known = std::collections::HashSet::new();
    let apart = listing.entries.iter().filter(|one| known.insert(one.uid.clone()));
    let ids: Vec<_> = apart.take(ITEMS).map(|one| one.item.clone()).collect();
    if ids.is_empty() {
        return Ok(Verdict::Skip("the room has no meeting within 31 days to look at".into()));
    }
    let found = ews.items(&target, &ids).await?;
    let meetings = found.into_iter().filter_map(|one| match one {
        Found::Meeting(meeting) => Some(meeting),
        _ => None,
    });
    Ok(judge::room(meetings.filter(|one| !one.mine).map(|one| {
        judge::Kept {
            text: !one.body.text.is_blank(),
            title: !one.subject.is_blank()
                && one
                    .organizer
                    .as_ref()
                    .is_none_or(|who| one.subject.reveal().trim() != who.name.reveal().trim()),
        }
    })))
}
