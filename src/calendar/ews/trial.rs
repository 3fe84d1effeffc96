//! A new password, tried once: in nobody's name, beside all other connections, and before the
//! account's gate, so that a wrong one is never sent twice.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::gate::{Gates, SignIn};
use super::http::{Http, Limits, Route};
use super::sign_in::Auth;
use super::{Ews, Options};
use crate::model::{Fault, Next, Secret, Tried};
use crate::net::Origin;

/// Nobody waits longer for a server than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Its answer is listened for so long all the same: a password whose refusal nobody hears would be
/// sent again, and each time is one nearer to a locked account.
const HEARD: Duration = Duration::from_secs(100);

/// A server that did not answer in that time may have counted the password all the same: nothing is
/// tried again for so long.
const REST: Duration = Duration::from_secs(300);

/// What any account may ask, without a mailbox ([MS-OXWSGTZ] 3.1.4.1).
const QUESTION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
    xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
    <s:Header><t:RequestServerVersion Version=\"Exchange2010\"/></s:Header>\
    <s:Body><m:GetServerTimeZones ReturnFullTimeZoneData=\"false\"><m:Ids><t:Id>UTC</t:Id></m:Ids>\
    </m:GetServerTimeZones></s:Body></s:Envelope>";

/// Tries it at the server that is configured, or else at the one that was asked last.
pub(super) async fn secret(ews: &Ews, secret: &Secret) -> Tried {
    let gates = ews.servers.sign_in().gates().clone();
    // What others learnt of it already costs no attempt.
    if gates.is_proven(secret) {
        return Tried::Works;
    }
    if gates.refuses(secret).await {
        return Tried::Refused(Fault::new(Next::SignIn, "it was refused before"));
    }
    let options = &ews.options;
    let known = ews.servers.asked_last();
    let Some(url) = options.url.clone().or(known).or(options.autodiscover.clone()) else {
        return Tried::Untold(Fault::retry("no server of Exchange is known yet"));
    };
    if let Ok(server) = ews.servers.at(&url)
        && server.rests_for().is_some()
    {
        return Tried::Untold(Fault::retry("the server wants to be left alone for a while"));
    }
    match ask(ews, &url, secret, &gates).await {
        _ if gates.is_proven(secret) => Tried::Works,
        Err(fault) if gates.refuses(secret).await => Tried::Refused(fault),
        Err(fault) => Tried::Untold(fault),
        Ok(()) => Tried::Untold(Fault::retry("the server let us in without a password")),
    }
}

async fn ask(ews: &Ews, url: &Uri, secret: &Secret, gates: &Gates) -> Result<(), Fault> {
    // What queued before the gate of a server that hangs would be sent once more by each.
    let Ok(turn) = ews.trying.clone().try_lock_owned() else {
        return Err(Fault::retry("the server has not answered the last attempt yet"));
    };
    let sign_in = Arc::new(of(&ews.options, secret, gates)?);
    let limits = Limits { connections: 1, streams: 1, request_timeout: HEARD * 2 };
    let connector = ews.servers.connector().clone();
    let http = Http::new(connector, Origin::of(url)?, sign_in, limits);
    let url = url.clone();
    // Whoever waits may give up; the gate, which others stand before, hears the answer.
    let asked = tokio::spawn(async move {
        let route = Route::default();
        let asked = http.post(&url, &route, None, QUESTION.to_owned());
        match tokio::time::timeout(HEARD, asked).await {
            Ok(answer) => {
                drop(turn);
                answer.map(drop)
            }
            Err(_) => {
                tokio::time::sleep(REST).await;
                drop(turn);
                Err(Fault::retry("no answer"))
            }
        }
    });
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Fault::retry("internal error")),
        Err(_) => Err(Fault::retry("no answer in time")),
    }
}

/// The account with this password. Of Kerberos only what is asked for anew says something of it.
fn of(options: &Options, secret: &Secret, gates: &Gates) -> Result<SignIn, Fault> {
    let keytab = options.tickets.as_ref().is_some_and(|tickets| tickets.keytab().is_some());
    let by_password = |way: &&Auth| !(keytab && **way == Auth::Negotiate);
    let ways: Vec<Auth> = options.auth.iter().filter(by_password).copied().collect();
    if ways.is_empty() {
        return Err(Fault::retry("Exchange is signed in to by the keytab, not by the password"));
    }
    let tickets = options.tickets.as_ref().and_then(|tickets| tickets.fresh());
    let password = secret.clone();
    let source = Box::new(move || Some(password.clone()));
    Ok(SignIn::new(options.account.clone(), ways, source, tickets, gates.clone()))
}
