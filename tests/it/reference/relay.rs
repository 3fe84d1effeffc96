//! The protocol's page describes everything that it names.

use std::path::Path;

/// What stands between the heading that begins so and the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page.find(&format!("\n### {heading} ")).expect("the section is there");
    let rest = &page[from + 1..];
    rest.find("\n## ").into_iter().chain(rest.find("\n### ")).min().map_or(rest, |end| &rest[..end])
}

/// The first cells of the rows whose other cells say this.
fn rows<'a>(section: &'a str, says: &str) -> Vec<&'a str> {
    let rows = section.lines().filter(|line| line.starts_with("| `") && line.contains(says));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}

#[test]
fn each_command_and_each_event_has_its_own_paragraph() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/spec/relay.md");
    let page = std::fs::read_to_string(file).unwrap();
    let wishes = section(&page, "5.6");
    let commands = rows(section(&page, "5.2"), "section 5.6");
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        let begins = |line: &str| line.starts_with(&format!("`{command}`")) && line.ends_with(':');
        assert_eq!(wishes.lines().filter(|line| begins(line)).count(), 1, "{command} in 5.6");
    }
    let beside = section(&page, "4.3");
    let names = beside.lines().filter_map(|line| line.strip_prefix("`data` of `"));
    let names: Vec<_> = names.filter_map(|rest| rest.split('`').next()).collect();
    for event in rows(beside, "") {
        let is_event = event.contains('.') && !event.contains('/');
        assert!(!is_event || names.contains(&event), "{event} in 4.3: {names:?}");
    }
    assert!(names.contains(&"calendar.free_busy"));
    let answer = "`data` of `calendar.free_busy` is `{\"calendarFreeBusyScheduleResponse\": {…}}`, \
                  the answer to a `freebusy.query`:";
    assert!(beside.contains(answer), "{beside}");
}
