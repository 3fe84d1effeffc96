//! How findings read, without a terminal.

use super::*;
use crate::cli::check::finding::{Verdict, Words};

fn finding(subject: &str, verdict: Verdict) -> Finding {
    let words = Words::default().with("mailbox", "room-1@corp.example");
    Finding::of("calendar hq", "rooms", subject, Duration::from_millis(1_234), verdict, &words)
}

#[test]
fn a_subject_that_is_too_long_does_not_push_the_others_away() {
    let long = "a-room-with-a-name-that-goes-on-and-on@corp.example";
    let page = Page::plain(80);
    let text = page.group(&[
        finding("room-1@corp.example", Verdict::Pass("well".into())),
        finding(
            long,
            Verdict::Skip("a reason that is so long that it has to be cut in two".into()),
        ),
    ]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "calendar hq",
            "  pass  rooms          1.2 s  room-1@corp.example  well",
            "  skip  rooms          1.2 s  a-room-with-a-name-that-goes-on-and-on@corp.example",
            "                                a reason that is so long that it has to be cut",
            "                                in two",
            "",
        ]
    );
}

#[test]
fn what_is_found_has_room_also_beside_a_long_subject_and_without_one() {
    let page = Page::plain(80);
    let text = page.group(&[
        finding("", Verdict::Pass("one thing that there is one of alone in this group".into())),
        finding("room-0001@corp.example", Verdict::Pass("short enough".into())),
        finding(
            "room-0001@corp.example",
            Verdict::Skip("too long for what is left beside a subject like this".into()),
        ),
    ]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "calendar hq",
            "  pass  rooms          1.2 s  one thing that there is one of alone in this group",
            "  pass  rooms          1.2 s  room-0001@corp.example  short enough",
            "  skip  rooms          1.2 s  room-0001@corp.example",
            "                                too long for what is left beside a subject like",
            "                                this",
            "",
        ]
    );
}

#[test]
fn a_command_stands_on_a_line_of_its_own_however_long_it_is() {
    let words = Words::default().with("meetings", 4);
    let page = Page::plain(60);
    let text =
        page.group(&[finding("room-1@corp.example", Verdict::Trouble("strips-both", words))]);
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("            Set-CalendarProcessing room-1@corp.example -Delete"));
    assert!(last.ends_with("-RemovePrivateProperty $false"), "{last}");
    assert!(!text.contains('\u{1b}'), "no colour without a terminal");
}

#[test]
fn what_is_going_on_fits_into_one_line() {
    let mut progress = Progress { done: 3, ..Progress::default() };
    progress.open.push(("cloud".into(), "tls", "relay.example.com".into()));
    assert_eq!(progress.line(80), "checking (3 done) cloud: tls relay.example.com");
    assert_eq!(progress.line(12), "checking (3 ");
}
