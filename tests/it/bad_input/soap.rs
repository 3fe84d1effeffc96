//! Answers of Exchange and Autodiscover that no server should give.

use std::fmt::Write as _;

use calway::calendar::ews::autodiscover::{self, Place};
use calway::calendar::ews::get_streaming_events::EventReader;
use calway::calendar::ews::get_user_settings;
use calway::calendar::ews::stream::{LONGEST, Splitter};
use calway::calendar::ews::{find_item, get_folder, get_item, subscribe, sync_folder_items};
use calway::model::{Change, Fault, Found, ItemId, Meeting, Next, Span};

use super::{promises, soon};

const RETRY: Next = Next::Retry { after: None };

fn answer(operation: &str, content: &str) -> Vec<u8> {
    format!(
        "<s:Envelope xmlns:s='s'><s:Body><m:{operation}Response xmlns:m='m' xmlns:t='t'>\
         <m:ResponseMessages><m:{operation}ResponseMessage ResponseClass='Success'>\
         <m:ResponseCode>NoError</m:ResponseCode>{content}</m:{operation}ResponseMessage>\
         </m:ResponseMessages></m:{operation}Response></s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn item(properties: &str) -> Vec<u8> {
    let times = "<t:Start>2026-03-03T09:00:00Z</t:Start><t:End>2026-03-03T10:00:00Z</t:End>";
    let item = format!("<t:CalendarItem>{times}{properties}</t:CalendarItem>");
    answer("GetItem", &format!("<m:Items>{item}</m:Items>"))
}

fn read(xml: &[u8]) -> Result<Found, Fault> {
    let found = get_item::read(xml, &[ItemId("id".into())])?;
    Ok(found.into_iter().next().expect("one answer for each id"))
}

fn meeting(properties: &str) -> Meeting {
    match read(&item(properties)) {
        Ok(Found::Meeting(meeting)) => *meeting,
        other => panic!("{other:?}"),
    }
}

fn subject(text: &str) -> String {
    meeting(&format!("<t:Subject>{text}</t:Subject>")).subject.reveal().to_owned()
}

fn malformed(result: Result<Found, Fault>) {
    assert_eq!(result.map_err(|fault| fault.cause.code), Err("malformed answer".to_owned()));
}

#[test]
fn forbidden_and_unknown_references_cost_nothing_but_themselves() {
    for (text, expected) in [
        ("a&#x0;b&#0;c&#xB;d", "abcd"),
        ("a&#xD83D;&#xFFFE;&#x110000;&#99999999999;b", "ab"),
        ("a\u{0}\u{1}\u{ffff}b", "ab"),
        ("&unknown; & R&D &;", "&unknown; & R&D &;"),
        ("&amp;#x41;&lt;&#65;", "&#x41;<A"),
        ("a\r\nb\rc", "a\nb\nc"),
    ] {
        assert_eq!(subject(text), expected, "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_become_replacement_characters() {
    let mut xml = item("<t:Subject>M@RK</t:Subject>");
    let at = xml.iter().position(|byte| *byte == b'@').expect("the mark");
    xml[at] = 0xff;
    let Ok(Found::Meeting(meeting)) = read(&xml) else { panic!("not a meeting") };
    assert_eq!(meeting.subject.reveal(), "M\u{fffd}RK");
    // UTF-16 is not what was asked for.
    let wide: Vec<u8> =
        String::from_utf8_lossy(&item("")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&wide).is_err());
}

#[test]
fn a_byte_order_mark_and_a_prolog_are_passed_over() {
    let xml = [b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\r\n<!-- x -->", &item("")[..]];
    assert!(matches!(read(&xml.concat()), Ok(Found::Meeting(_))));
}

#[test]
fn a_document_type_is_passed_over_and_its_entities_stay_unresolved() {
    let mut doctype = String::from("<!DOCTYPE l [<!ENTITY l0 \"ha\">");
    for n in 1..10 {
        let ten = format!("&l{};", n - 1).repeat(10);
        let _ = write!(doctype, "<!ENTITY l{n} \"{ten}\">");
    }
    doctype.push_str("<!ENTITY f SYSTEM \"file:///etc/hostname\">]>");
    let answer = item("<t:Subject>&l9;&f;</t:Subject><t:ItemId Id='&l9;'/>");
    let xml = [doctype.as_bytes(), &answer].concat();
    let Ok(Found::Meeting(meeting)) = read(&xml) else { panic!("not a meeting") };
    assert_eq!(meeting.subject.reveal(), "&l9;&f;");
    // SOAP forbids it, and in a stream it would be in the way.
    assert!(Splitter::default().push(&xml).is_err());
}

#[test]
fn a_hundred_thousand_levels_are_walked_without_a_stack() {
    let (open, close) = ("<t:x>".repeat(100_000), "</t:x>".repeat(100_000));
    let subject = format!("<t:Subject>a{open}b{close}c</t:Subject>");
    for properties in [format!("{open}{close}"), subject] {
        let xml = item(&properties);
        soon("an item", || assert!(matches!(read(&xml), Ok(Found::Meeting(_)))));
        soon("a stream", || {
            let envelopes = Splitter::default().push(&xml).expect("one envelope");
            assert_eq!(envelopes.len(), 1);
            assert!(EventReader::default().read(&envelopes[0]).is_ok());
        });
        soon("others", || promises::soap::check(&xml));
    }
    let unclosed = open.as_bytes();
    soon("unclosed", || malformed(read(unclosed)));
    soon("an unclosed answer", || malformed(read(&[&item("")[..200], unclosed].concat())));
}

#[test]
fn ten_megabytes_in_one_place_are_read_once() {
    let long = "x".repeat(10 << 20);
    for properties in [
        format!("<t:ItemId Id='{long}'/>"),
        format!("<t:Subject>{long}</t:Subject>"),
        format!("<{long}/>"),
        format!("<t:x {}/>", "a='' ".repeat(2 << 20)),
        format!("<!--{long}--><t:x><![CDATA[{long}]]></t:x>"),
        "<t:x/>".repeat(2 << 20),
        "&#120;".repeat(2 << 20),
    ] {
        let xml = item(&properties);
        soon("an item", || assert!(matches!(read(&xml), Ok(Found::Meeting(_)))));
        // A stream has a limit, which also bounds what is held.
        soon("a stream", || {
            let mut splitter = Splitter::default();
            assert!(xml.chunks(64 * 1024).any(|chunk| splitter.push(chunk).is_err()));
            assert!(splitter.held() <= LONGEST);
        });
    }
}

#[test]
fn an_attribute_that_opens_a_quote_and_never_closes_it_is_malformed() {
    let xml = item("<t:ItemId Id='");
    malformed(read(&xml));
    let mut splitter = Splitter::new(4096);
    assert_eq!(splitter.push(&xml).map(|whole| whole.len()), Ok(0));
    assert!(splitter.held() <= 4096);
}

#[test]
fn what_comes_twice_counts_as_it_came_last() {
    let twice = "<t:Subject>one</t:Subject><t:Subject>two</t:Subject>\
                 <t:UID>u</t:UID><t:UID>v</t:UID><t:Start>2026-03-03T08:00:00Z</t:Start>";
    let meeting = meeting(twice);
    assert_eq!((meeting.subject.reveal(), meeting.uid.reveal()), ("two", "v"));
    assert_eq!(meeting.end.since(meeting.start).as_ms(), 2 * 3_600_000);

    let feed = "<m:SyncState>S1</m:SyncState><m:SyncState>S2</m:SyncState>\
                <m:IncludesLastItemInRange>false</m:IncludesLastItemInRange>\
                <m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>\
                <m:Changes><t:Create><t:CalendarItem><t:ItemId Id='a'/><t:ItemId Id='b'/>\
                </t:CalendarItem></t:Create></m:Changes>";
    let page = sync_folder_items::read(&answer("SyncFolderItems", feed), None).unwrap();
    assert_eq!((&*page.cursor.0, page.last), ("S2", true));
    assert_eq!(page.changes, [Change::Upsert(ItemId("b".into()))]);

    let two = [&answer("GetFolder", "")[..], &answer("GetFolder", "")].concat();
    assert_eq!(get_folder::read(&two), Ok(()));
}

#[test]
fn times_that_are_none_make_no_meeting() {
    for time in [
        "",
        "NaN",
        "-INF",
        "0",
        "2026-02-30T00:00:00Z",
        "2026-03-03",
        "2026-03-03T09:00:00+99:99",
        "99999999999999-01-01T00:00:00Z",
        "2026-03-03T09:00:00.Z",
        "٢٠٢٦-03-03T09:00:00Z",
    ] {
        let found = read(&item(&format!("<t:Start>{time}</t:Start>")));
        assert_eq!(found, Ok(Found::Other(ItemId("id".into()))), "{time}");
    }
    // What is only beside the meeting is left out.
    assert_eq!(meeting("<t:LastModifiedTime>NaN</t:LastModifiedTime>").last_modified, None);
}

#[test]
fn times_at_the_edge_of_the_calendar_stay_writable() {
    for (start, end) in [
        ("0000-01-01T00:00:00+14:00", "9999-12-31T24:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999-14:00"),
        ("2026-03-03T09:00:00Z", "2026-03-03T08:00:00Z"),
    ] {
        let times = format!("<t:Start>{start}</t:Start><t:End>{end}</t:End>");
        let meeting = meeting(&times);
        assert!(meeting.start <= meeting.end, "{start} {end}");
        promises::soap::check(&item(&times));
    }
}

#[test]
fn numbers_out_of_range_are_no_numbers() {
    for number in ["-1", "NaN", "1e9", "340282366920938463463374607431768211456", "０", ""] {
        let items = format!("<m:RootFolder TotalItemsInView='{number}'><t:Items/></m:RootFolder>");
        let listing = find_item::read(&answer("FindItem", &items)).unwrap();
        assert!(listing.complete && listing.entries.is_empty(), "{number}");
    }
    for (wait, expected) in
        [("-5", None), ("99999999999999999999", None), ("18446744073709551615", Some(u64::MAX))]
    {
        let busy = format!(
            "<Envelope><Body><Fault><detail><ResponseCode>ErrorServerBusy</ResponseCode>\
             <MessageXml><Value Name='BackOffMilliseconds'>{wait}</Value></MessageXml></detail>\
             </Fault></Body></Envelope>"
        );
        let Err(fault) = get_folder::read(busy.as_bytes()) else { panic!("no fault") };
        let after = expected.map(Span::from_ms);
        assert_eq!(fault.next, Next::BackOff { after }, "{wait}");
    }
}

#[test]
fn a_code_of_a_later_exchange_is_tried_again_and_a_text_is_not_shown() {
    let failed = |code: &str| {
        let xml = answer("GetFolder", &format!("<m:ResponseCode>{code}</m:ResponseCode>"));
        get_folder::read(&xml).expect_err("a failure")
    };
    let later = failed("ErrorOfTheYear2031");
    assert_eq!((later.next, &*later.cause.code), (RETRY, "ErrorOfTheYear2031"));
    for text in ["alice@corp.example", "Error&lt;b&gt;", "é", "a\tb"] {
        let fault = failed(text);
        assert_eq!(fault.next, RETRY, "{text}");
        assert!(!fault.to_string().contains(text), "{fault}");
    }
    assert!(failed(&"E".repeat(1 << 20)).cause.code.len() <= 200);
}

#[test]
fn a_page_of_html_is_no_answer_of_any_kind() {
    let page =
        b"<!DOCTYPE html><html><head><title>Error</title></head><body><br><p>Sorry</body></html>";
    malformed(read(page));
    assert!(get_folder::read(page).is_err() && find_item::read(page).is_err());
    assert!(subscribe::read(page).is_err() && sync_folder_items::read(page, None).is_err());
    assert!(EventReader::default().read(page).is_err());
    assert!(get_user_settings::read(page).is_err() && autodiscover::read_json(page).is_err());
    assert!(autodiscover::read_pox(page).is_err());
    assert!(Splitter::default().push(page).is_err());
}

#[test]
fn an_empty_answer_is_malformed() {
    for xml in [&b""[..], b" ", b"\xef\xbb\xbf", b"<?xml version='1.0'?>", b"<a", b"\0"] {
        malformed(read(xml));
    }
}

#[test]
fn a_redirect_names_an_address_or_fails() {
    let pox = |content: &str| {
        let xml = format!(
            "<Autodiscover><Response><Account>{content}</Account></Response></Autodiscover>"
        );
        autodiscover::read_pox(xml.as_bytes())
    };
    let twice = "<RedirectUrl>https://a/</RedirectUrl><RedirectUrl>https://b/</RedirectUrl>";
    assert_eq!(pox(twice), Ok(Place::Url("https://b/".into())));
    for nothing in ["", "<RedirectUrl> </RedirectUrl>", "<Protocol><EwsUrl>x</EwsUrl></Protocol>"] {
        assert!(pox(nothing).is_err(), "{nothing}");
    }
}
