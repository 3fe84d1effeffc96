//! Requests against Microsoft's schema, and every reader on every documented message. Where schema
//! or samples are not on this machine the tests say so and are skipped.

use std::process::Command;

use calway::calendar::ews::get_user_settings;
use calway::calendar::ews::soap::{Header, ServerVersion};
use calway::calendar::ews::{
    autodiscover, find_item, get_folder, get_item, get_streaming_events, get_user_availability,
    subscribe, sync_folder_items, unsubscribe,
};
use calway::model::{Address, Cursor, ItemId, Time};

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
    }
    all
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
        let _ = get_user_settings::read(&xml);
        let _ = autodiscover::read_pox(&xml);
    }
    assert!(seen >= 40, "only {seen} samples");
}
