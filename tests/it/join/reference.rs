//! `docs/reference/join.md` is made from the table: `CALWAY_WRITE=1 cargo test --test it
//! join::reference` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use calway::pipeline::join::table::{CLASSES, DECOYS, Kind, PAGES, services};
use calway::pipeline::join::{
    ADDRESS_BYTES, DEEPEST, LINKS, ORDER, PATTERN_BYTES, PROGRAM_BYTES, RULES, TEXT_BYTES,
    rewriters,
};

const BEGIN: &str = "\
# How a meeting is joined

This page is made from the table that the connector reads (`src/pipeline/join/table`), by a test that fails where the two differ. What it does with one invitation, `calway join-test FILE.eml` shows: the address, its service, and the rule of this page that chose it.

## The order
An administrator's own rules go before everything else. Then the first of these that finds an address of the web, or an app's own (`zoommtg:`):

";

const AFTER_ORDER: &str = "
- Within one rule the link that stands first is taken. Where the same meeting is told again with more behind it (its password, above all), the longer one is taken, from the same source or a later one: the same service, the same path, and every key of the shorter.
- Properties of the item for it are `JoinOnlineMeetingUrl` and `NetShowUrl` of Exchange; of a calendar file also `X-MICROSOFT-SKYPETEAMSMEETINGURL`, `X-MICROSOFT-ONLINEMEETINGEXTERNALLINK`, `X-GOOGLE-CONFERENCE`, `X-GOOGLE-HANGOUT`, `CONFERENCE` (RFC 7986).
- The address for a video device (SIP, H.323) is looked for by itself and given beside the address of the web. Words that announce one in a body are SIP, H.323, video and the like, in the languages of invitations; an address `sip:` of somebody who is invited is their own. A telephone number counts only with its passcode, and only where there is neither.
- For devices that need it: with a Teams meeting the id of the video conference and the tenant key (`name@host`); with a Webex meeting its number.
- `Pages` and hosts below are never joined: recordings, help, numbers to dial, registration, settings, and what has nothing to do with meetings.
- In a body a link is found in plain text and in HTML, in the text and in attributes, with its character references resolved; comments of a page hide what is in them. Where no link of the table is found, one without `https://` is looked for on hosts that the table names.
- A link of plain text that was broken at the end of its lines is whole again: within `<…>` always, otherwise where its line is 60 to 80 bytes long and the next one is nothing but more of a link.

## Rewritten links
Links that a mail filter or client rewrote are taken back first, also when one was rewritten by several; MOST deep, and beyond that they are no links. What cannot be read from a link (Mimecast keeps it to itself, and tells the host at most) is not guessed: an administrator who wants it opened by way of the filter adds a rule.

| by | hosts |
|---|---|
";

const RULES_TEXT: &str = r#"
## Own rules
In `calway.toml` or a drop-in, as many as FEW:

    [[join.rule]]
    name     = "video"                                  # printed by join-test
    pattern  = 'video\.corp\.example/room/(\d+)'        # what it finds, upper or lower case
    priority = 10                                       # the lower goes first; 0 unless written
    template = "https://video.corp.example/join/$1"     # the address; all that was found ($0) unless written

The pattern is one of Rust's [regex](https://docs.rs/regex/latest/regex/#syntax), which takes no longer than the length of the text times that of the pattern; look-around and back references are not in it. It reads the property, the location and the text of the body as people see it, where links stand in `<…>` behind their words, and in each of them also the links that were rewritten, as they were before. What the template makes is an address if it begins with `https:`, `http:`, `sip:`, `sips:` or `h323:`; otherwise the next match is tried. A mistake is told at the start, with its place.

    calway join-test invitation.eml
    calway join-test --json --config /etc/calway/calway.toml - < invitation.eml

A change of the rules, and a version of the connector with another table, reaches every meeting in the window: calendars are listed and compared anew.

## Limits
"#;

fn page() -> String {
    let mut page = BEGIN.to_owned();
    for (at, (id, what)) in ORDER.iter().enumerate() {
        let _ = writeln!(page, "{}. `{id}`: {what}", at + 1);
    }
    page += &AFTER_ORDER.replace("MOST", &DEEPEST.to_string());
    let mut names: Vec<&str> = rewriters().map(|(name, _)| name).collect();
    names.dedup();
    for name in names {
        let of = rewriters().filter(|(own, _)| *own == name).flat_map(|(_, hosts)| hosts);
        let _ = writeln!(page, "| {name} | {} |", code(of.copied()));
    }
    page += &RULES_TEXT.replace("FEW", &RULES.to_string());
    limits(&mut page);
    table(&mut page);
    page
}

fn limits(page: &mut String) {
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    for (what, most) in [
        ("links of one body that are looked at", LINKS.to_string()),
        ("length of a link", kib(ADDRESS_BYTES)),
        ("rewritings of a link", DEEPEST.to_string()),
        ("own rules", RULES.to_string()),
        ("length of a pattern, and of a template", kib(PATTERN_BYTES)),
        ("size of the program that a pattern becomes", kib(PROGRAM_BYTES)),
        ("text that own rules read of a source", kib(TEXT_BYTES)),
    ] {
        let _ = writeln!(page, "- {what}: {most}");
    }
}

fn table(page: &mut String) {
    let count = services().count();
    let _ = write!(
        page,
        "\n## Services\n{count} services. `*.example.com` is every host below `example.com`, \
         `meet.*` every host that begins so, `*.meet.*` every host with such a label, `*` any; \
         a host that stands here by name is not looked for among those that do not. In a path \
         `*` is one segment, `**` all that follow, also none; `?key` must be there; what must \
         stand behind `#` follows it. "
    );
    let told: Vec<_> = CLASSES.iter().map(|(name, what)| format!("`{{{name}}}`: {what}")).collect();
    let _ = write!(page, "{}. Numbers are how many.\n\n", told.join("; "));
    page.push_str("| service | id | what | hosts | addresses |\n|---|---|---|---|---|\n");
    for service in services() {
        let mut names = (service.name, service.id);
        for row in service.rows {
            let (name, id) = std::mem::take(&mut names);
            let id = if id.is_empty() { String::new() } else { format!("`{id}`") };
            let (hosts, shapes) =
                (code(row.hosts.iter().copied()), code(row.shapes.iter().copied()));
            let _ = writeln!(page, "| {name} | {id} | {} | {hosts} | {shapes} |", row.kind.name());
        }
        if !service.dials.is_empty() {
            let hosts = code(service.dials.iter().copied());
            let _ = writeln!(page, "| | | devices | {hosts} | |");
        }
    }
    let _ = write!(
        page,
        "\nOf the kinds, {} goes first, then {} and {}.\n\n## Never joined\nHosts: {}.\n\nPages, \
         which are no rooms: {}.\n",
        Kind::Meeting.name(),
        Kind::Event.name(),
        Kind::Room.name(),
        code(DECOYS.iter().copied()),
        code(PAGES.iter().copied()),
    );
}

fn code<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut told: Vec<String> = all.map(|one| format!("`{one}`")).collect();
    told.dedup();
    told.join(" ")
}

#[test]
fn the_page_about_joining_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/join.md");
    let page = page();
    if std::env::var_os("CALWAY_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (at, (is, ought)) in written.lines().zip(page.lines()).enumerate() {
        assert_eq!(is, ought, "line {}; CALWAY_WRITE=1 writes the page anew", at + 1);
    }
    assert_eq!(written.len(), page.len(), "CALWAY_WRITE=1 writes the page anew");
}

#[test]
fn the_table_is_as_large_as_promised_and_no_service_is_there_twice() {
    let ids: Vec<_> = services().map(|service| service.id).collect();
    for named in [
        "webex",
        "zoom",
        "teams",
        "google-meet",
        "jitsi",
        "bigbluebutton",
        "goto",
        "ringcentral",
        "chime",
        "bluejeans",
        "pexip",
        "starleaf",
        "lifesize",
        "whereby",
        "skype-for-business",
    ] {
        assert!(ids.contains(&named), "{named}");
    }
    assert!(ids.len() >= 15 + 50, "{}", ids.len());
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len());
}
