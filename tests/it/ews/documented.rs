//! Every message of Microsoft's documentation: answers are read, requests are well-formed and
//! taken for no answer.

use std::path::PathBuf;

use calway::calendar::ews::get_user_settings::{self, Told};
use calway::calendar::ews::{
    autodiscover, convert_id, create_item, find_item, get_folder, get_item, get_user_availability,
    get_user_oof_settings, soap, subscribe, sync_folder_items, unsubscribe, update_item,
};
use calway::model::{
    Address, BusyType, Change, Engagement, Fault, Found, ItemId, Next, Span, Time, Written,
};

use super::samples;

#[test]
fn every_documented_message_is_read() {
    let Some(folder) = samples() else { return };
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let (mut answers, mut requests, mut others) = (0, 0, 0);
    for path in &paths {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let Some(name) = name.strip_suffix(".xml") else {
            assert_eq!(name, "README.md", "neither a message nor the word on them");
            others += 1;
            continue;
        };
        let (top, rest) = name.split_once('.').expect("the top element and the page");
        let xml = std::fs::read(path).expect("a sample");
        assert_eq!(soap::operation(&xml).as_deref(), Ok(top), "{name}");
        if is_answer(top, rest) {
            check_answer(top, rest, &xml);
            answers += 1;
        } else {
            check_request(name, &xml);
            requests += 1;
        }
    }
    assert_eq!(answers + requests + others, paths.len(), "a file was left out");
    assert!(answers >= 18 && requests >= 23, "{answers} answers and {requests} requests");
}

/// POX names a request and its answer alike.
fn is_answer(top: &str, page: &str) -> bool {
    let pox = ["autodiscover-pox.1", "pox-autodiscover-response-for-exchange.0"];
    top.ends_with("Response")
        || top.ends_with("ResponseMessage")
        || (top == "Autodiscover" && pox.contains(&page))
}

/// No answer is to be read out of a request.
fn check_request(name: &str, xml: &[u8]) {
    let readers: [(&str, bool); 8] = [
        ("ConvertId", convert_id::read(xml).is_ok()),
        ("CreateItem", create_item::read(xml).is_ok()),
        ("FindItem", find_item::read(xml).is_ok()),
        ("GetUserAvailability", get_user_availability::read(xml).is_ok()),
        ("GetUserOofSettings", get_user_oof_settings::read(xml).is_ok()),
        ("POX", autodiscover::read_pox(xml).is_ok()),
        ("Subscribe", subscribe::read(xml).is_ok()),
        ("UpdateItem", update_item::read(xml).is_ok()),
    ];
    let deceived = readers.iter().find(|(_, reads)| *reads);
    assert_eq!(deceived, None, "{name} is a request");
}

/// Each answer by its operation's reader; one of an operation that has none fails.
fn check_answer(top: &str, page: &str, xml: &[u8]) {
    match top {
        "Autodiscover" => check_pox(page, xml),
        "ConvertIdResponse" => {
            let [Ok(converted)] = &*convert_id::read(xml).unwrap() else { panic!("{page}") };
            assert_eq!(converted.format, convert_id::Format::Owa);
            assert_eq!(&*converted.item.0, "RgAAAAAS2%2");
            assert_eq!(converted.mailbox.as_ref().unwrap().reveal(), "user@example.com");
        }
        "CreateItemResponse" => check_created(page, xml),
        "FindItemResponse" => {
            let listing = find_item::read(xml).unwrap();
            assert!(listing.complete && listing.entries.is_empty(), "mails are no meetings");
        }
        "GetFolderResponse" => assert_eq!(get_folder::read(xml), Ok(())),
        "GetItemResponse" => check_item(page, xml),
        "GetUserAvailabilityResponse" => check_availability(xml),
        "GetUserOofSettingsResponse" => {
            let settings = get_user_oof_settings::read(xml).unwrap();
            assert_eq!(settings.state, get_user_oof_settings::State::Disabled);
            assert_eq!(settings.audience, get_user_oof_settings::Audience::All);
            let start = Time::from_ms(1_162_594_800_000);
            assert_eq!(
                (settings.start, settings.end),
                (Some(start), Some(start + Span::from_secs(86_400)))
            );
            let text = |kind| format!("I am out of office. This is my {kind} reply.");
            assert_eq!(settings.internal_reply.reveal(), text("internal"));
            assert_eq!(settings.external_reply.reveal(), text("external"));
        }
        "GetUserSettingsResponseMessage" => {
            let told = get_user_settings::read(xml);
            let settings = get_user_settings::Settings::default();
            assert_eq!(told, Ok(vec![Ok(Told::Settings(settings))]), "none is in it");
        }
        "SubscribeResponse" => {
            let denied = Fault::new(Next::Denied, "ErrorSubscriptionDelegateAccessNotSupported");
            let expected = match page {
                "subscribe-operation.1" => Ok("39ea5d0f-f062-455e-a1e9-89c0304390f4".to_owned()),
                _ => Err(denied),
            };
            assert_eq!(subscribe::read(xml), expected, "{page}");
        }
        "SyncFolderItemsResponse" => {
            let page = sync_folder_items::read(xml, None).unwrap();
            assert_eq!(page.changes, [Change::Upsert(ItemId("AQApAHRwA==".into()))]);
            assert_eq!((&*page.cursor.0, page.last), ("H4sIAAAAA=", true));
        }
        "UnsubscribeResponse" => assert_eq!(unsubscribe::read(xml), Ok(())),
        "UpdateItemResponse" => {
            let [Ok(updated)] = &*update_item::read(xml).unwrap() else { panic!("{page}") };
            assert_eq!(updated.items, [stored("AAAtAEFkbW...", "CQAAABYAAA...")]);
            assert_eq!(updated.conflicts, 0);
        }
        _ => panic!("{top}.{page} has no reader"),
    }
}

fn stored(item: &str, version: &str) -> Written {
    Written { item: ItemId(item.into()), version: version.into() }
}

fn check_pox(page: &str, xml: &[u8]) {
    let expected = match page {
        "pox-autodiscover-response-for-exchange.0" => {
            Ok(autodiscover::Place::Ews("https://mail.contoso.com/ews/exchange.asmx".to_owned()))
        }
        // The frame of an answer, with nothing in it.
        _ => Err(Fault::retry("malformed answer")),
    };
    assert_eq!(autodiscover::read_pox(xml), expected, "{page}");
}

fn check_created(page: &str, xml: &[u8]) {
    let expected = match page {
        "createitem-operation-calendar-item.1" => Ok(vec![stored("AAAlAFV", "DwAAABYA")]),
        "createitem-operation-meeting-request.1" => Ok(vec![]),
        _ => Err(Fault::retry("ErrorItemNotFound")),
    };
    assert_eq!(create_item::read(xml), Ok(vec![expected]), "{page}");
}

fn check_item(page: &str, xml: &[u8]) {
    let ids = [ItemId("asked".into())];
    let found = get_item::read(xml, &ids).unwrap();
    if page == "getitem-operation-calendar-item.1" {
        assert_eq!(found, [Found::Other(ids[0].clone())], "an item without times");
        return;
    }
    let [Found::Meeting(meeting)] = found.as_slice() else { panic!("{page}: {found:?}") };
    assert_eq!(meeting.start, Time::from_ms(1_150_417_800_000));
    assert_eq!(meeting.end, Time::from_ms(1_150_419_600_000));
    let organizer = meeting.organizer.as_ref().unwrap();
    let address = organizer.address.as_ref().map(Address::reveal);
    assert_eq!((organizer.name.reveal(), address), ("Bob", Some("someone@example.com")));
}

fn check_availability(xml: &[u8]) {
    let [Ok(detailed), Ok(merged)] = &*get_user_availability::read(xml).unwrap() else {
        panic!("two mailboxes")
    };
    assert_eq!(detailed.merged.as_deref(), Some("000002220220000000000000"));
    assert_eq!(merged.merged.as_deref(), Some("000000001100000000000000"));
    // 2006-10-16T13:00:00Z, six in the morning there.
    let six = Time::from_ms(1_161_003_600_000);
    let engagement = |from: u64, to: u64, busy| Engagement {
        start: six + Span::from_secs(from * 60),
        end: six + Span::from_secs(to * 60),
        busy,
    };
    let busy = [(0, 30), (60, 120), (220, 250)];
    let expected = busy.map(|(from, to)| engagement(from, to, BusyType::Busy));
    assert_eq!(detailed.engagements, expected);
    assert_eq!(merged.engagements, [engagement(180, 240, BusyType::Tentative)]);
}
