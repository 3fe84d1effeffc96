//! Meeting messages in inboxes, and the marks of others in the calendar.

use super::items::{create_sending, delete};
use super::*;
use crate::exchange::faults::{Fault, Match};
use crate::exchange::service::{Attendee, End, ExtendedProperty, ItemId, Pattern, Response};

fn inbox(shape: &str, restriction: &str) -> String {
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>{shape}</t:BaseShape>\
         <t:AdditionalProperties><t:FieldURI FieldURI=\"item:ItemClass\"/><t:FieldURI \
         FieldURI=\"calendar:UID\"/><t:FieldURI FieldURI=\"message:From\"/>\
         </t:AdditionalProperties></m:ItemShape>{restriction}<m:ParentFolderIds>\
         <t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds></m:FindItem>"
    )
}

fn invite(who: &str) -> String {
    format!(
        "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>{who}</t:EmailAddress>\
         </t:Mailbox></t:Attendee></t:RequiredAttendees>"
    )
}

fn answer(verb: &str, id: &str, disposition: &str) -> String {
    format!(
        "<m:CreateItem MessageDisposition=\"{disposition}\"><m:Items><t:{verb}>\
         <t:Body BodyType=\"Text\">See you</t:Body><t:ReferenceItemId Id=\"{id}\"/></t:{verb}>\
         </m:Items></m:CreateItem>"
    )
}

fn write(id: &str, key: &str, send: &str, resolution: &str, words: &str) -> String {
    format!(
        "<m:UpdateItem ConflictResolution=\"{resolution}\" \
         SendMeetingInvitationsOrCancellations=\"{send}\"><m:ItemChanges><t:ItemChange>\
         <t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/><t:Updates><t:SetItemField>\
         <t:FieldURI FieldURI=\"item:Body\"/><t:CalendarItem><t:Body BodyType=\"HTML\">{words}\
         </t:Body></t:CalendarItem></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges>\
         </m:UpdateItem>"
    )
}

#[test]
fn an_invitation_and_its_update_lie_in_the_inbox_of_the_invited() {
    let lab = lab();
    let made = lab.ask(ANN, &create_sending("SendToAllAndSaveCopy", "Plan", &invite(BOB)));
    let (id, key) = made.ids("t:ItemId").remove(0);
    let uid = lab.calendars().uid(ANN, &ItemId(id.clone())).expect("a UID");
    let update =
        write(&id, &key, "SendToAllAndSaveCopy", "NeverOverwrite", "&lt;p&gt;Join&lt;/p&gt;");
    assert_eq!(lab.ask(ANN, &update).code, "NoError");
    assert_eq!(lab.calendars().mails_to(BOB, &uid), 2);
    let kinds: Vec<_> =
        lab.calendars().inbox(BOB).into_iter().map(|one| one.request_type).collect();
    assert_eq!(kinds, ["Outdated", "InformationalUpdate"]);
    let said = lab.ask(BOB, &inbox("Default", ""));
    assert_eq!(said.all("t:ItemClass"), ["IPM.Schedule.Meeting.Request"; 2]);
    assert_eq!(said.all("t:UID"), [uid.clone(), uid]);
    assert!(said.has("<t:EmailAddress>ann@corp.example</t:EmailAddress>"));
    let last = said.ids("t:ItemId").pop().expect("two").0;
    let read = lab.ask(BOB, &get_item(&last, "AllProperties"));
    assert!(read.has("&lt;p&gt;Join&lt;/p&gt;"), "{}", read.text);
    let copy = read.ids("t:AssociatedCalendarItemId").remove(0).0;
    assert_eq!(lab.ask(BOB, &get_item(&copy, "Default")).one("t:Subject"), "Plan");
    assert_eq!(lab.ask(ANN, &get_item(&last, "IdOnly")).code, "ErrorAccessDenied");
    assert_eq!(lab.ask(BOB, &delete(&last)).code, "NoError");
    assert_eq!(lab.calendars().inbox(BOB).len(), 1);
}

#[test]
fn an_inbox_is_searched_by_class() {
    let lab = lab();
    lab.ask(ANN, &create_sending("SendOnlyToAll", "Plan", &invite(BOB)));
    let of = |class: &str| {
        let restriction = format!(
            "<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI=\"item:ItemClass\"/>\
             <t:FieldURIOrConstant><t:Constant Value=\"{class}\"/></t:FieldURIOrConstant>\
             </t:IsEqualTo></m:Restriction>"
        );
        lab.ask(BOB, &inbox("IdOnly", &restriction)).ids("t:ItemId").len()
    };
    assert_eq!(of("IPM.Schedule.Meeting.Request"), 1);
    assert_eq!(of("IPM.Schedule.Meeting.Canceled"), 0);
}

#[test]
fn who_is_asked_by_mail_answers_the_mail() {
    let lab = lab();
    lab.ask(ANN, &create_sending("SendOnlyToAll", "Plan", &invite(BOB)));
    let letter = lab.ask(BOB, &inbox("IdOnly", "")).ids("t:ItemId").remove(0).0;
    assert_eq!(lab.ask(BOB, &answer("AcceptItem", &letter, "SendAndSaveCopy")).code, "NoError");
    let held = lab.calendars().view(ANN, MONDAY, MONDAY + HOUR).remove(0);
    assert_eq!(held.attendees[0].response, Response::Accept);
    let mail = lab.calendars().inbox(ANN).remove(0);
    assert_eq!(mail.class, "IPM.Schedule.Meeting.Resp.Pos");
    assert_eq!((mail.subject.as_str(), mail.body.as_str()), ("Accepted: Plan", "See you"));
    assert!(lab.ask(ANN, &inbox("AllProperties", "")).has("<t:ResponseType>Accept<"));
    let quiet = lab.ask(BOB, &answer("TentativelyAcceptItem", &letter, "SaveOnly"));
    assert_eq!(quiet.code, "NoError");
    assert_eq!(lab.calendars().inbox(ANN).len(), 1, "saved only, and told nobody");
}

#[test]
fn who_cannot_answer_is_told_why_for_each_answer() {
    let lab = lab();
    let draft = meeting("M", MONDAY).invite(Attendee::required(BOB, "Bob Baker"));
    let own = lab.calendars().create(ANN, draft);
    let uid = lab.calendars().uid(ANN, &own).expect("a UID");
    let copy = lab.calendars().find(BOB, &uid).expect("a copy");
    let code = |who: &str, verb: &str, id: &ItemId| lab.ask(who, &answer(verb, &id.0, "SendOnly"));
    let verbs = [
        ("AcceptItem", "Accept"),
        ("TentativelyAcceptItem", "Tentative"),
        ("DeclineItem", "Decline"),
    ];
    for (verb, name) in verbs {
        let refused = format!("ErrorCalendarIsOrganizerFor{name}");
        assert_eq!(code(ANN, verb, &own).code, refused);
    }
    lab.calendars().cancel(ANN, &own);
    for (verb, name) in verbs {
        let refused = format!("ErrorCalendarIsCancelledFor{name}");
        assert_eq!(code(BOB, verb, &copy).code, refused);
    }
    assert!(lab.calendars().mails().is_empty());
}

#[test]
fn a_changed_occurrence_is_mailed_as_that_occurrence() {
    let lab = lab();
    let draft = meeting("M", MONDAY)
        .invite(Attendee::required(BOB, "Bob Baker"))
        .repeat(Pattern::Daily { interval: 1 }, End::After(5));
    let master = lab.calendars().create(ANN, draft);
    let found = lab.ask(ANN, &find(MONDAY, MONDAY + 9 * DAY, None)).ids("t:ItemId");
    let (id, key) = &found[2];
    let update = write(id, key, "SendToAllAndSaveCopy", "NeverOverwrite", "Words");
    assert_eq!(lab.ask(ANN, &update).code, "NoError");
    let mail = lab.calendars().inbox(BOB).remove(0);
    assert_eq!(mail.original_start_ms, Some(MONDAY + 2 * DAY));
    assert_eq!((mail.start_ms, mail.body.as_str()), (MONDAY + 2 * DAY, "Words"));
    assert_eq!(lab.calendars().read(ANN, &master).expect("there").body, "");
    let bodies: Vec<_> = lab.calendars().view(BOB, MONDAY, MONDAY + 9 * DAY);
    let bodies: Vec<_> = bodies.iter().map(|shown| shown.body.as_str()).collect();
    assert_eq!(bodies, ["", "", "Words", "", ""]);
    // The exception's own id, and a change key that is too old by now.
    let again = write(id, key, "SendToNone", "NeverOverwrite", "Other");
    assert_eq!(lab.ask(ANN, &again).code, "ErrorIrresolvableConflict");
    let read = lab.ask(ANN, &get_item(id, "IdOnly")).ids("t:ItemId").remove(0);
    let again = write(&read.0, &read.1, "SendToNone", "NeverOverwrite", "Other");
    assert_eq!(lab.ask(ANN, &again).code, "NoError");
    assert_eq!(lab.calendars().inbox(BOB).len(), 1);
}

#[test]
fn who_comes_to_another_occurrence_only_is_not_mailed() {
    let lab = lab();
    let draft = meeting("M", MONDAY)
        .invite(Attendee::required(BOB, "Bob Baker"))
        .repeat(Pattern::Daily { interval: 1 }, End::After(3));
    let master = lab.calendars().create(ANN, draft);
    lab.calendars().modify_occurrence(ANN, &master, MONDAY + DAY, |draft| {
        draft.attendees = vec![Attendee::required("far@away.example", "Far Away")];
    });
    let found = lab.ask(ANN, &find(MONDAY, MONDAY + 9 * DAY, None)).ids("t:ItemId");
    let mut heard = Vec::new();
    for (id, _) in found.iter().take(2) {
        let update = write(id, "", "SendOnlyToAll", "AlwaysOverwrite", "Words");
        assert_eq!(lab.ask(ANN, &update).code, "NoError");
        heard.push(lab.calendars().mails().pop().expect("a mail").to);
    }
    assert_eq!(heard, [[BOB.to_owned()], ["far@away.example".to_owned()]]);
}

const SET: &str = "0d6d8f9c-5ca5-4c4e-bd84-5a2e0c4e7f11";

fn path(kind: &str) -> String {
    format!(
        "<t:ExtendedFieldURI PropertySetId=\"{SET}\" PropertyName=\"CalwayCommand\" \
         PropertyType=\"{kind}\"/>"
    )
}

#[test]
fn a_mark_is_found_again_by_its_value_and_type() {
    let lab = lab();
    let mark = |value: &str| {
        let path = path("String");
        format!("<t:ExtendedProperty>{path}<t:Value>{value}</t:Value></t:ExtendedProperty>")
    };
    let made = |value: &str| {
        let item = super::items::create(&format!("Made by {value}"), "");
        lab.ask(ANN, &item.replace("<t:Start>", &format!("{}<t:Start>", mark(value))))
    };
    assert_eq!(made("one").code, "NoError");
    assert_eq!(made("two").code, "NoError");
    let search = |value: &str, kind: &str| {
        let path = path(kind);
        let find = format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape>\
             <t:AdditionalProperties>{path}</t:AdditionalProperties></m:ItemShape>\
             <m:Restriction><t:IsEqualTo>{path}<t:FieldURIOrConstant><t:Constant \
             Value=\"{value}\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>\
             <m:ParentFolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds>\
             </m:FindItem>"
        );
        lab.ask(ANN, &find)
    };
    let said = search("two", "String");
    assert_eq!(
        (said.all("t:Subject"), said.all("t:Value")),
        (vec!["Made by two".into()], vec!["two".to_owned()])
    );
    assert!(search("three", "String").all("t:Subject").is_empty());
    assert!(search("two", "Binary").all("t:Subject").is_empty(), "of another type");
}

#[test]
fn a_mark_that_is_none_of_its_type_is_refused() {
    let lab = lab();
    let id = lab.calendars().create(ANN, meeting("M", MONDAY));
    let set = |named: &str, kind: &str, value: &str| {
        let update = format!(
            "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" \
             SendMeetingInvitationsOrCancellations=\"SendToNone\"><m:ItemChanges><t:ItemChange>\
             <t:ItemId Id=\"{}\"/><t:Updates><t:SetItemField>{}<t:CalendarItem>\
             <t:ExtendedProperty>{}{value}</t:ExtendedProperty></t:CalendarItem>\
             </t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
            id.0,
            path(named),
            path(kind)
        );
        lab.ask(ANN, &update).code
    };
    let one = "<t:Value>many</t:Value>";
    assert_eq!(set("Integer", "Integer", one), "ErrorInvalidExtendedPropertyValue");
    assert_eq!(set("StringArray", "StringArray", one), "ErrorInvalidExtendedPropertyValue");
    assert_eq!(set("String", "StringArray", "<t:Values/>"), "ErrorUpdatePropertyMismatch");
    assert_eq!(set("Words", "Words", one), "ErrorInvalidExtendedProperty");
    assert_eq!(set("String", "String", one), "NoError");
    let kept = lab.calendars().read(ANN, &id).expect("there").extended;
    let (name, kind) = ("CalwayCommand".to_owned(), "String".to_owned());
    let own = ExtendedProperty { set: SET.into(), name, kind, values: vec!["many".into()] };
    assert_eq!(kept, [own]);
}

#[test]
fn a_rival_who_writes_just_before_makes_a_real_conflict() {
    let lab = lab();
    let page = "<html><body><p>Agenda</p></body></html>";
    let ItemId(id) = lab.calendars().create(ANN, meeting("M", MONDAY).html(page));
    let key = || lab.ask(ANN, &get_item(&id, "IdOnly")).ids("t:ItemId").remove(0).1;
    lab.faults.next(Match::operation("UpdateItem"), Fault::RivalEdit);
    let lost = write(&id, &key(), "SendToNone", "AutoResolve", "Mine");
    assert_eq!(lab.ask(ANN, &lost).code, "ErrorIrresolvableConflict");
    let body = || lab.calendars().read(ANN, &ItemId(id.clone())).expect("there").body;
    assert_eq!(body(), page.replace("</body>", "<p>Rival words</p></body>"));
    let won = write(&id, &key(), "SendToNone", "AutoResolve", "Mine");
    assert_eq!((lab.ask(ANN, &won).code.as_str(), body().as_str()), ("NoError", "Mine"));
}

#[test]
fn an_item_is_in_the_language_of_who_wrote_it() {
    let lab = lab();
    lab.calendars().set_culture(ANN, "de-DE");
    let made = lab.ask(ANN, &create_sending("SendOnlyToAll", "Plan", &invite(BOB)));
    let (id, _) = made.ids("t:ItemId").remove(0);
    let culture = |who: &str, id: &str| lab.ask(who, &get_item(id, "AllProperties"));
    assert_eq!(culture(ANN, &id).one("t:Culture"), "de-DE");
    let uid = lab.calendars().uid(ANN, &ItemId(id)).expect("a UID");
    let ItemId(copy) = lab.calendars().find(BOB, &uid).expect("a copy");
    assert_eq!(culture(BOB, &copy).one("t:Culture"), "de-DE");
    let ItemId(own) = lab.calendars().create(BOB, meeting("M", MONDAY));
    assert_eq!(culture(BOB, &own).one("t:Culture"), "en-US");
    let ItemId(other) = lab.calendars().create(BOB, meeting("M", MONDAY).in_language("fr-FR"));
    assert_eq!(culture(BOB, &other).one("t:Culture"), "fr-FR");
}

#[test]
fn a_server_that_rewrites_bodies_keeps_the_words_and_not_the_bytes() {
    let lab = lab_with(Settings { rewrites_bodies: true, ..Settings::default() });
    let id = lab.calendars().create(ANN, meeting("M", MONDAY));
    let update = write(&id.0, "", "SendToNone", "AlwaysOverwrite", "&lt;p&gt;A\nB&lt;/p&gt;");
    assert_eq!(lab.ask(ANN, &update).code, "NoError");
    let body = lab.calendars().read(ANN, &id).expect("there").body;
    assert!(body.contains("<p>A\r\nB</p>") && body.contains("charset=utf-8"), "{body}");
    let again = body.replace('<', "&lt;").replace("\r\n", "\n");
    let update = write(&id.0, "", "SendToNone", "AlwaysOverwrite", &again);
    assert_eq!(lab.ask(ANN, &update).code, "NoError");
    assert_eq!(lab.calendars().read(ANN, &id).expect("there").body, body, "once is enough");
}
