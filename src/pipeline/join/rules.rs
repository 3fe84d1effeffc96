//! An administrator's own rules, which go before the table.
//!
//! **Promise.** No pattern can be made to hang it: it is one of the `regex` crate, which takes no
//! longer than the text times the pattern, and its program and the text have limits.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::address::Address;
use super::scan::beginning;
use crate::pipeline::limits::LINE_BYTES;

/// Rules that may be configured. Each reads the whole text.
pub const RULES: usize = 64;

/// Bytes of a pattern, and of its template.
pub const PATTERN_BYTES: usize = 1_024;

/// Bytes of the program that a pattern becomes; `\w{1000}` of all alphabets has more.
pub const PROGRAM_BYTES: usize = 256 * 1024;

/// Bytes of a text that rules read: as much as a record holds of it.
pub const TEXT_BYTES: usize = 64 * 1024;

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it is called when it chose an address.
    pub name: String,
    /// What it finds, in the syntax of the `regex` crate.
    pub pattern: String,
    /// The lower goes first; among equals the one that stands first.
    pub priority: i64,
    /// The address it makes; `$1`, `${name}` are groups of the pattern, `$0` is all that it found.
    pub template: String,
}

/// A rule, ready.
#[derive(Clone)]
pub struct Rule {
    written: Written,
    pattern: Regex,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Rule {}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl Rule {
    /// Makes a rule ready.
    ///
    /// # Errors
    /// A sentence on what is wrong, which begins with the key.
    pub fn new(written: Written) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let Written { name, pattern, template, .. } = &written;
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err("name: 1 to 64 letters, digits, - and _ are allowed".into());
        }
        if pattern.is_empty() || pattern.len() > PATTERN_BYTES {
            return Err(format!("pattern: 1 to {PATTERN_BYTES} bytes are allowed"));
        }
        if template.is_empty() || template.len() > PATTERN_BYTES {
            return Err(format!("template: 1 to {PATTERN_BYTES} bytes are allowed"));
        }
        let program = RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(PROGRAM_BYTES)
            .dfa_size_limit(PROGRAM_BYTES)
            .nest_limit(32)
            .build();
        let program = program.map_err(|error| {
            let told = error.to_string();
            let last = told.lines().rev().find(|line| !line.trim().is_empty());
            format!("pattern: {}", last.unwrap_or("not a regular expression").trim())
        })?;
        if program.is_match("") {
            return Err("pattern: it matches a text in which nothing stands".into());
        }
        for group in groups(template) {
            let number = group.parse::<usize>().ok();
            let is_there = match number {
                Some(number) => number < program.captures_len(),
                None => program.capture_names().flatten().any(|own| own == group),
            };
            if !is_there {
                return Err(format!("template: the pattern has no group {group}"));
            }
        }
        Ok(Self { written, pattern: program })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.written.name
    }

    /// The lower goes first.
    pub fn priority(&self) -> i64 {
        self.written.priority
    }

    /// The first address that it makes of a text: `https:`, `http:`, `sip:`, `sips:`, `h323:`.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        const TRIES: usize = 64;
        let text = beginning(text, TEXT_BYTES);
        self.pattern.captures_iter(text).take(TRIES).find_map(|found| {
            let mut address = String::new();
            found.expand(&self.written.template, &mut address);
            is_address(&address).then_some(address)
        })
    }
}

/// The groups that a template names, as `regex` reads it.
fn groups(template: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        rest = after;
        let name = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').map(|(name, _)| name),
            None => {
                let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !of_name(c)).unwrap_or(after.len());
                after.get(..end).filter(|name| !name.is_empty())
            }
        };
        found.extend(name);
    }
    found
}

fn is_address(text: &str) -> bool {
    let lower = beginning(text, 8).to_ascii_lowercase();
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
    let dialled = ["sip:", "sips:", "h323:"].iter().any(|scheme| lower.starts_with(scheme));
    let web = lower.starts_with("https://") || lower.starts_with("http://");
    clean && text.len() <= LINE_BYTES && (dialled || web && Address::parse(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str, template: &str) -> Result<Rule, String> {
        let (name, priority) = ("own".to_owned(), 0);
        Rule::new(Written { name, pattern: pattern.into(), priority, template: template.into() })
    }

    #[test]
    fn a_group_becomes_an_address() {
        let own =
            rule(r"Raum (?<room>\d+)-(\d+)", "https://video.corp.example/$room/${2}").unwrap();
        let found = own.find("Heute in RAUM 12-34.");
        assert_eq!(found.as_deref(), Some("https://video.corp.example/12/34"));
        assert_eq!(own.find("Raum 5"), None);
        let wrong = rule(r"room (\S+)", "https://$1/").unwrap();
        assert_eq!(wrong.find("room a\"b room <x>"), None);
        let third = wrong.find("room a\"b room <x> room video.example");
        assert_eq!(third.as_deref(), Some("https://video.example/"));
    }

    #[test]
    fn a_rule_that_cannot_work_says_why() {
        for (pattern, template, why) in [
            ("(", "$0", "pattern: error: unclosed group"),
            ("x*", "$0", "pattern: it matches a text in which nothing stands"),
            (
                r"(\w{1000}){50}",
                "$0",
                "pattern: Compiled regex exceeds size limit of 262144 bytes.",
            ),
            (r"(\d+)", "https://a.example/$2", "template: the pattern has no group 2"),
            (r"(\d+)", "https://a.example/$1x", "template: the pattern has no group 1x"),
            (r"(\d+)", "", "template: 1 to 1024 bytes are allowed"),
            ("", "$0", "pattern: 1 to 1024 bytes are allowed"),
        ] {
            assert_eq!(rule(pattern, template).err().as_deref(), Some(why), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_others_hang_on_ends() {
        let own = rule(r"(a+)+$|(x?){20}x{20}!", "https://a.example/$0").unwrap();
        assert_eq!(own.find(&format!("{}!", "a".repeat(60_000))), None);
    }
}
