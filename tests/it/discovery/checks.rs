//! Homes that are checked every few minutes, though nobody said that they are wrong.

use calway::calendar::Calendar;
use calway::calendar::ews::Ews;
use calway::model::{Doubt, Fault, Home, Next, Span};
use calway_lab::exchange::{Fault as Wrong, Match, MovedTo};

use super::{HOST, Org, add, ann_is_known, asked, fresh_home, home, leaves, target};

/// No two checks of a mailbox are nearer to each other.
const APART: Span = Span::MINUTE.times(5);

async fn checked(ews: &Ews, name: &str) -> Result<Home, Fault> {
    ews.homes(&[target(name)], Doubt::Routine).await.pop().expect("one answer")
}

#[tokio::test]
async fn a_move_that_nobody_told_is_found() {
    let mut org = Org::new();
    let first = org.server_at(HOST).await;
    let second = org.server(calway_lab::exchange::Options::default()).await;
    let ews = org.provider();
    let before = home(&ews, "ann").await.unwrap();
    for _ in 0..3 {
        assert_eq!(checked(&ews, "ann").await.unwrap(), before);
    }
    assert_eq!(asked(&first, "GetUserSettings"), 1, "what was asked for just now is known");
    org.book.pass(APART);
    add(&second, "ann");
    first.calendars().move_mailbox("ann@corp.example", MovedTo::Server(second.url()));
    let after = checked(&ews, "ann").await.unwrap();
    assert_ne!((&after.server, &after.group), (&before.server, &before.group));
    ews.changes(&target("ann"), None).await.expect("served by the other one");
}

#[tokio::test]
async fn whom_the_directory_does_not_know_the_server_is_asked_about_all_the_same() {
    let (org, exchange, ews) = ann_is_known().await;
    org.book.pass(APART);
    leaves(&exchange);
    let fault = checked(&ews, "ann").await.unwrap_err();
    let told = (fault.next, fault.cause.code.as_str());
    assert_eq!(told, (Next::Gone, "mailbox moved to Microsoft 365"));
    ews.changes(&target("ann"), None).await.unwrap_err();
    assert_eq!(asked(&exchange, "SyncFolderItems"), 1, "its last home is not forgotten");
}

#[tokio::test]
async fn a_configured_server_is_told_of_the_cloud_too() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider_at(&exchange);
    home(&ews, "ann").await.unwrap();
    org.book.pass(APART);
    leaves(&exchange);
    let fault = checked(&ews, "ann").await.unwrap_err();
    assert_eq!(fault.cause.code, "mailbox moved to Microsoft 365");
    // Whom the server does not find in the same second is not sent there once more.
    let fault = fresh_home(&ews, "ann").await.unwrap_err();
    assert_eq!(fault.cause.code, "mailbox moved to Microsoft 365");
    assert_eq!(asked(&exchange, "GetUserSettings"), 2, "one of them from memory");
    home(&ews, "ann").await.expect("who has no doubt may try the server");
    org.book.pass(APART);
    exchange.calendars().move_mailbox("ann@corp.example", MovedTo::BackEnd(0));
    fresh_home(&ews, "ann").await.expect("back again");
    checked(&ews, "ann").await.expect("nothing is left of it");
}

#[tokio::test]
async fn whom_neither_a_check_nor_the_server_knew_is_gone_at_once() {
    let (org, exchange, ews) = ann_is_known().await;
    org.book.pass(APART);
    leaves(&exchange);
    checked(&ews, "ann").await.unwrap_err();
    ews.changes(&target("ann"), None).await.unwrap_err();
    let fault = fresh_home(&ews, "ann").await.unwrap_err();
    assert_eq!(fault.cause.code, "mailbox moved to Microsoft 365");
}

#[tokio::test]
async fn where_there_is_no_directory_none_is_looked_for() {
    let org = Org::new();
    let exchange = org.server(calway_lab::exchange::Options::default()).await;
    add(&exchange, "ann");
    let url = exchange.url();
    let ews = org.provider_with(super::PASSWORD, |options| {
        options.discover = None;
        options.url = Some(url.parse().expect("an address"));
    });
    let before = home(&ews, "ann").await.unwrap();
    org.book.pass(APART);
    assert_eq!(checked(&ews, "ann").await.unwrap(), before);
    assert_eq!(asked(&exchange, "GetUserSettings"), 0);
}

#[tokio::test]
async fn a_directory_that_fails_is_not_worn_out_by_checks() {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider();
    for name in ["ann", "bob"] {
        home(&ews, name).await.unwrap();
    }
    org.book.pass(APART);
    let before = asked(&exchange, "GetUserSettings");
    let broken = Wrong::Http { status: 500, retry_after: None };
    let failing = exchange.faults().always(Match::operation("GetUserSettings"), broken);
    for n in 0..12 {
        let name = ["ann", "bob"][n % 2];
        checked(&ews, name).await.expect("the old home is better than none");
        org.book.pass(Span::MINUTE);
    }
    let tries = asked(&exchange, "GetUserSettings") - before;
    assert!((2..=3).contains(&tries), "{tries} in twelve minutes");
    failing.stop();
    org.book.pass(APART);
    checked(&ews, "ann").await.unwrap();
    assert_eq!(asked(&exchange, "GetUserSettings") - before, tries + 1, "and then again");
}
