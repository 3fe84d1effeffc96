//! Changes, items and the window; what the server refuses, and what that asks of the caller.

use std::time::Duration;

use calway::calendar::Calendar;
use calway::model::{Answer, Change, Doubt, Fault, Found, ItemId, MeetingKind, Next, Span, Time};
use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{Attendee, Draft, Fault as Wrong, Match, Options, Response};

use super::{DAY, HOUR, MONDAY, Stage, soon, target, upserts, week};

fn weekly(subject: &str) -> Draft {
    Draft::meeting(subject, MONDAY + 9 * HOUR, 30)
        .repeat(Pattern::Daily { interval: 1 }, End::After(5))
}

#[tokio::test]
async fn what_stands_in_a_calendar_is_read_as_it_stands() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let draft = Draft::meeting("Budget & <plan>", MONDAY + 9 * HOUR, 90)
        .at("Room \"4\"")
        .html("<p>Hello&nbsp;all</p>")
        .invite(Attendee::required("bob@corp.example", "Bob"))
        .invite(Attendee::optional("carol@else.example", "Carol"));
    let id = stage.create(&ann, draft);
    let uid = stage.exchange.calendars().uid("ann@corp.example", &calway_lab_id(&id)).unwrap();
    stage.exchange.calendars().respond("bob@corp.example", &uid, Response::Tentative);

    soon("verify", stage.ews.verify(&ann)).await.unwrap();
    let pages = stage.pages(&ann, None).await.unwrap();
    assert_eq!(upserts(&pages).last(), Some(&id));
    let found = stage.ews.items(&ann, std::slice::from_ref(&id)).await.unwrap();
    let [Found::Meeting(meeting)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(meeting.item, id);
    assert_eq!(meeting.uid.reveal(), uid);
    assert_eq!(meeting.kind, MeetingKind::Single);
    assert_eq!(meeting.subject.reveal(), "Budget & <plan>");
    assert_eq!(meeting.location.reveal(), "Room \"4\"");
    assert!(meeting.body.html && meeting.body.text.reveal().contains("Hello&nbsp;all"));
    assert_eq!(meeting.start, Time::from_ms(MONDAY + 9 * HOUR));
    assert_eq!(meeting.end.since(meeting.start), Span::from_secs(90 * 60));
    let organizer = meeting.organizer.as_ref().and_then(|person| person.address.as_ref());
    assert_eq!(organizer, Some(&*ann.address));
    let answers: Vec<_> = meeting
        .participants
        .iter()
        .map(|one| (one.person.address.as_ref().unwrap().reveal(), one.answer))
        .collect();
    assert!(answers.contains(&("bob@corp.example", Answer::Tentative)), "{answers:?}");
    assert!(answers.iter().any(|(address, _)| *address == "carol@else.example"));

    let copy = stage.ews.view(&bob, week().0, week().1).await.unwrap().entries;
    assert_eq!(copy.len(), 1);
    assert_eq!(copy[0].uid.reveal(), uid);
    assert!(!copy[0].recurring);
}

fn calway_lab_id(id: &ItemId) -> calway_lab::exchange::ItemId {
    calway_lab::exchange::ItemId(id.0.to_string())
}

#[tokio::test]
async fn a_series_is_a_master_in_the_feed_and_its_occurrences_in_the_window() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let master = stage.create(&ann, weekly("Standup"));
    let calendars = stage.exchange.calendars();
    let moved_from = MONDAY + 2 * DAY + 9 * HOUR;
    calendars.modify_occurrence("ann@corp.example", &calway_lab_id(&master), moved_from, |draft| {
        draft.start_ms += HOUR;
        draft.end_ms += HOUR;
    });
    calendars.delete_occurrence("ann@corp.example", &calway_lab_id(&master), MONDAY + 9 * HOUR);

    let pages = stage.pages(&ann, None).await.unwrap();
    assert_eq!(upserts(&pages), std::slice::from_ref(&master));
    let found = stage.ews.items(&ann, std::slice::from_ref(&master)).await.unwrap();
    let [Found::Master { item, uid }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*item, master);

    let view = stage.ews.view(&ann, week().0, week().1).await.unwrap().entries;
    assert_eq!(view.len(), 4);
    assert!(view.iter().all(|entry| entry.recurring && entry.uid == *uid));
    let ids: Vec<ItemId> = view.iter().map(|entry| entry.item.clone()).collect();
    let found = stage.ews.items(&ann, &ids).await.unwrap();
    let mut originals = Vec::new();
    for (found, entry) in found.iter().zip(&view) {
        let Found::Meeting(meeting) = found else { panic!("{found:?}") };
        assert_eq!((meeting.start, meeting.end), (entry.start, entry.end));
        assert_eq!(meeting.item, entry.item);
        assert_eq!(meeting.version, entry.version);
        let original = meeting.original_start.unwrap().as_ms();
        let moved = original == moved_from;
        assert_eq!(meeting.kind == MeetingKind::Exception, moved);
        assert_eq!(meeting.start.as_ms(), if moved { original + HOUR } else { original });
        originals.push(original);
    }
    originals.sort_unstable();
    assert_eq!(originals, [1, 2, 3, 4].map(|day| MONDAY + day * DAY + 9 * HOUR));
}

#[tokio::test]
async fn asking_again_with_an_old_cursor_gives_the_same_changes() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let before = stage.pages(&ann, None).await.unwrap().pop().unwrap().cursor;
    let kept = stage.create(&ann, Draft::meeting("kept", MONDAY, 30));
    let gone = stage.create(&ann, Draft::meeting("gone", MONDAY, 30));
    let middle = stage.pages(&ann, Some(&before)).await.unwrap().pop().unwrap().cursor;
    stage.exchange.calendars().delete("ann@corp.example", &calway_lab_id(&gone));
    let first = stage.pages(&ann, Some(&middle)).await.unwrap();
    assert_eq!(first[0].changes, [Change::Delete(gone.clone())]);
    let again = stage.pages(&ann, Some(&middle)).await.unwrap();
    assert_eq!(first[0].changes, again[0].changes);
    let all = stage.pages(&ann, Some(&before)).await.unwrap();
    assert!(upserts(&all).contains(&kept));
    let found = stage.ews.items(&ann, &[gone.clone(), kept.clone()]).await.unwrap();
    assert_eq!(found[0], Found::Missing(gone));
    assert!(matches!(&found[1], Found::Meeting(meeting) if meeting.item == kept));
}

#[tokio::test]
async fn a_long_feed_comes_in_pages_and_many_items_in_batches() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    for n in 0..530 {
        stage.create(&ann, Draft::meeting(&format!("n{n}"), MONDAY + n * 60_000, 30));
    }
    let pages = stage.pages(&ann, None).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.changes.len()).collect::<Vec<_>>(), [512, 18]);
    let ids = upserts(&pages);
    let found = stage.ews.items(&ann, &ids[..25]).await.unwrap();
    let in_order = found
        .iter()
        .zip(&ids)
        .all(|(found, id)| matches!(found, Found::Meeting(meeting) if meeting.item == *id));
    assert!(in_order && found.len() == 25);
    assert_eq!(stage.exchange.log().count("GetItem"), 3);
    assert_eq!(stage.ews.items(&ann, &[]).await, Ok(vec![]));
}

#[tokio::test]
async fn a_full_window_is_asked_for_in_pieces() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    // All on one day of the week, so that halving the week once does not do.
    for n in 0..1_100 {
        stage.create(&ann, Draft::meeting(&format!("n{n}"), MONDAY + DAY + n * 60_000, 90));
    }
    let view = stage.ews.view(&ann, week().0, week().1).await.unwrap().entries;
    assert_eq!(view.len(), 1_100);
    let mut ids: Vec<_> = view.iter().map(|entry| entry.item.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_100, "nothing twice");
    assert!(stage.exchange.log().count("FindItem") > 3);
    let (from, to) = week();
    assert_eq!(
        stage.ews.view(&ann, to, from).await,
        Ok(vec![].into()),
        "a window that ends before"
    );
    let years = Time::from_ms(MONDAY + 3_000 * DAY);
    let long = stage.ews.view(&ann, from, years).await.unwrap();
    assert_eq!((long.entries.len(), long.complete), (1_100, true));
}

/// What a call meets when the server says this.
async fn meets(stage: &Stage, wrong: Wrong) -> Fault {
    let ann = target("ann");
    stage.exchange.faults().next(Match::any(), wrong);
    let met = soon("an answer", stage.ews.changes(&ann, None)).await;
    let fault = met.expect_err("a fault");
    let again = soon("good again", async {
        loop {
            match stage.ews.changes(&ann, None).await {
                // It is told how long the server rests.
                Err(Fault { next: Next::BackOff { after: Some(left) }, .. }) => {
                    tokio::time::sleep(Duration::from_millis(left.as_ms())).await;
                }
                again => return again,
            }
        }
    });
    assert!(again.await.is_ok(), "and good again after {fault}");
    fault
}

#[tokio::test]
async fn a_refusal_says_what_to_do_next() {
    let stage = Stage::new().await;
    stage.mailbox("ann");
    let ms = |ms| Some(Span::from_ms(ms));
    let code = |code: &str| Wrong::ResponseCode(code.to_owned());
    let table = [
        (
            Wrong::ServerBusy { back_off_ms: Some(2500), inner: false },
            Next::BackOff { after: ms(2500) },
        ),
        (
            Wrong::ServerBusy { back_off_ms: Some(2500), inner: true },
            Next::BackOff { after: ms(2500) },
        ),
        (Wrong::ServerBusy { back_off_ms: None, inner: true }, Next::BackOff { after: None }),
        (Wrong::ConnectionCount { back_off_ms: 0 }, Next::Retry { after: ms(1000) }),
        (Wrong::Http { status: 503, retry_after: Some(7) }, Next::BackOff { after: ms(7000) }),
        (Wrong::Http { status: 503, retry_after: None }, Next::BackOff { after: None }),
        (Wrong::Http { status: 502, retry_after: None }, Next::Retry { after: None }),
        (Wrong::Http { status: 403, retry_after: None }, Next::Denied),
        (Wrong::RedirectToErrorPage, Next::BackOff { after: None }),
        (Wrong::GarbageXml, Next::Retry { after: None }),
        (Wrong::Cut { after_bytes: 100 }, Next::Retry { after: None }),
        (code("ErrorInvalidSyncStateData"), Next::CursorLost),
        (code("ErrorMailboxMoveInProgress"), Next::Retry { after: None }),
        (code("ErrorImpersonateUserDenied"), Next::Denied),
        (code("ErrorOfALaterExchange"), Next::Retry { after: None }),
    ];
    for (wrong, next) in table {
        let shown = format!("{wrong:?}");
        let fault = meets(&stage, wrong).await;
        assert_eq!(fault.next, next, "{shown}: {fault}");
    }
}

#[tokio::test]
async fn a_cursor_that_the_server_forgot_is_lost() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let cursor = stage.pages(&ann, None).await.unwrap().pop().unwrap().cursor;
    stage.exchange.calendars().forget_sync_states("ann@corp.example");
    let fault = stage.ews.changes(&ann, Some(&cursor)).await.unwrap_err();
    assert_eq!(fault.next, Next::CursorLost);
    assert!(stage.ews.changes(&ann, None).await.is_ok());
}

#[tokio::test]
async fn mailboxes_that_are_gone_or_closed_to_us_say_so() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let fault = stage.ews.verify(&target("nobody")).await.unwrap_err();
    assert_eq!(fault.next, Next::Gone, "{fault}");
    stage.exchange.calendars().deny_impersonation("ann@corp.example", true);
    let fault = stage.ews.verify(&ann).await.unwrap_err();
    assert_eq!(fault.next, Next::Denied, "{fault}");
}

#[tokio::test]
async fn a_server_that_refuses_the_version_is_asked_with_an_older_one() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let id = stage.create(&ann, Draft::meeting("x", MONDAY, 30));
    let wrong =
        Wrong::SoapFault { code: "ErrorInvalidServerVersion".into(), message: String::new() };
    stage.exchange.faults().next(Match::any(), wrong);
    stage.ews.verify(&ann).await.unwrap();
    assert_eq!(stage.exchange.log().count("GetFolder"), 2);
    stage.ews.verify(&ann).await.unwrap();
    assert_eq!(stage.exchange.log().count("GetFolder"), 3, "remembered");
    let found = stage.ews.items(&ann, &[id]).await.unwrap();
    assert!(matches!(found[0], Found::Meeting(_)));
}

#[tokio::test]
async fn forbidden_characters_cost_nothing() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let ids: Vec<_> = (0..3)
        .map(|n| stage.create(&ann, Draft::meeting("Plan", MONDAY + n * HOUR, 30).text("Text")))
        .collect();
    stage.exchange.faults().next(Match::operation("GetItem"), Wrong::IllegalCharacters);
    let found = stage.ews.items(&ann, &ids).await.unwrap();
    assert_eq!(found.len(), 3);
    for found in found {
        let Found::Meeting(meeting) = found else { panic!("{found:?}") };
        assert!(meeting.subject.reveal().contains("Plan"));
        assert!(!meeting.subject.reveal().chars().any(char::is_control));
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_asked_for_in_pieces_and_at_last_without_bodies() {
    let stage = Stage::patient().await;
    let ann = stage.mailbox("ann");
    const MEBIBYTE: usize = 1 << 20;
    let huge = "x".repeat(18 * MEBIBYTE);
    let draft = |subject: &str, text: String| Draft::meeting(subject, MONDAY, 30).text(&text);
    let ids = [
        stage.create(&ann, draft("one", huge.clone())),
        stage.create(&ann, draft("two", huge.clone())),
        stage.create(&ann, draft("three", huge.repeat(2))),
    ];
    let found = soon("big items", stage.ews.items(&ann, &ids)).await.unwrap();
    let read: Vec<(&str, usize)> = found
        .iter()
        .map(|found| match found {
            Found::Meeting(one) => (one.subject.reveal(), one.body.text.reveal().len()),
            other => panic!("{other:?}"),
        })
        .collect();
    // Of the first two as much as is kept of any body; the last came without.
    assert_eq!(read, [("one", MEBIBYTE), ("two", MEBIBYTE), ("three", 0)]);
}

#[tokio::test]
async fn many_large_bodies_at_once_take_no_more_memory_than_one_mebibyte_each() {
    let stage = Stage::patient().await;
    let ann = stage.mailbox("ann");
    let page = "<p>An agenda of many words.</p>\r\n".repeat(100_000);
    let text = "\u{20ac}uros and cents, ".repeat(150_000);
    let ids: Vec<ItemId> = (0..24)
        .map(|n| {
            let draft = Draft::meeting(&format!("n{n}"), MONDAY, 30)
                .invite(Attendee::required("bob@corp.example", "Bob"));
            stage.create(&ann, if n % 2 == 0 { draft.html(&page) } else { draft.text(&text) })
        })
        .collect();
    let found = soon("large items", stage.ews.items(&ann, &ids)).await.unwrap();
    let mut sum = 0;
    for (n, found) in found.iter().enumerate() {
        let Found::Meeting(one) = found else { panic!("{found:?}") };
        assert_eq!((one.subject.reveal(), one.participants.len()), (&*format!("n{n}"), 1));
        let body = one.body.text.reveal();
        assert!(body.len() > (1 << 20) - 100, "{n}: as much as may be kept");
        sum += body.len();
    }
    assert!(sum <= 24 << 20, "{sum} bytes of the {} that were sent", 24 * page.len());
}

#[tokio::test]
async fn groups_follow_autodiscover_and_do_without_it() {
    let server = Options { groups: 2, ..Options::default() };
    let stage = Stage::with(server, |options| {
        let host = options.url.as_ref().and_then(|url| url.authority()).expect("a host");
        let url = format!("https://{host}/autodiscover/autodiscover.svc");
        options.autodiscover = Some(url.parse().expect("an address"));
    })
    .await;
    let mut keys = Vec::new();
    for target in stage.mailboxes(6) {
        let key = stage.group(&target).await;
        assert_eq!(stage.group(&target).await, key, "the same each time");
        keys.push(key);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2);

    let unknown = stage.group(&target("nobody")).await;
    assert!(!keys.contains(&unknown), "the key of the address alone");
    let newcomer = stage.mailbox("newcomer");
    stage.exchange.faults().always(
        Match::operation("GetUserSettings"),
        Wrong::Http { status: 500, retry_after: None },
    );
    assert_eq!(stage.group(&newcomer).await, unknown, "as good as it can be known");
    assert!(keys.contains(&stage.group(&target("m000")).await), "what was known is kept");
    let without = Stage::new().await;
    let (one, two) = (without.mailbox("one"), without.mailbox("two"));
    assert_eq!(without.group(&one).await, without.group(&two).await);
    let asked = without.exchange.log().entries();
    assert!(asked.iter().all(|entry| entry.operation != "GetUserSettings"), "{asked:?}");
}

#[tokio::test]
async fn time_zones_that_do_not_come_keep_nobody_from_a_home() {
    let stage = Stage::new().await;
    let targets = stage.mailboxes(3);
    stage.exchange.faults().always(Match::operation("GetUserAvailability"), Wrong::Hang);
    for _ in 0..2 {
        let homes = soon("homes", stage.ews.homes(&targets, Doubt::None)).await;
        assert!(homes.iter().all(Result::is_ok), "{homes:?}");
        assert_eq!(stage.exchange.faults().played(), 1, "not waited for again and again");
    }
}
