//! Service connection points: a directory over LDAP, and what it may make us do.

use calway::calendar::ews::{Scp, ScpBind};
use calway::model::{Next, Span};
use calway_lab::directory::{Directory, Manner, Point};
use calway_lab::exchange::{Exchange, Options};

use super::{NOWHERE, Org, PASSWORD, add, asked, home};

const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
const POINTER: &str = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68";
const DC: &str = "dc1.corp.example";
const MAIL: &str = "mail.other.example";

fn point(keywords: &[&str], binding: &str) -> Point {
    let keywords = keywords.iter().map(|&keyword| keyword.to_owned()).collect();
    Point { keywords, bindings: vec![binding.to_owned()] }
}

fn url(site: &str, host: &str) -> Point {
    point(&[site, URL], &format!("https://{host}/autodiscover/autodiscover.xml"))
}

/// A directory of this name.
async fn directory(org: &mut Org, host: &str, points: Vec<Point>) -> Directory {
    let directory = Directory::start(&org.authority.leaf(&[host]), points).await.unwrap();
    org.place(host, 636, directory.address());
    directory
}

/// The configured one.
async fn first(org: &mut Org, points: Vec<Point>) -> Directory {
    let (host, bind) = (DC.to_owned(), ScpBind::Simple);
    org.discover.scp = Some(Scp { host, port: 636, secure: true, bind, site: None });
    directory(org, DC, points).await
}

/// A server that only the directory leads to.
async fn server(org: &mut Org, host: &str) -> Exchange {
    let leaf =
        calway_lab::exchange::Options { domain: "other.example".into(), ..Options::default() };
    let server = org.server(leaf).await;
    add(&server, "ann");
    org.place(host, 443, server.address());
    server
}

#[tokio::test]
async fn the_directory_leads_to_the_server_of_our_own_site() {
    let mut org = Org::new();
    let far = server(&mut org, "autodiscover.other.example").await;
    let near = server(&mut org, MAIL).await;
    let points = vec![
        url("Site=Oslo", "autodiscover.other.example"),
        url("Site=Rome", MAIL),
        point(&["Site=Rome", URL], "http://mail.other.example/plain.xml"),
    ];
    let dc = first(&mut org, points).await;
    home(&org.provider(), "ann").await.unwrap();
    assert_eq!((asked(&near, "GetUserSettings"), asked(&far, "GetUserSettings")), (1, 0));
    assert_eq!(dc.binds(), [("CORP\\svc-calway".to_owned(), PASSWORD.to_owned())]);
}

#[tokio::test]
async fn a_record_that_points_to_another_directory_is_followed_to_its_servers() {
    let mut org = Org::new();
    let exchange = server(&mut org, MAIL).await;
    let pointer = |domain: &str, to: &str| point(&[POINTER, domain], to);
    let dc = first(
        &mut org,
        vec![
            pointer("Domain=else.example", "LDAP://dc8.corp.example"),
            pointer("Domain=corp.example", "LDAP://dc9.corp.example"),
        ],
    )
    .await;
    // It points back, as resource forests do.
    let pointed =
        vec![url("Site=Rome", MAIL), pointer("Domain=corp.example", "LDAP://dc1.corp.example")];
    let pointed = directory(&mut org, "dc9.corp.example", pointed).await;
    let other = directory(&mut org, "dc8.corp.example", Vec::new()).await;
    home(&org.provider(), "ann").await.unwrap();
    assert_eq!(asked(&exchange, "GetUserSettings"), 1);
    let connections = (dc.connections(), pointed.connections(), other.connections());
    assert_eq!(connections, (2, 1, 0), "back at the first, once, and not round in circles");
}

#[tokio::test]
async fn a_record_that_points_to_a_strange_directory_gets_no_password_there() {
    let mut org = Org::new();
    let evil = directory(&mut org, "dc1.evil.example", Vec::new()).await;
    let pointer = point(&[POINTER, "Domain=corp.example"], "LDAP://DC1.evil.example.");
    let _dc = first(&mut org, vec![pointer]).await;
    let fault = home(&org.provider(), "ann").await.unwrap_err();
    assert!(fault.cause.code.contains("trust list"), "{fault}");
    assert_eq!(evil.connections(), 0);
    let waiting = ("dc1.evil.example".to_owned(), "directory".to_owned());
    assert_eq!(org.book.waiting().await, [waiting]);
}

#[tokio::test]
async fn a_server_that_the_directory_does_not_name_any_more_is_asked_nothing_more() {
    let mut org = Org::new();
    let old = server(&mut org, MAIL).await;
    let dc = first(&mut org, vec![url("Site=Rome", MAIL)]).await;
    home(&org.provider(), "ann").await.unwrap();
    let questions = asked(&old, "GetUserSettings");

    // Its name may be anybody's by tomorrow; that it answers is no reason to go on.
    dc.set(Vec::new());
    for _ in 0..3 {
        org.book.pass(Span::DAY);
        // The old answer is better than none.
        home(&org.provider(), "ann").await.unwrap();
    }
    assert_eq!(asked(&old, "GetUserSettings"), questions);
}

#[tokio::test]
async fn a_directory_that_is_away_does_not_take_its_servers_with_it_for_a_week() {
    let mut org = Org::new();
    let exchange = server(&mut org, MAIL).await;
    let dc = first(&mut org, vec![url("Site=Rome", MAIL)]).await;
    home(&org.provider(), "ann").await.unwrap();
    org.place(DC, 636, NOWHERE.into());
    let mut questions = asked(&exchange, "GetUserSettings");
    for day in 1..=8 {
        org.book.pass(Span::DAY);
        home(&org.provider(), "ann").await.unwrap();
        let now = asked(&exchange, "GetUserSettings");
        assert_eq!(now > questions, day < 7, "day {day}");
        questions = now;
    }
    org.place(DC, 636, dc.address());
    org.book.pass(Span::HOUR);
    home(&org.provider(), "ann").await.unwrap();
    assert!(asked(&exchange, "GetUserSettings") > questions, "it is named again");
}

#[tokio::test]
async fn a_hostile_directory_neither_ends_the_process_nor_fills_its_memory() {
    for (manner, words) in [
        (Manner::Deep(600_000), "malformed"),
        (Manner::Deep(100), "malformed"),
        (Manner::Endless, "too long"),
        (Manner::Flood, "too long"),
        (Manner::Nonsense, "malformed"),
    ] {
        let mut org = Org::new();
        org.discover.domains = Vec::new();
        let dc = first(&mut org, Vec::new()).await;
        dc.behave(manner);
        let fault = home(&org.provider(), "ann").await.unwrap_err();
        assert!(matches!(fault.next, Next::Retry { .. }), "{manner:?}: {fault}");
        assert!(fault.cause.code.contains(words), "{manner:?}: {fault}");
        // It signs in as before where the answer is good.
        dc.behave(Manner::Well);
        org.book.pass(Span::HOUR);
        assert_eq!(home(&org.provider(), "ann").await.unwrap_err().next, Next::Denied);
    }
}
