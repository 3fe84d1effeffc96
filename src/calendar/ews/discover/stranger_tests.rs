//! Hosts that nobody vouched for, wherever they are named.

use super::hunt_tests::{
    EWS, HOST, POINTER, Played, URL, listed, play, point, points, rules, seen, settings, told,
};
use super::*;
use crate::model::{Fault, Plain, Verdict};

const ANN: &[&str] = &["ann@corp.example"];

#[test]
fn a_server_that_is_named_without_a_sign_in_waits_for_a_decision() {
    let told = |ews: &str| Answer::Place(Ok(Place::Ews(ews.into())));
    let json = "json https://autodiscover.corp.example";
    for ews in ["https://evil.example/EWS/Exchange.asmx", "https://evilcorp.example/EWS"] {
        let world = [(HOST, seen(200, false)), (json, told(ews))];
        let host = ews.split('/').nth(2).unwrap();
        let played = play(rules(), ANN, &world);
        assert_eq!(played.notes, [Note::Unknown { host: host.into(), via: Via::Host }]);
        assert_eq!(played.fault(0).1, WAITS_FOR_TRUST);
        assert_eq!(played.endpoints, [], "it is no place to ask first");
        let played = play(listed(rules(), host, Verdict::Allowed), ANN, &world);
        assert!(played.ews(0).starts_with(ews), "{}", played.ews(0));
        let played = play(listed(rules(), host, Verdict::Blocked), ANN, &world);
        assert_eq!(played.fault(0).1, BLOCKED);
    }
    let world = [(HOST, seen(200, false)), (json, told(EWS))];
    assert_eq!(play(rules(), ANN, &world).ews(0), EWS, "below a configured domain");
}

#[test]
fn a_directory_of_strangers_is_not_signed_in_to_because_another_points_there() {
    let pointed = |host: &str| points(&[point(&[POINTER], &format!("LDAP://{host}"))]);
    let asked = |rules: Rules, host: &str| {
        let played = play(rules, ANN, &[("search", pointed(host))]);
        let search = format!("search {host}");
        (played.steps.contains(&search), played.notes, played.outcomes)
    };
    assert!(asked(rules(), "dc2.corp.example").0);
    let (searched, notes, outcomes) = asked(rules(), "dc.evil.example");
    assert!(!searched);
    assert_eq!(notes, [Note::Unknown { host: "dc.evil.example".into(), via: Via::Directory }]);
    assert_eq!(outcomes[0].as_ref().unwrap_err().cause.code, WAITS_FOR_TRUST);
    let allowed = listed(rules(), "dc.evil.example", Verdict::Allowed);
    assert!(asked(allowed, "dc.evil.example").0);
    let blocked = listed(rules(), "dc2.corp.example", Verdict::Blocked);
    assert!(!asked(blocked, "dc2.corp.example").0);
}

#[test]
fn directories_that_point_to_each_other_are_searched_once_each() {
    let names: Vec<String> = (0..8).map(|n| format!("LDAP://dc{n}.corp.example")).collect();
    let mesh: Vec<_> = names.iter().map(|name| point(&[POINTER], name)).collect();
    let played = play(rules(), ANN, &[("search", points(&mesh))]);
    let searches = played.steps.iter().filter(|step| step.starts_with("search")).count();
    assert_eq!(searches, 1 + names.len(), "{:#?}", played.steps);
}

/// What a directory with five sites leads to, when none of them gives an answer.
fn five_sites_that_fail(why: &str) -> Played {
    let names: Vec<String> = (0..5).map(|n| format!("https://m{n}.corp.example/a.xml")).collect();
    let many: Vec<_> = names.iter().map(|name| point(&[URL], name)).collect();
    let mut world: Vec<(String, Answer)> = vec![("search".into(), points(&many))];
    let away = || Answer::Seen(Err(Fault::retry(why)));
    world.extend(names.iter().map(|name| (format!("look {name}"), away())));
    let world: Vec<_> = world.iter().map(|(step, answer)| (&**step, answer.clone())).collect();
    play(rules(), ANN, &world)
}

fn place(played: &Played, step: &str) -> usize {
    let found = played.steps.iter().position(|one| one.starts_with(step));
    found.unwrap_or_else(|| panic!("{step}: {:#?}", played.steps))
}

/// The servers of other sites, which a firewall keeps us from, take a minute of the two.
#[test]
fn sites_that_cannot_be_reached_do_not_keep_the_domains_own_host_from_being_asked() {
    for why in ["no connection in time", "no answer in time"] {
        let played = five_sites_that_fail(why);
        let own = place(&played, "look https://autodiscover.corp.example");
        let (before, after) =
            (place(&played, "look https://m1."), place(&played, "look https://m2."));
        assert!(before < own && own < after, "{:#?}", played.steps);
        assert!(place(&played, "look https://m4.") > own, "they are asked all the same");
    }
}

#[test]
fn sites_that_refuse_at_once_keep_their_place_before_the_domains_own_host() {
    for why in ["connection refused", "TLS: certificate expired", "DNS: no such name"] {
        let played = five_sites_that_fail(why);
        let own = place(&played, "look https://autodiscover.corp.example");
        assert!(place(&played, "look https://m4.") < own, "{why}: {:#?}", played.steps);
    }
}

#[test]
fn a_directory_full_of_addresses_does_not_hold_everybody_up() {
    let names: Vec<String> = (0..60).map(|n| format!("https://m{n}.corp.example/a.xml")).collect();
    let many: Vec<_> = names.iter().map(|name| point(&[URL], name)).collect();
    let played = play(rules(), ANN, &[("search", points(&many))]);
    let looks = played.steps.iter().filter(|step| step.ends_with("/a.xml")).count();
    assert_eq!(looks, 16);
}

#[test]
fn a_mailbox_that_got_another_address_is_followed_where_one_place_alone_is_asked() {
    let url = "https://autodiscover.corp.example/autodiscover/autodiscover.svc".parse().unwrap();
    let first = Some(Endpoint { url, form: Form::Soap, via: Via::Host });
    let rules = Rules { first, only_first: true, ..rules() };
    let renamed = Ok(Told::Address(Plain::new("ann@sub.example")));
    let world = [
        ("soap https://autodiscover.corp.example", settings(&[renamed])),
        ("look https://autodiscover.sub.example", seen(401, true)),
        ("soap https://autodiscover.sub.example", settings(&[told(EWS)])),
    ];
    let played = play(rules.clone(), ANN, &world);
    assert_eq!(played.fault(0).1, WAITS_FOR_TRUST);
    let rules = listed(rules, "autodiscover.sub.example", Verdict::Allowed);
    assert_eq!(play(rules, ANN, &world).ews(0), EWS);
}

#[test]
fn what_the_directory_named_long_ago_is_asked_only_where_the_directory_is_away() {
    let url = "https://old.example/autodiscover/autodiscover.svc".parse().unwrap();
    let last = Some(Endpoint { url, form: Form::Soap, via: Via::Directory });
    let rules = Rules { last, ..rules() };
    let home = settings(&[told(EWS)]);
    let old = ("soap https://old.example", home.clone());

    let away = Answer::Points(Err(Fault::retry("LDAP: no answer in time")));
    let played = play(rules.clone(), ANN, &[("search", away), old.clone()]);
    assert_eq!(
        (played.ews(0).as_str(), played.kept.as_slice()),
        (EWS, &["corp.example".into()][..])
    );

    let played = play(rules.clone(), ANN, &[("search", points(&[])), old.clone()]);
    assert!(!played.steps.iter().any(|step| step.contains("old.example")), "{:?}", played.steps);

    let named = points(&[point(&[URL], "https://old.example/autodiscover/autodiscover.xml")]);
    let look = ("look https://old.example", seen(401, true));
    let played = play(rules, ANN, &[("search", named), look, old]);
    assert_eq!((played.ews(0).as_str(), played.kept.len()), (EWS, 0), "it is named anew");
}

#[test]
fn a_remembered_place_is_asked_only_while_its_host_is_trusted() {
    let url: http::Uri = "https://gone.example/autodiscover/autodiscover.svc".parse().unwrap();
    let first = Endpoint { url, form: Form::Soap, via: Via::Redirect };
    let rules = Rules { first: Some(first), ..rules() };
    let played = play(rules, ANN, &[]);
    assert!(!played.steps.iter().any(|step| step.contains("gone.example")));
    assert_eq!(played.fault(0).1, WAITS_FOR_TRUST);
}
