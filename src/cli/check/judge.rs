//! What an answer of Exchange means for its check.

use std::time::Duration;

use super::finding::{Verdict, Words};
use crate::calendar::ews::discover::{Answer, IN_THE_CLOUD, WAITS_FOR_TRUST};
use crate::calendar::ews::{Auth, REFUSED_BEFORE};
use crate::model::{Fault, Next, Span};
use crate::net::gate::{IN_DOUBT, REFUSED_HERE};

/// A way to sign in, as people know it.
pub(super) fn way(auth: Auth) -> &'static str {
    match auth {
        Auth::Negotiate => "Kerberos",
        Auth::Ntlm => "NTLM",
        Auth::Basic => "Basic",
    }
}

/// Why a directory gave nothing.
pub(super) fn directory(fault: &Fault) -> Verdict {
    let why = fault.cause.code.trim_start_matches("LDAP: ");
    match fault.next {
        Next::SignIn => Verdict::because("refused", why),
        _ => Verdict::because("failed", why),
    }
}

/// Why no server was found; `waiting` waits for a decision.
pub(super) fn discovery(fault: &Fault, waiting: Option<String>) -> Verdict {
    let code = fault.cause.code.as_str();
    match (fault.next, waiting) {
        (_, Some(host)) if code == WAITS_FOR_TRUST => {
            Verdict::Trouble("waits-for-trust", Words::default().with("waiting", host))
        }
        (_, _) if code == IN_THE_CLOUD => Verdict::of("in-the-cloud"),
        (Next::Gone, _) => Verdict::from("unknown-mailbox", fault),
        (Next::SignIn, _) => Verdict::because("refused", refusal(code)),
        _ => Verdict::from("not-found", fault),
    }
}

/// What an answer of Autodiscover failed for.
pub(super) fn failed(answer: &Answer) -> Option<Fault> {
    match answer {
        Answer::Points(Err(fault))
        | Answer::Services(Err(fault))
        | Answer::Seen(Err(fault))
        | Answer::Settings(Err(fault))
        | Answer::Place(Err(fault)) => Some(fault.clone()),
        Answer::Settings(Ok(told)) => told.iter().find_map(|one| one.as_ref().err().cloned()),
        _ => None,
    }
}

/// What a server offers to whoever has not signed in.
pub(super) fn offers(status: u16, offered: &[&str], ways: &[Auth]) -> Verdict {
    let words = Words::default().with("status", format!("HTTP {status}"));
    match status {
        401 => {}
        200 => {
            let words = words.with("status", "without asking for a sign-in");
            return Verdict::Trouble("not-ews", words);
        }
        429 | 500.. => return Verdict::Trouble("away", words),
        _ => return Verdict::Trouble("not-ews", words),
    }
    let named = |auth: Auth| match auth {
        Auth::Negotiate => "Negotiate",
        Auth::Ntlm => "NTLM",
        Auth::Basic => "Basic",
    };
    let is = |scheme: &&str, auth: Auth| scheme.eq_ignore_ascii_case(named(auth));
    let taken: Vec<_> =
        ways.iter().filter(|auth| offered.iter().any(|one| is(one, **auth))).collect();
    let list = |all: &[&str]| match all {
        [] => "no way to sign in".to_owned(),
        all => all.join(", "),
    };
    let ours: Vec<_> = ways.iter().map(|auth| named(*auth)).collect();
    match taken.first() {
        Some(first) => {
            let said = format!("{}; tried first: {}", list(offered), way(**first));
            Verdict::Pass(said)
        }
        None => {
            let words = words.with("offered", list(offered)).with("ways", list(&ours));
            Verdict::Trouble("none-of-ours", words)
        }
    }
}

/// Why a sign-in failed.
pub(super) fn sign_in(fault: &Fault) -> Verdict {
    let why = fault.cause.code.as_str();
    let trouble = match fault.next {
        _ if why == REFUSED_HERE => "refused-here",
        _ if why == IN_DOUBT => "in-doubt",
        _ if why == REFUSED_BEFORE => "refused-before",
        _ if why.starts_with("Kerberos") => "kerberos",
        Next::SignIn => "refused",
        Next::BackOff { .. } => "busy",
        _ => "failed",
    };
    Verdict::because(trouble, refusal(why))
}

/// The reason in short: what else it may be stands in the remedy.
fn refusal(why: &str) -> String {
    let short = why.split(" (or by Extended").next().unwrap_or(why);
    let rest = short.strip_prefix("sign-in was refused");
    rest.map_or_else(|| short.to_owned(), |rest| format!("HTTP 401{rest}"))
}

/// Whether the fault is Extended Protection's.
pub(super) fn is_protection(fault: &Fault) -> bool {
    fault.cause.code == REFUSED_HERE
}

/// Which Exchange it is.
pub(super) fn version(build: Option<(u32, u32, u32, u32)>) -> Verdict {
    let Some((major, minor, build, revision)) = build else {
        return Verdict::Skip("the server does not say".into());
    };
    let number = format!("{major}.{minor}.{build}.{revision}");
    let name = match (major, minor) {
        (15, 0) => "2013",
        (15, 1) => "2016",
        // The first build of the Subscription Edition is 15.2.2562.
        (15, 2) if build < 2_562 => "2019",
        (15, 2) => "Subscription Edition",
        (16.., _) | (15, _) => "later than this version of the connector knows",
        (14, _) => {
            let words = Words::default().with("version", "2010").with("build", number);
            return Verdict::Trouble("too-old", words);
        }
        _ => {
            let words = Words::default().with("version", "2007 or older").with("build", number);
            return Verdict::Trouble("too-old", words);
        }
    };
    Verdict::Pass(format!("Exchange {name} ({number})"))
}

/// Why a mailbox may not be acted in.
pub(super) fn impersonation(fault: &Fault) -> Verdict {
    let code = fault.cause.code.as_str();
    if is_throttled(fault) {
        return Verdict::Skip(format!("Exchange asked to wait ({code}), see throttling"));
    }
    let trouble = match fault.next {
        Next::Denied if code == "ErrorImpersonationDenied" => "no-role",
        Next::Denied => "denied",
        Next::Gone => "no-mailbox",
        Next::Moved => "moved",
        _ => "failed",
    };
    Verdict::from(trouble, fault)
}

/// Whether Exchange asked to wait.
pub(super) fn is_throttled(fault: &Fault) -> bool {
    matches!(fault.next, Next::BackOff { .. } | Next::Retry { after: Some(_) })
}

/// What became of requests at our usual pace.
pub(super) fn pace(asked: usize, faults: &[Fault], took: Duration) -> Verdict {
    if let Some(fault) = faults.iter().find(|fault| is_throttled(fault)) {
        let after = match fault.next {
            Next::BackOff { after } | Next::Retry { after } => after,
            _ => None,
        };
        let wait = after.map(|after: Span| format!(", {} s", after.as_ms().div_ceil(1_000)));
        let code = &fault.cause.code;
        return Verdict::because("slowed", format!("{code}{}", wait.unwrap_or_default()));
    }
    match faults.first() {
        None => {
            Verdict::Pass(format!("{asked} requests in {} ms, none told to wait", took.as_millis()))
        }
        Some(first) => {
            let words = Words::default().with("failed", faults.len()).with("asked", asked);
            Verdict::Trouble("fails", words.with("why", &first.cause.code))
        }
    }
}

/// What is left of one invitation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// It has a text.
    pub(super) text: bool,
    /// Its title is not its organiser's name.
    pub(super) title: bool,
}

/// Whether a room keeps what invitations say. That one of them has no text says nothing; that none
/// of some has one does.
pub(super) fn room(kept: impl Iterator<Item = Kept>) -> Verdict {
    const ENOUGH: usize = 3;
    let all: Vec<Kept> = kept.collect();
    let texts = all.iter().filter(|one| one.text).count();
    let titles = all.iter().filter(|one| one.title).count();
    let meetings = all.len();
    if meetings < ENOUGH && texts == 0 && (meetings == 0 || titles > 0) {
        return Verdict::Skip(format!(
            "meetings of others in it within 31 days: {meetings}, too few to tell"
        ));
    }
    let words = Words::default().with("meetings", meetings);
    match (texts, titles) {
        (0, 0) => Verdict::Trouble("strips-both", words),
        (0, _) => Verdict::Trouble("strips-text", words),
        (_, 0) => Verdict::Trouble("strips-title", words),
        _ => Verdict::Pass(format!("{texts} of {meetings} meetings have a text, {titles} a title")),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
