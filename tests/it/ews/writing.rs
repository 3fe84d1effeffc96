//! Meetings that are made, changed and answered: what stands in the calendars and who was mailed.

mod doubt;

use std::sync::Arc;

use calway::calendar::Calendar;
use calway::model::{
    Answer, Body, BusyWindow, Found, InvitationKind, Invitee, ItemId, Mark, NewMeeting, Next,
    Notify, ParticipantKind, ParticipantRole, Plain, Reach, Response, Rewrite, Target, Time,
    WriteFault, Written,
};
use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{Attendee, Draft, Fault as Wrong, Match, Options};

use super::{HOUR, MONDAY, Stage, target, week};

const START: i64 = MONDAY + 9 * HOUR;
const ANN: &str = "ann@corp.example";
const BOB: &str = "bob@corp.example";
const HTML: &str = "<html><body>\r\n<p style=\"x\">R&amp;D&nbsp;\u{e4}</p>\r\n</body></html>";

fn meeting(invitees: &[&Target]) -> NewMeeting {
    let invitee = |target: &&Target| Invitee {
        address: (*target.address).clone(),
        name: Plain::new("Somebody"),
        kind: ParticipantKind::Person,
        role: ParticipantRole::Required,
    };
    NewMeeting {
        subject: Plain::new("Plan & <more>"),
        body: Body { text: Plain::new(HTML), html: true },
        location: Plain::new("Room 4"),
        start: Time::from_ms(START),
        end: Time::from_ms(START + HOUR),
        zone: Some("Europe/Berlin".into()),
        invitees: invitees.iter().map(invitee).collect(),
    }
}

/// A meeting of Ann's with Bob, as a client made it.
fn invite(stage: &Stage, ann: &Target) -> ItemId {
    let draft = Draft::meeting("Budget", START, 60).at("@meet").html(HTML);
    stage.create(ann, draft.invite(Attendee::required(BOB, "Bob")))
}

async fn read(stage: &Stage, target: &Target, item: &ItemId) -> calway::model::Invitation {
    let read = stage.ews.for_writing(target, item, Reach::Item).await;
    read.expect("an answer").expect("a meeting")
}

fn rewrite(found: &calway::model::Invitation) -> Rewrite {
    Rewrite {
        item: found.item.clone(),
        version: Arc::clone(&found.version),
        location: None,
        body: None,
        mark: Mark::Keep,
        notify: Notify::Nobody,
    }
}

#[tokio::test]
async fn a_meeting_is_made_once_in_its_zone_and_its_invitees_are_mailed_once() {
    let stage = Stage::new().await;
    let (ann, bob, cid) = (stage.mailbox("ann"), stage.mailbox("bob"), stage.mailbox("cid"));
    let new = meeting(&[&bob, &cid]);
    let made = stage.ews.create(&ann, &new, "tag-1").await.unwrap();
    let calendars = stage.exchange.calendars();
    let shown = calendars.view(ANN, MONDAY, MONDAY + 24 * HOUR);
    let [one] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((one.start_ms, one.end_ms), (START, START + HOUR));
    assert_eq!((one.subject.as_str(), one.location.as_str()), ("Plan & <more>", "Room 4"));
    assert_eq!((one.body.as_str(), one.body_html), (HTML, true));
    let id = calway_lab::exchange::ItemId(made.item.0.to_string());
    assert_eq!(calendars.read(ANN, &id).unwrap().time_zone, "W. Europe Standard Time");
    for who in [BOB, "cid@corp.example"] {
        assert_eq!(calendars.mails_to(who, &one.uid), 1, "{who}");
        assert_eq!(calendars.view(who, MONDAY, MONDAY + 24 * HOUR).len(), 1, "{who}");
    }
    let found = stage.ews.created(&ann, "tag-1").await.unwrap().expect("it is there");
    assert_eq!((&found.item, found.uid.reveal()), (&made.item, one.uid.as_str()));
    assert_eq!(found.start, new.start);
    for other in ["tag-2", "tag", ""] {
        assert_eq!(stage.ews.created(&ann, other).await, Ok(None), "{other}");
    }
    assert_eq!(stage.ews.created(&bob, "tag-1").await, Ok(None), "it is the organiser's");
    let read = read(&stage, &ann, &made.item).await;
    assert!(read.mine && read.invited && read.invitees == 2);
    assert_eq!(read.version, made.version);
}

#[tokio::test]
async fn a_meeting_with_oneself_mails_nobody_and_an_unknown_zone_does_not_stop_it() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let refused = Wrong::ResponseCode("ErrorTimeZone".into());
    stage.exchange.faults().next(Match::operation("CreateItem"), refused);
    stage.ews.create(&ann, &meeting(&[]), "t").await.unwrap();
    assert_eq!(stage.exchange.calendars().count(ANN), 1);
    assert_eq!(stage.exchange.calendars().mails(), []);
    assert_eq!(stage.exchange.log().count("CreateItem"), 2, "the second without its zone");
}

#[tokio::test]
async fn an_old_server_is_asked_in_its_version_and_makes_the_meeting_once() {
    let server = Options { newest_version: Some("Exchange2010_SP2"), ..Options::default() };
    let stage = Stage::with(server, |_| {}).await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let made = stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap();
    assert_eq!(stage.exchange.calendars().count(ANN), 1);
    let found = read(&stage, &ann, &made.item).await;
    let change = Rewrite { mark: Mark::Set("m".into()), ..rewrite(&found) };
    stage.ews.rewrite(&ann, &change).await.unwrap();
    assert_eq!(read(&stage, &ann, &made.item).await.mark.as_ref().map(Plain::reveal), Some("m"));
}

#[tokio::test]
async fn only_what_is_meant_is_changed_and_everybody_is_told_once() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let found = read(&stage, &ann, &item).await;
    assert_eq!((found.body.text.reveal(), found.body.html), (HTML, true), "byte for byte");
    assert_eq!((found.location.reveal(), found.mark.as_ref().map(Plain::reveal)), ("@meet", None));
    assert_eq!((found.kind, found.answer), (InvitationKind::Single, Answer::Organizer));
    assert!(found.mine && !found.cancelled);
    let decorated = HTML.replace("</body>", "<p>Join</p></body>");
    let change = Rewrite {
        location: Some(Plain::new("Online")),
        body: Some(Body { text: Plain::new(decorated.as_str()), html: true }),
        mark: Mark::Set("m & 1".into()),
        notify: Notify::All,
        ..rewrite(&found)
    };
    let written = stage.ews.rewrite(&ann, &change).await.unwrap();
    let again = read(&stage, &ann, &item).await;
    assert_eq!(again.version, written.version);
    assert_eq!(again.mark.as_ref().map(Plain::reveal), Some("m & 1"));
    assert_eq!((again.subject.reveal(), again.start), ("Budget", found.start));
    let calendars = stage.exchange.calendars();
    assert_eq!(calendars.mails_to(BOB, found.uid.reveal()), 1);
    let copy = calendars.view(BOB, MONDAY, MONDAY + 24 * HOUR);
    assert_eq!((copy[0].body.as_str(), copy[0].location.as_str()), (&*decorated, "Online"));
    let copy = calendars.find(BOB, found.uid.reveal()).unwrap();
    let copy = read(&stage, &bob, &ItemId(copy.0.as_str().into())).await;
    assert!(!copy.mine, "an invitee's copy is not ours to change");

    let back = Rewrite {
        location: Some(found.location.clone()),
        body: Some(found.body.clone()),
        mark: Mark::Remove,
        ..rewrite(&again)
    };
    stage.ews.rewrite(&ann, &back).await.unwrap();
    let after = read(&stage, &ann, &item).await;
    assert_eq!((after.body, after.location, after.mark), (found.body, found.location, None));
    assert_eq!(calendars.mails_to(BOB, found.uid.reveal()), 1, "nobody is told of that");
}

#[tokio::test]
async fn nothing_to_change_asks_nobody() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let item = invite(&stage, &ann);
    let found = read(&stage, &ann, &item).await;
    let written = stage.ews.rewrite(&ann, &rewrite(&found)).await.unwrap();
    assert_eq!(written, Written { item: found.item, version: found.version });
    assert_eq!(stage.exchange.log().count("UpdateItem"), 0);
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
    let stage = Stage::new().await;
    let (ann, _bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let found = read(&stage, &ann, &item).await;
    stage.exchange.faults().next(Match::operation("UpdateItem"), Wrong::RivalEdit);
    let body = Body { text: Plain::new("<p>ours</p>"), html: true };
    let change = Rewrite { body: Some(body), notify: Notify::All, ..rewrite(&found) };
    let met = stage.ews.rewrite(&ann, &change).await.unwrap_err();
    assert!(matches!(&met, WriteFault::Conflict(_)), "{met:?}");
    assert_eq!(stage.exchange.calendars().mails(), [], "nobody hears of it");
    let now = read(&stage, &ann, &item).await;
    assert!(now.body.text.reveal().contains("Rival words"));
    let merged = Rewrite { version: now.version.clone(), ..change };
    stage.ews.rewrite(&ann, &merged).await.unwrap();
}

#[tokio::test]
async fn what_an_invitee_answered_meanwhile_is_not_undone() {
    let stage = Stage::new().await;
    let (ann, _bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let mut found = read(&stage, &ann, &item).await;
    let accepted = calway_lab::exchange::Response::Accept;
    stage.exchange.calendars().respond(BOB, found.uid.reveal(), accepted);
    // Where that is a new version of the meeting, it is read anew.
    for _ in 0..2 {
        let change = Rewrite { location: Some(Plain::new("x")), ..rewrite(&found) };
        match stage.ews.rewrite(&ann, &change).await {
            Err(WriteFault::Conflict(_)) => found = read(&stage, &ann, &item).await,
            done => assert!(done.is_ok(), "{done:?}"),
        }
    }
    let shown = stage.exchange.calendars().view(ANN, MONDAY, MONDAY + 24 * HOUR);
    assert_eq!(shown[0].location, "x");
    assert_eq!(shown[0].attendees[0].response, accepted);
}

#[tokio::test]
async fn a_meeting_that_is_gone_is_a_conflict_and_then_nothing() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let item = invite(&stage, &ann);
    let found = read(&stage, &ann, &item).await;
    let id = calway_lab::exchange::ItemId(item.0.to_string());
    stage.exchange.calendars().delete(ANN, &id);
    let change = Rewrite { location: Some(Plain::new("x")), ..rewrite(&found) };
    let met = stage.ews.rewrite(&ann, &change).await.unwrap_err();
    assert!(matches!(&met, WriteFault::Conflict(_)), "{met:?}");
    assert_eq!(stage.ews.for_writing(&ann, &item, Reach::Item).await, Ok(None));
}

#[tokio::test]
async fn a_series_is_found_by_any_of_its_occurrences_and_changed_as_a_whole() {
    let stage = Stage::new().await;
    let (ann, _bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let draft = Draft::meeting("Standup", START, 30).html(HTML);
    let draft = draft.invite(Attendee::required(BOB, "Bob"));
    let draft = draft.repeat(Pattern::Daily { interval: 1 }, End::After(4));
    let master = stage.create(&ann, draft);
    let entries = stage.ews.view(&ann, week().0, week().1).await.unwrap().entries;
    assert_eq!(entries.len(), 4);
    let one = read(&stage, &ann, &entries[2].item).await;
    assert_eq!(one.kind, InvitationKind::Occurrence);
    assert_eq!(one.original_start, Some(entries[2].start));
    let series = stage.ews.for_writing(&ann, &entries[2].item, Reach::Series).await;
    let series = series.unwrap().expect("a series");
    assert_eq!((&series.item, series.kind), (&master, InvitationKind::Series));
    assert_eq!((series.original_start, &series.uid), (None, &one.uid));

    let all = Rewrite { location: Some(Plain::new("All")), ..rewrite(&series) };
    stage.ews.rewrite(&ann, &all).await.unwrap();
    let one = read(&stage, &ann, &entries[1].item).await;
    assert_eq!(one.location.reveal(), "All");
    let alone = Rewrite { location: Some(Plain::new("Alone")), ..rewrite(&one) };
    stage.ews.rewrite(&ann, &alone).await.unwrap();
    let shown = stage.exchange.calendars().view(ANN, MONDAY, MONDAY + 96 * HOUR);
    let places: Vec<&str> = shown.iter().map(|one| one.location.as_str()).collect();
    assert_eq!(places, ["All", "Alone", "All", "All"]);
    let single = invite(&stage, &ann);
    let refused = stage.ews.for_writing(&ann, &single, Reach::Series).await.unwrap_err();
    assert_eq!(refused.next, Next::Refused, "{refused:?}");
}

#[tokio::test]
async fn a_reading_sees_marks_as_they_were_written_and_whose_copy_it_is() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let repeated = |end| {
        let draft = Draft::meeting("Standup", START, 30).invite(Attendee::required(BOB, "Bob"));
        draft.repeat(Pattern::Daily { interval: 1 }, end)
    };
    stage.create(&ann, repeated(End::After(4)));
    let entries = stage.ews.view(&ann, week().0, week().1).await.unwrap().entries;
    let ids: Vec<_> = entries.iter().map(|entry| entry.item.clone()).collect();
    let series = stage.ews.for_writing(&ann, &ids[2], Reach::Series).await.unwrap().unwrap();
    assert_eq!(series.last_end, Some(entries[3].end), "it is not over before");
    let whole = Rewrite { mark: Mark::Set("m1".into()), ..rewrite(&series) };
    stage.ews.rewrite(&ann, &whole).await.unwrap();
    let one = read(&stage, &ann, &ids[1]).await;
    assert_eq!(one.last_end, Some(one.end), "one of them is over by itself");
    let own = Rewrite { mark: Mark::Set("m2".into()), ..rewrite(&one) };
    stage.ews.rewrite(&ann, &own).await.unwrap();
    let marks = |found: Vec<Found>| {
        let each = found.into_iter().map(|found| match found {
            Found::Meeting(one) => (one.mine, one.mark.map(|mark| mark.reveal().to_owned())),
            other => panic!("{other:?}"),
        });
        each.collect::<Vec<_>>()
    };
    let found = marks(stage.ews.items(&ann, &ids).await.unwrap());
    let expected = ["m1", "m2", "m1", "m1"].map(|mark| (true, Some(mark.to_owned())));
    assert_eq!(found, expected);
    let copies = stage.ews.view(&bob, week().0, week().1).await.unwrap().entries;
    let copies: Vec<_> = copies.into_iter().map(|entry| entry.item).collect();
    let found = marks(stage.ews.items(&bob, &copies).await.unwrap());
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|(mine, _)| !mine), "an invitee's is not ours to change");
    let endless = stage.create(&ann, repeated(End::Never));
    assert_eq!(read(&stage, &ann, &endless).await.last_end, None);
}

#[tokio::test]
async fn an_invitation_is_answered_with_words_and_the_organiser_hears_of_it_where_meant() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let uid = read(&stage, &ann, &item).await.uid;
    let copy = async || {
        let id = stage.exchange.calendars().find(BOB, uid.reveal());
        let id = ItemId(id.expect("a copy").0.as_str().into());
        let found = read(&stage, &bob, &id).await;
        (found.answer, Written { item: found.item, version: found.version })
    };
    let words = Plain::new("a bit late & <sorry>");
    let (_, own) = copy().await;
    let respond = async |whose: &Target, own: &Written, response, words, notify| {
        stage.ews.respond(whose, own, response, words, notify).await
    };
    respond(&bob, &own, Response::Tentative, Some(&words), Notify::All).await.unwrap();
    let inbox = stage.exchange.calendars().inbox(ANN);
    let [mail] = inbox.as_slice() else { panic!("{inbox:?}") };
    assert_eq!((mail.from.as_str(), mail.body.as_str()), (BOB, words.reveal()));
    let (answer, own) = copy().await;
    assert_eq!(answer, Answer::Tentative);
    respond(&bob, &own, Response::Accepted, None, Notify::Nobody).await.unwrap();
    let (answer, own) = copy().await;
    assert_eq!(answer, Answer::Accepted);
    assert_eq!(stage.exchange.calendars().inbox(ANN).len(), 1, "nobody hears of that");
    respond(&bob, &own, Response::Declined, None, Notify::All).await.unwrap();
    assert_eq!(stage.exchange.calendars().find(BOB, uid.reveal()), None);
    let found = read(&stage, &ann, &item).await;
    let mine = Written { item: found.item, version: found.version };
    let refused = respond(&ann, &mine, Response::Accepted, None, Notify::All).await.unwrap_err();
    assert!(matches!(&refused, WriteFault::NoEffect(fault) if fault.next == Next::Refused));
}

#[tokio::test]
async fn free_times_are_told_for_each_mailbox_that_may_be_seen() {
    let stage = Stage::new().await;
    let (ann, bob, cid) = (stage.mailbox("ann"), stage.mailbox("bob"), stage.mailbox("cid"));
    stage.create(&bob, Draft::meeting("a", MONDAY + HOUR, 60));
    let mut away = Draft::meeting("b", MONDAY + 3 * HOUR, 30);
    away.free_busy = calway_lab::exchange::service::FreeBusy::OutOfOffice;
    stage.create(&bob, away);
    stage.exchange.calendars().spoil_free_busy("cid@corp.example", Some("ErrorNoFreeBusyAccess"));
    let (from, to) = (Time::from_ms(MONDAY), Time::from_ms(MONDAY + 4 * HOUR));
    let window = BusyWindow { from, to, interval_minutes: 60 };
    let nobody = target("nobody");
    let asked = [&bob, &cid, &nobody, &ann].map(|one| Arc::clone(&one.address));
    let told = stage.ews.free_busy(&ann, &asked, &window).await.unwrap();
    let [of_bob, of_cid, of_nobody, of_ann] = told.as_slice() else { panic!("{told:?}") };
    let of_bob = of_bob.as_ref().unwrap();
    assert_eq!(of_bob.merged.as_deref(), Some("0203"));
    let first = of_bob.engagements.first().map(|one| (one.start, one.end));
    let hour = |n: i64| Time::from_ms(MONDAY + n * HOUR);
    assert_eq!(first, Some((hour(1), hour(2))));
    assert_eq!(of_cid.as_ref().unwrap_err().next, Next::Denied);
    assert_eq!(of_nobody.as_ref().unwrap_err().next, Next::Gone);
    assert_eq!(of_ann.as_ref().unwrap().merged.as_deref(), Some("0000"));
}

#[tokio::test]
async fn more_than_a_hundred_mailboxes_are_asked_for_in_pieces_and_answered_in_order() {
    let stage = Stage::new().await;
    let all = stage.mailboxes(130);
    stage.create(&all[129], Draft::meeting("a", MONDAY, 60));
    let (from, to) = (Time::from_ms(MONDAY), Time::from_ms(MONDAY + HOUR));
    let window = BusyWindow { from, to, interval_minutes: 60 };
    let mut asked: Vec<_> = all.iter().map(|one| Arc::clone(&one.address)).collect();
    // Whoever is named twice is asked for once, and told twice.
    asked.insert(1, Arc::clone(&all[129].address));
    let told = stage.ews.free_busy(&all[0], &asked, &window).await.unwrap();
    let log = stage.exchange.log();
    let named = log.of("GetUserAvailability").iter().map(|one| one.named.len()).max();
    assert!(named <= Some(100) && log.count("GetUserAvailability") == 2);
    let busy = |one: &Result<calway::model::FreeBusy, _>| {
        one.as_ref().is_ok_and(|one| one.merged.as_deref() == Some("2"))
    };
    let busy: Vec<usize> =
        told.iter().enumerate().filter(|(_, one)| busy(one)).map(|(at, _)| at).collect();
    assert_eq!((told.len(), busy), (131, vec![1, 130]));
}
