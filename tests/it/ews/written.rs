//! Requests against Microsoft's schema, and every reader on every documented message. Where schema
//! or samples are not on this machine the tests say so and are skipped.

use std::process::Command;

use calway::calendar::ews::get_user_settings;
use calway::calendar::ews::soap::{Header, ServerVersion};
use calway::calendar::ews::{
    autodiscover, create_item, find_item, get_folder, get_item, get_streaming_events,
    get_user_availability, invitation, subscribe, sync_folder_items, unsubscribe, update_item,
};
use calway::model::{
    Address, Body, BusyWindow, Cursor, Invitee, ItemId, Mark, NewMeeting, Notify, ParticipantKind,
    ParticipantRole, Plain, Reach, Response, Rewrite, Time, Written,
};

use super::{samples, schema};

/// Every request that the provider writes, with whatever may upset a writer in it.
fn requests() -> Vec<(String, String)> {
    let address = Address::parse("o'neil&<\"x\">@corp.example".replace(['<', '>'], "").as_str());
    let address = address.expect("an address");
    let ids: Vec<ItemId> = ["AAMk=", "a&b<c>\"d'\u{1}\u{0}e\t"].map(|id| ItemId(id.into())).into();
    let cursor = Cursor("H4sI&<\u{b}>==".into());
    let (from, to) = (Time::from_ms(0), Time::from_ms(1_772_409_600_123));
    let mut all = Vec::new();
    for version in [ServerVersion::Exchange2013Sp1, ServerVersion::Exchange2010Sp2] {
        let header = Header { version, impersonate: &address };
        let made = [
            ("GetFolder", get_folder::request(&header)),
            ("SyncFolderItems from the start", sync_folder_items::request(&header, None)),
            ("SyncFolderItems", sync_folder_items::request(&header, Some(&cursor))),
            ("FindItem", find_item::request(&header, from, to, find_item::MOST)),
            ("GetItem", get_item::request(&header, &ids, true)),
            ("GetItem without bodies", get_item::request(&header, &ids, false)),
            ("GetUserAvailability", get_user_availability::zones_request(&header, [&address])),
            ("Subscribe", subscribe::request(&header)),
            ("Unsubscribe", unsubscribe::request(&header, "a&b")),
            ("GetStreamingEvents", get_streaming_events::request(&header, ["a&b", "c"])),
        ];
        all.extend(made.map(|(name, xml)| (format!("{name} ({version:?})"), xml)));
        let made = writing(&header).into_iter();
        all.extend(made.map(|(name, xml)| (format!("{name} ({version:?})"), xml)));
    }
    all
}

/// What upsets a writer, and what a body is made of.
const UPSETTING: &str = "<html>\r\n<p a=\"1\">R&D \u{1}\u{0}\u{ffff}]]> \u{1f600}</p></html>";

/// Every request that changes something, or is asked for to change it.
fn writing(header: &Header<'_>) -> Vec<(&'static str, String)> {
    let written = Written { item: ItemId("a&b<\"".into()), version: "k&<\">".into() };
    let window = BusyWindow {
        from: Time::from_ms(0),
        to: Time::from_ms(1_772_409_600_123),
        interval_minutes: 30,
    };
    let text = Plain::new(UPSETTING);
    let mut made = vec![
        ("GetItem to write", invitation::request(header, &written.item, Reach::Item)),
        ("GetItem of a series", invitation::request(header, &written.item, Reach::Series)),
        ("FindItem by mark", find_item::made_request(header, "t&<\"")),
        ("CreateItem", create_item::request(header, &meeting(), "t&<\"", None)),
        ("CreateItem in a zone", create_item::request(header, &meeting(), "t", Some("R&D Time"))),
        ("CreateItem of nothing", create_item::request(header, &NewMeeting::default(), "t", None)),
        (
            "GetUserAvailability of a window",
            get_user_availability::request(header, [header.impersonate], &window),
        ),
    ];
    for response in [Response::Accepted, Response::Tentative, Response::Declined] {
        for (comment, notify) in [(Some(&text), Notify::All), (None, Notify::Nobody)] {
            let xml = create_item::respond_request(header, &written, response, comment, notify);
            made.push(("CreateItem of an answer", xml));
        }
    }
    let body = |html| Some(Body { text: text.clone(), html });
    for (location, body, mark, notify) in [
        (Some(text.clone()), body(true), Mark::Set("m&<".into()), Notify::All),
        (None, body(false), Mark::Remove, Notify::Nobody),
        (Some(Plain::default()), None, Mark::Keep, Notify::All),
    ] {
        let Written { item, version } = written.clone();
        let rewrite = Rewrite { item, version, location, body, mark, notify };
        made.push(("UpdateItem", update_item::request(header, &rewrite)));
    }
    made
}

/// One invitee of each kind.
fn meeting() -> NewMeeting {
    let address = Address::parse("o'neil&co@corp.example").expect("an address");
    let invitee = |kind, role| Invitee {
        address: address.clone(),
        name: Plain::new("O'Neil <&>"),
        kind,
        role,
    };
    NewMeeting {
        subject: Plain::new("R&D <1>\u{1}"),
        body: Body { text: Plain::new(UPSETTING), html: true },
        location: Plain::new("\"4\" & 5"),
        start: Time::from_ms(1_772_409_600_123),
        end: Time::from_ms(1_772_413_200_000),
        zone: None,
        invitees: vec![
            invitee(ParticipantKind::Room, ParticipantRole::Required),
            invitee(ParticipantKind::Person, ParticipantRole::Optional),
            invitee(ParticipantKind::Person, ParticipantRole::Required),
        ],
    }
}

#[test]
fn every_request_is_valid_by_microsofts_schema() {
    let Some(schema) = schema() else { return };
    let room = tempfile::tempdir().expect("a folder");
    let mut lint = Command::new("xmllint");
    lint.args(["--nonet", "--noout", "--schema"]).arg(schema.join("soap.xsd"));
    for (n, (_, xml)) in requests().iter().enumerate() {
        let path = room.path().join(format!("{n}.xml"));
        std::fs::write(&path, xml).expect("written");
        lint.arg(path);
    }
    let Ok(output) = lint.output() else {
        println!("SKIPPED: no xmllint on this machine");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let names: Vec<String> = requests().into_iter().map(|(name, _)| name).collect();
    assert!(output.status.success(), "{said}\n{names:#?}");
    assert_eq!(said.lines().filter(|line| line.ends_with(" validates")).count(), names.len());
}

#[test]
fn the_oracle_refuses_what_is_wrong() {
    let Some(schema) = schema() else { return };
    let room = tempfile::tempdir().expect("a folder");
    let (_, good) = requests().swap_remove(0);
    let path = room.path().join("wrong.xml");
    std::fs::write(&path, good.replace("FolderShape", "FolderShap")).expect("written");
    let mut lint = Command::new("xmllint");
    lint.args(["--nonet", "--noout", "--schema"]).arg(schema.join("soap.xsd")).arg(path);
    let Ok(output) = lint.output() else { return };
    assert!(!output.status.success());
}

/// Whatever else lies there, requests and slips of the documentation included: no reader panics,
/// and none takes another operation's answer for a page of changes.
#[test]
fn no_reader_breaks_on_any_sample() {
    let Some(folder) = samples() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        seen += 1;
        let xml = std::fs::read(&path).expect("a sample");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let page = sync_folder_items::read(&xml, None);
        assert_eq!(page.is_ok(), name.starts_with("SyncFolderItemsResponse."), "{name}");
        let subscribed = subscribe::read(&xml);
        assert!(subscribed.is_err() || name.starts_with("SubscribeResponse."), "{name}");
        let _ = get_item::read(&xml, &[ItemId("x".into())]);
        let _ = find_item::read(&xml);
        let _ = get_streaming_events::EventReader::default().read(&xml);
        let _ = (invitation::read(&xml), find_item::read_made(&xml));
        let _ = (create_item::read_one(&xml), update_item::read_one(&xml));
        let _ = get_user_availability::read_free_busy(&xml, 2);
        let _ = get_user_settings::read(&xml);
        let _ = autodiscover::read_pox(&xml);
    }
    assert!(seen >= 40, "only {seen} samples");
}
