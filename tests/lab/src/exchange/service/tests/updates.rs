//! UpdateItem: fields, occurrences, conflicts, mail.

use super::*;
use crate::exchange::service::{Attendee, End, ItemId, Pattern};

pub(super) fn set_location(id: &str, key: &str, location: &str, resolution: &str) -> String {
    update(id, key, resolution, "SendToNone", &[&set("calendar:Location", "Location", location)])
}

fn set(uri: &str, name: &str, value: &str) -> String {
    format!(
        "<t:SetItemField><t:FieldURI FieldURI=\"{uri}\"/><t:CalendarItem><t:{name}>{value}\
         </t:{name}></t:CalendarItem></t:SetItemField>"
    )
}

fn update(id: &str, key: &str, resolution: &str, send: &str, updates: &[&str]) -> String {
    let key = if key.is_empty() { String::new() } else { format!(" ChangeKey=\"{key}\"") };
    format!(
        "<m:UpdateItem ConflictResolution=\"{resolution}\" MessageDisposition=\"SaveOnly\" \
         SendMeetingInvitationsOrCancellations=\"{send}\"><m:ItemChanges><t:ItemChange>\
         <t:ItemId Id=\"{id}\"{key}/><t:Updates>{}</t:Updates></t:ItemChange></m:ItemChanges>\
         </m:UpdateItem>",
        updates.concat()
    )
}

fn made(lab: &Lab) -> (String, String) {
    lab.ask(ANN, &super::items::create("Made", "")).ids("t:ItemId").remove(0)
}

#[test]
fn a_change_key_is_good_for_one_write() {
    let lab = lab();
    let (id, key) = made(&lab);
    let said = lab.ask(ANN, &set_location(&id, &key, "A", "AutoResolve"));
    let (same, new) = said.ids("t:ItemId").remove(0);
    assert_eq!((said.code.as_str(), &same), ("NoError", &id));
    assert_ne!(new, key);
    let code = |key: &str, how: &str| lab.ask(ANN, &set_location(&id, key, "B", how)).code;
    assert_eq!(code(&key, "AutoResolve"), "ErrorIrresolvableConflict");
    assert_eq!(code(&key, "NeverOverwrite"), "ErrorIrresolvableConflict");
    assert_eq!(lab.calendars().read(ANN, &ItemId(id.clone())).expect("there").location, "A");
    assert_eq!(code("", "AutoResolve"), "ErrorChangeKeyRequiredForWriteOperations");
    assert_eq!(code("bm9uc2Vuc2U=", "AutoResolve"), "ErrorInvalidChangeKey");
    assert_eq!(code(&key, "AlwaysOverwrite"), "NoError");
    assert_eq!(lab.calendars().read(ANN, &ItemId(id.clone())).expect("there").location, "B");
}

#[test]
fn auto_resolve_lets_changes_of_other_fields_pass() {
    let lab = lab();
    let (id, key) = made(&lab);
    lab.calendars().update(ANN, &ItemId(id.clone()), |draft| draft.subject = "Else".to_owned());
    let never = lab.ask(ANN, &set_location(&id, &key, "A", "NeverOverwrite"));
    assert_eq!(never.code, "ErrorIrresolvableConflict");
    assert_eq!(lab.ask(ANN, &set_location(&id, &key, "A", "AutoResolve")).code, "NoError");
    let draft = lab.calendars().read(ANN, &ItemId(id)).expect("there");
    assert_eq!((draft.subject.as_str(), draft.location.as_str()), ("Else", "A"));
}

#[test]
fn a_batch_conflicts_item_by_item_and_sets_only_what_is_meant() {
    let lab = lab();
    let (id, key) = made(&lab);
    let body = "<t:AppendToItemField><t:FieldURI FieldURI=\"item:Body\"/><t:CalendarItem>\
                <t:Body BodyType=\"Text\"> and more</t:Body>\
                </t:CalendarItem></t:AppendToItemField>";
    let clear = "<t:DeleteItemField><t:FieldURI FieldURI=\"calendar:Location\"/>\
                 </t:DeleteItemField>";
    let updates = [body, clear, &set("item:Sensitivity", "Sensitivity", "Private")];
    let said = lab.ask(ANN, &update(&id, &key, "AutoResolve", "SendToNone", &updates));
    assert_eq!(said.code, "NoError", "{}", said.text);
    let read = lab.ask(ANN, &get_item(&id, "AllProperties"));
    assert!(read.has(">Words and more</t:Body>"));
    assert_eq!(read.one("t:Sensitivity"), "Private");
    assert_eq!(read.one("t:Subject"), "Made");
}

#[test]
fn a_property_of_ones_own_is_kept_and_does_not_travel() {
    let lab = lab();
    let draft = meeting("M", MONDAY).invite(Attendee::required(BOB, "Bob Baker"));
    let ItemId(id) = lab.calendars().create(ANN, draft);
    let key = lab.ask(ANN, &get_item(&id, "IdOnly")).ids("t:ItemId").remove(0).1;
    let path = "<t:ExtendedFieldURI PropertySetId=\"0D6D8F9C-5CA5-4C4E-BD84-5A2E0C4E7F11\" \
                PropertyName=\"calway\" PropertyType=\"String\"/>";
    let own = format!(
        "<t:SetItemField>{path}<t:CalendarItem><t:ExtendedProperty>{path}<t:Value>mark</t:Value>\
         </t:ExtendedProperty></t:CalendarItem></t:SetItemField>"
    );
    let write = update(&id, &key, "AutoResolve", "SendToAllAndSaveCopy", &[&own]);
    assert_eq!(lab.ask(ANN, &write).code, "NoError");
    let get = |id: &str| {
        format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             {path}</t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id=\"{id}\"/>\
             </m:ItemIds></m:GetItem>"
        )
    };
    assert_eq!(lab.ask(ANN, &get(&id)).all("t:Value"), ["mark"]);
    let uid = lab.calendars().uid(ANN, &ItemId(id)).expect("a UID");
    let ItemId(copy) = lab.calendars().find(BOB, &uid).expect("a copy");
    assert!(lab.ask(BOB, &get(&copy)).all("t:Value").is_empty());
}

#[test]
fn mail_goes_to_whom_the_request_says() {
    let lab = lab();
    let draft = meeting("M", MONDAY).invite(Attendee::required(BOB, "Bob Baker"));
    let ItemId(id) = lab.calendars().create(ANN, draft);
    let uid = lab.calendars().uid(ANN, &ItemId(id.clone())).expect("a UID");
    let copy = lab.calendars().find(BOB, &uid).expect("a copy");
    assert!(lab.calendars().mails().is_empty(), "scripted edits send nothing that is counted");
    let write = |send: &str, location: &str| {
        let set = set("calendar:Location", "Location", location);
        let said = lab.ask(ANN, &update(&id, "", "AlwaysOverwrite", send, &[&set]));
        assert_eq!(said.code, "NoError");
        let at = lab.calendars().read(BOB, &copy).expect("a copy").location;
        (lab.calendars().mails().len(), at)
    };
    assert_eq!(write("SendToNone", "A"), (0, String::new()));
    assert_eq!(write("SendToChangedAndSaveCopy", "B"), (0, String::new()));
    assert_eq!(write("SendToAllAndSaveCopy", "C"), (1, "C".to_owned()));
    let attendee = "<t:Attendee><t:Mailbox><t:EmailAddress>room-1@corp.example</t:EmailAddress>\
                    </t:Mailbox></t:Attendee>";
    let rooms = set("calendar:Resources", "Resources", attendee);
    let said = lab.ask(ANN, &update(&id, "", "AlwaysOverwrite", "SendOnlyToChanged", &[&rooms]));
    assert_eq!(said.code, "NoError");
    let mails = lab.calendars().mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[1].to, [ROOM]);
    assert_eq!(lab.calendars().count(ROOM), 1);
    let without = update(&id, "", "AlwaysOverwrite", "SendToNone", &[&rooms])
        .replace(" SendMeetingInvitationsOrCancellations=\"SendToNone\"", "");
    let code = lab.ask(ANN, &without).code;
    assert_eq!(code, "ErrorSendMeetingInvitationsOrCancellationsRequired");
}

#[test]
fn an_update_of_a_series_shows_in_all_of_it_and_in_every_copy_and_is_mailed_once() {
    let lab = lab();
    let draft = meeting("Daily", MONDAY).at("Here").text("Agenda");
    let draft = draft.repeat(Pattern::Daily { interval: 1 }, End::After(4));
    let draft = draft.invite(Attendee::required(BOB, "Bob Baker"));
    let master = lab.calendars().create(ANN, draft);
    let calendars = lab.calendars();
    calendars.modify_occurrence(ANN, &master, MONDAY + DAY, |draft| {
        draft.start_ms += HOUR;
        draft.end_ms += HOUR;
    });
    calendars.modify_occurrence(ANN, &master, MONDAY + 2 * DAY, |draft| {
        draft.location = "Elsewhere".to_owned();
    });
    let uid = calendars.uid(ANN, &master).expect("a UID");
    calendars.respond(BOB, &uid, crate::exchange::Response::Accept);
    let key = || lab.ask(ANN, &get_item(&master.0, "IdOnly")).ids("t:ItemId").remove(0).1;
    let place = set("calendar:Location", "Location", "Online");
    let body = "<t:SetItemField><t:FieldURI FieldURI=\"item:Body\"/><t:CalendarItem>\
                <t:Body BodyType=\"Text\">Agenda, and how to join</t:Body></t:CalendarItem>\
                </t:SetItemField>";
    let write =
        update(&master.0, &key(), "NeverOverwrite", "SendToAllAndSaveCopy", &[&place, body]);
    assert_eq!(lab.ask(ANN, &write).code, "NoError");
    let moved = MONDAY + DAY + HOUR;
    let expected = [
        (MONDAY, "Online"),
        (moved, "Online"),
        (MONDAY + 2 * DAY, "Elsewhere"),
        (MONDAY + 3 * DAY, "Online"),
    ];
    for who in [ANN, BOB] {
        let shown = calendars.view(who, MONDAY, MONDAY + 9 * DAY);
        let told: Vec<_> = shown.iter().map(|one| (one.start_ms, &*one.location)).collect();
        assert_eq!(told, expected, "{who}");
        assert!(shown.iter().all(|one| one.body == "Agenda, and how to join"), "{who}");
        // Over EWS an occurrence says the same.
        let found = lab.ask(who, &find(MONDAY, MONDAY + 9 * DAY, None)).ids("t:ItemId");
        for (id, _) in found {
            assert!(lab.ask(who, &get_item(&id, "AllProperties")).has("Agenda, and how to join"));
        }
    }
    assert_eq!(calendars.mails_to(BOB, &uid), 1);
    let bob = calendars.view(BOB, MONDAY, MONDAY + DAY);
    assert_eq!(bob[0].my_response, crate::exchange::Response::Accept, "nobody is asked anew");
    assert_eq!(calendars.inbox(BOB).last().expect("a mail").request_type, "InformationalUpdate");
    assert_eq!(lab.ask(ANN, &write).code, "ErrorIrresolvableConflict", "the key was for one write");
    assert_eq!(calendars.mails_to(BOB, &uid), 1);
}

#[test]
fn an_occurrence_is_changed_without_its_series() {
    let lab = lab();
    let draft = meeting("Daily", MONDAY).repeat(Pattern::Daily { interval: 1 }, End::After(5));
    let ItemId(master) = lab.calendars().create(ANN, draft);
    let found = lab.ask(ANN, &find(MONDAY, MONDAY + 9 * DAY, None)).ids("t:ItemId");
    assert_eq!(found.len(), 5);
    let (id, key) = &found[2];
    let start = set("calendar:Start", "Start", &time(MONDAY + 2 * DAY + HOUR));
    let end = set("calendar:End", "End", &time(MONDAY + 2 * DAY + 2 * HOUR));
    let said = lab.ask(ANN, &update(id, key, "AutoResolve", "SendToNone", &[&start, &end]));
    assert_eq!(said.code, "NoError", "{}", said.text);
    let read = lab.ask(ANN, &get_item(id, "AllProperties"));
    assert_eq!(read.one("t:CalendarItemType"), "Exception");
    assert_eq!(read.one("t:Start"), time(MONDAY + 2 * DAY + HOUR));
    assert_eq!(read.one("t:RecurrenceId"), time(MONDAY + 2 * DAY));
    let read = lab.ask(ANN, &get_item(&master, "AllProperties"));
    assert_eq!(read.all("t:ModifiedOccurrences").len(), 1);
    assert_eq!(read.one("t:Start"), time(MONDAY));
    let key = read.ids("t:ItemId").remove(0).1;
    let far = set("calendar:Start", "Start", &time(MONDAY + 3 * DAY));
    let far_end = set("calendar:End", "End", &time(MONDAY + 3 * DAY + HOUR));
    let said = lab.ask(ANN, &update(id, &key, "AutoResolve", "SendToNone", &[&far, &far_end]));
    assert_eq!(said.code, "ErrorOccurrenceCrossingBoundary");
    assert_eq!(lab.ask(ANN, &super::items::delete(id)).code, "NoError");
    assert_eq!(lab.ask(ANN, &get_item(id, "IdOnly")).code, "ErrorItemNotFound");
    let read = lab.ask(ANN, &get_item(&master, "AllProperties"));
    assert_eq!(read.all("t:DeletedOccurrences").len(), 1);
    assert_eq!(lab.calendars().view(ANN, MONDAY, MONDAY + 9 * DAY).len(), 4);
}

#[test]
fn wrong_updates_are_refused_with_their_codes() {
    let lab = lab();
    let (id, key) = made(&lab);
    let cases = [
        (set("calendar:Location", "Subject", "x"), "ErrorUpdatePropertyMismatch"),
        (set("calendar:UID", "UID", "x"), "ErrorInvalidPropertySet"),
        (set("calendar:IsMeeting", "IsMeeting", "true"), "ErrorInvalidPropertySet"),
        (
            set("calendar:Location", "Location", "x")
                .replace("</t:Location>", "</t:Location><t:When/>"),
            "ErrorIncorrectUpdatePropertyCount",
        ),
        (
            set("calendar:End", "End", "2020-01-01T00:00:00Z"),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
    ];
    for (change, code) in cases {
        let said = lab.ask(ANN, &update(&id, &key, "AutoResolve", "SendToNone", &[&change]));
        assert_eq!(said.code, code, "{change}");
    }
}
