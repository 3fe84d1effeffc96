//! A search for servers whose every answer is a stranger's: it ends, each mailbox gets its answer,
//! and nothing is sent to a host that nobody vouched for.
//!
//! The input is a line for each answer: what a directory, DNS, a redirect or Autodiscover says.

use std::collections::BTreeSet;
use std::sync::Arc;

use calway::calendar::ews::autodiscover::{self, Place};
use calway::calendar::ews::discover::{
    Answer, Hosts, Hunt, Note, Point, Points, Rules, Seen, Service, Step,
};
use calway::calendar::ews::get_user_settings::{self, Settings, Told};
use calway::model::{Address, Fault, Next, Plain};

const DOMAIN: &str = "corp.example";
const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
const POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";

/// Steps that no search needs: fifty a place, and as many places as ten redirects of each lead to.
const STEPS: usize = 2_500;

/// Looks for two mailboxes.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let own = [DOMAIN.to_owned(), format!("autodiscover.{DOMAIN}")];
    let rules = Rules {
        domains: vec![DOMAIN.into()],
        directory: true,
        directories: vec![DOMAIN.into()],
        services: true,
        hosts: Hosts::new(own, []),
        ..Rules::default()
    };
    let users = ["ann@corp.example", "bob@corp.example"];
    let users = users.map(|user| Arc::new(Address::parse(user).expect("an address")));
    let mut hunt = Hunt::new(rules, users);
    let (mut named, mut unknown, mut steps) = (BTreeSet::new(), BTreeSet::new(), 0);
    while let Some(step) = hunt.step() {
        steps += 1;
        assert!(steps < STEPS, "it goes in circles");
        may_go(&step, &named);
        let answer = answer(&step, lines.next().unwrap_or_default());
        if let Answer::Points(Ok(found)) = &answer {
            let bindings = found.points.iter().flat_map(|point| &point.bindings);
            named.extend(bindings.filter_map(|text| host_of(text)));
        }
        hunt.answer(answer);
        unknown.extend(hosts_of(hunt.notes()));
    }
    unknown.extend(hosts_of(hunt.notes()));
    let outcome = hunt.finish();
    assert_eq!(outcome.homes.len(), 2);
    for home in outcome.homes {
        match home {
            Ok(found) => assert!(found.ews.scheme_str() == Some("https"), "{}", found.ews),
            Err(fault) => is_shown(&fault, !unknown.is_empty()),
        }
    }
}

/// Hosts that nobody vouched for.
fn hosts_of(notes: Vec<Note>) -> impl Iterator<Item = String> {
    notes.into_iter().filter_map(|note| match note {
        Note::Unknown { host, .. } => Some(host),
        _ => None,
    })
}

fn is_shown(fault: &Fault, somebody_waits: bool) {
    let code = &fault.cause.code;
    assert!(!code.is_empty() && code.chars().count() <= 200, "{code:?}");
    assert!(!code.contains('@') && !code.chars().any(char::is_control), "{code:?}");
    if code.contains("waits for a decision") {
        assert!(somebody_waits, "nobody is named who waits");
    }
}

/// The host of an https address, in one form.
fn host_of(text: &str) -> Option<String> {
    let url: http::Uri = text.trim().parse().ok()?;
    (url.scheme_str() == Some("https")).then(|| plain(url.host().unwrap_or_default()))
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn may_go(step: &Step, named: &BTreeSet<String>) {
    let own = |host: &str| host == DOMAIN || host == format!("autodiscover.{DOMAIN}");
    match step {
        Step::Search(None) | Step::Services(_) => {}
        Step::Search(Some(server)) => {
            let host = plain(&server.host);
            assert!(host == DOMAIN || host.ends_with(&format!(".{DOMAIN}")), "{host} is searched");
        }
        Step::LookPlain(url) => assert!(own(&plain(url.host().unwrap_or_default())), "{url}"),
        Step::Look(url) | Step::Settings(url, _) | Step::Pox(url, _) | Step::Json(url, _) => {
            let host = plain(url.host().unwrap_or_default());
            assert_eq!(url.scheme_str(), Some("https"));
            assert!(own(&host) || named.contains(&host), "{host} is sent {step:?}");
        }
    }
}

/// The first letter says what kind of answer a line is, the rest what is in it.
fn answer(step: &Step, line: &str) -> Answer {
    let (kind, rest) = line
        .chars()
        .next()
        .map_or(('-', ""), |kind| (kind, line.get(kind.len_utf8()..).unwrap_or_default()));
    let away = || Fault::retry("connection refused");
    match step {
        Step::Search(_) => Answer::Points(match kind {
            '-' => Err(away()),
            _ => Ok(points(rest)),
        }),
        Step::Services(_) => Answer::Services(match kind {
            '-' => Err(away()),
            _ => Ok(rest.split(' ').map(service).collect()),
        }),
        Step::Look(_) | Step::LookPlain(_) => Answer::Seen(seen(kind, rest).ok_or_else(away)),
        Step::Settings(_, users) => Answer::Settings(match kind {
            '-' => Err(away()),
            '!' => Err(Fault::new(Next::SignIn, "HTTP 401")),
            '?' => Err(Fault::refused("not offered")),
            'x' => get_user_settings::read(rest.as_bytes()),
            _ => Ok(users.iter().map(|_| told(kind, rest)).collect()),
        }),
        Step::Pox(..) | Step::Json(..) => Answer::Place(match kind {
            '-' => Err(away()),
            'x' => autodiscover::read_pox(rest.as_bytes()),
            'j' => autodiscover::read_json(rest.as_bytes()),
            'a' => Ok(Place::Address(Plain::new(rest))),
            'u' => Ok(Place::Url(rest.to_owned())),
            _ => Ok(Place::Ews(rest.to_owned())),
        }),
    }
}

/// `p` before a binding makes it a pointer; a keyword may stand behind it.
fn points(text: &str) -> Points {
    let point = |one: &str| {
        let (binding, more) = one.split_once('#').unwrap_or((one, ""));
        let (kind, binding) = match binding.strip_prefix('p') {
            Some(binding) => (POINTER, binding),
            None => (URL, binding),
        };
        let keywords = [kind, more].map(str::to_owned).to_vec();
        Point { keywords, bindings: vec![binding.to_owned()] }
    };
    Points { site: Some("Rome".into()), points: text.split(' ').map(point).collect() }
}

fn service(text: &str) -> Service {
    let (target, numbers) = text.split_once('/').unwrap_or((text, ""));
    let mut numbers = numbers.split('/').map(|number| number.parse().unwrap_or(0));
    let mut number = || numbers.next().unwrap_or(0);
    Service { priority: number(), weight: number(), port: number(), target: target.to_owned() }
}

fn seen(kind: char, rest: &str) -> Option<Seen> {
    let (status, soap, windows) = match kind {
        '-' => return None,
        's' => (401, true, true),
        'w' => (401, false, true),
        'b' => (401, false, false),
        'o' => (200, rest.starts_with('s'), false),
        'n' => (404, false, false),
        _ => (302, false, false),
    };
    let location = (!rest.is_empty()).then(|| rest.to_owned());
    Some(Seen { status, soap, windows, location })
}

fn told(kind: char, rest: &str) -> Result<Told, Fault> {
    match kind {
        'a' => Ok(Told::Address(Plain::new(rest))),
        'u' => Ok(Told::Url(rest.to_owned())),
        'g' => Err(Fault::new(Next::Gone, "InvalidUser")),
        'n' => Ok(Told::Settings(Settings {
            grouping: None,
            internal_ews_url: None,
            external_ews_url: None,
        })),
        _ => Ok(Told::Settings(Settings {
            grouping: Some("group".into()),
            internal_ews_url: Some(rest.to_owned()),
            external_ews_url: None,
        })),
    }
}
