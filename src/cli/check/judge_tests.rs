//! What answers mean, held against what people are told.

use super::*;

fn trouble(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass(_) => "pass",
        Verdict::Skip(_) => "skip",
        Verdict::Trouble(id, _) => id,
    }
}

#[test]
fn what_a_server_offers_is_held_against_what_is_allowed() {
    let ways = [Auth::Ntlm, Auth::Basic];
    let said = |status, offered: &[&str]| offers(status, offered, &ways);
    assert_eq!(
        said(401, &["Negotiate", "ntlm"]),
        Verdict::Pass("Negotiate, ntlm; tried first: NTLM".into())
    );
    assert_eq!(trouble(&said(401, &["Negotiate"])), "none-of-ours");
    assert_eq!(trouble(&said(401, &[])), "none-of-ours");
    for status in [200, 302, 403, 404] {
        assert_eq!(trouble(&said(status, &[])), "not-ews", "{status}");
    }
    for status in [429, 500, 503] {
        assert_eq!(trouble(&said(status, &[])), "away", "{status}");
    }
}

#[test]
fn each_exchange_is_called_by_its_name() {
    let name = |build| match version(Some(build)) {
        Verdict::Pass(says) => says,
        other => trouble(&other).to_owned(),
    };
    assert_eq!(name((15, 0, 1497, 2)), "Exchange 2013 (15.0.1497.2)");
    assert_eq!(name((15, 1, 2507, 6)), "Exchange 2016 (15.1.2507.6)");
    assert_eq!(name((15, 2, 1748, 10)), "Exchange 2019 (15.2.1748.10)");
    assert_eq!(name((15, 2, 2562, 17)), "Exchange Subscription Edition (15.2.2562.17)");
    assert_eq!(name((14, 3, 123, 4)), "too-old");
    assert_eq!(trouble(&version(None)), "skip");
}

#[test]
fn one_meeting_without_a_text_is_no_reason_to_blame_a_room() {
    let said = |kept: &[(bool, bool)]| {
        let kept = kept.iter().map(|(text, title)| Kept { text: *text, title: *title });
        trouble(&room(kept))
    };
    assert_eq!(said(&[]), "skip");
    assert_eq!(said(&[(false, true)]), "skip");
    assert_eq!(said(&[(false, true); 3]), "strips-text");
    assert_eq!(said(&[(true, false); 3]), "strips-title");
    assert_eq!(said(&[(false, false); 3]), "strips-both");
    assert_eq!(said(&[(false, true), (true, true), (false, false)]), "pass");
}

#[test]
fn a_refusal_is_not_taken_for_another_one() {
    let said = |next, why: &str| trouble(&sign_in(&Fault::new(next, why)));
    let rest = Next::BackOff { after: None };
    assert_eq!(said(Next::SignIn, "sign-in was refused"), "refused");
    assert_eq!(said(Next::SignIn, REFUSED_BEFORE), "refused-before");
    assert_eq!(said(rest, REFUSED_HERE), "refused-here");
    assert_eq!(said(rest, IN_DOUBT), "in-doubt");
    assert_eq!(said(rest, "Kerberos: the server does not take the ticket"), "kerberos");
    assert_eq!(said(rest, "HTTP 503"), "busy");
    assert_eq!(said(Next::Retry { after: None }, "the server hung up"), "failed");
}

#[test]
fn a_mailbox_that_waits_is_not_one_that_is_denied() {
    let said = |next, why: &str| trouble(&impersonation(&Fault::new(next, why)));
    let wait = Next::Retry { after: Some(Span::SECOND) };
    assert_eq!(said(wait, "ErrorExceededConnectionCount"), "skip");
    assert_eq!(said(Next::Denied, "ErrorImpersonateUserDenied"), "denied");
    assert_eq!(said(Next::Denied, "ErrorImpersonationDenied"), "no-role");
    assert_eq!(said(Next::Gone, "ErrorNonExistentMailbox"), "no-mailbox");
    assert_eq!(said(Next::Moved, "ErrorProxyRequestNotAllowed"), "moved");
    let busy = Fault::new(Next::BackOff { after: Some(Span::from_ms(1_500)) }, "ErrorServerBusy");
    let slowed = pace(10, &[Fault::retry("x"), busy], Duration::ZERO);
    assert_eq!(slowed, Verdict::because("slowed", "ErrorServerBusy, 2 s"));
    assert_eq!(trouble(&pace(10, &[Fault::retry("x")], Duration::ZERO)), "fails");
}
