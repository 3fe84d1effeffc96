//! How far redirects are followed, of each kind, and in a circle.

use super::hunt_tests::{
    APEX, HOST, HOST_SOAP, Played, SRV, listed, play, rules, seen, settings, to, told,
};
use super::*;
use crate::model::{Next, Plain, Verdict};

#[test]
fn redirects_are_followed_ten_times_and_never_in_a_circle() {
    let hop = |n: usize| format!("https://corp.example/{n}");
    let looks: Vec<String> = (0..20).map(|n| format!("look {}#", hop(n))).collect();
    let looks: Vec<&str> = looks.iter().map(|look| look.trim_end_matches('#')).collect();
    let mut world: Vec<(&str, Answer)> = vec![(APEX, to(&hop(1)))];
    world.extend((1..19).rev().map(|n| (looks[n], to(&hop(n + 1)))));
    let played = play(rules(), &["ann@corp.example"], &world);
    let followed =
        played.steps.iter().filter(|step| step.starts_with("look https://corp.example/"));
    assert_eq!(followed.count(), 11, "the first and ten redirects: {:#?}", played.steps);
    assert_eq!(played.fault(0).1, "Autodiscover redirects more than ten times");
    assert_eq!(played.steps.last().unwrap(), SRV, "the other ways are tried all the same");

    let circle =
        [(APEX, to("/b")), ("look https://corp.example/b", to("/autodiscover/autodiscover.xml"))];
    let played = play(rules(), &["ann@corp.example"], &circle);
    assert_eq!(played.fault(0).1, "Autodiscover redirects in a circle");
}

#[test]
fn addresses_that_redirect_to_each_other_end() {
    let rules = Rules { domains: vec!["corp.example".into()], directory: false, ..rules() };
    let both = |text: &str| settings(&[Ok(Told::Address(Plain::new(text)))]);
    let world = [
        (HOST, seen(401, true)),
        (&*format!("{HOST_SOAP} ann@"), both("bob@corp.example")),
        (&*format!("{HOST_SOAP} bob@"), both("ann@corp.example")),
    ];
    let played = play(rules, &["ann@corp.example"], &world);
    assert_eq!(played.fault(0), (Next::Refused, "Autodiscover redirects in a circle"));
}

/// How an answer sends a mailbox on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// HTTP.
    Http,
    /// GetUserSettings.
    SoapUrl,
    /// GetUserSettings.
    SoapAddress,
    /// Plain XML.
    PoxUrl,
    /// Plain XML.
    PoxAddress,
}

const HOPS: &str = "Autodiscover redirects more than ten times";

/// Plays a chain of places of which each sends on to the next, `kinds` in turn, and the last knows.
/// Place `n` is `autodiscover.d{n}.example`, where `corp.example` is the first.
fn chain(hops: usize, kinds: &[By]) -> Played {
    let domain = |n: usize| match n {
        0 => "corp.example".to_owned(),
        n => format!("d{n}.example"),
    };
    let xml =
        |n: usize| format!("https://autodiscover.{}/autodiscover/autodiscover.xml", domain(n));
    let mut world: Vec<(String, Answer)> = Vec::new();
    let look = |n: usize| format!("look {}", xml(n));
    let ask = |form: &str, n: usize| format!("{form} https://autodiscover.{}/", domain(n));
    for n in 0..hops {
        let address = Plain::new(format!("ann@{}", domain(n + 1)));
        let next = xml(n + 1);
        match kinds[n % kinds.len()] {
            By::Http => world.push((look(n), to(&next))),
            By::SoapUrl => {
                world.push((look(n), seen(401, true)));
                world.push((ask("soap", n), settings(&[Ok(Told::Url(next))])));
            }
            By::SoapAddress => {
                world.push((look(n), seen(401, true)));
                world.push((ask("soap", n), settings(&[Ok(Told::Address(address))])));
            }
            By::PoxUrl => {
                world.push((look(n), seen(401, false)));
                world.push((ask("pox", n), Answer::Place(Ok(Place::Url(next)))));
            }
            By::PoxAddress => {
                world.push((look(n), seen(401, false)));
                world.push((ask("pox", n), Answer::Place(Ok(Place::Address(address)))));
            }
        }
    }
    world.push((look(hops), seen(401, true)));
    world.push((ask("soap", hops), settings(&[told("https://last.corp.example/EWS")])));
    let world: Vec<_> = world.iter().map(|(step, answer)| (&**step, answer.clone())).collect();
    let own = std::iter::once("corp.example".to_owned());
    let hosts = own.chain((0..=hops).map(|n| format!("autodiscover.{}", domain(n))));
    let rules = Rules { hosts: Hosts::new(hosts, []), directory: false, ..rules() };
    play(rules, &["ann@corp.example"], &world)
}

#[test]
fn ten_redirects_of_each_kind_are_followed_and_no_more() {
    use By::{Http, PoxAddress, PoxUrl, SoapAddress, SoapUrl};
    let table: [&[By]; 8] = [
        &[Http],
        &[SoapUrl],
        &[SoapAddress],
        &[PoxUrl],
        &[PoxAddress],
        &[SoapAddress, SoapUrl],
        &[Http, SoapUrl, SoapAddress],
        &[PoxAddress, Http, SoapUrl, PoxUrl, SoapAddress],
    ];
    for kinds in table {
        for hops in [1, 9, 10] {
            let found = chain(hops, kinds);
            assert_eq!(found.ews(0), "https://last.corp.example/EWS", "{hops} {kinds:?}");
        }
        let lost = chain(11, kinds);
        assert_eq!(lost.fault(0), (Next::Refused, HOPS), "{kinds:?}");
        let last = lost.steps.iter().any(|step| step.contains("autodiscover.d11.example"));
        assert!(!last, "{kinds:?}: {:#?}", lost.steps);
    }
}

#[test]
fn a_redirect_of_version_2_is_followed_to_a_trusted_host_only() {
    let json = "json https://autodiscover.corp.example";
    let there = "https://mail.corp.example/autodiscover/autodiscover.xml";
    let world = [
        (HOST, seen(404, false)),
        (json, Answer::Place(Ok(Place::Url(there.into())))),
        ("look https://mail.corp.example", seen(401, true)),
        ("soap https://mail.corp.example", settings(&[told("https://ex.corp.example/EWS")])),
    ];
    let allowed = listed(rules(), "mail.corp.example", Verdict::Allowed);
    assert_eq!(play(allowed, &["ann@corp.example"], &world).ews(0), "https://ex.corp.example/EWS");
    let unknown = play(rules(), &["ann@corp.example"], &world);
    assert_eq!(unknown.fault(0).1, WAITS_FOR_TRUST);
    assert!(!unknown.steps.iter().any(|step| step.contains("mail.corp.example")));
}

#[test]
fn a_location_is_read_as_browsers_read_it() {
    for (location, path) in [
        ("/b/c.xml", "https://corp.example/b/c.xml"),
        ("c.xml", "https://corp.example/autodiscover/c.xml"),
        ("b/c.xml?d=e:f", "https://corp.example/autodiscover/b/c.xml?d=e:f"),
        ("//autodiscover.corp.example/c.xml", "https://autodiscover.corp.example/c.xml"),
        (" https://corp.example/c.xml ", "https://corp.example/c.xml"),
    ] {
        let played = play(rules(), &["ann@corp.example"], &[(APEX, to(location))]);
        assert!(played.steps.contains(&format!("look {path}")), "{location}: {:#?}", played.steps);
    }
    for nowhere in ["", "mailto:ann@corp.example", "http://", "//"] {
        let played = play(rules(), &["ann@corp.example"], &[(APEX, to(nowhere))]);
        let looks = played.steps.iter().filter(|step| step.starts_with("look https://corp"));
        assert_eq!(looks.count(), 1, "{nowhere}: {:#?}", played.steps);
    }
}
