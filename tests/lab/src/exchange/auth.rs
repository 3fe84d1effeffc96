//! Sign-in at the front: Basic by request, NTLM by connection, and the 401 that offers them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Serialize;
use tokio::sync::watch;

use super::negotiate::Negotiate;
use super::ntlm::{self, Challenge, Refusal, Server};

/// How a request came to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Scheme {
    /// Name and password with the request.
    Basic,
    /// By a ticket.
    Negotiate,
    /// The connection was authenticated by NTLM.
    Ntlm {
        /// The client bound itself to the TLS channel.
        bound: bool,
        /// The client sent a message integrity code.
        mic: bool,
    },
}

/// Why credentials were refused that count against the account.
pub(super) const WRONG_PASSWORD: &str = "wrong password";

/// What the front does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Passed(Scheme),
    /// 401 with these values of `WWW-Authenticate`; `reason` is `None` where nothing was wrong yet.
    Unauthorized {
        /// One header each.
        offers: Vec<String>,
        /// Why credentials were refused.
        reason: Option<&'static str>,
    },
}

/// Who may sign in and how; one for the server.
#[derive(Debug)]
pub struct Gate {
    basic: bool,
    ntlm: bool,
    negotiate: Option<Negotiate>,
    server: Server,
    account: String,
    password: RwLock<String>,
    /// Wrong passwords in a row after which even the right one is refused.
    lock_out_after: Option<u64>,
    wrong_in_a_row: AtomicU64,
    wrong: watch::Sender<u64>,
    held: watch::Sender<bool>,
}

/// What one connection has shown so far.
#[derive(Debug, Default)]
pub struct Connection {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Anonymous,
    Challenged(Challenge),
    Authenticated(Scheme),
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Lets `account` (`DOMAIN\user`) in with `password`.
    pub fn new(basic: bool, ntlm: bool, server: Server, account: &str, password: &str) -> Self {
        Self {
            basic,
            ntlm,
            negotiate: None,
            server,
            account: account.to_owned(),
            password: RwLock::new(password.to_owned()),
            lock_out_after: None,
            wrong_in_a_row: AtomicU64::new(0),
            wrong: watch::Sender::new(0),
            held: watch::Sender::new(false),
        }
    }

    /// Locks the account after so many wrong passwords in a row.
    pub fn lock_out_after(mut self, wrong: Option<u64>) -> Self {
        self.lock_out_after = wrong;
        self
    }

    /// Takes tickets as well.
    pub fn negotiating(mut self, negotiate: Option<Negotiate>) -> Self {
        self.negotiate = negotiate;
        self
    }

    /// What shows a client that came by a ticket who the server is.
    pub fn proof(&self) -> Option<String> {
        let answer = self.negotiate.as_ref()?.answer();
        Some(format!("Negotiate {}", STANDARD.encode(answer)))
    }

    /// From now on only `password` is right; connections that NTLM authenticated stay so.
    pub fn set_password(&self, password: &str) {
        *self.password.write().unwrap_or_else(PoisonError::into_inner) = password.to_owned();
    }

    /// Whether wrong passwords have locked the account.
    pub fn locked_out(&self) -> bool {
        let wrong = self.wrong_in_a_row.load(Ordering::Acquire);
        self.lock_out_after.is_some_and(|limit| wrong >= limit)
    }

    /// How many wrong passwords have come so far; changes when one comes, also while its refusal is
    /// held.
    pub fn wrong_passwords(&self) -> watch::Receiver<u64> {
        self.wrong.subscribe()
    }

    /// As long as it is on, a wrong password is counted and its refusal is not sent, as by a server
    /// whose directory is far or ill.
    pub fn hold_refusals(&self, on: bool) {
        self.held.send_replace(on);
    }

    /// Waits until refusals may go.
    pub(super) async fn may_refuse(&self) {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| !*held).await;
    }

    /// Unlocks the account, as an administrator would.
    pub fn unlock(&self) {
        self.wrong_in_a_row.store(0, Ordering::Release);
    }

    /// Judges one request of `connection`.
    pub fn judge(&self, connection: &Connection, headers: &HeaderMap) -> Verdict {
        let Some(value) = headers.get(AUTHORIZATION) else {
            let mut state = connection.state();
            if let State::Authenticated(scheme) = &*state {
                return Verdict::Passed(*scheme);
            }
            *state = State::Anonymous;
            return self.refuse(None);
        };
        let (scheme, token) = value.to_str().ok().and_then(split).unwrap_or(("", ""));
        let token = STANDARD.decode(token).unwrap_or_default();
        if self.basic && scheme.eq_ignore_ascii_case("Basic") {
            return self.basic(&token);
        }
        if self.ntlm && scheme.eq_ignore_ascii_case("NTLM") {
            return self.ntlm(&mut connection.state(), &token);
        }
        if let Some(negotiate) =
            self.negotiate.as_ref().filter(|_| scheme.eq_ignore_ascii_case("Negotiate"))
        {
            return match negotiate.judge(&token) {
                Some(true) => {
                    if !negotiate.each_request {
                        *connection.state() = State::Authenticated(Scheme::Negotiate);
                    }
                    Verdict::Passed(Scheme::Negotiate)
                }
                Some(false) => self.refuse(Some("wrong ticket")),
                None => self.refuse(Some("malformed")),
            };
        }
        self.refuse(Some("scheme not offered"))
    }

    fn basic(&self, token: &[u8]) -> Verdict {
        // Clients disagree on the charset; what is not UTF-8 is taken for Latin-1.
        let text = match std::str::from_utf8(token) {
            Ok(text) => text.to_owned(),
            Err(_) => token.iter().map(|byte| char::from(*byte)).collect(),
        };
        let Some((name, password)) = text.split_once(':') else {
            return self.refuse(Some("malformed"));
        };
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        if !ntlm::is_account(&self.server, &self.account, domain, user) {
            return self.refuse(Some("unknown user"));
        }
        if *self.password.read().unwrap_or_else(PoisonError::into_inner) != password {
            return self.wrong_password();
        }
        self.right_password(Scheme::Basic)
    }

    fn ntlm(&self, state: &mut State, token: &[u8]) -> Verdict {
        match (ntlm::kind(token), std::mem::take(state)) {
            (Some(1), _) => {
                let mut nonce = [0; 8];
                let filled = aws_lc_rs::rand::fill(&mut nonce).is_ok();
                let made = Challenge::new(&self.server, token, nonce, unix_ms());
                let Some(challenge) = made.filter(|_| filled) else {
                    return self.refuse(Some("malformed"));
                };
                let offer = format!("NTLM {}", STANDARD.encode(challenge.message()));
                *state = State::Challenged(challenge);
                Verdict::Unauthorized { offers: vec![offer], reason: None }
            }
            (Some(3), State::Challenged(challenge)) => {
                let password = self.password.read().unwrap_or_else(PoisonError::into_inner).clone();
                match challenge.verify(&self.server, token, &self.account, &password) {
                    Ok(proof) => {
                        let scheme = Scheme::Ntlm { bound: proof.bound, mic: proof.mic };
                        let verdict = self.right_password(scheme);
                        if matches!(verdict, Verdict::Passed(_)) {
                            *state = State::Authenticated(scheme);
                        }
                        verdict
                    }
                    Err(Refusal::WrongPassword) => self.wrong_password(),
                    Err(refusal) => self.refuse(Some(describe(refusal))),
                }
            }
            (Some(3), _) => self.refuse(Some("an answer without a challenge on this connection")),
            _ => self.refuse(Some("malformed")),
        }
    }

    fn right_password(&self, scheme: Scheme) -> Verdict {
        if self.locked_out() {
            return self.refuse(Some("account locked"));
        }
        self.unlock();
        Verdict::Passed(scheme)
    }

    fn wrong_password(&self) -> Verdict {
        self.wrong_in_a_row.fetch_add(1, Ordering::AcqRel);
        self.wrong.send_modify(|wrong| *wrong += 1);
        self.refuse(Some(WRONG_PASSWORD))
    }

    fn refuse(&self, reason: Option<&'static str>) -> Verdict {
        let mut offers = Vec::new();
        if self.negotiate.is_some() {
            offers.push("Negotiate".to_owned());
        }
        if self.ntlm {
            offers.push("NTLM".to_owned());
        }
        if self.basic {
            offers.push(format!("Basic realm=\"mail.{}\"", self.server.dns_domain));
        }
        Verdict::Unauthorized { offers, reason }
    }
}

fn split(value: &str) -> Option<(&str, &str)> {
    let (scheme, token) = value.trim().split_once(' ')?;
    Some((scheme, token.trim()))
}

fn describe(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed => "malformed",
        Refusal::UnknownUser => "unknown user",
        Refusal::OldProtocol => "NTLMv1",
        Refusal::WrongPassword => WRONG_PASSWORD,
        Refusal::WrongBinding => "wrong channel binding",
        Refusal::NoBinding => "no channel binding",
        Refusal::WrongMic => "wrong integrity code",
        Refusal::WrongTarget => "another server's target info",
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ntlm::ExtendedProtection;

    fn gate(basic: bool, ntlm: bool) -> Gate {
        let server = Server {
            domain: "CORP".into(),
            dns_domain: "corp.example".into(),
            computer: "EX01".into(),
            protection: ExtendedProtection::Allow,
            binding: [0; 16],
        };
        Gate::new(basic, ntlm, server, "CORP\\svc-calway", "a:secret").lock_out_after(Some(3))
    }

    fn judge(gate: &Gate, connection: &Connection, authorization: &str) -> Verdict {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        gate.judge(connection, &headers)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn reason(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Passed(_) => "passed",
            Verdict::Unauthorized { reason, .. } => reason.unwrap_or("asked"),
        }
    }

    #[test]
    fn basic_is_judged_by_request() {
        let (gate, connection) = (gate(true, true), Connection::default());
        let judged = |text: &str| reason(judge(&gate, &connection, &basic(text)));
        assert_eq!(judged("CORP\\svc-calway:a:secret"), "passed");
        assert_eq!(judged("svc-calway@corp.example:a:secret"), "passed");
        assert_eq!(judged("CORP\\other:a:secret"), "unknown user");
        gate.set_password("gr\u{fc}n");
        assert_eq!(judged("CORP\\svc-calway:gr\u{fc}n"), "passed");
        let latin = format!("Basic {}", STANDARD.encode(b"CORP\\svc-calway:gr\xfcn"));
        assert_eq!(reason(judge(&gate, &connection, &latin)), "passed");
        gate.set_password("a:secret");
        assert_eq!(judged("CORP\\svc-calway:a"), "wrong password");
        assert_eq!(reason(judge(&gate, &connection, "")), "asked");
    }

    #[test]
    fn only_what_is_offered_is_taken() {
        let connection = Connection::default();
        let offers = |basic, ntlm| match judge(&gate(basic, ntlm), &connection, "") {
            Verdict::Unauthorized { offers, .. } => offers,
            passed => panic!("{passed:?}"),
        };
        assert_eq!(offers(true, true), ["NTLM", "Basic realm=\"mail.corp.example\""]);
        assert_eq!(offers(false, true), ["NTLM"]);
        let verdict = judge(&gate(false, true), &connection, &basic("CORP\\svc-calway:a:secret"));
        assert_eq!(reason(verdict), "scheme not offered");
        let verdict = judge(&gate(true, true), &connection, "Negotiate YII=");
        assert_eq!(reason(verdict), "scheme not offered");
    }

    #[test]
    fn an_ntlm_answer_needs_the_challenge_of_its_own_connection() {
        let gate = gate(true, true);
        let (one, other) = (Connection::default(), Connection::default());
        let mut negotiate = b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2".to_vec();
        negotiate.extend_from_slice(&[0; 24]);
        let negotiate = format!("NTLM {}", STANDARD.encode(negotiate));
        match judge(&gate, &one, &negotiate) {
            Verdict::Unauthorized { offers, reason: None } => {
                assert_eq!(offers.len(), 1);
                assert!(offers[0].starts_with("NTLM TlRMTVNTUAAC"), "{offers:?}");
            }
            other => panic!("{other:?}"),
        }
        let answer = format!("NTLM {}", STANDARD.encode(b"NTLMSSP\0\x03\0\0\0"));
        let expected = "an answer without a challenge on this connection";
        assert_eq!(reason(judge(&gate, &other, &answer)), expected);
        assert_eq!(reason(judge(&gate, &one, &answer)), "malformed");
        assert_eq!(reason(judge(&gate, &one, &answer)), expected, "a challenge is good once");
    }

    #[test]
    fn wrong_passwords_lock_the_account_until_it_is_unlocked() {
        let (gate, connection) = (gate(true, false), Connection::default());
        let judged = |text: &str| reason(judge(&gate, &connection, &basic(text)));
        for _ in 0..3 {
            assert_eq!(judged("CORP\\svc-calway:wrong"), "wrong password");
        }
        assert!(gate.locked_out());
        assert_eq!(judged("CORP\\svc-calway:a:secret"), "account locked");
        gate.unlock();
        assert_eq!(judged("CORP\\svc-calway:a:secret"), "passed");
        gate.set_password("new");
        assert_eq!(judged("CORP\\svc-calway:a:secret"), "wrong password");
        assert_eq!(judged("CORP\\svc-calway:new"), "passed");
    }
}
