//! `docs/reference/conditions.md` and `systemd/calway.catalog` are made from the conditions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use calway::observe::condition::{ALL, Condition, FIELDS, THEMES};

use super::{file_holds, holds};

/// Characters of a line of the catalog: a terminal's, less what `journalctl -x` puts before it.
const WIDTH: usize = 76;

/// Words in lines, each paragraph with a line of its own behind it.
fn wrapped(begin: &str, text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in begin.split_whitespace().chain(text.split_whitespace()) {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
    out
}

/// The format of `journalctl --update-catalog` (systemd's message catalogs).
fn catalog() -> String {
    let mut out = String::from(
        "# What the conditions of Calway mean, for journalctl -x. Made from the conditions that the\n\
         # program writes (src/observe/condition), by a test that fails where the two differ.\n",
    );
    for one in ALL {
        let _ = write!(
            out,
            "\n-- {}\nSubject: {}\nDefined-By: Calway\n\
             Documentation: file:///usr/share/doc/calway/reference/conditions.md#{}\n\n\
             {}\n{}\n{}",
            one.message_id,
            one.subject,
            one.name,
            wrapped("", one.what),
            wrapped("Why:", one.cause),
            wrapped("What to do:", one.remedy),
        );
    }
    out
}

fn page() -> String {
    let mut out = String::from(
        "# Conditions\n\n\
         Whatever the connector has to say stands in the journal as a condition: with a name that \
         stays, a MESSAGE_ID, a severity, and fields. This page is made from the conditions that \
         the program writes (`src/observe/condition`), by a test that fails where the two differ; \
         so is the catalog with which `journalctl -x` shows the same beside a line.\n\n\
         ## Finding them\n\n\
         \x20   journalctl -u calway -x                           # with what to do\n\
         \x20   journalctl -u calway CONDITION=mailbox-failing    # one condition\n\
         \x20   journalctl -u calway USER_ID=u-17                 # one user\n\
         \x20   journalctl -u calway -p err                       # what is wrong by itself, or \
         stops a calendar\n\
         \x20   journalctl -u calway -o json                      # every field\n\n\
         Users appear by the cloud's id. Titles, places, texts, names, addresses and links are in \
         no line.\n\n\
         ## Severity\n\n\
         | SEVERITY | PRIORITY | |\n|---|---|---|\n\
         | critical | 2 | Nothing of a whole calendar is relayed until somebody does something. |\n\
         | error | 3 | Something was lost from sight, or is wrong by itself. |\n\
         | warning | 4 | It may heal by itself; changes come late meanwhile. |\n\
         | info | 6 | As it should be. |\n\
         | debug | 7 | For who looks closely: `log = \"debug\"`. |\n\n\
         ## Fields\n\n\
         Every line has MESSAGE_ID, CONDITION (the name), SEVERITY, PRIORITY and MESSAGE (a \
         sentence). Beside them a condition has those that its entry names, always all of them:\n\n\
         | field | |\n|---|---|\n",
    );
    for (name, text) in FIELDS {
        let _ = writeln!(out, "| {name} | {text} |");
    }
    for (theme, all) in THEMES {
        let _ = write!(out, "\n## {theme}\n");
        for one in *all {
            out += &entry(one);
        }
    }
    out
}

fn entry(one: &Condition) -> String {
    let fields: Vec<_> = one.fields.iter().map(|field| format!("`{field}`")).collect();
    let fields = if fields.is_empty() { "none of its own".into() } else { fields.join(" ") };
    format!(
        "\n### {}\n{}. **{}** · MESSAGE_ID `{}` · fields: {fields}\n\n\
         - **What happened.** {}\n- **Why.** {}\n- **What to do.** {}\n",
        one.name,
        one.subject,
        one.severity.as_str(),
        one.message_id,
        shown(one.what),
        shown(one.cause),
        shown(one.remedy),
    )
}

/// `@FIELD@` as a word that reads as a place.
fn shown(text: &str) -> String {
    let mut out = text.to_owned();
    for (name, _) in FIELDS {
        out = out.replace(&format!("@{name}@"), &format!("*{name}*"));
    }
    out
}

#[test]
fn the_catalog_says_what_the_conditions_say() {
    file_holds("systemd/calway.catalog", &catalog());
}

#[test]
fn the_page_of_conditions_says_what_the_conditions_say() {
    holds("conditions.md", &page());
}

/// The commands of a text with the parameters given to each.
fn cmdlets(text: &str) -> HashMap<String, HashSet<String>> {
    let mut found: HashMap<String, HashSet<String>> = HashMap::new();
    let mut last = None;
    for word in text.split(|c: char| c.is_whitespace() || "(),;:.".contains(c)) {
        let verb = word.split_once('-').filter(|(verb, noun)| {
            ["Get", "New", "Set", "Remove", "Test", "Enable"].contains(verb) && !noun.is_empty()
        });
        if verb.is_some() {
            found.entry(word.to_ascii_lowercase()).or_default();
            last = Some(word.to_ascii_lowercase());
        } else if let Some(parameter) = word.strip_prefix('-')
            && parameter.starts_with(|c: char| c.is_ascii_uppercase())
            && let Some(of) = last.as_ref().and_then(|last| found.get_mut(last))
        {
            of.insert(parameter.to_ascii_lowercase());
        }
    }
    found
}

#[test]
fn remedies_use_only_commands_and_parameters_that_exchange_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/exchange-cmdlets.txt");
    let known: HashMap<String, BTreeSet<String>> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut parts = line.split('|').map(|part| part.trim().to_ascii_lowercase());
            let name = parts.next()?;
            let parameters = parts.nth(1).unwrap_or_default();
            Some((name, parameters.split_whitespace().map(str::to_owned).collect()))
        })
        .collect();
    let mut seen = 0;
    for one in ALL {
        for (name, parameters) in cmdlets(one.remedy) {
            let of = known.get(&name).unwrap_or_else(|| panic!("{}: {name}?", one.name));
            for parameter in parameters {
                assert!(of.contains(&parameter), "{}: {name} -{parameter}?", one.name);
            }
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} commands were seen");
}
