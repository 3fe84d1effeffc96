//! `docs/reference/checks.md` is made from the table of checks, and its commands are ones that
//! exist: `CALWAY_WRITE=1 cargo test --test it check::reference` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use calway::cli::check::Outcome;
use calway::cli::check::table::{self, LATE, Place, Shell, Trouble};

const BEGIN: &str = "\
# What calway check looks at

This page is made from the table that `calway check` reads (`src/cli/check/table`), by a test that fails where the two differ. `--only NAME…` runs some of them, with what they need. A check that cannot be looked at because another one failed, or because nothing is configured for it, is skipped, and says so.

Words in braces are put in as the check finds them. No check takes longer than WITHIN seconds; one that does is `late`. For the cloud and the key server, where Exchange's own commands do not help, `openssl s_client` stands in their place.

Exit codes: 0 nothing failed; 1 something failed; 2 the command line or the configuration is wrong.

## For machines
`calway check --json` prints one JSON object a line, each as soon as its group is done: the findings, and a last line `{\"summary\": …}`. A finding has all of these:

| field | is | what it says |
|---|---|---|
| `group` | text | `machine`, `calendar NAME`, `cloud` or `key server` |
| `check` | text | a check of the table below |
| `subject` | text | the host, mailbox, domain or secret that was looked at; empty where there is one alone |
| `outcome` | text | `pass`, `warn`, `fail` or `skip` |
| `took_ms` | number | milliseconds; 0 where nothing was waited for |
| `says` | text | what was found, or why it was not looked at |
| `trouble` | text or null | which of the check's troubles below it is, where it is one |
| `remedy` | list of texts | what to do, a paragraph each |
| `command` | object or null | what to paste: `text`, and `where`: `here` (on this machine, as root), `exchange` (Exchange Management Shell) or `windows` (Windows PowerShell) |

The summary has the numbers `pass`, `fail`, `warn`, `skip`, `took_ms` and `exit`, the exit code. Names of checks and troubles stay what they are; fields may be added.

## The checks
| check | of | the question | needs |
|---|---|---|---|
";

fn page() -> String {
    let mut page = BEGIN.replace("WITHIN", &table::WITHIN.to_string());
    for check in table::all() {
        let of = match check.place {
            Place::Machine => "machine",
            Place::Way => "every server",
            Place::Calendar => "Exchange",
            Place::Cloud => "cloud",
            Place::Keys => "key server",
        };
        let needs: Vec<_> = check.needs.iter().map(|need| format!("`{need}`")).collect();
        let name = format!("[`{0}`](#{0})", check.name);
        let _ = writeln!(page, "| {name} | {of} | {} | {} |", check.asks, needs.join(", "));
    }
    for check in table::all() {
        let _ = write!(page, "\n## {}\n{}\n", check.name, check.asks);
        for trouble in check.troubles {
            told(&mut page, trouble);
        }
    }
    page.push_str("\n## Every check\n");
    told(&mut page, &LATE);
    page
}

fn told(page: &mut String, trouble: &Trouble) {
    let outcome = if trouble.outcome == Outcome::Warn { "Warn" } else { "Fail" };
    let _ = write!(page, "\n**{}** ({outcome}): {}\n\n", trouble.id, trouble.says);
    let _ = writeln!(page, "{}", trouble.remedy.join(" "));
    if let Some((shell, command)) = trouble.command {
        let _ = write!(page, "\n{shell}:\n\n");
        for line in command.lines() {
            let _ = writeln!(page, "    {line}");
        }
    }
}

#[test]
fn the_page_about_checks_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/checks.md");
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

/// What runs on the appliance.
const HERE: [&str; 15] = [
    "calway",
    "cat",
    "chmod",
    "chown",
    "df",
    "findmnt",
    "getent",
    "install",
    "journalctl",
    "ls",
    "mv",
    "openssl",
    "systemctl",
    "timedatectl",
    "true",
];

#[test]
fn a_remedy_uses_only_commands_and_parameters_that_exist() {
    let known = crate::guide::known();
    let mut seen = 0;
    for (check, trouble) in table::all().flat_map(|one| one.troubles.iter().map(move |t| (one, t)))
    {
        let place = format!("{}: {}", check.name, trouble.id);
        assert!(!trouble.remedy.is_empty(), "{place}: nothing to do");
        let Some((shell, command)) = trouble.command else { continue };
        for line in command.lines() {
            if shell == Shell::Here {
                let first = line.split_whitespace().next().unwrap();
                assert!(HERE.contains(&first), "{place}: {line}");
                continue;
            }
            let line = line.replace(['{', '}'], "");
            for (name, parameters) in crate::guide::commands(&line) {
                let of = known.get(&name).unwrap_or_else(|| panic!("{place}: {name} is unknown"));
                for one in parameters {
                    assert!(of.contains(&one), "{place}: {name} has no -{one}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn names_are_unique_and_what_a_check_needs_comes_before_it() {
    let names: Vec<_> = table::all().map(|check| check.name).collect();
    for (at, check) in table::all().enumerate() {
        assert_eq!(names.iter().filter(|name| **name == check.name).count(), 1, "{}", check.name);
        for need in check.needs {
            let before = names.iter().position(|name| name == need);
            assert!(before.is_some_and(|before| before < at), "{} needs {need}", check.name);
        }
        for trouble in check.troubles {
            let same = check.troubles.iter().filter(|one| one.id == trouble.id).count();
            assert_eq!(same, 1, "{}: {}", check.name, trouble.id);
        }
    }
}
