//! A message as a mail client saves it (RFC 5322, MIME, iCalendar) becomes a meeting.

use mail_parser::{HeaderName, HeaderValue, Message, MessageParser, MimeHeaders as _, PartType};

use crate::model::{
    Address, Answer, Body, ItemId, Meeting, MeetingKind, Participant, ParticipantKind,
    ParticipantRole, Person, Plain, Sensitivity, Time,
};

/// Properties of an event that name the address to join, the first first: Microsoft's, Google's,
/// RFC 7986's.
const CONFERENCES: [&str; 6] = [
    "X-MICROSOFT-SKYPETEAMSMEETINGURL",
    "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK",
    "X-GOOGLE-CONFERENCE",
    "X-GOOGLE-HANGOUT",
    "CONFERENCE",
    "X-MICROSOFT-ONLINEMEETINGCONFLINK",
];

/// So often an invitation may have been forwarded as an attachment of an attachment.
const FORWARDED: usize = 4;

/// Reads a message; nothing where it is none. Where it only brings another one along, that one is
/// meant.
pub fn read(bytes: &[u8]) -> Option<Meeting> {
    let message = MessageParser::default().parse(bytes)?;
    let message = meant(&message, FORWARDED);
    let event = event(message).unwrap_or_default();
    let own = body(message).unwrap_or_default();
    // Of a calendar that was attached its own words count, where the message has nothing to open.
    let body = match event.body() {
        of_event if !links(&own) && (links(&of_event) || own.text.is_blank()) => of_event,
        _ => own,
    };
    let organizer = person(message.from().and_then(|from| from.first()));
    let subject = message.subject().unwrap_or_default();
    let to = message.to().into_iter().chain(message.cc());
    let people = to.flat_map(|list| list.iter()).filter_map(|one| person(Some(one)));
    Some(Meeting {
        item: ItemId("message".into()),
        version: "".into(),
        uid: Plain::new(event.first("UID").unwrap_or_default()),
        kind: MeetingKind::Single,
        original_start: None,
        start: Time::default(),
        end: Time::default(),
        all_day: false,
        subject: Plain::new(event.first("SUMMARY").unwrap_or_else(|| subject.to_owned())),
        location: Plain::new(event.first("LOCATION").unwrap_or_default()),
        body,
        organizer: event.organizer().or(organizer),
        participants: people.map(participant).collect(),
        sensitivity: Sensitivity::Normal,
        cancelled: false,
        last_modified: None,
        conference: Plain::new(event.conference()),
        mine: false,
        mark: None,
    })
}

/// The message itself, where it invites or has anything to open; else the first that is attached.
fn meant<'a, 'x>(message: &'a Message<'x>, deep: usize) -> &'a Message<'x> {
    if deep == 0
        || message.parts.iter().any(is_calendar)
        || body(message).is_some_and(|b| links(&b))
    {
        return message;
    }
    let attached = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => Some(inner),
        _ => None,
    });
    attached.map_or(message, |inner| meant(inner, deep - 1))
}

fn links(body: &Body) -> bool {
    body.text.reveal().contains("://")
}

/// A header that a test reads, as it stands.
pub fn header(bytes: &[u8], name: &str) -> Option<String> {
    let message = MessageParser::default().parse_headers(bytes)?;
    let own = HeaderName::Other(name.into());
    let wanted = |header: &&mail_parser::Header<'_>| {
        header.name == own || header.name().eq_ignore_ascii_case(name)
    };
    let found = message.headers().iter().find(wanted)?;
    match &found.value {
        HeaderValue::Text(text) => Some(text.trim().to_owned()),
        HeaderValue::TextList(all) => Some(all.join(", ").trim().to_owned()),
        _ => None,
    }
}

/// The page, where there is one, as Exchange keeps it; else the text.
fn body(message: &Message<'_>) -> Option<Body> {
    let of = |html: bool| {
        message.parts.iter().find_map(|part| match &part.body {
            PartType::Html(text) if html => Some(text.to_string()),
            PartType::Text(text) if !html && !is_calendar(part) => Some(flowed(part, text)),
            _ => None,
        })
    };
    let page = of(true).map(|text| Body { text: Plain::new(text), html: true });
    page.or_else(|| of(false).map(|text| Body { text: Plain::new(text), html: false }))
}

/// The text of a part; lines that were broken on the way are whole again (RFC 3676).
fn flowed(part: &mail_parser::MessagePart<'_>, text: &str) -> String {
    let says = |name: &str, value: &str| {
        let given = part.content_type().and_then(|kind| kind.attribute(name));
        given.is_some_and(|given| given.eq_ignore_ascii_case(value))
    };
    if !says("format", "flowed") {
        return text.to_owned();
    }
    let deleted = says("delsp", "yes");
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match line.strip_suffix(' ') {
            Some(whole) if line != "-- " => out.push_str(if deleted { whole } else { line }),
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn is_calendar(part: &mail_parser::MessagePart<'_>) -> bool {
    let kind = part.content_type();
    kind.and_then(|kind| kind.c_subtype.as_deref())
        .is_some_and(|s| s.eq_ignore_ascii_case("calendar"))
}

fn person(one: Option<&mail_parser::Addr<'_>>) -> Option<Person> {
    let one = one?;
    let address = one.address.as_deref().and_then(|text| Address::parse(text).ok());
    Some(Person { name: Plain::new(one.name.as_deref().unwrap_or_default()), address })
}

fn participant(person: Person) -> Participant {
    let (kind, role) = (ParticipantKind::Person, ParticipantRole::Required);
    Participant { person, kind, role, answer: Answer::None }
}

/// The first event of the first calendar: its properties, unfolded and unescaped.
fn event(message: &Message<'_>) -> Option<Event> {
    let text =
        message.parts.iter().find(|part| is_calendar(part)).and_then(|part| match &part.body {
            PartType::Text(text) | PartType::Html(text) => Some(text.to_string()),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            _ => None,
        })?;
    Some(Event::read(&text))
}

#[derive(Default)]
struct Event {
    /// Name, parameters, value.
    properties: Vec<(String, String, String)>,
}

impl Event {
    fn read(text: &str) -> Self {
        let unfolded = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
        let mut properties = Vec::new();
        let mut within = Vec::new();
        for line in unfolded.lines() {
            let Some((head, value)) = split(line) else { continue };
            let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
            let name = name.to_ascii_uppercase();
            match name.as_str() {
                "BEGIN" => within.push(value.to_ascii_uppercase()),
                "END" => drop(within.pop()),
                _ if within.last().is_some_and(|own| own == "VEVENT") => {
                    properties.push((name, parameters.to_owned(), unescaped(value)));
                }
                _ => {}
            }
        }
        Self { properties }
    }

    fn first(&self, name: &str) -> Option<String> {
        let found = self.properties.iter().find(|(own, _, _)| own == name);
        found.map(|(_, _, value)| value.clone())
    }

    fn conference(&self) -> String {
        let mut all = Vec::new();
        for name in CONFERENCES {
            let values = self.properties.iter().filter(|(own, _, _)| own == name);
            all.extend(values.map(|(_, _, value)| value.trim()).filter(|value| opens(value)));
        }
        all.join("\n")
    }

    fn organizer(&self) -> Option<Person> {
        let (_, parameters, value) =
            self.properties.iter().find(|(own, _, _)| own == "ORGANIZER")?;
        let address = value.get(7..).filter(|_| value.to_ascii_lowercase().starts_with("mailto:"));
        let name = parameters.split(';').find_map(|one| one.strip_prefix("CN="));
        let name = Plain::new(name.unwrap_or_default().trim_matches('"'));
        Some(Person { name, address: address.and_then(|text| Address::parse(text).ok()) })
    }

    fn body(&self) -> Body {
        match self.first("X-ALT-DESC") {
            Some(page) => Body { text: Plain::new(page), html: true },
            None => {
                let text = Plain::new(self.first("DESCRIPTION").unwrap_or_default());
                Body { text, html: false }
            }
        }
    }
}

/// Whether it is an address that a button could open. `conf:sip:…` is a chat client's own.
fn opens(value: &str) -> bool {
    let lower = value.get(..6).unwrap_or_default().to_ascii_lowercase();
    ["http:", "https:", "sip:", "sips:", "h323:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Name with parameters, and value: at the first colon outside of quotes.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == ':' && !quoted).then_some(at)
    })?;
    let (head, value) = line.split_at_checked(at)?;
    Some((head, value.strip_prefix(':')?))
}

/// RFC 5545, 3.3.11.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}
