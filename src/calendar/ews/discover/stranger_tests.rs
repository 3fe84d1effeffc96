//! Hosts that nobody vouched for, wherever they are named.

use super::hunt_tests::{EWS, HOST, POINTER, listed, play, point, points, rules, seen};
use super::*;
use crate::model::Verdict;

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
