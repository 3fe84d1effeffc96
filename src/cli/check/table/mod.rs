//! Every check with its troubles and what helps: what is printed, and what
//! docs/reference/checks.md is made from.

mod exchange;
mod far;
mod machine;
mod way;

use std::fmt;

use super::finding::Outcome;

/// No check takes longer than this many seconds.
pub const WITHIN: u64 = 15;

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name for ever.
    pub name: &'static str,
    /// Whose it is.
    pub place: Place,
    /// The question that it answers.
    pub asks: &'static str,
    /// Checks that must have gone well before.
    pub needs: &'static [&'static str],
    /// What it may find.
    pub troubles: &'static [Trouble],
}

/// Where a check belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine.
    Machine,
    /// Every way to a server: those of calendars, of the cloud, of the key server.
    Way,
    /// Each calendar.
    Calendar,
    /// The cloud.
    Cloud,
    /// The key server.
    Keys,
}

/// Something that a check may find.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Its name, unique in the check.
    pub id: &'static str,
    /// Warn or Fail.
    pub outcome: Outcome,
    /// What is so.
    pub says: &'static str,
    /// What to do.
    pub remedy: &'static [&'static str],
    /// What to paste, and where.
    pub command: Option<(Shell, &'static str)>,
}

/// Where a command is pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// The Exchange Management Shell.
    Exchange,
    /// Windows PowerShell, elevated, on a server of the domain.
    Windows,
    /// A shell on this machine, as root.
    Here,
}

impl Shell {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Windows => "windows",
            Self::Here => "here",
        }
    }

    /// A word as it may stand in a command.
    pub fn quoted(self, word: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "@._-\\/:".contains(c);
        let dashed = word.starts_with('-');
        match self {
            _ if !word.is_empty() && !dashed && word.chars().all(plain) => match self {
                Self::Here if word.contains('\\') => format!("'{word}'"),
                _ => word.to_owned(),
            },
            Self::Here => format!("'{}'", word.replace('\'', r"'\''")),
            Self::Exchange | Self::Windows => format!("'{}'", word.replace('\'', "''")),
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exchange => "Exchange Management Shell",
            Self::Windows => "Windows PowerShell, elevated",
            Self::Here => "on this machine, as root",
        })
    }
}

/// All checks, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [machine::CHECKS, exchange::FINDING, way::CHECKS, exchange::CHECKS, far::CHECKS]
        .into_iter()
        .flatten()
}

/// A check by its name.
pub fn check(name: &str) -> Option<&'static Check> {
    all().find(|check| check.name == name)
}

/// A trouble of a check; every check knows `late`.
pub fn trouble(name: &str, id: &str) -> Option<&'static Trouble> {
    if id == LATE.id {
        return Some(&LATE);
    }
    check(name)?.troubles.iter().find(|trouble| trouble.id == id)
}

/// These checks, with all that they need.
pub fn with_needs(names: &[String]) -> Vec<&'static str> {
    let mut wanted: Vec<&'static str> =
        all().filter(|one| names.iter().any(|name| name == one.name)).map(|one| one.name).collect();
    let mut at = 0;
    while let Some(name) = wanted.get(at) {
        for need in check(name).map_or(&[][..], |one| one.needs) {
            if !wanted.contains(need) {
                wanted.push(need);
            }
        }
        at += 1;
    }
    wanted
}

/// What any check may come to.
pub const LATE: Trouble = Trouble {
    id: "late",
    outcome: Outcome::Fail,
    says: "no answer within 15 seconds",
    remedy: &[
        "Something on the way holds what is sent and says nothing: a firewall, a proxy, or a \
         server that is overloaded. Run the check again; if it stays so, look at what stands \
         between this machine and the server.",
    ],
    command: None,
};

/// A trouble that fails.
const fn fail(
    id: &'static str,
    says: &'static str,
    remedy: &'static [&'static str],
    command: Option<(Shell, &'static str)>,
) -> Trouble {
    Trouble { id, outcome: Outcome::Fail, says, remedy, command }
}

/// A trouble that somebody should look at.
const fn warn(
    id: &'static str,
    says: &'static str,
    remedy: &'static [&'static str],
    command: Option<(Shell, &'static str)>,
) -> Trouble {
    Trouble { id, outcome: Outcome::Warn, says, remedy, command }
}

const fn here(command: &'static str) -> Option<(Shell, &'static str)> {
    Some((Shell::Here, command))
}

const fn exchange(command: &'static str) -> Option<(Shell, &'static str)> {
    Some((Shell::Exchange, command))
}

const fn windows(command: &'static str) -> Option<(Shell, &'static str)> {
    Some((Shell::Windows, command))
}
