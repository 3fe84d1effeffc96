//! The guide for Exchange's administrators says only what is so: its commands are known, what it
//! names of ours exists, and its links lead somewhere.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use calway::observe::condition;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/guide/exchange.md")).unwrap()
}

/// The lines of its indented blocks, continued ones put together.
fn lines(guide: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let (mut goes_on, mut of_list) = (false, false);
    for line in guide.lines() {
        // What belongs to a point of a list is indented without being a command.
        of_list = line.starts_with("- ") || of_list && (line.is_empty() || line.starts_with(' '));
        if of_list && !line.starts_with("        ") {
            goes_on = false;
            continue;
        }
        let Some(line) = line.strip_prefix("    ") else {
            goes_on = false;
            continue;
        };
        let line = line.trim();
        let more = ['`', '|', '\\'].iter().find(|mark| line.ends_with(**mark));
        let bare = line.trim_end_matches(['`', '\\']).trim_end();
        match all.last_mut() {
            Some(last) if goes_on => *last += &format!(" {bare}"),
            _ => all.push(bare.to_owned()),
        }
        goes_on = more.is_some();
    }
    all
}

/// Each cmdlet with its parameters, as Microsoft's reference has them.
pub fn known() -> HashMap<String, HashSet<String>> {
    let text = std::fs::read_to_string(root().join("tests/golden/exchange-cmdlets.txt")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let mut parts = line.split('|').map(str::trim);
        let name = parts.next().unwrap().to_ascii_lowercase();
        let parameters = parts.nth(1).unwrap_or_default().split_whitespace();
        (name, parameters.map(str::to_ascii_lowercase).collect())
    };
    rows.map(row).collect()
}

/// What runs on the appliance, in a shell.
const SHELL: [&str; 10] = [
    "apt",
    "calway",
    "cd",
    "journalctl",
    "mkdir",
    "mv",
    "openssl",
    "systemctl",
    "systemd-ask-password",
    "systemd-run",
];

/// The commands of one line of PowerShell with the parameters given to each.
pub fn commands(line: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let quoted = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    // What is called inside brackets or braces is called as well.
    let opened = quoted.replace(['(', '{', ')', '}'], " | ");
    for part in opened.split(['|', ';']) {
        let words: Vec<_> = part.split_whitespace().collect();
        let words = match words.as_slice() {
            [variable, "=", rest @ ..] if variable.starts_with('$') => rest,
            all => all,
        };
        let dashed = |word: &&&str| word.len() > 2 && word.starts_with('-');
        let named = words.iter().filter(dashed).map(|word| word[1..].to_ascii_lowercase());
        match words.first() {
            Some(first)
                if first.chars().next().is_some_and(char::is_alphabetic)
                    || first.starts_with(".\\") =>
            {
                let name = first.trim_start_matches(".\\").to_ascii_lowercase();
                found.push((name, named.collect()));
            }
            // After a bracket the parameters belong to what stood before it.
            _ => match found.iter_mut().rev().find(|one| one.0 != "read-host") {
                Some(last) => last.1.extend(named),
                None => assert_eq!(named.count(), 0, "{line}: whose parameters?"),
            },
        }
    }
    found
}

#[test]
fn the_guide_uses_only_commands_and_parameters_that_exchange_has() {
    let known = known();
    let mut used = HashSet::new();
    for line in lines(&guide()) {
        let first = line.split_whitespace().next().unwrap_or_default();
        let ours = line.starts_with('[') || line.starts_with("Load");
        if SHELL.contains(&first) || ours {
            continue;
        }
        for (name, parameters) in commands(&line) {
            let of = known.get(&name).unwrap_or_else(|| panic!("{name} is not known: {line}"));
            for one in parameters {
                assert!(of.contains(&one), "{name} has no -{one}: {line}");
            }
            used.insert(name);
        }
    }
    // It would say nothing if it found nothing.
    for name in ["new-managementscope", "set-calendarprocessing", "get-exchangecertificate"] {
        assert!(used.contains(name), "{name} was not seen");
    }
    assert!(used.len() > 25, "{used:?}");
}

#[test]
fn what_the_guide_names_of_ours_exists() {
    let guide = guide();
    let conditions: HashSet<_> = condition::ALL.iter().map(|one| one.name).collect();
    let named = guide.split("CONDITION=").skip(1);
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect()
    };
    let wrong = guide.split("\n## When something is wrong\n").nth(1).unwrap();
    let rows = wrong.lines().take_while(|line| !line.starts_with('#'));
    let cells = rows.filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    // A quotation is of its words, and a command is no name.
    let said = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let said = said.filter(|name| !name.contains(' ')).map(str::to_owned);
    let named: Vec<_> = named.map(word).chain(said).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        assert!(conditions.contains(name.as_str()), "there is no condition {name}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_calway")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let called = lines(&guide);
    let ours = |line: &&String| line.starts_with("calway ") || line.starts_with("systemd-run ");
    let called = called.iter().filter(ours).filter_map(|line| line.split("calway ").nth(1));
    let called: HashSet<String> = called.map(word).filter(|name| !name.is_empty()).collect();
    assert!(called.contains("discover") && called.contains("trust"), "{called:?}");
    for name in called {
        assert!(help.contains(&format!("\n  {name} ")), "there is no calway {name}");
    }
}

#[test]
fn the_guides_links_lead_somewhere() {
    let guide = guide();
    let anchor = |heading: &str| -> String {
        let lower = heading.trim_start_matches(['#', ' ']).to_lowercase();
        let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let anchors: HashSet<_> = guide.lines().filter(|l| l.starts_with('#')).map(anchor).collect();
    let targets: Vec<_> =
        guide.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(targets.len() > 10, "{targets:?}");
    for target in targets {
        match target.strip_prefix('#') {
            Some(name) => assert!(anchors.contains(name), "no heading for #{name}: {anchors:?}"),
            None if target.starts_with("https://") => {}
            None => {
                let file = target.split('#').next().unwrap_or_default();
                let path = root().join("docs/guide").join(file);
                assert!(Path::new(&path).exists(), "{target} is not there");
            }
        }
    }
}

/// All pages below a folder.
fn pages(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => pages(&path, all),
            false if path.extension().is_some_and(|end| end == "md") => all.push(path),
            false => {}
        }
    }
}

#[test]
fn no_row_of_a_table_has_more_cells_than_its_head() {
    let mut all = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    pages(&root().join("docs"), &mut all);
    assert!(all.len() > 40, "{all:?}");
    let mut rows = 0;
    for page in all {
        let text = std::fs::read_to_string(&page).unwrap();
        let (mut head, mut of_code) = (None, false);
        for line in text.lines() {
            of_code ^= line.starts_with("```");
            if of_code || !line.starts_with('|') {
                head = None;
                continue;
            }
            // A mark that is to be read stands behind a backslash.
            let cells = line.replace("\\|", "").matches('|').count();
            assert_eq!(*head.get_or_insert(cells), cells, "{}: {line}", page.display());
            rows += 1;
        }
    }
    assert!(rows > 300, "{rows}");
}

#[test]
fn the_guide_sets_every_secret_that_its_configuration_needs() {
    let guide = guide();
    for line in [
        "calway secret generate store.key",
        "calway secret set calendar.hq.password",
        "calway secret set cloud.client_secret",
    ] {
        assert!(guide.contains(&format!("\n    {line}\n")), "{line}");
    }
}
