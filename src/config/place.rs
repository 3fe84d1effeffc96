//! Where in a file a key stands, for whoever is told of a mistake in it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// As far as a key is found in a text: how many of its parts, and the line of the last of them,
/// from 1 on.
fn find(text: &str, key: &str) -> (usize, Option<usize>) {
    let Ok(root) = DeTable::parse(text) else { return (0, None) };
    let mut node: Option<&Spanned<DeValue<'_>>> = None;
    let (mut depth, mut at) = (0, None);
    for part in key.split('.') {
        let (name, number) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let table = match node.map(Spanned::get_ref) {
            None => root.get_ref(),
            Some(DeValue::Table(table)) => table,
            Some(_) => break,
        };
        let found = table.iter().find(|(key, _)| key.get_ref().as_ref() == name);
        let Some((key, value)) = found else { break };
        (depth, at) = (depth + 1, Some(key.span().start));
        node = Some(value);
        if let Some(number) = number {
            let DeValue::Array(all) = value.get_ref() else { break };
            let Some(entry) = all.get(number) else { break };
            (depth, at) = (depth + 1, Some(entry.span().start));
            node = Some(entry);
        }
    }
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    (depth, at.map(|at| line(at) + 1))
}

/// A mistake, with the file and the line that the key stands in which it begins with; where that is
/// not written, with those of what is written around it, or else with the first file.
pub(super) fn told(texts: &[(PathBuf, String)], file: &Path, why: &str) -> String {
    let key = why.split(": ").next().unwrap_or_default();
    let places = texts.iter().map(|(path, text)| (path, find(text, key)));
    // A later file's value takes the place of an earlier one's.
    let best = places.max_by_key(|(_, (depth, _))| *depth);
    match best {
        Some((path, (_, Some(line)))) => format!("{}: {why} (line {line})", path.display()),
        _ => format!("{}: {why}", file.display()),
    }
}

/// The line of a key that one text alone is refused for: its reader names it between backticks, and
/// the section that it stands in.
pub(super) fn line_of_refusal(text: &str, why: &str) -> Option<usize> {
    let section = why.split("for key `").nth(1).and_then(|rest| rest.split('`').next());
    let named = why.split('`').nth(1)?;
    let whole = section.map(|section| format!("{section}.{named}"));
    let tries = whole.into_iter().chain([named.to_owned()]).chain(section.map(str::to_owned));
    let found = |key: String| {
        let (depth, line) = find(text, &key);
        line.filter(|_| depth == key.split(['.', '[']).count())
    };
    tries.into_iter().find_map(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "log = \"info\"\n\n[[calendar]]\nname = \"hq\"\n\n[[calendar]]\n\
        name = \"west\"\ndiscover = { srv = true }\n# poll = 3\n[calendar.discover.scp]\nx = '''\n\
        poll = 4\n'''\n[window]\n  future_days = 0\n";

    #[test]
    fn a_key_is_found_on_its_line_and_not_in_remarks_or_texts() {
        for (key, depth, line) in [
            ("log", 1, Some(1)),
            ("calendar[0].name", 3, Some(4)),
            ("calendar[0].account", 2, Some(3)),
            ("window.future_days", 2, Some(15)),
            ("window.past_days", 1, Some(14)),
            ("poll", 0, None),
        ] {
            let text = TEXT.replace("[calendar.discover.scp]", "[other]");
            assert_eq!(find(&text, key), (depth, line), "{key}");
        }
        assert_eq!(find("[window", "window"), (0, None));
    }

    #[test]
    fn the_file_whose_value_counts_is_named() {
        let texts = [
            ("a.toml".into(), "[window]\npast_days = 1\n".to_owned()),
            ("b.toml".into(), "\n\n[window]\npast_days = 99\n".to_owned()),
            ("c.toml".into(), "[window]\nfuture_days = 5\n".to_owned()),
        ];
        let told = |why: &str| told(&texts, Path::new("a.toml"), why);
        assert_eq!(told("window.past_days: 0 to 60"), "b.toml: window.past_days: 0 to 60 (line 4)");
        assert_eq!(told("cloud: a section is needed"), "a.toml: cloud: a section is needed");
    }

    #[test]
    fn a_key_that_nobody_knows_is_found() {
        for (text, line) in [
            ("[window]\nfuture_days = 3\nfutur_days = 3", 3),
            ("poll_second = 3", 1),
            ("[[calendar]]\nname = \"hq\"\nacount = 'x'", 3),
            ("\n[calendar]\n", 2),
            ("[window]\nfuture_days = \"x\"", 2),
        ] {
            let why = crate::config::parse(text).unwrap_err();
            assert!(why.ends_with(&format!("(line {line})")), "{text}: {why}");
        }
    }
}
