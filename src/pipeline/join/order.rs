//! The order of precedence, as it is published.

use super::unwrap::REWRITERS;

/// What may choose an address, the first first: its id, as `calway join-test` prints it, and what
/// it means. An administrator's rules go before all of them.
pub const ORDER: [(&str, &str); 21] = [
    ("conference-meeting", "A property of the item that is for it: a meeting of the table."),
    ("conference-event", "There: an event of the table."),
    ("conference-own-room", "There: a room of the table that has the organiser's name."),
    ("conference-room", "There: any other room of the table."),
    ("conference-unlisted", "There: any other `https:` address, if it is all that a line says."),
    ("location-meeting", "The location: a meeting of the table."),
    ("location-event", "There: an event of the table."),
    ("location-own-room", "There: a room of the table that has the organiser's name."),
    ("location-room", "There: any other room of the table."),
    (
        "location-written",
        "There: any other `https:` address, if it stands in join details that the connector put \
         into the body.",
    ),
    ("body-meeting", "The body: a meeting of the table."),
    ("body-event", "There: an event of the table."),
    ("body-own-room", "There: a room of the table that has the organiser's name."),
    ("body-room", "There: any other room of the table."),
    ("location-unlisted", "The location is one `https:` address and nothing else."),
    ("conference-sip", "A SIP or H.323 address in a property that is for it."),
    ("location-sip", "One in the location; `12345@company.com` is one."),
    ("body-sip", "One in the body; `12345@company.com` only behind a word that announces it."),
    ("conference-phone", "A telephone number with its passcode, in a property that is for it."),
    ("location-phone", "One in the location."),
    ("body-phone", "One in the body."),
];

/// Who rewrites links, and on which hosts.
pub fn rewriters() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    REWRITERS.iter().map(|(name, hosts, _)| (*name, *hosts))
}
