//! Mailboxes that move, restarts, and what works without any of it.

use calway::calendar::Calendar;
use calway::model::{Doubt, Next, Span};
use calway_lab::exchange::{Fault as Wrong, Match, MovedTo};
use calway_lab::site::{Manner, Site};

use super::{HOST, Org, add, ann_is_known, asked, fresh_home, home, leaves, target};

#[tokio::test]
async fn a_mailbox_that_moved_to_another_server_is_found_there() {
    let mut org = Org::new();
    let first = org.server_at(HOST).await;
    let second = org.server(calway_lab::exchange::Options::default()).await;
    let (ann, bob) = (target("ann"), target("bob"));
    let ews = org.provider();
    let before = home(&ews, "ann").await.unwrap();
    ews.verify(&ann).await.unwrap();
    org.book.pass(Span::HOUR);

    add(&second, "ann");
    first.calendars().move_mailbox("ann@corp.example", MovedTo::Server(second.url()));
    let fault = ews.changes(&ann, None).await.unwrap_err();
    assert_eq!(fault.next, Next::Moved, "{fault}");
    let after = fresh_home(&ews, "ann").await.unwrap();
    assert_ne!((&after.server, &after.group), (&before.server, &before.group));
    ews.changes(&ann, None).await.expect("served by the other one");
    assert!(asked(&second, "SyncFolderItems") > 0);
    home(&ews, "bob").await.unwrap();
    ews.changes(&bob, None).await.expect("the others stay");
    assert_eq!(asked(&second, "SyncFolderItems"), 1);
}

#[tokio::test]
async fn a_mailbox_that_moved_to_the_cloud_is_named_so_and_comes_back() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ann = target("ann");
    let cloud = "ann@corp.mail.onmicrosoft.com";
    for to in [cloud, "https://autodiscover-s.outlook.com/autodiscover/autodiscover.svc"] {
        let ews = org.provider();
        home(&ews, "ann").await.unwrap();
        ews.verify(&ann).await.unwrap();
        org.book.pass(Span::HOUR);
        let calendars = exchange.calendars();
        calendars.move_mailbox("ann@corp.example", MovedTo::Cloud(to.to_owned()));
        assert_eq!(ews.changes(&ann, None).await.unwrap_err().next, Next::Moved);
        let fault = fresh_home(&ews, "ann").await.unwrap_err();
        assert_eq!(
            (fault.next, fault.cause.code.as_str()),
            (Next::Gone, "mailbox moved to Microsoft 365")
        );
        let again = home(&ews, "ann").await.unwrap_err();
        assert_eq!(again.next, Next::Gone, "and stays so");
        assert_eq!(org.book.waiting().await, [], "nobody has to decide anything");

        calendars.move_mailbox("ann@corp.example", MovedTo::BackEnd(0));
        home(&ews, "ann").await.expect("back again");
        ews.changes(&ann, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_move_that_autodiscover_hears_of_late_is_followed_when_it_does() {
    let mut org = Org::new();
    let first = org.server_at(HOST).await;
    let second = org.server(calway_lab::exchange::Options::default()).await;
    let ann = target("ann");
    let ews = org.provider();
    home(&ews, "ann").await.unwrap();
    // EWS lost it already, and Autodiscover does not know: the same place again.
    let lost = || Wrong::ResponseCode("ErrorNonExistentMailbox".to_owned());
    let losing = first.faults().always(Match::operation("SyncFolderItems"), lost());
    for _ in 0..3 {
        assert_eq!(ews.changes(&ann, None).await.unwrap_err().next, Next::Moved);
        org.book.pass(Span::MINUTE.times(5));
        fresh_home(&ews, "ann").await.expect("still the old one");
    }
    losing.stop();
    add(&second, "ann");
    first.calendars().move_mailbox("ann@corp.example", MovedTo::Server(second.url()));
    assert_eq!(ews.changes(&ann, None).await.unwrap_err().next, Next::Moved);
    org.book.pass(Span::MINUTE.times(5));
    fresh_home(&ews, "ann").await.unwrap();
    ews.changes(&ann, None).await.expect("found");
}

#[tokio::test]
async fn a_configured_server_that_lost_a_mailbox_to_the_cloud_has_it_named_by_autodiscover() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider_at(&exchange);
    home(&ews, "ann").await.unwrap();
    org.book.pass(Span::HOUR);
    leaves(&exchange);
    assert_eq!(ews.verify(&target("ann")).await.unwrap_err().next, Next::Gone);
    let fault = fresh_home(&ews, "ann").await.unwrap_err();
    assert_eq!(fault.cause.code, "mailbox moved to Microsoft 365");
    home(&ews, "bob").await.unwrap();
}

#[tokio::test]
async fn a_deleted_mailbox_is_gone_and_not_moved_for_ever() {
    let (org, exchange, ews) = ann_is_known().await;
    org.book.pass(Span::HOUR);
    exchange.calendars().remove_mailbox("ann@corp.example");
    assert_eq!(ews.verify(&target("ann")).await.unwrap_err().next, Next::Moved);
    assert_eq!(fresh_home(&ews, "ann").await.unwrap_err().next, Next::Gone);
    assert_eq!(ews.verify(&target("ann")).await.unwrap_err().next, Next::Gone);
}

#[tokio::test]
async fn homes_outlive_a_restart_and_an_outage_of_autodiscover() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider();
    let before = [home(&ews, "ann").await.unwrap(), home(&ews, "bob").await.unwrap()];
    let questions = asked(&exchange, "GetUserSettings");
    drop(ews);

    org.place(HOST, 443, super::NOWHERE.into());
    let ews = org.provider();
    let after = [home(&ews, "ann").await.unwrap(), home(&ews, "bob").await.unwrap()];
    assert_eq!(before, after);
    ews.verify(&target("ann")).await.unwrap();
    assert_eq!(asked(&exchange, "GetUserSettings"), questions, "nothing was asked");

    org.book.pass(Span::HOUR.times(25));
    let kept = home(&ews, "ann").await.expect("old, and better than nothing");
    assert_eq!(kept, after[0]);
    org.place(HOST, 443, exchange.address());
    home(&org.provider(), "ann").await.unwrap();
    assert!(asked(&exchange, "GetUserSettings") > questions, "old answers are asked for anew");
}

#[tokio::test]
async fn a_mailbox_tells_its_own_time_zone_which_outlives_a_restart() {
    for configured in [false, true] {
        let mut org = Org::new();
        let exchange = org.server_at(HOST).await;
        let url = exchange.url();
        let provider = || {
            org.provider_with(super::PASSWORD, |options| {
                if configured {
                    options.discover = None;
                    options.url = Some(url.parse().expect("an address"));
                }
            })
        };
        exchange.calendars().set_zone("ann@corp.example", "W. Europe Standard Time");
        exchange.calendars().set_zone("bob@corp.example", "Pacific Standard Time");
        let ews = provider();
        let homes = ews.homes(&[target("ann"), target("bob")], Doubt::None).await;
        let zones: Vec<_> = homes.iter().map(|home| home.as_ref().unwrap().zone).collect();
        assert!(zones.iter().all(Option::is_some) && zones[0] != zones[1], "{zones:?}");
        assert_eq!(asked(&exchange, "GetUserAvailability"), 1, "both with one request");

        let again = provider().homes(&[target("ann"), target("bob")], Doubt::None).await;
        assert_eq!(homes, again);
        assert_eq!(asked(&exchange, "GetUserAvailability"), 1, "{configured}");

        org.book.pass(Span::DAY);
        exchange.calendars().set_zone("ann@corp.example", "Pacific Standard Time");
        assert_eq!(home(&ews, "ann").await.unwrap().zone, zones[1], "people move");
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_once_a_day() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider();
    for _ in 0..46 {
        home(&ews, "ann").await.unwrap();
        org.book.pass(Span::MINUTE.times(30));
    }
    assert_eq!(asked(&exchange, "GetUserSettings"), 1);
    home(&ews, "ann").await.unwrap();
    assert_eq!(asked(&exchange, "GetUserSettings"), 2);
    let failing = exchange.faults().always(
        Match::operation("GetUserSettings"),
        Wrong::Http { status: 500, retry_after: None },
    );
    org.book.pass(Span::DAY);
    for _ in 0..4 {
        home(&ews, "ann").await.expect("the old one is kept");
        org.book.pass(Span::MINUTE.times(30));
    }
    assert_eq!(asked(&exchange, "GetUserSettings"), 4, "once an hour while it fails");
    failing.stop();
}

#[tokio::test]
async fn an_autodiscover_that_lags_behind_over_a_restart_takes_nobody_from_its_server() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    home(&org.provider(), "ann").await.unwrap();
    exchange.calendars().remove_mailbox("ann@corp.example");
    org.book.pass(Span::DAY);
    let ews = org.provider();
    home(&ews, "ann").await.expect("its server is asked first");
    org.book.pass(Span::MINUTE);
    assert_eq!(fresh_home(&ews, "ann").await.unwrap_err().next, Next::Gone);
    assert_eq!(home(&ews, "ann").await.unwrap_err().next, Next::Gone);
}

#[tokio::test]
async fn a_configured_address_works_without_any_of_it() {
    let org = Org::new();
    let exchange = org.server(calway_lab::exchange::Options::default()).await;
    add(&exchange, "ann");
    let ews = org.provider_at(&exchange);
    home(&ews, "ann").await.expect("the address alone is enough");
    ews.verify(&target("ann")).await.unwrap();
    ews.changes(&target("ann"), None).await.unwrap();
    exchange.calendars().remove_mailbox("ann@corp.example");
    org.book.pass(Span::HOUR);
    assert_eq!(ews.verify(&target("ann")).await.unwrap_err().next, Next::Gone, "nowhere else");
}

#[tokio::test]
async fn a_dead_place_that_once_answered_is_not_looked_for_again_and_again() {
    let (mut org, exchange, ews) = ann_is_known().await;
    drop((exchange, ews));
    let leaf = org.authority.leaf(&[HOST]);
    org.book.pass(Span::DAY);
    let site = Site::secure(Manner::Status(503), &leaf).await.unwrap();
    org.place(HOST, 443, site.address());
    let ews = org.provider();
    assert!(home(&ews, "bob").await.is_err());
    let visits = site.visits().len();
    for _ in 0..5 {
        assert!(home(&ews, "bob").await.is_err());
    }
    assert_eq!(site.visits().len(), visits, "not before the pause is over");
    org.book.pass(Span::MINUTE);
    assert!(home(&ews, "bob").await.is_err());
    assert!(site.visits().len() > visits);
}

#[tokio::test(start_paused = true)]
async fn a_hunt_that_finds_only_silence_has_an_end() {
    let mut org = Org::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    org.place(HOST, 80, silent.local_addr().unwrap());
    let hour = std::time::Duration::from_secs(3600);
    let ews = org.provider_with(super::PASSWORD, |options| options.connect_timeout = hour);
    let began = tokio::time::Instant::now();
    let fault = home(&ews, "ann").await.unwrap_err();
    assert!(matches!(fault.next, Next::Retry { .. }), "{fault}");
    assert!(began.elapsed() < hour / 10, "the other domains wait for it");
}

#[tokio::test]
async fn a_move_is_followed_although_the_clock_was_set_back_a_year() {
    let mut org = Org::new();
    let first = org.server_at(HOST).await;
    let second = org.server(calway_lab::exchange::Options::default()).await;
    let ann = target("ann");
    let ews = org.provider();
    home(&ews, "ann").await.unwrap();
    let year = i64::try_from(Span::DAY.times(365).as_ms()).unwrap();
    org.book.now_ms.fetch_sub(year, std::sync::atomic::Ordering::Relaxed);

    add(&second, "ann");
    first.calendars().move_mailbox("ann@corp.example", MovedTo::Server(second.url()));
    assert_eq!(ews.changes(&ann, None).await.unwrap_err().next, Next::Moved);
    fresh_home(&ews, "ann").await.unwrap();
    ews.changes(&ann, None).await.expect("found at once, and not in a year");
    let before = asked(&first, "GetUserSettings");
    org.book.pass(Span::HOUR.times(24));
    home(&ews, "bob").await.unwrap();
    home(&ews, "ann").await.unwrap();
    assert!(asked(&first, "GetUserSettings") > before, "answers grow old as before");
}
