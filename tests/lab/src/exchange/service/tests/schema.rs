//! Every answer against Microsoft's own schema, where it is to be had.
//!
//! The schema is taken from `EWS_SCHEMA_DIR`, or from `../shared/schema/ews` beside the repository.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::exchange::service::{Attendee, Day, DayIndex, End, Pattern, Prefix, Response};

fn schema() -> Option<PathBuf> {
    let folder = std::env::var_os("EWS_SCHEMA_DIR").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/schema/ews")
    });
    let file = folder.join("soap.xsd");
    let xmllint = Command::new("xmllint").arg("--version").stderr(Stdio::null()).status();
    if !file.exists() || !xmllint.is_ok_and(|status| status.success()) {
        // Past the test harness, which keeps what a passing test prints to itself.
        let line = format!("SKIPPED: no EWS schema at {} or no xmllint\n", folder.display());
        std::io::stderr().write_all(line.as_bytes()).expect("a place for a line");
        return None;
    }
    Some(file)
}

/// Validates all documents in one run.
pub(super) fn validate(what: &str, documents: &[(String, String)]) {
    let Some(schema) = schema() else { return };
    let name = format!("calway-lab-schema-{}-{what}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder for the answers");
    let mut files = Vec::new();
    for (number, (name, text)) in documents.iter().enumerate() {
        let file = folder.join(format!("{number:03}-{name}.xml"));
        let mut writer = std::fs::File::create(&file).expect("a file for an answer");
        writer.write_all(text.as_bytes()).expect("room for an answer");
        files.push(file);
    }
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(&schema)
        .args(&files)
        .output()
        .expect("xmllint");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<_> =
        complaints.lines().filter(|line| !line.ends_with(" validates")).collect();
    assert!(output.status.success(), "{}", complaints.join("\n"));
    std::fs::remove_dir_all(&folder).expect("the folder goes away again");
}

/// A calendar with everything in it that changes what an answer looks like.
fn furnished() -> Lab {
    let lab = lab();
    let calendars = lab.calendars();
    calendars.set_zone(ANN, "W. Europe Standard Time");
    let draft = meeting("One & <only>", MONDAY)
        .invite(Attendee::required(BOB, "Bob Baker"))
        .invite(Attendee::optional("far@away.example", "Far Away"))
        .invite(Attendee::resource(ROOM, "Room 1"))
        .at("Room 1")
        .html("<html><body><p>Agenda</p></body></html>");
    calendars.create(ANN, draft);
    let patterns = [
        Pattern::Daily { interval: 2 },
        Pattern::Weekly {
            interval: 1,
            days: vec![Day::Monday, Day::Thursday],
            first_day: Day::Monday,
        },
        Pattern::AbsoluteMonthly { interval: 1, day: 31 },
        Pattern::RelativeMonthly { interval: 2, day: Day::Weekday, index: DayIndex::Last },
        Pattern::AbsoluteYearly { day: 29, month: 2 },
        Pattern::RelativeYearly { day: Day::Tuesday, index: DayIndex::Second, month: 11 },
    ];
    for (number, pattern) in patterns.into_iter().enumerate() {
        let end = match number % 3 {
            0 => End::Never,
            1 => End::On(2027, 12, 31),
            _ => End::After(5),
        };
        let draft = meeting("Series", MONDAY + HOUR)
            .invite(Attendee::required(BOB, "Bob Baker"))
            .repeat(pattern, end)
            .zone("W. Europe Standard Time");
        calendars.create(ANN, draft);
    }
    let mut whole_day = meeting("Holiday", MONDAY + 2 * DAY).zone("Tokyo Standard Time");
    whole_day.all_day = true;
    calendars.create(BOB, whole_day);
    edit_series(&lab);
    lab
}

fn edit_series(lab: &Lab) {
    let calendars = lab.calendars();
    let series = calendars.view(ANN, MONDAY, MONDAY + 14 * DAY);
    let mut series = series.iter().filter(|shown| shown.subject == "Series");
    let (first, second) = (series.next().expect("one"), series.next().expect("another"));
    for (number, shown) in [first, second].into_iter().enumerate() {
        let master = calendars.find(ANN, &shown.uid).expect("a master");
        if number == 0 {
            calendars.modify_occurrence(ANN, &master, shown.original_start_ms, |draft| {
                draft.subject = "Series, moved".to_owned();
                draft.start_ms += HOUR;
                draft.end_ms += HOUR;
            });
            calendars.respond(BOB, &shown.uid, Response::Tentative);
        } else {
            calendars.delete_occurrence(ANN, &master, shown.original_start_ms);
        }
    }
}

const ALL: &str = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>\
    <t:IncludeMimeContent>true</t:IncludeMimeContent>\
    <t:BodyType>Text</t:BodyType><t:AdditionalProperties>\
    <t:FieldURI FieldURI=\"item:TextBody\"/><t:FieldURI FieldURI=\"calendar:StartTimeZoneId\"/>\
    <t:ExtendedFieldURI DistinguishedPropertySetId=\"Meeting\" PropertyId=\"3\" \
    PropertyType=\"Binary\"/><t:ExtendedFieldURI DistinguishedPropertySetId=\"Meeting\" \
    PropertyId=\"35\" PropertyType=\"Binary\"/><t:ExtendedFieldURI PropertyTag=\"0x36\" \
    PropertyType=\"Integer\"/><t:ExtendedFieldURI DistinguishedPropertySetId=\"Appointment\" \
    PropertyId=\"33315\" PropertyType=\"Boolean\"/></t:AdditionalProperties></m:ItemShape>";
/// What MAPI calls the properties of a folder.
const FOLDER_TAGS: &str = "<t:AdditionalProperties>\
    <t:ExtendedFieldURI PropertyTag=\"0x670a\" PropertyType=\"SystemTime\"/>\
    <t:ExtendedFieldURI PropertyTag=\"0x3602\" PropertyType=\"Integer\"/>\
    <t:ExtendedFieldURI PropertyTag=\"0x360a\" PropertyType=\"Boolean\"/>\
    <t:ExtendedFieldURI PropertyTag=\"0x3613\" PropertyType=\"String\"/></t:AdditionalProperties>";

/// What the tests ask has to be as the schema says, too; otherwise they prove nothing.
fn asked(documents: &mut Vec<(String, String)>, name: &str, operation: &str) {
    let request = envelope(ANN, "Exchange2013_SP1", operation);
    documents.push((format!("{name}-request"), request));
}

#[test]
fn lists_items_and_folders_are_as_the_schema_says() {
    let lab = furnished();
    let mut documents = Vec::new();
    let mut ask = |mailbox: &str, name: &str, operation: String| -> Said {
        let said = lab.ask(mailbox, &operation);
        documents.push((name.to_owned(), said.text.clone()));
        asked(&mut documents, name, &operation);
        said
    };
    for mailbox in [ANN, BOB, ROOM] {
        let from_to = (MONDAY - DAY, MONDAY + 400 * DAY);
        let found = ask(mailbox, "find", find(from_to.0, from_to.1, Some(200)));
        let found = found.ids("t:ItemId");
        assert!(!found.is_empty());
        let synced = ask(mailbox, "sync", sync("", 512)).ids("t:ItemId");
        for (id, _) in found.iter().take(40).chain(&synced) {
            let ids = format!("<m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds>");
            ask(mailbox, "get", format!("<m:GetItem>{ALL}{ids}</m:GetItem>"));
        }
        ask(mailbox, "get-default", get_item(&found[0].0, "Default"));
        ask(mailbox, "get-missing", get_item("nonsense", "IdOnly"));
        ask(mailbox, "sync-bad", sync("bad", 10));
        for base in ["IdOnly", "Default", "AllProperties"] {
            let shape = format!(
                "<m:FolderShape><t:BaseShape>{base}</t:BaseShape>{FOLDER_TAGS}</m:FolderShape>"
            );
            let ids: String = ["root", "calendar", "inbox", "contacts", "tasks", "archiveroot"]
                .iter()
                .map(|id| format!("<t:DistinguishedFolderId Id=\"{id}\"/>"))
                .collect();
            let get = format!("<m:GetFolder>{shape}<m:FolderIds>{ids}</m:FolderIds></m:GetFolder>");
            ask(mailbox, "folders", get);
            let list = format!(
                "<m:FindFolder Traversal=\"Deep\">{shape}<m:ParentFolderIds>\
                 <t:DistinguishedFolderId Id=\"root\"/></m:ParentFolderIds></m:FindFolder>"
            );
            ask(mailbox, "find-folder", list);
        }
    }
    assert!(documents.iter().any(|(_, text)| text.contains("<t:ModifiedOccurrences>")));
    assert!(documents.iter().any(|(_, text)| text.contains("<t:DeletedOccurrences>")));
    assert!(documents.iter().any(|(_, text)| text.contains("<t:MimeContent ")));
    assert!(documents.iter().any(|(_, text)| text.contains("<t:Value>IPF.Appointment</t:Value>")));
    assert!(documents.iter().any(|(_, text)| text.contains("<t:RelativeYearlyRecurrence>")));
    validate("lists", &documents);
}

#[test]
fn changes_and_questions_are_as_the_schema_says() {
    let lab = furnished();
    let mut documents = Vec::new();
    let mut ask = |name: &str, operation: String| -> Said {
        let said = lab.ask(ANN, &operation);
        documents.push((name.to_owned(), said.text.clone()));
        asked(&mut documents, name, &operation);
        said
    };
    let created = ask("create", super::items::create("Made", ""));
    let (id, key) = created.ids("t:ItemId").remove(0);
    ask("update", super::updates::set_location(&id, &key, "Elsewhere", "AutoResolve"));
    ask("conflict", super::updates::set_location(&id, &key, "Nowhere", "NeverOverwrite"));
    let convert = |id: &str| {
        format!(
            "<m:ConvertId DestinationFormat=\"OwaId\"><m:SourceIds><t:AlternateId \
             Format=\"EwsId\" Id=\"{id}\" Mailbox=\"{ANN}\"/></m:SourceIds></m:ConvertId>"
        )
    };
    assert_eq!(ask("convert", convert(&id)).code, "NoError");
    assert_eq!(ask("convert-bad", convert("DUMMY")).code, "ErrorInvalidIdMalformed");
    ask("delete", super::items::delete(&id));
    ask("delete-again", super::items::delete(&id));
    let subscription = ask("subscribe", SUBSCRIBE.to_owned()).one("m:SubscriptionId");
    let unsubscribe = format!(
        "<m:Unsubscribe><m:SubscriptionId>{subscription}</m:SubscriptionId></m:Unsubscribe>"
    );
    ask("unsubscribe", unsubscribe.clone());
    ask("unsubscribe-again", unsubscribe);
    for address in [ANN, BOB, "nobody@corp.example"] {
        ask("oof", super::availability::oof(address));
    }
    let away = super::availability::FAR;
    for span in [None, Some((away, away + DAY))] {
        ask("oof-set", super::availability::set_oof(ANN, "Scheduled", span));
    }
    for view in ["MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"] {
        ask("availability", super::availability::ask(view, &[ANN, BOB, "nobody@corp.example"]));
    }
    validate("changes", &documents);
}

#[test]
fn meeting_messages_are_as_the_schema_says() {
    let lab = lab();
    let mut documents = Vec::new();
    let mut ask = |mailbox: &str, name: &str, operation: String| -> Said {
        let said = lab.ask(mailbox, &operation);
        documents.push((name.to_owned(), said.text.clone()));
        asked(&mut documents, name, &operation);
        said
    };
    let pattern = Pattern::Daily { interval: 1 };
    let draft = meeting("M", MONDAY)
        .invite(Attendee::required(BOB, "Bob Baker"))
        .invite(Attendee::optional("far@away.example", "Far Away"))
        .repeat(pattern, End::After(3));
    let master = lab.calendars().create(ANN, draft);
    let found = lab.ask(ANN, &find(MONDAY, MONDAY + 9 * DAY, None)).ids("t:ItemId");
    for (id, _) in [&found[1], &(master.0.clone(), String::new())] {
        let update = super::updates::set_location(id, "", "There", "AlwaysOverwrite");
        ask(ANN, "update", update.replace("SendToNone", "SendToAllAndSaveCopy"));
    }
    let uid = lab.calendars().uid(ANN, &master).expect("a UID");
    let copy = lab.calendars().find(BOB, &uid).expect("a copy");
    for (verb, words) in [
        ("AcceptItem", ""),
        ("TentativelyAcceptItem", "<t:Body BodyType=\"Text\">Perhaps</t:Body>"),
    ] {
        let answer = format!(
            "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:{verb}>{words}\
             <t:ReferenceItemId Id=\"{}\"/></t:{verb}></m:Items></m:CreateItem>",
            copy.0
        );
        ask(BOB, "answer", answer);
    }
    let cancel = super::items::delete(&master.0).replace("SendToNone", "SendToAllAndSaveCopy");
    ask(ANN, "cancel", cancel);
    for (mailbox, folder) in
        [(ANN, "inbox"), (ANN, "sentitems"), (BOB, "inbox"), (BOB, "sentitems")]
    {
        for base in ["IdOnly", "Default", "AllProperties"] {
            let list = find(MONDAY, MONDAY, None)
                .replace("calendar\"/></m:Par", &format!("{folder}\"/></m:Par"));
            let (before, rest) = list.split_once("<m:CalendarView").expect("there");
            let (_, after) = rest.split_once("/>").expect("there");
            let list = format!("{before}{after}").replace(">Default<", &format!(">{base}<"));
            let ids = ask(mailbox, folder, list).ids("t:ItemId");
            assert!(!ids.is_empty(), "{mailbox} {folder}");
            for (id, _) in ids {
                ask(mailbox, "message", get_item(&id, base));
            }
        }
    }
    for tag in ["<t:MeetingRequest>", "<t:MeetingCancellation>", "<t:MeetingResponse>"] {
        assert!(documents.iter().any(|(_, text)| text.contains(tag)), "{tag}");
    }
    validate("messages", &documents);
}

#[tokio::test(start_paused = true)]
async fn envelopes_of_a_stream_are_as_the_schema_says() {
    for prefix in [Prefix::S, Prefix::Soap, Prefix::Soap11, Prefix::UpperSoap, Prefix::Default] {
        let lab = lab_with(Settings { prefix, ..Settings::default() });
        lab.calendars().write_streams_by_schema(true);
        let mut documents = Vec::new();
        let ids = vec![lab.subscribe(ANN, 0), lab.subscribe(BOB, 0), "unknown".to_owned()];
        let mut stream = lab.stream(ANN, &ids, 0);
        let mut next = async |name: &str, stream: &mut EventStream| {
            let text = stream.next().await.expect("an envelope");
            let text = String::from_utf8(text).expect("UTF-8");
            documents.push((name.to_owned(), text.clone()));
            text
        };
        assert!(next("bad-ids", &mut stream).await.contains("ErrorSubscriptionNotFound"));
        drop(stream);
        let mut stream = lab.stream(ANN, &ids[..2], 0);
        next("ok", &mut stream).await;
        let draft = meeting("News", MONDAY).invite(Attendee::required(BOB, "Bob Baker"));
        let id = lab.calendars().create(ANN, draft);
        next("created", &mut stream).await;
        let moved = lab.calendars().move_out_and_back(ANN, &id);
        assert!(next("moved", &mut stream).await.contains("<t:MovedEvent>"));
        lab.calendars().delete(ANN, &moved);
        assert!(next("deleted", &mut stream).await.contains("<t:DeletedEvent>"));
        next("heartbeat", &mut stream).await;
        lab.calendars().remove_mailbox(BOB);
        next("lost", &mut stream).await;
        let _second = lab.stream(ANN, &ids[..1], 0);
        assert!(next("replaced", &mut stream).await.contains("ErrorNewEventStream"));
        validate("streams", &documents);
    }
}
