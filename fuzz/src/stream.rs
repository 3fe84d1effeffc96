//! An open answer: however its bytes are cut, the same envelopes come out, and no more is held
//! than allowed.

use calway::calendar::ews::get_streaming_events::EventReader;
use calway::calendar::ews::stream::Splitter;
use calway::model::Fault;
use quick_xml::Reader;
use quick_xml::events::Event;

/// The first three bytes say how long an envelope may be and how the rest is cut.
pub fn check(data: &[u8]) {
    let Some((&[limit, first, second], bytes)) = data.split_first_chunk::<3>() else { return };
    let longest = 16 << (limit % 10);
    let whole = pieces(longest, bytes, &[bytes.len().max(1)]);
    let single = pieces(longest, bytes, &[1]);
    let mixed = pieces(longest, bytes, &[usize::from(first) + 1, usize::from(second) + 1]);
    // A push that fails keeps its envelopes to itself, so only byte by byte tells all of them.
    match (&whole.1, &single.1, &mixed.1) {
        (Ok(held), Ok(by_one), Ok(by_some)) => {
            assert_eq!((held, held), (by_one, by_some));
            assert_eq!(whole.0, single.0);
            assert_eq!(mixed.0, single.0);
        }
        (Err(fault), Err(by_one), Err(by_some)) => {
            assert_eq!((fault, fault), (by_one, by_some));
            assert!(whole.0.is_empty());
            assert!(single.0.starts_with(&mixed.0));
        }
        other => panic!("{other:?}"),
    }
    let mut reader = EventReader::default();
    for envelope in &single.0 {
        assert!(envelope.len() <= longest);
        is_one_element(envelope);
        super::soap::events(envelope, &mut reader);
    }
    assert!(single.0.iter().map(Vec::len).sum::<usize>() <= bytes.len());
}

/// The envelopes up to the end or the first fault, and what is held at the end.
fn pieces(longest: usize, bytes: &[u8], lengths: &[usize]) -> (Vec<Vec<u8>>, Result<usize, Fault>) {
    let mut splitter = Splitter::new(longest);
    let mut found = Vec::new();
    let (mut rest, mut lengths) = (bytes, lengths.iter().cycle());
    while !rest.is_empty() {
        let length = lengths.next().map_or(1, |length| (*length).min(rest.len()));
        let (piece, after) = rest.split_at(length);
        let pushed = splitter.push(piece);
        assert!(splitter.held() <= longest);
        match pushed {
            Ok(envelopes) => found.extend(envelopes),
            Err(fault) => return (found, Err(fault)),
        }
        rest = after;
    }
    (found, Ok(splitter.held()))
}

/// Where another reader can read an envelope to its end, it finds one element and nothing beside.
fn is_one_element(envelope: &[u8]) {
    let Ok(text) = std::str::from_utf8(envelope) else { return };
    let mut reader = Reader::from_str(text);
    let (mut depth, mut ends, mut outside) = (0_usize, 0, false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => {
                depth -= 1;
                ends += usize::from(depth == 0);
            }
            Ok(Event::Empty(_)) => ends += usize::from(depth == 0),
            Ok(Event::Eof) => break,
            Ok(_) => outside |= depth == 0,
            Err(_) => return,
        }
    }
    assert!(depth == 0 && ends == 1 && !outside, "{text:?}");
}
