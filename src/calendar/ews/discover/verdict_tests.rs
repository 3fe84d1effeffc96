//! What is told where no way led home, and what an answer without a sign-in may not do.

use super::hunt_tests::{
    APEX, EWS, HOST, HOST_SOAP, PLAIN, SRV, URL, listed, play, point, points, rules, seen,
    settings, told,
};
use super::*;
use crate::model::{Address, Next, Verdict};

const ANN: &[&str] = &["ann@corp.example"];

fn broken(why: &str) -> Answer {
    Answer::Seen(Err(Fault::retry(why)))
}

#[test]
fn a_bad_certificate_is_told_and_not_what_failed_after_it() {
    let expired = "TLS: the server's certificate has expired";
    let foreign = "TLS: the server's certificate does not name this host";
    let proxy = "proxy: 403 to CONNECT";
    let mail = "look https://mail.corp.example/a.xml";
    let named = points(&[point(&[URL], "https://mail.corp.example/a.xml")]);
    let dns = || Answer::Services(Err(Fault::retry("DNS: no name server answered")));
    let table = [
        (vec![(HOST, broken(expired))], "Autodiscover (autodiscover host)", expired),
        (vec![(APEX, broken(foreign)), (HOST, broken(expired))], "Autodiscover (auto", expired),
        (vec![("search", named), (mail, broken(expired))], "Autodiscover (directory)", expired),
        (vec![(APEX, broken(proxy))], "Autodiscover (domain)", proxy),
        (vec![(PLAIN, broken("proxy: connection refused")), (SRV, dns())], "Auto", "proxy: conn"),
        (vec![(HOST, broken("HTTP 404")), (SRV, dns())], "look first at", "HTTP 404"),
    ];
    for (world, begin, why) in table {
        let played = play(rules(), ANN, &world);
        let (next, code) = played.fault(0);
        assert_eq!(next, Next::Retry { after: None });
        assert!(code.contains(begin) && code.contains(why), "{code}");
    }
}

#[test]
fn a_hunt_that_runs_out_of_time_says_what_it_met() {
    let cut = |met: Option<Fault>| {
        let ann = Arc::new(Address::parse(ANN[0]).unwrap());
        let mut hunt = Hunt::new(Rules { directory: false, ..rules() }, [ann]);
        let met = met.map(|fault| [Fault::retry("connection refused"), fault]);
        for fault in met.into_iter().flatten() {
            assert!(matches!(hunt.step(), Some(Step::Look(_))));
            hunt.answer(Answer::Seen(Err(fault)));
        }
        assert!(hunt.step().is_some());
        hunt.finish().homes.remove(0).unwrap_err()
    };
    let retry = Next::Retry { after: None };
    let unasked = "Autodiscover was not asked to the end";
    let expired = "TLS: the server's certificate has expired";
    let table = [
        (None, retry, unasked.to_owned()),
        (
            Some(Fault::retry(expired)),
            retry,
            format!("Autodiscover (autodiscover host): {expired}"),
        ),
        (
            Some(Fault::retry("no connection in time")),
            retry,
            format!("{unasked}; look first at: no connection in time"),
        ),
        (Some(Fault::new(Next::SignIn, "HTTP 407")), Next::SignIn, "HTTP 407".to_owned()),
        // What one of several ways denied, the next may know better.
        (Some(Fault::new(Next::Denied, BLOCKED)), retry, unasked.to_owned()),
    ];
    for (met, next, code) in table {
        let fault = cut(met);
        assert_eq!((fault.next, fault.cause.code.as_str()), (next, code.as_str()));
    }
}

#[test]
fn a_web_sites_own_certificate_is_not_what_is_told() {
    let foreign = "TLS: the server's certificate does not name this host";
    let played = play(rules(), ANN, &[(APEX, broken(foreign))]);
    assert!(
        played.fault(0).1.ends_with("look first at: connection refused"),
        "{:?}",
        played.fault(0)
    );
}

#[test]
fn what_somebody_has_to_decide_is_told_before_a_bad_certificate() {
    let evil = Answer::Seen(Ok(Seen {
        status: 302,
        location: Some("https://evil.example/".into()),
        ..Seen::default()
    }));
    let world = [(PLAIN, evil), (HOST, broken("TLS: the server's certificate has expired"))];
    assert_eq!(play(rules(), ANN, &world).fault(0).1, WAITS_FOR_TRUST);
}

#[test]
fn a_directory_that_names_microsoft_365_is_not_signed_in_to() {
    for host in ["autodiscover-s.outlook.com", "autodiscover.corp.onmicrosoft.com"] {
        let url = format!("https://{host}/autodiscover/autodiscover.xml");
        let world = [
            ("search", points(&[point(&[URL], &url)])),
            (HOST, seen(401, true)),
            (HOST_SOAP, settings(&[told(EWS)])),
            ("look", seen(401, true)),
        ];
        let played = play(rules(), ANN, &world);
        let there = played.steps.iter().find(|step| step.contains(host));
        assert_eq!(there, None, "not even a look");
        assert_eq!(played.notes, [Note::Cloud { host: host.to_owned(), via: Via::Directory }]);
        assert_eq!(played.ews(0), EWS, "the next way is tried: {:#?}", played.steps);

        let alone = play(rules(), ANN, &world[..1]);
        assert_eq!(alone.fault(0), (Next::Denied, "Autodiscover leads to Microsoft 365 only"));
        let url: Uri = url.parse().unwrap();
        let first = Endpoint { url, form: Form::Soap, via: Via::Directory };
        let remembered = play(Rules { first: Some(first), ..rules() }, ANN, &world);
        assert!(!remembered.steps.iter().any(|step| step.contains(host)), "nor from memory");
        // Whoever insists, by the very name, is believed.
        let allowed = play(listed(rules(), host, Verdict::Allowed), ANN, &world);
        assert!(allowed.steps.iter().any(|step| step.contains(host)));
    }
}

#[test]
fn a_mailbox_is_not_called_deleted_because_a_web_site_does_not_know_it() {
    let json = |host: &str| format!("json https://{host}/autodiscover");
    let unknown = || Answer::Place(Err(Fault::new(Next::Gone, "Autodiscover does not know it")));
    let (apex, own) = (json("corp.example"), json("autodiscover.corp.example"));
    let users = ["ann@corp.example", "bob@corp.example"];
    let world = [(APEX, seen(200, false)), (&*apex, unknown())];
    let played = play(rules(), &users, &world);
    for at in [0, 1] {
        assert!(matches!(played.fault(at).0, Next::Retry { .. }), "{:?}", played.fault(at));
    }
    assert_eq!(played.steps.iter().filter(|step| step.starts_with(&apex)).count(), 2);
    // Who is not known there may be known by the next one.
    let world = [
        (APEX, seen(200, false)),
        (HOST, seen(404, false)),
        (&*apex, unknown()),
        (&*own, Answer::Place(Ok(Place::Ews(EWS.into())))),
    ];
    assert_eq!(play(rules(), &users, &world).ews(1), EWS);
    // As one knows that is signed in to.
    let soap =
        [(HOST, seen(401, true)), (HOST_SOAP, settings(&[Err(Fault::new(Next::Gone, "x"))]))];
    assert_eq!(play(rules(), ANN, &soap).fault(0).0, Next::Gone);
}

#[test]
fn a_web_site_moves_nobody_to_microsoft_365() {
    let cloud = || Answer::Place(Ok(Place::Ews("https://outlook.office365.com/EWS".into())));
    let world = [(APEX, seen(200, false)), ("json https://corp.example", cloud())];
    let played = play(rules(), ANN, &world);
    assert!(matches!(played.fault(0).0, Next::Retry { .. }), "{:?}", played.fault(0));
    let world = [(HOST, seen(200, false)), ("json https://autodiscover.corp", cloud())];
    assert_eq!(play(rules(), ANN, &world).fault(0), (Next::Gone, IN_THE_CLOUD));
}
