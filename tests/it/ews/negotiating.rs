//! Negotiate against the simulated Exchange, with tickets that a test hands out; real ones are in
//! tests/real/directory.

use std::sync::{Arc, Mutex};

use calway::calendar::Calendar;
use calway::calendar::ews::Auth;
use calway::calendar::ews::negotiate::{NoToken, Tickets, Token, Wish};
use calway::model::{Fault, Next, Secret};
use calway_lab::exchange::{Negotiate, Options};
use futures_util::future::{BoxFuture, FutureExt, join_all};

use super::{PASSWORD, Stage};

/// A key server whose answer a test decides.
#[derive(Debug, Default)]
struct Script {
    without: Mutex<Option<NoToken>>,
    keytab: Option<Secret>,
    /// Its tickets are old ones.
    kept: bool,
    asked: Mutex<Vec<Wish>>,
}

impl Tickets for Script {
    fn keytab(&self) -> Option<Secret> {
        self.keytab.clone()
    }

    fn token(&self, wish: Wish) -> BoxFuture<'_, Result<Token, NoToken>> {
        self.asked.lock().unwrap().push(wish);
        let answer = match &*self.without.lock().unwrap() {
            Some(why) => Err(why.clone()),
            None => Ok(Token {
                bytes: b"a ticket".to_vec(),
                proves: Box::new(|proof| proof == b"the server's proof"),
                asked: !self.kept,
            }),
        };
        std::future::ready(answer).boxed()
    }
}

fn takes_tickets(each_request: bool) -> Options {
    let negotiate = Negotiate {
        ticket: b"a ticket".to_vec(),
        proof: b"the server's proof".to_vec(),
        each_request,
    };
    Options { negotiate: Some(negotiate), lock_out_after: Some(2), ..Options::default() }
}

async fn stage(server: Options, script: &Arc<Script>) -> Stage {
    let tickets: Arc<dyn Tickets> = Arc::clone(script) as _;
    Stage::with(server, |options| {
        options.auth = vec![Auth::Negotiate, Auth::Ntlm, Auth::Basic];
        options.tickets = Some(tickets);
    })
    .await
}

fn unavailable(next: Next) -> Mutex<Option<NoToken>> {
    Mutex::new(Some(NoToken::Unavailable(Fault::new(next, "Kerberos: no ticket"))))
}

#[tokio::test]
async fn a_ticket_signs_a_connection_in_once() {
    let script = Arc::new(Script::default());
    let stage = stage(takes_tickets(false), &script).await;
    let ann = stage.mailbox("ann");
    for _ in 0..10 {
        stage.ews.verify(&ann).await.unwrap();
    }
    let counts = stage.exchange.log().counts();
    assert_eq!((counts.connections, counts.challenges), (1, 1));
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].account.as_str(), asked[0].host.as_str()),
        ("CORP\\svc-calway", "127.0.0.1")
    );
    let binding = asked[0].binding.as_deref().unwrap();
    assert!(binding.starts_with(b"tls-server-end-point:"));
}

#[tokio::test]
async fn a_server_that_wants_a_ticket_with_each_request_gets_it_on_one_connection() {
    let script = Arc::new(Script::default());
    let stage = stage(takes_tickets(true), &script).await;
    let ann = stage.mailbox("ann");
    for _ in 0..10 {
        stage.ews.verify(&ann).await.unwrap();
    }
    let counts = stage.exchange.log().counts();
    assert_eq!(counts.connections, 1);
    assert_eq!(counts.challenges, 2, "one to ask, one to learn that it is so");
    assert_eq!(script.asked.lock().unwrap().len(), 10);
}

#[tokio::test]
async fn without_a_ticket_the_next_way_is_taken_and_remembered() {
    for next in [Next::BackOff { after: None }, Next::SignIn] {
        let script = Arc::new(Script { without: unavailable(next), ..Script::default() });
        let stage = stage(takes_tickets(false), &script).await;
        let ann = stage.mailbox("ann");
        for _ in 0..3 {
            stage.exchange.drop_connections();
            stage.ews.verify(&ann).await.unwrap();
        }
        assert_eq!(script.asked.lock().unwrap().len(), 1, "not for each connection");
        assert_eq!(stage.exchange.log().refusals(), 0);
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_taken_makes_room_for_the_next_way() {
    let script = Arc::new(Script::default());
    let mut server = takes_tickets(false);
    server.negotiate.as_mut().unwrap().ticket = b"another one".to_vec();
    let stage = stage(server, &script).await;
    stage.ews.verify(&stage.mailbox("ann")).await.unwrap();
    assert_eq!(stage.exchange.log().counts().refusals["wrong ticket"], 1);
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_not_believed() {
    let script = Arc::new(Script::default());
    let mut server = takes_tickets(false);
    server.negotiate.as_mut().unwrap().proof = b"somebody else's".to_vec();
    let stage = stage(server, &script).await;
    let fault = stage.ews.verify(&stage.mailbox("ann")).await.unwrap_err();
    assert_eq!(fault.next, Next::BackOff { after: None });
    assert!(fault.to_string().contains("could not prove who it is"), "{fault}");
}

#[tokio::test]
async fn a_password_that_the_key_server_refuses_is_sent_nowhere_else() {
    let script = Arc::new(Script::default());
    *script.without.lock().unwrap() = Some(NoToken::Refused("Kerberos: wrong".into()));
    let stage = stage(takes_tickets(false), &script).await;
    let targets = stage.mailboxes(8);
    let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
    assert!(all.iter().all(|one| one.as_ref().is_err_and(|fault| fault.next == Next::SignIn)));
    assert_eq!(script.asked.lock().unwrap().len(), 1);
    assert_eq!(stage.exchange.log().refusals(), 0, "neither by NTLM nor by Basic");
    *script.without.lock().unwrap() = None;
    "another".clone_into(&mut stage.password.lock().unwrap());
    stage.ews.verify(&targets[0]).await.expect("a changed password is taken up");
}

#[tokio::test]
async fn a_keytab_that_is_refused_makes_room_for_the_password() {
    for each_request in [false, true] {
        let script = Script { keytab: Some(Secret::new("a keytab")), ..Script::default() };
        let script = Arc::new(script);
        let stage = stage(takes_tickets(each_request), &script).await;
        let ann = stage.mailbox("ann");
        stage.ews.verify(&ann).await.unwrap();
        let old = NoToken::Refused("Kerberos: an old key".into());
        *script.without.lock().unwrap() = Some(old);
        script.asked.lock().unwrap().clear();
        for _ in 0..3 {
            if !each_request {
                stage.exchange.drop_connections();
            }
            stage.ews.verify(&ann).await.unwrap();
        }
        assert_eq!(script.asked.lock().unwrap().len(), 1, "the keytab's key is tried once");
        assert_eq!(stage.exchange.log().refusals(), 0);
    }
}

#[tokio::test]
async fn a_keytab_that_is_refused_is_told_where_nothing_else_is_left() {
    let script = Script { keytab: Some(Secret::new("a keytab")), ..Script::default() };
    *script.without.lock().unwrap() = Some(NoToken::Refused("Kerberos: an old key".into()));
    let script = Arc::new(script);
    let tickets: Arc<dyn Tickets> = Arc::clone(&script) as _;
    let stage = Stage::with(takes_tickets(false), |options| {
        options.auth = vec![Auth::Negotiate];
        options.tickets = Some(tickets);
    })
    .await;
    let ann = stage.mailbox("ann");
    for _ in 0..3 {
        assert_eq!(stage.ews.verify(&ann).await.unwrap_err().next, Next::SignIn);
    }
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_key_server_takes_and_one_server_refuses_is_that_servers_matter() {
    let script = Arc::new(Script::default());
    let stage = stage(takes_tickets(false), &script).await;
    let ann = stage.mailbox("ann");
    stage.ews.verify(&ann).await.unwrap();
    // By NTLM the password comes bound to a channel that is not this server's.
    stage.exchange.gate().set_password("other");
    stage.exchange.drop_connections();
    let away = NoToken::Unavailable(Fault::retry("Kerberos: no ticket"));
    *script.without.lock().unwrap() = Some(away);
    stage.ews.verify(&ann).await.unwrap_err();
    *script.without.lock().unwrap() = None;
    stage.ews.verify(&ann).await.expect("tickets are taken as before");
    assert_eq!(stage.exchange.log().refusals(), 1);
}

#[tokio::test]
async fn an_old_ticket_does_not_make_a_changed_password_a_right_one() {
    let script = Arc::new(Script { kept: true, ..Script::default() });
    let stage = stage(takes_tickets(false), &script).await;
    let targets = stage.mailboxes(8);
    stage.ews.verify(&targets[0]).await.unwrap();
    stage.exchange.gate().set_password("new");
    stage.exchange.drop_connections();
    let away = NoToken::Unavailable(Fault::retry("Kerberos: no ticket"));
    *script.without.lock().unwrap() = Some(away);
    let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(stage.exchange.log().refusals(), 1);
}

#[tokio::test]
async fn where_nothing_is_left_the_way_that_was_meant_says_why() {
    let script = Arc::new(Script {
        without: unavailable(Next::BackOff { after: None }),
        ..Script::default()
    });
    let server = Options { ntlm: false, basic: false, ..takes_tickets(false) };
    let stage = stage(server, &script).await;
    let fault = stage.ews.verify(&stage.mailbox("ann")).await.unwrap_err();
    assert_eq!(fault, Fault::new(Next::BackOff { after: None }, "Kerberos: no ticket"));
    assert_eq!(*stage.password.lock().unwrap(), PASSWORD);
}
