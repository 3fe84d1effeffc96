//! The machine in tables: each way of the documented order, and what goes wrong on it.

use std::sync::Arc;

use http::Uri;

use super::*;
use crate::calendar::ews::get_user_settings::Settings;
use crate::model::{Next, Plain, Time, TrustEntry, Verdict};

pub(super) const APEX: &str = "look https://corp.example/autodiscover/autodiscover.xml";
pub(super) const HOST: &str =
    "look https://autodiscover.corp.example/autodiscover/autodiscover.xml";
pub(super) const PLAIN: &str =
    "plain http://autodiscover.corp.example/autodiscover/autodiscover.xml";
pub(super) const SRV: &str = "srv _autodiscover._tcp.corp.example.";
pub(super) const HOST_SOAP: &str =
    "soap https://autodiscover.corp.example/autodiscover/autodiscover.svc";
pub(super) const EWS: &str = "https://mail.corp.example/EWS/Exchange.asmx";

/// A step as a word and an address, and for whom.
fn words(step: &Step) -> String {
    let names = |users: &[Arc<Address>]| -> String {
        let names: Vec<_> = users.iter().map(|user| user.reveal()).collect();
        names.join(",")
    };
    match step {
        Step::Search(None) => "search".into(),
        Step::Search(Some(server)) => format!("search {}", server.host),
        Step::Services(name) => format!("srv {name}"),
        Step::Look(url) => format!("look {url}"),
        Step::LookPlain(url) => format!("plain {url}"),
        Step::Settings(url, users) => format!("soap {url} {}", names(users)),
        Step::Pox(url, user) => format!("pox {url} {}", names(std::slice::from_ref(user))),
        Step::Json(url, user) => format!("json {url} {}", names(std::slice::from_ref(user))),
    }
}

/// Where nothing is.
fn nothing(step: &Step) -> Answer {
    let away = || Err(Fault::retry("connection refused"));
    match step {
        Step::Search(_) => Answer::Points(Ok(Points::default())),
        Step::Services(_) => Answer::Services(Ok(Vec::new())),
        Step::Look(_) | Step::LookPlain(_) => Answer::Seen(away()),
        Step::Settings(..) => Answer::Settings(Err(Fault::retry("connection refused"))),
        Step::Pox(..) | Step::Json(..) => Answer::Place(Err(Fault::retry("connection refused"))),
    }
}

pub(super) struct Played {
    pub(super) steps: Vec<String>,
    pub(super) outcomes: Vec<Result<Found, Fault>>,
    pub(super) notes: Vec<Note>,
    pub(super) endpoints: Vec<(String, Endpoint)>,
    pub(super) kept: Vec<String>,
}

impl Played {
    pub(super) fn ews(&self, at: usize) -> String {
        match &self.outcomes[at] {
            Ok(found) => found.ews.to_string(),
            Err(fault) => format!("{:?} {fault}", fault.next),
        }
    }

    pub(super) fn fault(&self, at: usize) -> (Next, &str) {
        let fault = self.outcomes[at].as_ref().unwrap_err();
        (fault.next, fault.cause.code.as_str())
    }
}

/// Plays a hunt for the addresses; a step whose words begin so is answered so.
pub(super) fn play(rules: Rules, addresses: &[&str], world: &[(&str, Answer)]) -> Played {
    let addresses = addresses.iter().map(|text| Arc::new(Address::parse(text).unwrap()));
    let mut hunt = Hunt::new(rules, addresses);
    let (mut steps, mut notes) = (Vec::new(), Vec::new());
    while let Some(step) = hunt.step() {
        assert_eq!(hunt.step().as_ref(), Some(&step), "the same until it is answered");
        let text = words(&step);
        let known = world.iter().find(|(begin, _)| text.starts_with(begin));
        hunt.answer(known.map_or_else(|| nothing(&step), |(_, answer)| answer.clone()));
        steps.push(text);
        notes.extend(hunt.notes());
        assert!(steps.len() < 200, "{steps:#?}");
    }
    notes.extend(hunt.notes());
    let Outcome { homes, endpoints, kept } = hunt.finish();
    Played { steps, outcomes: homes, notes, endpoints, kept }
}

pub(super) fn rules() -> Rules {
    let own = ["corp.example", "autodiscover.corp.example"].map(str::to_owned);
    Rules {
        domains: vec!["corp.example".into()],
        directory: true,
        directories: vec!["corp.example".into()],
        services: true,
        hosts: Hosts::new(own, []),
        ..Rules::default()
    }
}

pub(super) fn listed(mut rules: Rules, host: &str, verdict: Verdict) -> Rules {
    let own = ["corp.example", "autodiscover.corp.example"].map(str::to_owned);
    let entry =
        TrustEntry { host: host.into(), verdict, via: "redirect".into(), since: Time::default() };
    rules.hosts = Hosts::new(own, [entry]);
    rules
}

pub(super) fn seen(status: u16, soap: bool) -> Answer {
    Answer::Seen(Ok(Seen { status, soap, ..Seen::default() }))
}

pub(super) fn to(location: &str) -> Answer {
    Answer::Seen(Ok(Seen { status: 302, location: Some(location.into()), ..Seen::default() }))
}

pub(super) fn told(ews: &str) -> Result<Told, Fault> {
    let settings = Settings {
        grouping: Some("site-1".into()),
        internal_ews_url: Some(ews.into()),
        external_ews_url: None,
    };
    Ok(Told::Settings(settings))
}

pub(super) fn settings(answers: &[Result<Told, Fault>]) -> Answer {
    Answer::Settings(Ok(answers.to_vec()))
}

pub(super) fn point(keywords: &[&str], binding: &str) -> Point {
    let keywords = keywords.iter().map(|&keyword| keyword.to_owned()).collect();
    Point { keywords, bindings: vec![binding.to_owned()] }
}

pub(super) fn points(points: &[Point]) -> Answer {
    Answer::Points(Ok(Points { site: Some("Rome".into()), points: points.to_vec() }))
}

pub(super) const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
pub(super) const POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";

#[test]
fn all_ways_are_tried_in_the_documented_order() {
    let played = play(rules(), &["ann@corp.example"], &[]);
    assert_eq!(played.steps, ["search", APEX, HOST, PLAIN, SRV]);
    let (next, code) = played.fault(0);
    assert_eq!(next, Next::Retry { after: None });
    assert!(code.ends_with("look first at: connection refused"), "{code}");
    assert_eq!(played.notes, []);
}

#[test]
fn each_way_leads_home() {
    let mail = "look https://mail.corp.example/autodiscover/autodiscover.xml";
    let mail_soap = "soap https://mail.corp.example/autodiscover/autodiscover.svc";
    let mail_pox = "pox https://mail.corp.example/autodiscover/autodiscover.xml";
    let redirect = to("https://mail.corp.example/autodiscover/autodiscover.xml");
    let scp = points(&[point(&[URL], "https://mail.corp.example/autodiscover/autodiscover.xml")]);
    let srv = Answer::Services(Ok(vec![Service {
        priority: 0,
        weight: 0,
        port: 443,
        target: "mail.corp.example.".into(),
    }]));
    let home = settings(&[told(EWS)]);
    let place = Answer::Place(Ok(Place::Ews(EWS.into())));
    let windows = Answer::Seen(Ok(Seen { status: 401, windows: true, ..Seen::default() }));
    let (soap, ask, page) = (seen(401, true), seen(401, false), seen(200, false));
    let allowed = || listed(rules(), "mail.corp.example", Verdict::Allowed);
    let json = "json https://autodiscover.corp.example/autodiscover/autodiscover.json";
    let apex_pox = "pox https://corp.example/autodiscover/autodiscover.xml";
    type Row<'a> = (&'a str, Rules, Vec<(&'a str, Answer)>, &'a str, Form);
    let table: Vec<Row<'_>> = vec![
        (
            "directory",
            rules(),
            vec![("search", scp.clone()), (mail, soap.clone()), (mail_soap, home.clone())],
            mail_soap,
            Form::Soap,
        ),
        (
            "directory, an old server",
            rules(),
            vec![("search", scp), (mail, ask.clone()), (mail_pox, place.clone())],
            mail_pox,
            Form::Pox,
        ),
        (
            "the domain itself",
            rules(),
            vec![(APEX, soap.clone()), ("soap https://corp.example", home.clone())],
            "soap https://corp.example/autodiscover/autodiscover.svc",
            Form::Soap,
        ),
        (
            "its host, beside a web site",
            rules(),
            vec![(APEX, page.clone()), (HOST, soap.clone()), (HOST_SOAP, home.clone())],
            HOST_SOAP,
            Form::Soap,
        ),
        (
            "the redirect",
            allowed(),
            vec![(PLAIN, redirect), (mail, soap.clone()), (mail_soap, home.clone())],
            mail_soap,
            Form::Soap,
        ),
        (
            "DNS",
            allowed(),
            vec![(SRV, srv), (mail, soap), (mail_soap, home)],
            mail_soap,
            Form::Soap,
        ),
        (
            "a domain that asks for a password",
            rules(),
            vec![(APEX, windows), (apex_pox, place.clone())],
            apex_pox,
            Form::Pox,
        ),
        ("version 2", rules(), vec![(HOST, page), (json, place)], json, Form::Json),
    ];
    for (name, rules, world, last, form) in table {
        let played = play(rules, &["ann@corp.example"], &world);
        assert_eq!(played.ews(0), EWS, "{name}: {:#?}", played.steps);
        assert!(played.steps.last().unwrap().starts_with(last), "{name}: {:?}", played.steps);
        let (domain, endpoint) = &played.endpoints[0];
        assert_eq!((domain.as_str(), endpoint.form), ("corp.example", form), "{name}");
    }
}

#[test]
fn pointers_of_the_directory_are_followed_those_for_the_domain_first() {
    let world = [
        (
            "search dc2",
            points(&[point(&[URL], "https://mail.corp.example/autodiscover/autodiscover.xml")]),
        ),
        ("search dc3", points(&[point(&[POINTER], "LDAP://dc3.corp.example")])),
        (
            "search",
            points(&[
                point(&[URL, "Site=Oslo"], "https://oslo.corp.example/a.xml"),
                point(&[URL, "Site=Rome"], "https://rome.corp.example/a.xml"),
                point(&[POINTER, "Domain=corp.example"], "LDAP://dc2.corp.example"),
                point(&[POINTER], "LDAP://dc3.corp.example"),
                point(&[POINTER, "Domain=other.example"], "LDAP://dc4.other.example"),
            ]),
        ),
    ];
    let only = Rules { domains: Vec::new(), ..rules() };
    let played = play(only, &["ann@corp.example"], &world);
    assert_eq!(
        played.steps,
        [
            "search",
            "search dc2.corp.example",
            "look https://mail.corp.example/autodiscover/autodiscover.xml",
            "look https://rome.corp.example/a.xml",
            "look https://oslo.corp.example/a.xml",
            "search dc3.corp.example",
        ]
    );
}

#[test]
fn a_host_that_nobody_vouched_for_is_sent_nothing() {
    let evil = "https://evil.example/autodiscover/autodiscover.xml";
    let srv = |target: &str| {
        let target = target.to_owned();
        Answer::Services(Ok(vec![Service { priority: 0, weight: 0, port: 443, target }]))
    };
    let soap = "soap https://autodiscover.corp.example";
    let by_url = settings(&[Ok(Told::Url(evil.into()))]);
    let by_address = settings(&[Ok(Told::Address(Plain::new("ann@evil.example")))]);
    let open = (HOST, seen(401, true));
    let table = [
        (vec![(APEX, to(evil))], "evil.example", Via::Redirect),
        (vec![(PLAIN, to(evil))], "evil.example", Via::Redirect),
        (vec![(SRV, srv("evil.example."))], "evil.example", Via::Service),
        (vec![open.clone(), (soap, by_url)], "evil.example", Via::Redirect),
        (vec![open, (soap, by_address)], "autodiscover.evil.example", Via::Address),
    ];
    for (world, host, via) in table {
        let played = play(rules(), &["ann@corp.example"], &world);
        let evil = played.steps.iter().find(|step| step.contains("evil.example/"));
        assert_eq!(evil, None, "{via:?}");
        assert_eq!(played.notes, [Note::Unknown { host: host.into(), via }], "{via:?}");
        assert_eq!(played.fault(0).1, WAITS_FOR_TRUST, "{via:?}");
        assert!(matches!(played.fault(0).0, Next::Retry { after: Some(_) }), "{via:?}");

        let blocked = play(listed(rules(), host, Verdict::Blocked), &["ann@corp.example"], &world);
        assert_eq!(blocked.notes, [Note::Blocked { host: host.into() }], "{via:?}");
        assert_eq!(blocked.fault(0), (Next::Denied, BLOCKED), "{via:?}");

        let allowed = play(listed(rules(), host, Verdict::Allowed), &["ann@corp.example"], &world);
        let asked = allowed.steps.iter().any(|step| step.contains(&format!("https://{host}/")));
        assert!(asked && allowed.notes.is_empty(), "{via:?}: {:#?}", allowed.steps);
    }
}

#[test]
fn a_mailbox_of_a_foreign_domain_meets_only_the_directory() {
    let played = play(rules(), &["ann@other.example"], &[]);
    assert_eq!(played.steps, ["search"]);
    assert_eq!(played.fault(0).0, Next::Denied);
    assert_eq!(played.notes, []);
}

#[test]
fn users_of_one_request_go_different_ways() {
    let other = "https://other.corp.example/autodiscover/autodiscover.svc";
    let answers = settings(&[
        told(EWS),
        Err(Fault::new(Next::Gone, "InvalidUser")),
        Ok(Told::Address(Plain::new("cid@corp.mail.onmicrosoft.com"))),
        Ok(Told::Url(other.into())),
        Ok(Told::Url("https://autodiscover-s.outlook.com/autodiscover/autodiscover.svc".into())),
        told("https://outlook.office365.com/EWS/Exchange.asmx"),
        Err(Fault::new(Next::BackOff { after: None }, "ServerBusy")),
        told("http://mail.corp.example/EWS/Exchange.asmx"),
        Ok(Told::Url(other.into())),
    ]);
    let others =
        settings(&[told("https://two.corp.example/EWS"), told("https://two.corp.example/EWS")]);
    let world = [
        (HOST, seen(401, true)),
        (HOST_SOAP, answers),
        ("look https://other.corp.example", seen(401, true)),
        ("soap https://other.corp.example", others),
    ];
    let users: Vec<String> = (0..9).map(|n| format!("u{n}@corp.example")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let rules = listed(rules(), "other.corp.example", Verdict::Allowed);
    let played = play(rules, &users, &world);
    assert_eq!((played.ews(0), played.ews(3)), (EWS.into(), "https://two.corp.example/EWS".into()));
    assert_eq!(played.fault(1), (Next::Gone, "InvalidUser"));
    for at in [2, 4, 5] {
        assert_eq!(played.fault(at), (Next::Gone, IN_THE_CLOUD), "{at}");
    }
    assert_eq!(played.fault(6).0, Next::BackOff { after: None });
    assert_eq!(played.fault(7).0, Next::Refused);
    let last = format!("soap {other} u3@corp.example,u8@corp.example");
    assert_eq!(played.steps.last(), Some(&last), "those who go the same way go together");
}

#[test]
fn a_busy_server_is_not_asked_in_another_form_and_nobody_else_instead() {
    for code in ["ServerBusy", "ErrorServerBusy", "HTTP 503"] {
        let busy = Fault::new(Next::BackOff { after: None }, code);
        let world = [(APEX, seen(401, true)), ("soap", Answer::Settings(Err(busy.clone())))];
        let played = play(rules(), &["ann@corp.example", "bob@corp.example"], &world);
        assert_eq!(played.outcomes, [Err(busy.clone()), Err(busy)]);
        assert_eq!(played.steps.len(), 3, "{:#?}", played.steps);
    }
}

#[test]
fn a_refused_sign_in_is_told_before_everything_else() {
    let refused = Fault::new(Next::SignIn, "sign-in was refused");
    let evil = to("https://evil.example/");
    let world =
        [(APEX, seen(401, true)), ("soap", Answer::Settings(Err(refused.clone()))), (PLAIN, evil)];
    let played = play(rules(), &["ann@corp.example"], &world);
    assert_eq!(played.outcomes, [Err(refused)]);
    assert!(!played.steps.iter().any(|step| step.starts_with("pox")), "not at once once more");
}

#[test]
fn what_soap_cannot_say_the_lesser_forms_may() {
    let malformed = || Fault::retry("malformed answer");
    let place = Answer::Place(Ok(Place::Ews(EWS.into())));
    let json = "json https://autodiscover.corp.example";
    let pox = "pox https://autodiscover.corp.example/autodiscover/autodiscover.xml";
    for broken in [
        Answer::Settings(Err(malformed())),
        Answer::Settings(Err(Fault::retry("HTTP 404"))),
        settings(&[Ok(Told::Settings(Settings::default()))]),
    ] {
        let world = [(HOST, seen(401, true)), (HOST_SOAP, broken.clone()), (pox, place.clone())];
        let played = play(rules(), &["ann@corp.example"], &world);
        assert_eq!(played.ews(0), EWS, "{:#?}", played.steps);
        assert!(played.steps.last().unwrap().starts_with(pox));
    }
    let world = [
        (HOST, seen(401, true)),
        (HOST_SOAP, Answer::Settings(Err(malformed()))),
        (pox, Answer::Place(Err(Fault::retry("Autodiscover error 603")))),
        (json, place),
    ];
    let played = play(rules(), &["ann@corp.example", "bob@corp.example"], &world);
    assert_eq!((played.ews(0), played.ews(1)), (EWS.into(), EWS.into()));
    let own = |at: usize, name: &str| played.steps[at].ends_with(name);
    let n = played.steps.len();
    assert!(own(n - 2, "ann@corp.example") && own(n - 1, "bob@corp.example"), "{:?}", played.steps);
}

#[test]
fn a_web_site_that_asks_for_a_password_is_not_given_ours() {
    let played = play(rules(), &["ann@corp.example"], &[(APEX, seen(401, false))]);
    let signed = ["soap", "pox"].map(|form| played.steps.iter().any(|s| s.starts_with(form)));
    assert_eq!(signed, [false, false], "{:#?}", played.steps);
}

#[test]
fn no_address_is_shown_to_a_web_site_before_all_other_ways_were_tried() {
    let world = [(APEX, seen(200, false)), (HOST, seen(404, false)), (PLAIN, seen(200, false))];
    let played = play(rules(), &["ann@corp.example"], &world);
    let first = played.steps.iter().position(|step| step.contains("ann@")).unwrap();
    assert_eq!(played.steps[..first], ["search", APEX, HOST, PLAIN, SRV].map(str::to_owned));
    assert!(played.steps[first].starts_with("json "));
}

#[test]
fn the_place_that_answered_last_is_asked_first_and_the_order_follows_if_it_fails() {
    let url: Uri = "https://mail.corp.example/autodiscover/autodiscover.svc".parse().unwrap();
    let first = Endpoint { url, form: Form::Soap, via: Via::Directory };
    let rules = Rules { first: Some(first), ..rules() };
    let home = [("soap https://mail.corp.example", settings(&[told(EWS)]))];
    let played = play(rules.clone(), &["ann@corp.example"], &home);
    assert_eq!((played.steps.len(), played.ews(0)), (1, EWS.into()));
    let played = play(rules.clone(), &["ann@corp.example"], &[]);
    assert_eq!(played.steps[1..], ["search", APEX, HOST, PLAIN, SRV].map(str::to_owned));
    let played = play(Rules { only_first: true, ..rules }, &["ann@corp.example"], &[]);
    assert_eq!(played.steps.len(), 1);
}

#[test]
fn a_blocked_server_is_not_a_home() {
    let world = [(HOST, seen(401, true)), ("soap", settings(&[told(EWS)]))];
    let rules = listed(rules(), "mail.corp.example", Verdict::Blocked);
    assert_eq!(play(rules, &["ann@corp.example"], &world).fault(0), (Next::Denied, BLOCKED));
}

#[test]
fn no_place_is_asked_twice_in_the_same_form() {
    let url: Uri = HOST_SOAP.trim_start_matches("soap ").parse().unwrap();
    let first = Endpoint { url, form: Form::Soap, via: Via::Host };
    let rules = Rules { first: Some(first), ..rules() };
    let failing = Answer::Settings(Err(Fault::retry("HTTP 500")));
    let played = play(rules, &["ann@corp.example"], &[(HOST, seen(401, true)), ("soap", failing)]);
    let asked = played.steps.iter().filter(|step| step.starts_with(HOST_SOAP)).count();
    assert_eq!(asked, 1, "{:#?}", played.steps);
    assert!(!played.steps.iter().any(|step| step.starts_with("pox")), "a lesser form hides it");
}

#[test]
fn a_domain_whose_own_host_leads_to_the_cloud_is_told_so() {
    let cloud = "https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml";
    let played = play(rules(), &["ann@corp.example"], &[(PLAIN, to(cloud))]);
    let host = "autodiscover-s.outlook.com".to_owned();
    assert_eq!(played.notes, [Note::Cloud { host, via: Via::Redirect }]);
    assert_eq!(played.fault(0).0, Next::Denied, "a mailbox of the directory may still be here");
}
