//! Who is sent credentials, and who is sent nothing at all.

use calway::calendar::Calendar;
use calway::model::{Hint, ListenEnd, Next, Span, Verdict};
use calway_lab::dns::{NameServer, Srv};
use calway_lab::exchange::{Forms, MovedTo, Options};
use calway_lab::site::{Manner, Site};
use tokio::sync::mpsc;

use super::{APEX, HOST, Org, asked, home, target};

const EVIL: &str = "evil.example";

/// A host that only redirects lead to, and that looks like the real thing.
async fn evil(org: &mut Org) -> Site {
    let leaf = org.authority.leaf(&[EVIL, "autodiscover.evil.example"]);
    let offers = ["NTLM", "Basic realm=\"x\""].map(str::to_owned).to_vec();
    let site = Site::secure(Manner::Guarded(offers), &leaf).await.unwrap();
    org.place(EVIL, 443, site.address());
    org.place("autodiscover.evil.example", 443, site.address());
    site
}

const THERE: &str = "https://evil.example/autodiscover/autodiscover.xml";

#[tokio::test]
async fn a_redirect_to_a_stranger_is_not_followed_and_waits_for_a_decision() {
    for plain in [false, true] {
        let mut org = Org::new();
        let stranger = evil(&mut org).await;
        let leaf = org.authority.leaf(&[APEX, HOST]);
        let redirect = Manner::Redirect(THERE.to_owned());
        let site = match plain {
            true => Site::plain(redirect).await.unwrap(),
            false => Site::secure(redirect, &leaf).await.unwrap(),
        };
        org.place(HOST, if plain { 80 } else { 443 }, site.address());
        let fault = home(&org.provider(), "ann").await.unwrap_err();
        assert!(matches!(fault.next, Next::Retry { after: Some(_) }), "{fault}");
        assert!(fault.cause.code.contains("trust list"), "{fault}");
        assert_eq!(org.book.waiting().await, [(EVIL.to_owned(), "redirect".to_owned())]);
        assert_eq!(stranger.connections(), 0, "not even a look");
    }
}

#[tokio::test]
async fn an_answer_that_sends_a_mailbox_to_a_stranger_is_not_followed() {
    for (to, host, via) in [
        (THERE, EVIL, "redirect"),
        ("ann@evil.example", "autodiscover.evil.example", "redirected address"),
    ] {
        let mut org = Org::new();
        let stranger = evil(&mut org).await;
        let exchange = org.server_at(HOST).await;
        exchange.calendars().move_mailbox("ann@corp.example", MovedTo::Cloud(to.to_owned()));
        let ews = org.provider();
        assert!(home(&ews, "ann").await.is_err());
        assert_eq!(org.book.waiting().await, [(host.to_owned(), via.to_owned())]);
        assert_eq!(stranger.connections(), 0);
        home(&ews, "bob").await.expect("the others are not concerned");
    }
}

#[tokio::test]
async fn a_dns_record_that_names_a_stranger_is_not_followed() {
    let mut org = Org::new();
    let stranger = evil(&mut org).await;
    let dns = NameServer::start(vec![Srv {
        name: "_autodiscover._tcp.corp.example".to_owned(),
        priority: 0,
        weight: 0,
        port: 443,
        target: EVIL.to_owned(),
    }])
    .await
    .unwrap();
    org.discover.srv = true;
    org.discover.name_servers = vec![dns.address()];
    assert!(home(&org.provider(), "ann").await.is_err());
    assert_eq!(org.book.waiting().await, [(EVIL.to_owned(), "dns srv".to_owned())]);
    assert_eq!(stranger.connections(), 0);
}

#[tokio::test]
async fn a_decision_is_taken_up_without_a_restart() {
    let mut org = Org::new();
    let exchange = org.server_at("mail.corp.example").await;
    let to = "https://mail.corp.example/autodiscover/autodiscover.xml".to_owned();
    let site = Site::plain(Manner::Redirect(to)).await.unwrap();
    org.place(HOST, 80, site.address());
    let ews = org.provider();
    assert!(home(&ews, "ann").await.is_err());
    assert_eq!(exchange.log().counts().connections, 0);

    org.book.inner.decide("mail.corp.example", Verdict::Blocked);
    let fault = home(&ews, "ann").await.unwrap_err();
    assert_eq!(fault.next, Next::Denied, "{fault}");
    assert_eq!(exchange.log().counts().connections, 0);

    org.book.inner.decide("mail.corp.example", Verdict::Allowed);
    home(&ews, "ann").await.expect("allowed now");

    // Whoever is blocked later is asked nothing more, by whatever was known before.
    let server = "127.0.0.1";
    ews.verify(&target("ann")).await.expect("served there");
    org.book.inner.decide(server, Verdict::Blocked);
    org.book.pass(Span::MINUTE);
    let requests = || asked(&exchange, "GetFolder");
    let before = requests();
    for fault in [ews.verify(&target("ann")).await.err(), home(&ews, "ann").await.err()] {
        let fault = fault.expect("blocked");
        assert!(fault.next == Next::Denied && fault.cause.code.contains("blocked"), "{fault}");
    }
    assert_eq!(requests(), before);

    org.book.inner.decide(server, Verdict::Allowed);
    home(&ews, "ann").await.expect("allowed again");
    ews.verify(&target("ann")).await.expect("allowed again");
}

#[tokio::test]
async fn a_host_that_waits_does_not_make_everybody_look_again_and_again() {
    let mut org = Org::new();
    let site = Site::plain(Manner::Redirect(THERE.to_owned())).await.unwrap();
    org.place(HOST, 80, site.address());
    let ews = org.provider();
    for _ in 0..5 {
        assert!(home(&ews, "ann").await.is_err());
        assert!(home(&ews, "bob").await.is_err());
    }
    // The entry that is new on the list counts as a change of it, once.
    assert!(site.visits().len() <= 2, "{}", site.visits().len());
    org.book.pass(Span::MINUTE);
    assert!(home(&ews, "ann").await.is_err());
    assert!(site.visits().len() <= 3);
}

#[tokio::test]
async fn a_stream_to_a_host_that_is_blocked_ends_at_once() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider();
    let ann = target("ann");
    home(&ews, "ann").await.unwrap();
    let (_orders, ordered) = mpsc::channel(1);
    let (hints, mut heard) = mpsc::channel(16);
    let listening = ews.listen(vec![ann.clone()], ordered, hints);
    let deciding = async {
        let hint = heard.recv().await;
        assert!(matches!(hint, Some(Hint::Listening(_))), "{hint:?}");
        // A verdict on another host lets it alone.
        org.book.inner.decide("else.example", Verdict::Blocked);
        ews.verify(&ann).await.unwrap();
        assert_eq!(exchange.open_streams(), 1);
        org.book.inner.decide("127.0.0.1", Verdict::Blocked);
        // The clock stands: it is not a list that has grown old.
        assert_eq!(ews.verify(&ann).await.unwrap_err().next, Next::Denied);
        heard
    };
    let (end, _heard) = tokio::join!(listening, deciding);
    assert!(matches!(&end, ListenEnd::Failed(fault) if fault.next == Next::Denied), "{end:?}");
    assert_eq!(asked(&exchange, "Unsubscribe"), 0, "nothing more is sent there");
}

#[tokio::test]
async fn a_server_that_is_named_without_a_sign_in_gets_no_password_from_us() {
    let mut org = Org::new();
    let autodiscover = Forms { soap: false, pox: false, json: true };
    let exchange = org.server(Options { autodiscover, ..Options::default() }).await;
    super::add(&exchange, "ann");
    org.place(HOST, 443, exchange.address());
    let ews = org.provider();
    assert!(home(&ews, "ann").await.is_err());
    assert!(ews.verify(&target("ann")).await.is_err());
    // Its address is named by version 2, which anybody may answer.
    let waiting = ("127.0.0.1".to_owned(), "autodiscover host".to_owned());
    assert_eq!(org.book.waiting().await, [waiting]);
    assert_eq!((asked(&exchange, "GetFolder"), exchange.log().refusals()), (0, 0));

    org.book.inner.decide("127.0.0.1", Verdict::Allowed);
    home(&ews, "ann").await.expect("allowed");
    ews.verify(&target("ann")).await.expect("allowed");
}
