//! Which folder may name which.

use super::code;

/// Each folder of `src/` with its layer.
const LAYERS: &[(&str, u8)] = &[
    ("model", 0),
    ("pipeline", 1),
    ("net", 1),
    ("calendar", 2),
    ("kms", 2),
    ("cloud", 2),
    ("store", 2),
    ("observe", 2),
    ("config", 3),
    ("daemon", 4),
    ("cli", 5),
];

/// Macros stand at the crate's root, wherever they are written.
const MACROS: &[(&str, &str)] = &[("condition", "observe")];

fn layer(folder: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == folder).map(|(_, layer)| *layer)
}

/// The folder of `src/` that a file belongs to.
fn folder(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let first = rest.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// Imports that break the rule.
pub fn imports(path: &str, text: &str) -> Vec<String> {
    let Some(from) = folder(path).filter(|folder| !["lib", "main"].contains(folder)) else {
        return Vec::new();
    };
    let Some(own) = layer(from) else { return vec![format!("{path}: {from} has no layer")] };
    let mut wrong = Vec::new();
    for (line, to) in named(&code::bare(text)) {
        if to == from {
            continue;
        }
        match layer(&to) {
            Some(other) if other < own => {}
            Some(other) => {
                wrong.push(format!("{path}:{line}: {from} ({own}) imports {to} ({other})"));
            }
            None => wrong.push(format!("{path}:{line}: {to} has no layer")),
        }
    }
    wrong
}

/// The folders that a code names after `crate::`, also in braces.
fn named(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[..at].lines().count().max(1);
        let rest = &code[at + "crate::".len()..];
        for name in first_names(rest) {
            let name = MACROS.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, to)| *to);
            found.push((line, name.to_owned()));
        }
    }
    found
}

/// `a::b` names a; `{a::{b, c}, d}` names a and d.
fn first_names(rest: &str) -> Vec<&str> {
    fn word(text: &str) -> &str {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    }
    let Some(inner) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut begin, mut names) = (0, true, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begin = true,
            c if begin && !c.is_whitespace() => {
                names.push(word(&inner[at..]));
                begin = false;
            }
            _ => {}
        }
    }
    names
}

/// `super::super`, and `super` that leaves the folder.
pub fn relative(path: &str, text: &str) -> Vec<String> {
    let code = code::shipped(text);
    let top = path.strip_prefix("src/").is_some_and(|rest| {
        rest.ends_with("/mod.rs") && rest.split('/').count() == 2 || !rest.contains('/')
    });
    let wrong = |line: &str| {
        line.contains("super::super") || (top && line.contains("super::") && !line.contains("pub("))
    };
    let lines = code.lines().enumerate().filter(|(_, line)| wrong(line));
    lines.map(|(at, line)| format!("{path}:{}: {}", at + 1, line.trim())).collect()
}

/// Modules of `lib.rs` that are unknown or stand above one of a lower layer.
pub fn order(lib: &str) -> Vec<String> {
    let code = code::bare(lib);
    let modules: Vec<&str> = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut wrong: Vec<String> = LAYERS
        .iter()
        .filter(|(name, _)| !modules.contains(name))
        .map(|(name, _)| format!("src/lib.rs: {name} is missing"))
        .collect();
    let mut highest = (0, "");
    for name in modules {
        match layer(name) {
            None => wrong.push(format!("src/lib.rs: {name} has no layer")),
            Some(own) if own < highest.0 => {
                wrong.push(format!("src/lib.rs: {name} ({own}) stands after {}", highest.1));
            }
            Some(own) => highest = (own, name),
        }
    }
    wrong
}

/// Where the lab names the connector.
pub fn names_calway(path: &str, text: &str) -> Vec<String> {
    let code = code::bare(text);
    let named = code::names(&code).filter(|(_, name)| *name == "calway");
    named.map(|(line, _)| format!("{path}:{line}: names calway")).collect()
}

/// A dependency of the lab on the connector.
pub fn depends_on_calway(manifest: &str) -> Vec<String> {
    let key = |line: &str| line.split(['=', '.']).next().unwrap_or_default().trim().to_owned();
    let by_path = |line: &str| line.contains("path = \"../..\"");
    let wrong = manifest.lines().filter(|line| key(line) == "calway" || by_path(line));
    wrong.map(|line| format!("tests/lab/Cargo.toml: {line}")).collect()
}

#[test]
fn an_import_of_the_same_or_a_higher_layer_is_found() {
    let wrong = |path: &str, text: &str| imports(path, text).len();
    assert_eq!(wrong("src/store/mod.rs", "use crate::model::Time;\nuse crate::pipeline::seal;"), 0);
    assert_eq!(wrong("src/store/mod.rs", "use crate::cloud::Link;"), 1);
    assert_eq!(wrong("src/pipeline/sync.rs", "use crate::net::tls;"), 1);
    assert_eq!(wrong("src/pipeline/sync.rs", "fn f(x: crate::store::Row) {}"), 1);
    assert_eq!(wrong("src/kms/mod.rs", "use crate::{model::{Time, Span}, daemon, pipeline};"), 1);
    assert_eq!(wrong("src/model/mod.rs", "use crate::pipeline;"), 1);
    assert_eq!(wrong("src/cloud/link.rs", "condition!(x);\nuse crate::condition;"), 1);
    assert_eq!(wrong("src/daemon/run.rs", "use crate::condition;"), 0);
    assert_eq!(wrong("src/kms/mod.rs", "/// [`crate::daemon`]\n// use crate::daemon;"), 0);
    assert_eq!(wrong("src/helpers/mod.rs", ""), 1, "a folder without a layer");
    assert_eq!(wrong("src/model/x.rs", "use crate::utils::X;"), 1);
}

#[test]
fn a_path_that_climbs_is_found() {
    let wrong = |path: &str, text: &str| relative(path, text).len();
    assert_eq!(wrong("src/kms/jose.rs", "use super::anchor::Anchor;"), 0);
    assert_eq!(wrong("src/calendar/ews/mod.rs", "use super::Calendar;"), 0);
    assert_eq!(wrong("src/calendar/ews/soap.rs", "use super::super::Calendar;"), 1);
    assert_eq!(wrong("src/kms/mod.rs", "use super::cloud::Link;"), 1);
    assert_eq!(wrong("src/kms/mod.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n}"), 0);
}

#[test]
fn a_wrong_order_is_found() {
    let all: String = LAYERS.iter().map(|(name, _)| format!("pub mod {name};\n")).collect();
    assert_eq!(order(&all), Vec::<String>::new());
    let swapped = all.replace("pub mod model;\n", "") + "pub mod model;\n";
    assert_eq!(order(&swapped).len(), 1);
    assert_eq!(order(&all.replace("pub mod net;\n", "")).len(), 1);
    assert_eq!(order(&(all + "pub mod utils;\n")).len(), 1);
}

#[test]
fn a_lab_that_knows_the_connector_is_found() {
    assert_eq!(names_calway("x", "use calway::model::Time;").len(), 1);
    assert_eq!(names_calway("x", "use calway_lab::tls; // calway").len(), 0);
    assert_eq!(depends_on_calway("name = \"calway-lab\"\ncalway = { path = \"../..\" }").len(), 1);
    assert_eq!(depends_on_calway("[dependencies]\nother = { path = \"../..\" }").len(), 1);
    assert_eq!(depends_on_calway("calway.workspace = true").len(), 1);
}
