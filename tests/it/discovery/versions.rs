//! Which version of the protocol Autodiscover and EWS are asked in, over the years of a server.

use calway::calendar::Calendar;
use calway::model::Span;
use calway_lab::exchange::{Exchange, Fault as Wrong, Match, Options};

use super::{HOST, Org, add, asked, fresh_home, home, target};

const OF_2010: [u32; 4] = [14, 3, 123, 4];
const OF_2019: [u32; 4] = [15, 2, 1748, 10];

/// A server that knows nothing after Exchange 2010 SP2.
async fn old_server(org: &mut Org) -> Exchange {
    let newest_version = Some("Exchange2010_SP2");
    let server = org.server(Options { newest_version, ..Options::default() }).await;
    for name in ["ann", "bob"] {
        add(&server, name);
    }
    org.place(HOST, 443, server.address());
    server
}

fn refused(server: &Exchange, code: &str) -> usize {
    server.log().entries().iter().filter(|entry| entry.code == code).count()
}

#[tokio::test]
async fn an_old_autodiscover_is_asked_in_its_own_version_from_the_second_request_on() {
    let mut org = Org::new();
    let server = old_server(&mut org).await;
    let ews = org.provider();
    home(&ews, "ann").await.expect("SOAP, and no lesser form");
    assert_eq!((refused(&server, "InvalidRequest"), asked(&server, "GetUserSettings")), (1, 2));
    home(&ews, "bob").await.unwrap();
    org.book.pass(Span::HOUR);
    fresh_home(&ews, "ann").await.unwrap();
    assert_eq!((refused(&server, "InvalidRequest"), asked(&server, "GetUserSettings")), (1, 4));
    assert_eq!(asked(&server, "AutodiscoverPox"), 0);
}

#[tokio::test]
async fn a_request_that_is_refused_for_another_reason_does_not_make_the_server_an_old_one() {
    let mut org = Org::new();
    let server = org.server_at(HOST).await;
    let wrong = Wrong::ResponseCode("InvalidRequest".to_owned());
    let refusing = server.faults().always(Match::operation("GetUserSettings"), wrong);
    let ews = org.provider();
    home(&ews, "ann").await.expect("in a lesser form");
    refusing.stop();
    let before = asked(&server, "GetUserSettings");
    org.book.pass(Span::DAY);
    server.release().becomes(Some("Exchange2010_SP2"), OF_2010);
    home(&org.provider(), "bob").await.unwrap();
    home(&ews, "bob").await.unwrap();
    // The newest version is what the server was asked in all the time, so it is refused now.
    assert_eq!(refused(&server, "InvalidRequest"), 2 + 2);
    assert_eq!(asked(&server, "GetUserSettings") - before, 4);
}

#[tokio::test]
async fn an_upgraded_server_is_asked_in_the_newest_version_without_a_restart() {
    // At once where its build tells it, and else the next day.
    for (build, wait) in [(OF_2019, Span::SECOND), (OF_2010, Span::DAY)] {
        let mut org = Org::new();
        let server = old_server(&mut org).await;
        let ews = org.provider();
        let ann = target("ann");
        home(&ews, "ann").await.unwrap();
        for _ in 0..3 {
            ews.verify(&ann).await.unwrap();
        }
        let refusals = || refused(&server, "ErrorInvalidServerVersion");
        assert_eq!(refusals(), 1);
        server.release().becomes(None, build);
        ews.verify(&ann).await.unwrap();
        org.book.pass(wait);
        ews.verify(&ann).await.unwrap();
        // Whoever is asked in the newest version refuses it from here on.
        server.release().becomes(Some("Exchange2010_SP2"), OF_2010);
        ews.verify(&ann).await.unwrap();
        assert_eq!(refusals(), 2, "it was asked in the newest version again");
        for _ in 0..20 {
            ews.verify(&ann).await.unwrap();
        }
        assert_eq!(refusals(), 2, "and not to and fro");
    }
}
