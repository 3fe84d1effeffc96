//! The simulated network: the ways that lead to an honest Autodiscover, and all the others.

use std::collections::{BTreeMap, BTreeSet};

use calway::calendar::ews::autodiscover::Place;
use calway::calendar::ews::discover::{Answer, Point, Points, Seen, Service, Step};
use calway::calendar::ews::get_user_settings::{Settings, Told};
use calway::model::{Address, Fault, Next, Span};
use http::Uri;

use super::dice::Dice;

/// The domain of all mailboxes.
pub const DOMAIN: &str = "corp.example";
/// Where those are who have another address now.
pub const OTHER: &str = "sub.example";
/// Honest hosts outside the domain's own names.
pub const PARTNERS: [&str; 2] = ["mail.partner.example", "owa.partner.example"];
/// Whoever asks here has lost his password.
pub const THIEVES: [&str; 3] =
    ["evil.example", "autodiscover.corp.example.evil.example", "corp.example.test"];

/// Microsoft 365, which a directory names as well, and where our password is none of anybody's
/// business.
pub const CLOUD: &str = "autodiscover-s.outlook.com";

const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
const POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";

/// What is at a host.
#[derive(Clone, Debug)]
enum Host {
    /// An Autodiscover that knows; by SOAP, or by POX alone.
    Exchange {
        soap: bool,
    },
    /// One that sends everybody elsewhere.
    Elsewhere(String),
    /// A web site, which answers so, and perhaps asks for a password.
    Site(u16),
    /// It redirects there.
    Redirect(String),
    Down,
}

/// How one comes to the honest Autodiscover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Directory,
    Pointed,
    Domain,
    Host,
    Plain,
    Redirect,
    Elsewhere,
    Service,
}

/// All hosts.
#[derive(Debug)]
pub struct Network {
    hosts: BTreeMap<String, Host>,
    /// What the directories hold: the first one, and one that it points to.
    directories: BTreeMap<String, Points>,
    services: Vec<Service>,
    /// Where http leads.
    plain: Option<String>,
    way: Way,
    partner: String,
    /// Per mille of the steps that fail.
    pub bad: u64,
    /// Nobody answers.
    pub is_away: bool,
    /// The honest Autodiscover offers SOAP; where this is not said, often.
    soap: Option<bool>,
}

/// What an honest Autodiscover says of a mailbox.
pub type Tells<'a> = &'a dyn Fn(&Address) -> Result<Told, Fault>;

/// Nobody has such a mailbox.
pub fn nobody() -> Fault {
    Fault::new(Next::Gone, "InvalidUser")
}

fn xml(host: &str) -> String {
    format!("https://{host}/autodiscover/autodiscover.xml")
}

fn point(keyword: &str, more: &[&str], binding: String) -> Point {
    let keywords = std::iter::once(keyword).chain(more.iter().copied()).map(str::to_owned);
    Point { keywords: keywords.collect(), bindings: vec![binding] }
}

impl Network {
    pub fn new(soap: Option<bool>, dice: &mut Dice) -> Self {
        let mut network = Self {
            hosts: BTreeMap::new(),
            directories: BTreeMap::new(),
            services: Vec::new(),
            plain: None,
            way: Way::Host,
            partner: PARTNERS[0].into(),
            bad: 0,
            is_away: false,
            soap,
        };
        network.rebuild(dice);
        network
    }

    /// The honest way.
    pub fn way(&self) -> String {
        format!("{:?}", self.way)
    }

    /// Whether a host belongs to us or to our partners.
    pub fn is_honest(&self, host: &str) -> bool {
        PARTNERS.contains(&host)
            || host == format!("autodiscover.{OTHER}")
            || host.ends_with(".corp.example")
            || host == DOMAIN
    }

    /// Hosts that nobody can do without.
    pub fn leads(&self) -> BTreeSet<String> {
        let partner = match self.way {
            Way::Plain | Way::Redirect | Way::Elsewhere | Way::Service => {
                Some(self.partner.clone())
            }
            Way::Directory | Way::Pointed | Way::Domain | Way::Host => None,
        };
        let other = format!("autodiscover.{OTHER}");
        partner.into_iter().chain(["ex1.corp.example".to_owned(), other]).collect()
    }

    // ---- what happens ----

    /// Another network: one honest way, and noise on all others.
    pub fn rebuild(&mut self, dice: &mut Dice) {
        use Way::{Directory, Domain, Elsewhere, Host as Own, Plain, Pointed, Redirect, Service};
        let ways = [Directory, Pointed, Domain, Own, Plain, Redirect, Elsewhere, Service];
        self.way = dice.pick(&ways).copied().unwrap_or(Own);
        self.partner = dice.pick(&PARTNERS).copied().unwrap_or(PARTNERS[0]).into();
        let often = !dice.one_in(4);
        let exchange = Host::Exchange { soap: self.soap.unwrap_or(often) };
        let (apex, own) = (DOMAIN.to_owned(), format!("autodiscover.{DOMAIN}"));
        self.hosts.clear();
        self.hosts.insert(apex.clone(), noise(&own, dice));
        self.hosts.insert(own.clone(), noise(&apex, dice));
        self.hosts.insert("ex1.corp.example".into(), Host::Down);
        self.hosts.insert(CLOUD.into(), Host::Exchange { soap: !dice.one_in(4) });
        self.plain = match dice.of(0..5) {
            0 => Some(xml(THIEVES[0])),
            1 => Some(format!("http://{own}/autodiscover/autodiscover.xml")),
            2 => Some(xml(DOMAIN)),
            3 if dice.one_in(3) => Some(xml(CLOUD)),
            _ => None,
        };
        let thief = dice.pick(&THIEVES).copied().unwrap_or(THIEVES[0]);
        let service = |priority, target: &str| calway::calendar::ews::discover::Service {
            priority,
            weight: 1,
            port: 443,
            target: target.into(),
        };
        self.services = if dice.one_in(2) { vec![service(0, thief)] } else { Vec::new() };
        let foreign = point(POINTER, &["Domain=other.example"], "LDAP://dc9.other.example".into());
        let circle = point(POINTER, &[], "LDAP://dc1.corp.example".into());
        let plain = point(URL, &["Site=Rome"], "http://ex1.corp.example/autodiscover.xml".into());
        let cloud = point(URL, &["Site=Rome"], xml(CLOUD));
        let noise: Vec<Point> =
            [foreign, circle, plain, cloud].into_iter().filter(|_| dice.one_in(2)).collect();
        let first = Points { site: Some("Rome".into()), points: noise };
        self.directories = BTreeMap::from([(String::new(), first)]);
        let honest = xml(&self.partner);
        let served = match self.way {
            Directory | Pointed => "ex1.corp.example".to_owned(),
            Domain => apex,
            Own => own.clone(),
            Plain | Redirect | Elsewhere | Service => self.partner.clone(),
        };
        self.hosts.insert(served, exchange);
        self.hosts.insert(format!("autodiscover.{OTHER}"), Host::Exchange { soap: true });
        match self.way {
            Directory => self.name_in("", point(URL, &["Site=Oslo"], xml("ex1.corp.example"))),
            Pointed => {
                let domain = format!("Domain={DOMAIN}");
                self.name_in("", point(POINTER, &[&domain], "LDAP://dc2.corp.example".into()));
                self.name_in("dc2.corp.example", point(URL, &[], xml("ex1.corp.example")));
            }
            Plain => self.plain = Some(honest),
            Redirect => {
                self.hosts.insert(own, Host::Redirect(honest));
            }
            Elsewhere => {
                self.hosts.insert(own, Host::Elsewhere(honest));
            }
            Service => self.services.push(service(5, &self.partner)),
            Domain | Own => {}
        }
    }

    fn name_in(&mut self, directory: &str, point: Point) {
        self.directories.entry(directory.into()).or_default().points.push(point);
    }

    // ---- what is asked ----

    /// What comes of a step.
    pub fn answer(&self, step: &Step, tells: Tells<'_>, dice: &mut Dice) -> Answer {
        let fault = dice.per_mille(self.bad).then(|| match dice.of(0..6) {
            0 => Fault::new(Next::BackOff { after: Some(Span::from_secs(9)) }, "ErrorServerBusy"),
            1 => Fault::retry("HTTP 500"),
            2 => Fault::new(Next::SignIn, "HTTP 401"),
            _ => Fault::retry("connection reset"),
        });
        let away = self.is_away.then(|| Fault::retry("connection refused"));
        let fault = away.or(fault);
        match step {
            Step::Search(server) => {
                let name = server.as_ref().map(|server| server.host.clone()).unwrap_or_default();
                let known = self.directories.get(&name).cloned();
                let known = known.ok_or_else(|| Fault::retry("connection refused"));
                Answer::Points(fault.map_or(known, Err))
            }
            Step::Services(_) => {
                Answer::Services(fault.map_or_else(|| Ok(self.services.clone()), Err))
            }
            Step::Look(url) => Answer::Seen(fault.map_or_else(|| self.look(url), Err)),
            Step::LookPlain(_) => {
                let seen = Seen {
                    status: if self.plain.is_some() { 302 } else { 404 },
                    location: self.plain.clone(),
                    ..Seen::default()
                };
                Answer::Seen(fault.map_or(Ok(seen), Err))
            }
            Step::Settings(url, users) => {
                let told = || match self.host(url) {
                    Host::Exchange { soap: true } => {
                        Ok(users.iter().map(|user| tells(user)).collect())
                    }
                    Host::Elsewhere(to) => {
                        Ok(users.iter().map(|_| Ok(Told::Url(to.clone()))).collect())
                    }
                    other => Err(unasked(&other)),
                };
                Answer::Settings(fault.map_or_else(told, Err))
            }
            Step::Pox(url, user) => {
                let place = || match self.host(url) {
                    Host::Exchange { .. } => match tells(user)? {
                        Told::Settings(Settings { internal_ews_url: Some(ews), .. }) => {
                            Ok(Place::Ews(ews))
                        }
                        Told::Address(address) => Ok(Place::Address(address)),
                        Told::Url(url) => Ok(Place::Url(url)),
                        Told::Settings(_) => Err(Fault::retry("Autodiscover names nothing")),
                    },
                    Host::Elsewhere(to) => Ok(Place::Url(to)),
                    other => Err(unasked(&other)),
                };
                Answer::Place(fault.map_or_else(place, Err))
            }
            Step::Json(url, _) => Answer::Place(Err(unasked(&self.host(url)))),
        }
    }

    fn host(&self, url: &Uri) -> Host {
        let name = url.host().unwrap_or_default().to_ascii_lowercase();
        self.hosts.get(&name).cloned().unwrap_or(Host::Down)
    }

    fn look(&self, url: &Uri) -> Result<Seen, Fault> {
        let seen = match self.host(url) {
            Host::Down => return Err(Fault::retry("connection refused")),
            Host::Exchange { soap } => Seen { status: 401, soap, windows: true, ..Seen::default() },
            Host::Elsewhere(_) => {
                Seen { status: 401, soap: true, windows: true, ..Seen::default() }
            }
            Host::Site(status) => Seen { status, ..Seen::default() },
            Host::Redirect(to) => Seen { status: 302, location: Some(to), ..Seen::default() },
        };
        Ok(seen)
    }
}

fn unasked(host: &Host) -> Fault {
    match host {
        Host::Down => Fault::retry("connection refused"),
        Host::Site(401) => Fault::refused("the server offers no way to sign in that is allowed"),
        Host::Redirect(_) => Fault::retry("HTTP 302"),
        _ => Fault::retry("HTTP 404"),
    }
}

/// Something that leads nowhere, or where nobody should go.
fn noise(other: &str, dice: &mut Dice) -> Host {
    let thief = dice.pick(&THIEVES).copied().unwrap_or(THIEVES[0]);
    match dice.of(0..9) {
        0 => Host::Site(200),
        1 => Host::Site(404),
        2 => Host::Site(401),
        3 => Host::Redirect(xml(thief)),
        4 => Host::Redirect(xml(other)),
        5 => Host::Redirect(format!("https://{DOMAIN}@{thief}/autodiscover/autodiscover.xml")),
        6 => Host::Redirect("/autodiscover/other.xml".into()),
        7 => Host::Redirect(format!("http://{other}/autodiscover/autodiscover.xml")),
        _ => Host::Down,
    }
}
