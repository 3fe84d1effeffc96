//! The order of precedence, as it is published.

use super::unwrap::REWRITERS;

/// What may choose an address, the first first: its id, as `calway join-test` prints it, and what
/// it means. An administrator's rules go before all of them.
pub const ORDER: [(&str, &str); 20] = [
    ("conference-meeting", "a meeting's address of the table, in a conference property"),
    ("conference-event", "an event's, there"),
    ("conference-own-room", "the organiser's own room, there"),
    ("conference-room", "another's room, there"),
    ("conference-unlisted", "any other `https:` address that the property is, but a decoy"),
    ("location-meeting", "a meeting's address of the table, in the location"),
    ("location-event", "an event's, there"),
    ("location-own-room", "the organiser's own room, there"),
    ("location-room", "another's room, there"),
    ("body-meeting", "a meeting's address of the table, in the body"),
    ("body-event", "an event's, there"),
    ("body-own-room", "the organiser's own room, there"),
    ("body-room", "another's room, there"),
    ("location-unlisted", "any other `https:` address that is the whole location, but a decoy"),
    ("conference-sip", "a SIP or H.323 address in a conference property"),
    ("location-sip", "one in the location, also bare: `12345@company.com`"),
    ("body-sip", "one in the body; bare only behind words that announce it"),
    ("conference-phone", "a telephone number with its passcode in a conference property"),
    ("location-phone", "one in the location"),
    ("body-phone", "one in the body"),
];

/// Who rewrites links, and on which hosts.
pub fn rewriters() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    REWRITERS.iter().map(|(name, hosts, _)| (*name, *hosts))
}
