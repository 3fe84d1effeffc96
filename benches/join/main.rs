//! What finding the address to join costs, and building the record, beside the plain pass of an
//! aho-corasick automaton over the same bytes, which is the limit.
//!
//! `cargo bench --bench join` runs it. `docs/benchmarks.md` says what the figures mean.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use calway::cli::join_test::message;
use calway::kms::ContentKey;
use calway::kms::jose::Octets;
use calway::model::{Body, KeyUri, Meeting, Plain, UserId};
use calway::pipeline::record;
use calway::pipeline::seal::{Installation, Sealer};
use calway::pipeline::showing::{Private, Showing};

/// How long each figure is measured.
const EACH: Duration = Duration::from_millis(1_500);

/// What the automaton looks for: what any link, address or number begins with.
const MARKS: [&str; 6] = ["://", "sip:", "h323:", "tel:", "@", "href="];

const ZOOM: &str = "https://acme.zoom.us/j/98765432101?pwd=abc";

/// Meetings of a kind.
struct Case {
    name: &'static str,
    meetings: Vec<Meeting>,
}

fn main() {
    // `cargo test --all-targets` starts this too, without the flag.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: use cargo bench --bench join");
        return;
    }
    println!(
        "| bodies | meetings | bytes each | automaton, MB/s | detection, MB/s | detection, ns a \
         meeting | detection and record, MB/s | ns a meeting |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for case in cases() {
        measure(&case);
    }
}

fn cases() -> Vec<Case> {
    let mail = message::read(b"From: Ada <ada@corp.example>\r\n\r\n").expect("a message");
    let with = |text: String, html: bool| {
        let body = Body { text: Plain::new(text), html };
        vec![Meeting { body, ..mail.clone() }]
    };
    let line = "The numbers of the last quarter, open questions of the team and the next steps.";
    let text = |bytes: usize| format!("{line}\r\n").repeat(bytes / line.len());
    let page = |bytes: usize| {
        let line = format!("<p class=\"MsoNormal\"><span lang=\"EN-GB\">{line}</span></p>\r\n");
        line.repeat(bytes / line.len())
    };
    vec![
        Case { name: "invitations of tests/golden/join", meetings: golden() },
        Case { name: "text without a link", meetings: with(text(4 << 10), false) },
        Case { name: "text, link at the end", meetings: with(text(4 << 10) + ZOOM, false) },
        Case {
            name: "HTML, link at the end",
            meetings: with(page(32 << 10) + &format!("<a href=\"{ZOOM}\">Join</a>"), true),
        },
        Case { name: "text, link at the end", meetings: with(text(5 << 20) + ZOOM, false) },
        Case {
            name: "HTML, link at the end",
            meetings: with(page(5 << 20) + &format!("<a href=\"{ZOOM}\">Join</a>"), true),
        },
    ]
}

fn golden() -> Vec<Meeting> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/join");
    let folders = std::fs::read_dir(root).expect("the invitations").flatten();
    let files = folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten();
    let read = |path| message::read(&std::fs::read(path).ok()?);
    files.flatten().filter_map(|file| read(file.path())).collect()
}

fn measure(case: &Case) {
    let all = &case.meetings;
    let bytes: usize = all.iter().map(|one| one.body.text.reveal().len()).sum();
    let automaton = AhoCorasick::new(MARKS).expect("an automaton");
    let plain = timed(|| {
        for one in all {
            black_box(automaton.find_iter(one.body.text.reveal()).count());
        }
    });
    let showing = Showing { private: Private::Full, ..Showing::default() };
    let found = timed(|| {
        for one in all {
            black_box(showing.join.join(one));
        }
    });
    let installation = Installation::new(&[7; 32]).expect("a secret");
    let octets = Octets::random().expect("randomness");
    let key = ContentKey::new(KeyUri::new("kms://kms.example/keys/1"), octets).expect("a key");
    let (sealer, user): (Arc<dyn Sealer>, _) = (Arc::new(key), UserId::new("u-001"));
    let whole = timed(|| {
        for one in all {
            let key = record::key(&installation, &user, one);
            let shown = record::Shown::new(one, &showing);
            black_box(record::digest(&installation, &shown));
            black_box(record::record(&installation, &*sealer, &user, &key, &shown).expect("one"));
        }
    });
    let rate = |time: f64| bytes as f64 / time / 1e6;
    let each = |time: f64| time * 1e9 / all.len() as f64;
    println!(
        "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
        case.name,
        all.len(),
        bytes / all.len(),
        rate(plain),
        rate(found),
        each(found),
        rate(whole),
        each(whole),
    );
}

/// Seconds of one run: the least of ten parts of the time, as whatever else runs only adds.
fn timed(run: impl Fn()) -> f64 {
    run();
    let mut least = f64::INFINITY;
    for _ in 0..10 {
        let (start, mut runs) = (Instant::now(), 0_u32);
        while start.elapsed() < EACH / 10 || runs == 0 {
            run();
            runs += 1;
        }
        least = least.min(start.elapsed().as_secs_f64() / f64::from(runs));
    }
    least
}
