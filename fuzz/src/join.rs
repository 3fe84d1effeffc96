//! How a meeting is joined: whatever an invitation says, what is found is an address, and a message
//! of any form is read or refused.

use std::sync::LazyLock;

use calway::cli::join_test::message;
use calway::model::{Body, Meeting, MeetingKind, Plain, Sensitivity, Time};
use calway::pipeline::join::{ADDRESS_BYTES, Join, ORDER, Rule, Rules, Written};

/// An administrator's rule; to make it takes longer than all that is done with it.
static OWN: LazyLock<Rules> = LazyLock::new(|| {
    let own = Written {
        name: "own".into(),
        pattern: r"(?:room|raum) (\w+)|(\S+)/meet".into(),
        priority: 1,
        template: "https://${2}video.example/$1".into(),
    };
    Rules::new(vec![Rule::new(own).expect("a rule")])
});

/// Reads the bytes as a message, and as the three texts of an item: its first line is the
/// conference property, the second the location, the rest the body.
pub fn check(bytes: &[u8]) {
    if let Some(meeting) = message::read(bytes) {
        finds(&meeting);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n').map(Plain::new);
    let mut next = || lines.next().unwrap_or_default();
    let (conference, location, body) = (next(), next(), next());
    for html in [false, true] {
        let body = Body { text: body.clone(), html };
        finds(&meeting(conference.clone(), location.clone(), body));
    }
}

fn finds(meeting: &Meeting) {
    let found = Rules::TABLE.join(meeting);
    assert_eq!(found, Rules::TABLE.join(&meeting.clone()), "the same each time");
    is_well(&found);
    if let Some(chosen) = &found.chosen {
        assert!(ORDER.iter().any(|(id, _)| *id == &*chosen.rule), "{}", chosen.rule);
    }
    is_well(&OWN.join(meeting));
}

fn is_well(found: &Join) {
    assert_eq!(found.is_empty(), found.chosen.is_none());
    assert_eq!(found.is_empty(), found.address().is_none());
    let clean = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if let Some(url) = &found.url {
        let url = url.reveal();
        assert!(url.len() <= ADDRESS_BYTES + 8 && clean(url), "{url:?}");
        let (scheme, rest) = url.split_once("://").expect("a scheme");
        let scheme = scheme.to_ascii_lowercase();
        assert!(["https", "http", "zoommtg", "zoomus", "msteams"].contains(&scheme.as_str()));
        assert!(!rest.is_empty());
    }
    if let Some(uri) = &found.uri {
        let uri = uri.reveal().to_ascii_lowercase();
        let schemes = ["sip:", "sips:", "h323:"];
        assert!(uri.len() <= ADDRESS_BYTES && clean(&uri), "{uri:?}");
        assert!(schemes.iter().any(|scheme| uri.starts_with(scheme)), "{uri:?}");
    }
    if let Some(phone) = &found.phone {
        assert!(found.url.is_none() && found.uri.is_none());
        let (number, passcode) = (phone.number.reveal(), phone.passcode.reveal());
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(number.strip_prefix('+').is_some_and(digits), "{number:?}");
        assert!(digits(passcode) && (3..=16).contains(&passcode.len()), "{passcode:?}");
    }
}

fn meeting(conference: Plain, location: Plain, body: Body) -> Meeting {
    Meeting {
        item: calway::model::ItemId("item".into()),
        version: "".into(),
        uid: Plain::new("uid"),
        kind: MeetingKind::Single,
        original_start: None,
        start: Time::default(),
        end: Time::default(),
        all_day: false,
        subject: Plain::default(),
        location,
        body,
        organizer: None,
        participants: Vec::new(),
        sensitivity: Sensitivity::Normal,
        cancelled: false,
        last_modified: None,
        conference,
        mine: false,
        mark: None,
    }
}
