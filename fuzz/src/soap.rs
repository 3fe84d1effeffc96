//! Answers of Exchange and of Autodiscover: every reader of them, on the same bytes.

use std::sync::{Arc, LazyLock};

use calway::calendar::ews::autodiscover::{self, Place};
use calway::calendar::ews::get_streaming_events::{EventReader, StreamEvent};
use calway::calendar::ews::get_user_settings::{self, Told};
use calway::calendar::ews::soap::{Header, ServerVersion, fault_in, operation};
use calway::calendar::ews::{convert_id, create_item, find_item, get_folder, get_item};
use calway::calendar::ews::{get_user_availability, get_user_oof_settings, invitation, subscribe};
use calway::calendar::ews::{sync_folder_items, unsubscribe, update_item};
use calway::model::{
    Address, Change, Cursor, Fault, Found, ItemId, KeyUri, Mark, Meeting, Notify, Rewrite, UserId,
};
use calway::pipeline::join::Rules;
use calway::pipeline::keyword::Keywords;
use calway::pipeline::limits::{LINE_BYTES, NOTES_BYTES, PARTICIPANTS};
use calway::pipeline::record;
use calway::pipeline::seal::{Installation, Sealer};
use calway::pipeline::showing::{Private, Showing, Untitled};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, Event};

/// All of every meeting.
static SHOWING: Showing = Showing {
    private: Private::Full,
    untitled: Untitled::Omit,
    join: Rules::TABLE,
    keywords: Keywords::NONE,
};

/// Reads the bytes as each of the answers.
pub fn check(xml: &[u8]) {
    feed(xml);
    items(xml);
    listing(xml);
    events(xml, &mut EventReader::default());
    discovery(xml);
    shown(get_folder::read(xml));
    shown(unsubscribe::read(xml));
    shown(operation(xml));
    commands(xml);
    written(xml);
    if let Some(id) = shown(subscribe::read(xml)) {
        assert!(!id.is_empty());
        let request = with_header(|header| unsubscribe::request(header, &id));
        assert_eq!(texts(&request, "SubscriptionId"), [id]);
    }
    if let Some(fault) = fault_in(xml) {
        shown::<()>(Err(fault));
    }
    if let Ok(content) = std::str::from_utf8(xml) {
        text(content);
    }
}

/// The bytes as an element's content: where a second, plain reading knows the text, it is the same.
fn text(content: &str) {
    let xml = format!(
        "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'><SubscriptionId>{content}\
         </SubscriptionId></M></ResponseMessages></R></Body></Envelope>"
    );
    let Some(expected) = read_plainly(&xml) else { return };
    match shown(subscribe::read(xml.as_bytes())) {
        Some(found) => assert_eq!(found, expected),
        None => assert_eq!(expected, ""),
    }
}

/// The text of the one element; nothing where a reference is of no plain form, or there are more.
fn read_plainly(xml: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    let (mut out, mut path, mut ids) = (String::new(), Vec::new(), 0);
    loop {
        let here = path.len() == 6;
        match reader.read_event().ok()? {
            Event::Start(start) => {
                ids += usize::from(path.len() == 5);
                path.push(start.name().into_inner().to_owned());
            }
            Event::Empty(_) if path.len() < 6 => return None,
            Event::End(_) => drop(path.pop()),
            Event::Text(text) if here => out.push_str(&text.xml10_content()),
            Event::CData(text) if here => out.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) if here => {
                let plain = reference.len() < 30 && reference.chars().all(|c| c != '+' && c != '-');
                let resolved = reference.resolve_char_ref().ok()?;
                let named = quick_xml::escape::resolve_predefined_entity(&reference);
                match (resolved, named) {
                    (Some(c), _) if plain => out.push(c),
                    (None, Some(text)) => out.push_str(text),
                    _ => return None,
                }
            }
            Event::Eof => {
                let known = ids == 1 && path.is_empty();
                return known.then(|| out.chars().filter(|c| is_legal_char(*c)).collect());
            }
            _ => {}
        }
    }
}

/// A page's mark and ids go back to the server as they came.
fn feed(xml: &[u8]) {
    let Some(page) = shown(sync_folder_items::read(xml, None)) else { return };
    let asked = with_header(|header| sync_folder_items::request(header, Some(&page.cursor)));
    assert_eq!(texts(&asked, "SyncState"), [&*page.cursor.0]);
    let ids: Vec<ItemId> = page
        .changes
        .iter()
        .map(|change| match change {
            Change::Upsert(id) | Change::Delete(id) => id.clone(),
        })
        .collect();
    go_back(&ids);
    let again = sync_folder_items::read(xml, Some(&page.cursor)).expect("as before");
    assert!(again.last, "the same mark again ends the feed");
    assert_eq!((again.changes, again.cursor), (page.changes, page.cursor));
    let other = Cursor(Arc::from("another mark"));
    assert!(sync_folder_items::read(xml, Some(&other)).is_ok());
}

/// One answer for each id, in the order asked.
fn items(xml: &[u8]) {
    for count in 0..4 {
        let ids: Vec<ItemId> = (0..count).map(|n| ItemId(format!("id {n}").into())).collect();
        let Some(found) = shown(get_item::read(xml, &ids)) else { continue };
        let named: Vec<&ItemId> = found.iter().map(id_of).collect();
        assert_eq!(named, ids.iter().collect::<Vec<_>>());
        for meeting in &found {
            if let Found::Meeting(meeting) = meeting {
                becomes_a_record(meeting);
            }
        }
    }
}

fn id_of(found: &Found) -> &ItemId {
    match found {
        Found::Meeting(meeting) => &meeting.item,
        Found::Master { item, .. }
        | Found::Missing(item)
        | Found::Other(item)
        | Found::Unreadable(item, _) => item,
    }
}

/// Whatever was read of a meeting can be sealed and sent, within its limits.
fn becomes_a_record(meeting: &Meeting) {
    assert!(meeting.start <= meeting.end);
    let times = [Some(meeting.start), Some(meeting.end), meeting.original_start];
    for time in times.into_iter().chain([meeting.last_modified]).flatten() {
        // The years 1 to 9999, whatever the offset.
        assert!((-62_135_596_800_000..=253_402_207_199_000).contains(&time.as_ms()));
    }
    for text in [&meeting.subject, &meeting.location, &meeting.body.text, &meeting.uid] {
        assert!(is_legal(text.reveal()));
    }
    let (sealer, user) = (Measure::new(), UserId::new("u"));
    let key = record::key(&INSTALLATION, &user, meeting);
    let shown = record::Shown::new(meeting, &SHOWING);
    let sealed = record::record(&INSTALLATION, &sealer, &user, &key, &shown).expect("a record");
    let json: serde_json::Value = serde_json::from_str(sealed.json()).expect("JSON");
    let record = &json["calendarMeetingExternal"];
    assert_eq!(record["id"].as_str().map(str::len), Some(43));
    let start = record["start"].as_str().expect("a start");
    // RFC 3339 has years of four digits.
    assert!(start.len() >= 20 && start.as_bytes()[4] == b'-', "{start}");
    assert!(record["durationMinutes"].is_u64());
    for (field, limit) in [
        ("encryptedSubject", LINE_BYTES),
        ("encryptedLocation", LINE_BYTES),
        ("encryptedNotes", NOTES_BYTES),
    ] {
        let length = record[field].as_str().map_or(0, |length| length.parse().expect("a length"));
        assert!(length <= limit, "{field}: {length}");
    }
    let people = record["encryptedParticipants"].as_array().map_or(0, Vec::len);
    assert!(people <= PARTICIPANTS);
    assert_eq!(
        record::digest(&INSTALLATION, &shown),
        record::digest(&INSTALLATION, &record::Shown::new(&meeting.clone(), &SHOWING))
    );
}

fn listing(xml: &[u8]) {
    let Some(listing) = shown(find_item::read(xml)) else { return };
    for entry in &listing.entries {
        assert!(entry.start <= entry.end);
        assert!(!entry.uid.is_blank(), "an entry has a UID or its id");
    }
    let ids: Vec<ItemId> = listing.entries.into_iter().map(|entry| entry.item).collect();
    go_back(&ids);
}

/// What is read to be written goes back as it came.
fn written(xml: &[u8]) {
    if let Some(found) = shown(find_item::read_made(xml)).flatten() {
        go_back(std::slice::from_ref(&found.item));
    }
    if let Some(stored) = shown(create_item::read_one(xml)).flatten() {
        go_back(std::slice::from_ref(&stored.item));
    }
    shown(update_item::read_one(xml));
    for asked in 0..3 {
        let Some(found) = shown(get_user_availability::read_free_busy(xml, asked)) else {
            continue;
        };
        assert_eq!(found.len(), asked, "an answer for each");
        for merged in found.into_iter().filter_map(|one| shown(one)?.merged) {
            assert!(merged.bytes().all(|digit| (b'0'..=b'4').contains(&digit)), "{merged}");
        }
    }
    let Some(Some(found)) = shown(invitation::read(xml)) else { return };
    assert!(found.start <= found.end && is_legal(found.location.reveal()));
    assert!(found.body.text.reveal().len() <= invitation::BODY_BYTES);
    let text = found.body.text.reveal().to_owned();
    let rewrite = Rewrite {
        item: found.item,
        version: found.version,
        location: None,
        body: Some(found.body),
        mark: found.mark.map_or(Mark::Remove, Mark::Set),
        notify: Notify::Nobody,
    };
    let request = with_header(|header| update_item::request(header, &rewrite));
    assert_eq!(texts(&request, "Body"), ["", &text], "the envelope's, and the item's");
}

/// Answers to what commands ask for.
fn commands(xml: &[u8]) {
    for converted in shown(convert_id::read(xml)).into_iter().flatten() {
        shown(converted).inspect(|converted| go_back(std::slice::from_ref(&converted.item)));
    }
    for stored in shown(create_item::read(xml)).into_iter().flatten() {
        let ids = shown(stored).into_iter().flatten().map(|stored| stored.item);
        go_back(&ids.collect::<Vec<_>>());
    }
    for updated in shown(update_item::read(xml)).into_iter().flatten() {
        let ids = shown(updated).into_iter().flat_map(|one| one.items).map(|one| one.item);
        go_back(&ids.collect::<Vec<_>>());
    }
    for availability in shown(get_user_availability::read(xml)).into_iter().flatten() {
        let Some(availability) = shown(availability) else { continue };
        assert!(availability.engagements.iter().all(|one| one.start <= one.end));
        assert!(availability.merged.is_none_or(|merged| !merged.trim().is_empty()));
    }
    for asked in 0..3 {
        let Some(zones) = shown(get_user_availability::read_zones(xml, asked)) else { continue };
        assert_eq!(zones.len(), asked, "an answer for each");
        for zone in zones.into_iter().filter_map(|zone| shown(zone).flatten()) {
            let (bias, _) = zone.parts();
            assert!(i32::from(bias).abs() <= 24 * 60, "{bias}");
        }
    }
    if let Some(settings) = shown(get_user_oof_settings::read(xml)) {
        assert!(is_legal(settings.internal_reply.reveal()));
        assert!(is_legal(settings.external_reply.reveal()));
    }
}

/// Reads the bytes as an envelope of a stream that `reader` follows.
pub fn events(xml: &[u8], reader: &mut EventReader) {
    let Some(events) = shown(reader.read(xml)) else { return };
    let mut beats = false;
    for event in events {
        match event {
            StreamEvent::Opened => assert!(!beats, "opened before it beats"),
            StreamEvent::Error { fault, .. } => {
                shown::<()>(Err(fault));
            }
            StreamEvent::Heartbeat => beats = true,
            StreamEvent::Notification { .. } | StreamEvent::Closed => {}
        }
    }
}

fn discovery(bytes: &[u8]) {
    for told in shown(get_user_settings::read(bytes)).unwrap_or_default() {
        match shown(told) {
            Some(Told::Settings(settings)) => {
                let urls = [settings.internal_ews_url, settings.external_ews_url];
                for text in urls.into_iter().chain([settings.grouping]).flatten() {
                    assert!(!text.is_empty() && text.trim() == text);
                }
            }
            Some(Told::Address(text)) => assert!(!text.is_blank()),
            Some(Told::Url(text)) => assert!(!text.is_empty()),
            None => {}
        }
    }
    for place in [autodiscover::read_pox(bytes), autodiscover::read_json(bytes)] {
        match shown(place) {
            Some(Place::Ews(text) | Place::Url(text)) => assert!(!text.is_empty()),
            Some(Place::Address(text)) => assert!(!text.is_blank()),
            None => {}
        }
    }
}

/// What a fault shows may stand in a journal: short, and a code in letters, not an answer's text.
fn shown<T>(result: Result<T, Fault>) -> Option<T> {
    let fault = match result {
        Ok(value) => return Some(value),
        Err(fault) => fault,
    };
    let code = &fault.cause.code;
    assert!(!code.is_empty() && code.len() <= 200, "{code:?}");
    assert!(code.chars().all(|c| c.is_ascii_alphanumeric() || " .-_".contains(c)), "{code:?}");
    None
}

fn go_back(ids: &[ItemId]) {
    assert!(ids.iter().all(|id| !id.0.is_empty()));
    let request = with_header(|header| get_item::request(header, ids, true));
    let sent = attributes(&request, "ItemId", "Id");
    let ids: Vec<&str> = ids.iter().map(|id| &*id.0).collect();
    assert_eq!(sent, ids);
}

fn with_header(write: impl FnOnce(&Header<'_>) -> String) -> String {
    let address = Address::parse("alice@corp.example").expect("an address");
    write(&Header { version: ServerVersion::Exchange2013Sp1, impersonate: &address })
}

/// The production `Char` of XML 1.0.
fn is_legal_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') || c >= '\u{10000}'
}

fn is_legal(text: &str) -> bool {
    text.chars().all(is_legal_char)
}

/// The texts of all elements of a local name in a request, as a conforming reader sees them.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut open) = (Vec::new(), false);
    loop {
        match reader.read_event().expect("a request is well-formed") {
            Event::Start(start) if local(start.name().into_inner()) == name => {
                found.push(String::new());
                open = true;
            }
            Event::End(_) => open = false,
            Event::Text(text) if open => {
                found.last_mut().expect("open").push_str(&text.xml10_content());
            }
            Event::GeneralRef(reference) if open => {
                found.last_mut().expect("open").push(referred(&reference));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn referred(reference: &BytesRef<'_>) -> char {
    match (reference.resolve_char_ref().expect("a reference"), &**reference) {
        (Some(c), _) => c,
        (None, "amp") => '&',
        (None, "lt") => '<',
        (None, "gt") => '>',
        (None, "quot") => '"',
        (None, other) => panic!("{other}"),
    }
}

fn attributes(xml: &str, name: &str, attribute: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().expect("a request is well-formed") {
            Event::Empty(start) if local(start.name().into_inner()) == name => {
                let value = start.try_get_attribute(attribute).expect("attributes").expect("it");
                let value = value.normalized_value(XmlVersion::Explicit1_0).expect("a value");
                found.push(value.into_owned());
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

static INSTALLATION: LazyLock<Installation> =
    LazyLock::new(|| Installation::new(&[7; 32]).expect("an installation"));

/// Seals a text into its length.
#[derive(Debug)]
struct Measure(KeyUri);

impl Measure {
    fn new() -> Self {
        Self(KeyUri::new("kms://kms.example/keys/1"))
    }
}

impl Sealer for Measure {
    fn key_uri(&self) -> &KeyUri {
        &self.0
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        Ok(plain.len().to_string())
    }
}
