//! Each way home, over real connections, and what stands beside it.

use std::sync::Arc;

use calway::calendar::Calendar;
use calway::model::{Doubt, Next, Span};
use calway_lab::dns::{NameServer, Srv};
use calway_lab::exchange::{Forms, MailboxKind, MovedTo, Options};
use calway_lab::site::{Manner, Site};
use calway_lab::tls::{Authority, Variant};

use super::{APEX, HOST, Org, add, asked, home, target};

#[tokio::test]
async fn a_company_page_beside_exchange_is_passed_by() {
    let foreign = Authority::new();
    let guarded = || Manner::Guarded(vec!["Basic realm=\"members\"".to_owned()]);
    for manner in [Manner::Page, Manner::Status(404), Manner::Status(503), guarded()] {
        for authority in [None, Some(&foreign)] {
            let mut org = Org::new();
            let exchange = org.server_at(HOST).await;
            let own = Arc::clone(&org.authority);
            let leaf = authority.unwrap_or(&own).leaf(&[APEX]);
            let site = Site::secure(manner.clone(), &leaf).await.unwrap();
            org.place(APEX, 443, site.address());
            let ews = org.provider();
            home(&ews, "ann").await.unwrap();
            ews.verify(&target("ann")).await.unwrap();
            let visits = site.visits();
            assert!(visits.iter().all(|visit| visit.authorization.is_none()), "{visits:?}");
            assert!(visits.iter().all(|visit| !visit.path.contains('@')), "{visits:?}");
            assert_eq!(asked(&exchange, "GetUserSettings"), 1, "{manner:?}");
        }
    }
}

#[tokio::test]
async fn a_web_site_that_looks_like_windows_gets_no_password() {
    let mut org = Org::new();
    let offers = ["NTLM", "Basic realm=\"x\""].map(str::to_owned).to_vec();
    let leaf = org.authority.leaf(&[APEX]);
    let site = Site::secure(Manner::Guarded(offers), &leaf).await.unwrap();
    org.place(APEX, 443, site.address());
    let fault = home(&org.provider(), "ann").await.unwrap_err();
    assert!(matches!(fault.next, Next::Retry { .. }), "others may be signed in to: {fault}");
    let shown: Vec<_> = site.visits().into_iter().filter_map(|v| v.authorization).collect();
    assert!(!shown.is_empty() && shown.iter().all(|way| way.starts_with("NTLM")), "{shown:?}");
}

#[tokio::test]
async fn each_form_of_autodiscover_is_enough() {
    let none = Forms { soap: false, pox: false, json: false };
    for (forms, operation) in [
        (Forms { soap: true, ..none }, "GetUserSettings"),
        (Forms { pox: true, ..none }, "AutodiscoverPox"),
        (Forms { json: true, ..none }, "AutodiscoverJson"),
        (Forms { pox: true, json: true, ..none }, "AutodiscoverPox"),
    ] {
        let mut org = Org::new();
        // The version 2 is asked without a sign-in: somebody has to vouch for what it names.
        org.discover.trusted_hosts = vec!["127.0.0.1".to_owned()];
        let options = Options { autodiscover: forms, ..Options::default() };
        let exchange = org.server(options).await;
        add(&exchange, "ann");
        org.place(HOST, 443, exchange.address());
        let ews = org.provider();
        home(&ews, "ann").await.unwrap_or_else(|fault| panic!("{operation}: {fault}"));
        ews.verify(&target("ann")).await.unwrap();
        assert_eq!(asked(&exchange, operation), 1);
    }
}

#[tokio::test]
async fn a_redirect_over_plain_http_is_followed_without_showing_anything() {
    let mut org = Org::new();
    let exchange = org.server_at("mail.corp.example").await;
    let to = "https://mail.corp.example/autodiscover/autodiscover.xml";
    let site = Site::plain(Manner::Redirect(to.to_owned())).await.unwrap();
    org.place(HOST, 80, site.address());
    org.discover.trusted_hosts = vec!["*.corp.example".to_owned()];
    let ews = org.provider();
    home(&ews, "ann").await.unwrap();
    assert_eq!(asked(&exchange, "GetUserSettings"), 1);
    let visits = site.visits();
    assert_eq!(visits.len(), 1);
    assert_eq!((visits[0].method.as_str(), visits[0].authorization.as_deref()), ("GET", None));
    assert_eq!(
        (visits[0].path.as_str(), visits[0].host.as_str()),
        ("/autodiscover/autodiscover.xml", HOST)
    );
}

#[tokio::test]
async fn srv_records_are_tried_from_the_lowest_priority_on() {
    let mut org = Org::new();
    let exchange = org.server_at("mail.corp.example").await;
    let leaf = org.authority.leaf(&["old.corp.example"]);
    let old = Site::secure(Manner::Status(404), &leaf).await.unwrap();
    org.place("old.corp.example", 443, old.address());
    let record = |priority, target: &str| Srv {
        name: "_autodiscover._tcp.corp.example".to_owned(),
        priority,
        weight: 10,
        port: 443,
        target: target.to_owned(),
    };
    let (new, old_record) = (record(20, "mail.corp.example"), record(10, "old.corp.example"));
    let dns = NameServer::start(vec![new, old_record]).await.unwrap();
    org.discover.srv = true;
    org.discover.name_servers = vec![dns.address()];
    org.discover.trusted_hosts = vec!["*.corp.example".to_owned()];
    let ews = org.provider();
    home(&ews, "ann").await.unwrap();
    assert_eq!(dns.asked(), ["_autodiscover._tcp.corp.example"]);
    assert_eq!((old.visits().len(), asked(&exchange, "GetUserSettings")), (1, 1));
}

#[tokio::test]
async fn a_name_without_srv_records_is_no_fault() {
    let mut org = Org::new();
    let dns = NameServer::start(Vec::new()).await.unwrap();
    org.discover.srv = true;
    org.discover.name_servers = vec![dns.address()];
    let fault = home(&org.provider(), "ann").await.unwrap_err();
    assert_eq!(fault.next, Next::Retry { after: None });
    assert!(!fault.cause.code.contains("DNS: no name server"), "{fault}");
}

#[tokio::test]
async fn a_server_with_a_bad_certificate_is_told_in_words() {
    for (certificate, words) in [
        (Variant::Expired, "TLS: the server's certificate has expired"),
        (Variant::WrongName, "TLS: the server's certificate does not name this host"),
        (Variant::SelfSigned, "TLS: the server's certificate comes from an authority that is not"),
    ] {
        let mut org = Org::new();
        let exchange = org.server(Options { certificate, ..Options::default() }).await;
        add(&exchange, "ann");
        org.place(HOST, 443, exchange.address());
        // The company's web site has one of its own, as is usual, and the other places follow.
        let leaf = Authority::new().leaf(&[APEX]);
        let site = Site::secure(Manner::Page, &leaf).await.unwrap();
        org.place(APEX, 443, site.address());
        org.place(HOST, 80, super::NOWHERE.into());
        let fault = home(&org.provider(), "ann").await.unwrap_err();
        assert_eq!(fault.next, Next::Retry { after: None });
        assert!(fault.cause.code.contains(words), "{fault}");
        assert!(fault.cause.code.contains("(autodiscover host)"), "{fault}");
        assert_eq!(exchange.log().entries().len(), 0);
    }
}

#[tokio::test]
async fn a_web_sites_foreign_certificate_is_not_what_is_told() {
    let mut org = Org::new();
    let site = Site::secure(Manner::Page, &Authority::new().leaf(&[APEX])).await.unwrap();
    org.place(APEX, 443, site.address());
    let fault = home(&org.provider(), "ann").await.unwrap_err();
    assert!(fault.cause.code.ends_with("look first at: connection refused"), "{fault}");
}

/// One answer sends a mailbox to another address, or to another place, in either form.
#[tokio::test]
async fn an_answer_that_sends_a_mailbox_on_is_followed() {
    let other = "autodiscover.sub.example";
    let both = [
        Forms { soap: true, pox: false, json: false },
        Forms { soap: false, pox: true, json: false },
    ];
    for forms in both {
        for to in
            ["ann@sub.example", "https://autodiscover.sub.example/autodiscover/autodiscover.xml"]
        {
            let mut org = Org::new();
            org.discover.domains.push("sub.example".to_owned());
            org.place("sub.example", 443, super::NOWHERE.into());
            let options = Options { autodiscover: forms, ..Options::default() };
            let first = org.server(options.clone()).await;
            add(&first, "ann");
            org.place(HOST, 443, first.address());
            let domain = "sub.example".to_owned();
            let second = org.server(Options { domain, ..options }).await;
            for address in ["ann@corp.example", "ann@sub.example"] {
                second.calendars().add_mailbox(address, "Ann", MailboxKind::User);
            }
            org.place(other, 443, second.address());
            first.calendars().move_mailbox("ann@corp.example", MovedTo::Cloud(to.to_owned()));
            let ews = org.provider();
            home(&ews, "ann").await.unwrap_or_else(|why| panic!("{forms:?} {to}: {why}"));
            ews.verify(&target("ann")).await.unwrap_or_else(|why| panic!("{forms:?} {to}: {why}"));
            assert!(asked(&second, "GetFolder") > 0, "{forms:?} {to}");
            assert_eq!(asked(&first, "GetFolder"), 0, "{forms:?} {to}");
        }
    }
}

#[tokio::test]
async fn a_hundred_mailboxes_are_one_request_and_the_next_hundred_look_for_nothing() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let names: Vec<String> = (0..250).map(|n| format!("m{n:03}")).collect();
    for name in &names {
        add(&exchange, name);
    }
    let targets: Vec<_> = names.iter().map(|name| target(name)).collect();
    let ews = org.provider();
    for some in targets.chunks(100) {
        let homes = ews.homes(some, Doubt::None).await;
        assert_eq!(homes.len(), some.len());
        assert!(homes.iter().all(Result::is_ok));
    }
    assert_eq!(asked(&exchange, "GetUserSettings"), 3);
    let looks = exchange.log().entries();
    let looks = looks.iter().filter(|entry| entry.status == 401 && entry.received == 0).count();
    // One look; and at Autodiscover and at EWS the ways to sign in, and a handshake.
    assert_eq!(looks, 5);
    assert_eq!(asked(&exchange, "GetUserAvailability"), 3, "zones come with them");
}

#[tokio::test]
async fn mailboxes_that_begin_at_once_look_for_servers_once() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let leaf = org.authority.leaf(&[APEX]);
    let site = Site::secure(Manner::Page, &leaf).await.unwrap();
    org.place(APEX, 443, site.address());
    let targets: Vec<_> = (0..8).map(|n| format!("m{n}")).collect();
    targets.iter().for_each(|name| add(&exchange, name));
    let ews = org.provider();
    let all = targets.iter().map(|name| home(&ews, name));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(site.visits().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_however_many_hosts_there_are() {
    let mut org = Org::new();
    let first = org.server_at(APEX).await;
    let second = org.server_at(HOST).await;
    let ews = org.provider_with("wrong", |_| {});
    for _ in 0..3 {
        let fault = home(&ews, "ann").await.unwrap_err();
        assert_eq!(fault.next, Next::SignIn, "{fault}");
        org.book.pass(Span::HOUR);
    }
    assert_eq!(first.log().refusals() + second.log().refusals(), 1);
}

#[tokio::test]
async fn a_busy_autodiscover_is_let_alone() {
    use calway_lab::exchange::{Fault as Wrong, Match};
    let mut org = Org::new();
    let first = org.server_at(APEX).await;
    let second = org.server_at(HOST).await;
    let busy = Wrong::Http { status: 503, retry_after: Some(30) };
    first.faults().always(Match::operation("GetUserSettings"), busy);
    let fault = home(&org.provider(), "ann").await.unwrap_err();
    assert_eq!(fault.next, Next::BackOff { after: Some(Span::from_secs(30)) });
    assert_eq!(second.log().counts().connections, 0);
}
