//! Each value in force and the file that it came from.
//!
//! A list takes the place of an earlier file's list as a whole; sections are merged key by key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::config as layered;
use layered::{Value, ValueKind};

use super::Settings;
use super::reference::{Default, KEYS, OPTIONAL};

/// One value in force. No secret is among them: none stands in a file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place, as `calendar[0].url`.
    pub key: String,
    /// As TOML has it; `None`: there is no value, and `remark` says what that means.
    pub value: Option<String>,
    /// The file that it stands in; `None`: the default.
    pub file: Option<PathBuf>,
    /// What counts instead, where there is no value.
    pub remark: &'static str,
}

/// What is written, merged, with the number of the file of each value.
#[derive(Clone)]
enum Node {
    Leaf(ValueKind, usize),
    List(Vec<Node>, usize),
    Table(BTreeMap<String, Node>),
}

impl Node {
    fn of(value: Value, file: usize) -> Self {
        match value.kind {
            ValueKind::Table(table) => {
                let entries = table.into_iter().map(|(key, value)| (key, Self::of(value, file)));
                Self::Table(entries.collect())
            }
            ValueKind::Array(all) => {
                Self::List(all.into_iter().map(|value| Self::of(value, file)).collect(), file)
            }
            leaf => Self::Leaf(leaf, file),
        }
    }

    /// As the files are merged: the later one counts.
    fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Table(own), Self::Table(later)) => {
                for (key, node) in later {
                    match own.get_mut(&key) {
                        Some(known) => known.merge(node),
                        None => drop(own.insert(key, node)),
                    }
                }
            }
            (own, later) => *own = later,
        }
    }

    fn file(&self) -> Option<usize> {
        match self {
            Self::Leaf(_, file) | Self::List(_, file) => Some(*file),
            Self::Table(_) => None,
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Leaf(ValueKind::String(text), _) => {
                serde_json::Value::from(text.as_str()).to_string()
            }
            Self::Leaf(kind, _) => kind.to_string(),
            Self::List(all, _) => {
                let all: Vec<_> = all.iter().map(Self::toml).collect();
                format!("[{}]", all.join(", "))
            }
            Self::Table(_) => "{ … }".to_owned(),
        }
    }
}

/// Every key of the reference, in its order: once, or once for each entry of its list.
pub(super) fn lines(texts: &[(PathBuf, String)], settings: &Settings) -> Vec<Line> {
    let mut root = Node::Table(BTreeMap::new());
    for (at, (_, text)) in texts.iter().enumerate() {
        let file = layered::File::from_str(text, layered::FileFormat::Toml);
        let Ok(found) = layered::Source::collect(&file) else { continue };
        root.merge(Node::of(Value::new(None, ValueKind::Table(found)), at));
    }
    let mut out = Vec::new();
    for key in KEYS {
        let parts: Vec<&str> = key.path.split('.').collect();
        let mut found = Vec::new();
        walk(Some(&root), &parts, (String::new(), String::new(), None), &mut found);
        for (place, at, node) in found {
            let file = node.and_then(Node::file).and_then(|file| texts.get(file));
            let (value, remark) = match (node, key.default) {
                (Some(node), _) => (Some(node.toml()), ""),
                (None, Default::Is(value) | Default::Follows(_, value)) => {
                    (Some(value(settings, at)), "")
                }
                (None, Default::Nothing(what)) => (None, what),
                (None, Default::Needed) => continue,
            };
            let file = file.map(|(path, _)| path.clone());
            out.push(Line { key: place, value, file, remark });
        }
    }
    out
}

type Found<'a> = (String, usize, Option<&'a Node>);

/// All places of a path, each with the number of the outermost list's entry.
fn walk<'a>(
    node: Option<&'a Node>,
    parts: &[&str],
    (path, place, at): (String, String, Option<usize>),
    out: &mut Vec<Found<'a>>,
) {
    let Some((part, rest)) = parts.split_first() else {
        out.push((place, at.unwrap_or_default(), node));
        return;
    };
    let name = part.trim_end_matches("[]");
    let child = match node {
        Some(Node::Table(table)) => table.get(name),
        _ => None,
    };
    let join = |before: &str, name: &str| match before.is_empty() {
        true => name.to_owned(),
        false => format!("{before}.{name}"),
    };
    let (path, place) = (join(&path, part), join(&place, name));
    if !part.ends_with("[]") {
        if child.is_some() || !OPTIONAL.contains(&path.as_str()) {
            walk(child, rest, (path, place, at), out);
        }
        return;
    }
    let Some(Node::List(all, _)) = child else { return };
    for (entry, node) in all.iter().enumerate() {
        let place = format!("{place}[{entry}]");
        walk(Some(node), rest, (path.clone(), place, at.or(Some(entry))), out);
    }
}

/// The places whose values differ, in the order of the reference.
pub fn changed(before: &[Line], after: &[Line]) -> Vec<String> {
    let find = |lines: &[Line], key: &str| {
        lines.iter().find(|line| line.key == key).map(|line| line.value.clone())
    };
    let mut out: Vec<String> = Vec::new();
    for line in after.iter().chain(before) {
        if find(before, &line.key) != find(after, &line.key) && !out.contains(&line.key) {
            out.push(line.key.clone());
        }
    }
    out
}
