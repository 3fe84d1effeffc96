//! Meetings between mailboxes.

use super::*;
use crate::exchange::service::{Attendee, End, ItemId, Pattern, Response, Shown};

fn invitation() -> Draft {
    meeting("M", MONDAY)
        .invite(Attendee::required(BOB, "Bob Baker"))
        .invite(Attendee::resource(ROOM, "Room 1"))
}

fn one(lab: &Lab, address: &str) -> Shown {
    let mut shown = lab.calendars().view(address, MONDAY - DAY, MONDAY + 9 * DAY);
    assert_eq!(shown.len(), 1, "{address}: {shown:?}");
    shown.remove(0)
}

fn responses(shown: &Shown) -> Vec<(&str, Response)> {
    shown.attendees.iter().map(|who| (who.address.as_str(), who.response)).collect()
}

#[test]
fn an_invitation_makes_copies_with_one_uid_and_ids_of_their_own() {
    let lab = lab();
    let ItemId(id) = lab.calendars().create(ANN, invitation());
    let (own, copy, room) = (one(&lab, ANN), one(&lab, BOB), one(&lab, ROOM));
    assert_eq!(own.uid, copy.uid);
    assert_eq!(own.uid, room.uid);
    assert_eq!(copy.organizer, ("Ann Archer".to_owned(), ANN.to_owned()));
    assert_eq!(own.my_response, Response::Organizer);
    assert_eq!(copy.my_response, Response::NoResponseReceived);
    assert_eq!(room.my_response, Response::Accept);
    // Only the organiser hears who answered; a copy knows of its owner alone.
    assert_eq!(responses(&own), [(BOB, Response::Unknown), (ROOM, Response::Accept)]);
    let asked = (BOB, Response::NoResponseReceived);
    assert_eq!(responses(&copy), [asked, (ROOM, Response::Unknown)]);
    let ItemId(other) = lab.calendars().find(BOB, &own.uid).expect("a copy");
    assert_ne!(id, other);
    let read = lab.ask(BOB, &get_item(&other, "AllProperties"));
    assert_eq!(read.one("t:IsOrganizer"), "false");
    assert_eq!(read.one("t:LegacyFreeBusyStatus"), "Tentative");
    assert_eq!(read.one("t:AppointmentState"), "3");
}

#[test]
fn updates_travel_and_another_time_asks_anew() {
    let lab = lab();
    let id = lab.calendars().create(ANN, invitation());
    let uid = one(&lab, ANN).uid;
    lab.calendars().respond(BOB, &uid, Response::Accept);
    assert_eq!(one(&lab, BOB).my_response, Response::Accept);
    assert_eq!(responses(&one(&lab, ANN))[0], (BOB, Response::Accept));
    lab.calendars().update(ANN, &id, |draft| draft.location = "Elsewhere".to_owned());
    assert_eq!(one(&lab, BOB).location, "Elsewhere");
    assert_eq!(one(&lab, BOB).my_response, Response::Accept);
    lab.calendars().update(ANN, &id, |draft| draft.end_ms += HOUR);
    assert_eq!(one(&lab, BOB).my_response, Response::NoResponseReceived);
    assert_eq!(one(&lab, BOB).end_ms, MONDAY + HOUR + HOUR / 2);
    assert_eq!(responses(&one(&lab, ANN))[0], (BOB, Response::Unknown));
    assert_eq!(responses(&one(&lab, ANN))[1], (ROOM, Response::Accept));
}

#[test]
fn who_declines_has_no_copy_and_who_is_taken_off_a_cancelled_one() {
    let lab = lab();
    let id = lab.calendars().create(ANN, invitation());
    let uid = one(&lab, ANN).uid;
    lab.calendars().respond(BOB, &uid, Response::Decline);
    assert_eq!(lab.calendars().count(BOB), 0);
    assert_eq!(responses(&one(&lab, ANN))[0], (BOB, Response::Decline));
    lab.calendars().update(ANN, &id, |draft| draft.end_ms += HOUR);
    assert_eq!(lab.calendars().count(BOB), 1, "another time invites again");
    lab.calendars().update(ANN, &id, |draft| draft.attendees.clear());
    assert!(one(&lab, BOB).cancelled);
    assert_eq!(one(&lab, BOB).subject, "Canceled: M");
    assert_eq!(lab.calendars().count(ROOM), 0);
    assert!(!one(&lab, ANN).cancelled);
}

#[test]
fn a_cancelled_meeting_leaves_the_organiser() {
    let lab = lab();
    let id = lab.calendars().create(ANN, invitation());
    lab.calendars().cancel(ANN, &id);
    assert_eq!(lab.calendars().count(ANN), 0);
    assert_eq!(lab.calendars().count(ROOM), 0);
    assert!(one(&lab, BOB).cancelled);
}

#[test]
fn an_occurrence_is_moved_called_off_and_answered_by_itself() {
    let lab = lab();
    let draft = invitation().repeat(Pattern::Daily { interval: 1 }, End::After(4));
    let id = lab.calendars().create(ANN, draft);
    let calendars = lab.calendars();
    let week = |who: &str| calendars.view(who, MONDAY - DAY, MONDAY + 9 * DAY);
    let uid = week(ANN)[0].uid.clone();
    calendars.respond(BOB, &uid, Response::Accept);
    calendars.modify_occurrence(ANN, &id, MONDAY + DAY, |draft| {
        draft.start_ms += HOUR;
        draft.end_ms += HOUR;
    });
    calendars.delete_occurrence(ANN, &id, MONDAY + 2 * DAY);
    calendars.respond_occurrence(BOB, &uid, MONDAY + 3 * DAY, Response::Tentative);
    assert_eq!(week(ANN).len(), 3);
    let bob: Vec<_> = week(BOB)
        .iter()
        .map(|one| (one.start_ms - MONDAY, one.cancelled, one.my_response))
        .collect();
    assert_eq!(
        bob,
        [
            (0, false, Response::Accept),
            (DAY + HOUR, false, Response::NoResponseReceived),
            (2 * DAY, true, Response::Accept),
            (3 * DAY, false, Response::Tentative),
        ]
    );
    let room: Vec<_> =
        week(ROOM).iter().map(|one| (one.start_ms - MONDAY, one.my_response)).collect();
    assert_eq!(
        room,
        [(0, Response::Accept), (DAY + HOUR, Response::Accept), (3 * DAY, Response::Accept),]
    );
    let ann = week(ANN);
    assert_eq!(responses(&ann[2])[0], (BOB, Response::Tentative));
    // A later update of the whole brings nothing back.
    calendars.update(ANN, &id, |draft| draft.location = "Elsewhere".to_owned());
    assert_eq!(week(BOB).iter().filter(|one| one.cancelled).count(), 1);
    assert_eq!(week(BOB).iter().filter(|one| one.location == "Elsewhere").count(), 3);
}

#[test]
fn somebody_invited_to_one_occurrence_has_it_alone() {
    let lab = lab();
    let draft = meeting("S", MONDAY).repeat(Pattern::Daily { interval: 1 }, End::After(4));
    let id = lab.calendars().create(ANN, draft);
    lab.calendars().modify_occurrence(ANN, &id, MONDAY + DAY, |draft| {
        draft.attendees.push(Attendee::required(BOB, "Bob Baker"));
        draft.start_ms += HOUR;
        draft.end_ms += HOUR;
    });
    let shown = one(&lab, BOB);
    assert_eq!((shown.original_start_ms, shown.start_ms), (MONDAY + DAY, MONDAY + DAY + HOUR));
    assert!(shown.recurring);
    let ItemId(copy) = lab.calendars().find(BOB, &shown.uid).expect("a copy");
    let read = lab.ask(BOB, &get_item(&copy, "AllProperties"));
    assert_eq!(read.one("t:CalendarItemType"), "Single");
    assert_eq!(read.one("t:RecurrenceId"), time(MONDAY + DAY));
    lab.calendars().delete_occurrence(ANN, &id, MONDAY + DAY);
    assert!(one(&lab, BOB).cancelled);
}

#[test]
fn answers_over_ews_reach_the_organiser_and_are_mailed() {
    let lab = lab();
    lab.calendars().create(ANN, invitation());
    let uid = one(&lab, ANN).uid;
    let ItemId(copy) = lab.calendars().find(BOB, &uid).expect("a copy");
    let answer = |verb: &str| {
        format!(
            "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:{verb}>\
             <t:ReferenceItemId Id=\"{copy}\"/></t:{verb}></m:Items></m:CreateItem>"
        )
    };
    assert_eq!(lab.ask(BOB, &answer("TentativelyAcceptItem")).code, "NoError");
    assert_eq!(responses(&one(&lab, ANN))[0], (BOB, Response::Tentative));
    assert_eq!(lab.ask(BOB, &answer("AcceptItem")).code, "NoError");
    assert_eq!(lab.ask(BOB, &answer("DeclineItem")).code, "NoError");
    assert_eq!(lab.calendars().count(BOB), 0);
    let classes: Vec<_> = lab.calendars().mails().into_iter().map(|mail| mail.class).collect();
    assert_eq!(
        classes,
        [
            "IPM.Schedule.Meeting.Resp.Tent",
            "IPM.Schedule.Meeting.Resp.Pos",
            "IPM.Schedule.Meeting.Resp.Neg",
        ]
    );
    assert_eq!(lab.ask(BOB, &answer("AcceptItem")).code, "ErrorItemNotFound");
    let ItemId(own) = lab.calendars().find(ANN, &uid).expect("the organiser's");
    let cancel = format!(
        "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:CancelCalendarItem>\
         <t:ReferenceItemId Id=\"{own}\"/></t:CancelCalendarItem></m:Items></m:CreateItem>"
    );
    assert_eq!(lab.ask(ANN, &cancel).code, "NoError");
    assert_eq!(lab.calendars().count(ANN), 0);
    let last = lab.calendars().mails().pop().expect("a mail");
    assert_eq!((last.class.as_str(), last.to.len()), ("IPM.Schedule.Meeting.Canceled", 2));
}

#[test]
fn a_meeting_made_over_ews_invites_only_when_it_says_so() {
    let lab = lab();
    let attendees = format!(
        "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>Bob Baker</t:Name>\
         <t:EmailAddress>{BOB}</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees>"
    );
    lab.ask(ANN, &super::items::create("Quiet", &attendees));
    assert_eq!(lab.calendars().count(BOB), 0);
    assert!(lab.calendars().mails().is_empty());
    let loud = super::items::create_sending("SendToAllAndSaveCopy", "Loud", &attendees);
    assert_eq!(lab.ask(ANN, &loud).code, "NoError");
    assert_eq!(one(&lab, BOB).subject, "Loud");
    assert_eq!(lab.calendars().mails().len(), 1);
}
