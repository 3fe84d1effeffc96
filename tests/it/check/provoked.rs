//! Every trouble of the table is provoked: what is printed then, sentence, remedy and command, is
//! compared in `tests/golden/check`, or by a real part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use calway::cli::check::table::{self, LATE, Trouble};
use regex::Regex;

/// What cannot be provoked without root, a disk of its own or a domain: check, trouble, and the
/// part of `tests/real` that provokes it and compares.
const BY_REAL_PARTS: [(&str, &str, &str); 4] = [
    ("disk", "read-only", "disk/disk.py"),
    ("disk", "full", "disk/disk.py"),
    ("disk", "low", "disk/disk.py"),
    ("sign-in", "kerberos", "directory/directory.py"),
];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is printed of a trouble, whatever fills its places.
fn printed(check: &str, trouble: &Trouble) -> Regex {
    let mut pattern = format!(r"^  (?:FAIL|WARN)  {:13}\s.*?", regex::escape(check));
    let mut line = |text: &str, indent: usize| {
        let places = Regex::new(r"\\\{[a-z_]+\\\}").unwrap();
        let text = regex::escape(text);
        pattern.push_str(&" ".repeat(indent));
        pattern.push_str(&places.replace_all(&text, "[^\n]+"));
        pattern.push('\n');
    };
    line(trouble.says, 0);
    for remedy in trouble.remedy {
        line(remedy, 8);
    }
    if let Some((shell, command)) = trouble.command {
        line(&format!("{shell}:"), 8);
        command.lines().for_each(|one| line(one, 12));
    }
    pattern.push('$');
    Regex::new(&pattern).unwrap()
}

/// The findings of a page that are troubles, each with its check.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        if let Some(row) = line.strip_prefix("  ").filter(|row| !row.starts_with(' ')) {
            open = row.starts_with("FAIL") || row.starts_with("WARN");
            if open {
                let check = row.split_whitespace().nth(1).unwrap_or_default();
                found.push((check.to_owned(), format!("{line}\n")));
            }
        } else if line.starts_with("      ") && open {
            found.last_mut().unwrap().1.push_str(&format!("{line}\n"));
        } else {
            open = false;
        }
    }
    found
}

/// Which troubles of the table this is: one, or people could not tell which.
fn troubles(check: &str, block: &str) -> Vec<&'static str> {
    let known = table::check(check).unwrap_or_else(|| panic!("there is no check {check}"));
    let all = known.troubles.iter().chain([&LATE]);
    all.filter(|one| printed(check, one).is_match(block)).map(|one| one.id).collect()
}

/// The pages that tests compare with, by name. A page that none names is of no use.
fn pages() -> Vec<(String, String)> {
    let mut tests = std::fs::read_to_string(here("tests/it/check.rs")).unwrap();
    for file in std::fs::read_dir(here("tests/it/check")).unwrap() {
        tests += &std::fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let pages = std::fs::read_dir(here("tests/golden/check")).unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(tests.contains(&format!("\"{name}\"")), "no test compares with {name}.txt");
        (name, std::fs::read_to_string(path).unwrap())
    });
    pages.collect()
}

#[test]
fn no_trouble_is_told_that_no_test_has_provoked() {
    let mut seen: BTreeSet<(String, &str)> = BTreeSet::new();
    for (name, page) in pages() {
        for (check, block) in blocks(&page) {
            let found = troubles(&check, &block);
            assert_eq!(found.len(), 1, "{name}.txt: {found:?} of {check} is\n{block}");
            seen.extend(found.into_iter().map(|id| (check.clone(), id)));
        }
    }
    for (check, trouble, part) in BY_REAL_PARTS {
        assert!(table::trouble(check, trouble).is_some(), "{check}: {trouble}");
        let text = std::fs::read_to_string(here("tests/real").join(part)).unwrap();
        let call = format!("provoked(\"{check}\", \"{trouble}\"");
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let named = lines.any(|line| line.contains(&call));
        assert!(named, "{part} does not provoke {check}: {trouble}");
        assert!(seen.insert((check.to_owned(), trouble)), "{check}: {trouble} needs no real part");
    }
    let told = |check: &table::Check| {
        let of = check.name.to_owned();
        check.troubles.iter().map(move |one| (of.clone(), one.id)).collect::<Vec<_>>()
    };
    let missing: Vec<_> = table::all().flat_map(told).filter(|one| !seen.contains(one)).collect();
    assert!(missing.is_empty(), "nothing provokes {missing:?}");
    assert!(seen.iter().any(|(_, id)| *id == LATE.id), "nothing provokes {}", LATE.id);
}

#[test]
fn a_page_is_read_as_people_read_it() {
    let block = [
        "  FAIL  tcp            TIME   a  b port 1: c",
        "        The machine",
        "        here:",
        "            x",
        "",
    ];
    let block = block.join("\n");
    let page = ["cloud", "  pass  dns            TIME   a", &block, "  skip  tls            TIME"];
    let page = page.join("\n").replace("x\n\n", "x\n");
    assert_eq!(blocks(&page), [("tcp".to_owned(), block.clone())]);
    assert!(troubles("tcp", &block).is_empty(), "its remedy is another one");
}
