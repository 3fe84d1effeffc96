//! What a check came to, and the words that fill what the table says of it.

use std::time::Duration;

use super::table::{self, Shell};
use crate::model::Fault;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    Pass,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
    /// It was not looked at, and why is said.
    Skip,
}

impl Outcome {
    /// Its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One check of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it belongs to: `machine`, `calendar hq`, `cloud`, `key server`.
    pub group: String,
    /// The check's name.
    pub check: &'static str,
    /// A host, a mailbox, a secret's name: what was looked at. Empty where there is one alone.
    pub subject: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// What was found.
    pub says: String,
    /// Which of the check's troubles it is, as docs/reference/checks.md names it.
    pub trouble: Option<&'static str>,
    /// What to do, a sentence or more each.
    pub remedy: Vec<String>,
    /// What to paste, and where.
    pub command: Option<(Shell, String)>,
}

/// What a probe says before the table's words are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well, with what was found.
    Pass(String),
    /// Not looked at, because of this.
    Skip(String),
    /// One of the check's troubles, with the words that fill its sentences.
    Trouble(&'static str, Words),
}

impl Verdict {
    /// A trouble whose sentences need no words of their own.
    pub fn of(trouble: &'static str) -> Self {
        Self::Trouble(trouble, Words::default())
    }

    /// A trouble with the code of a fault as its reason.
    pub fn from(trouble: &'static str, fault: &Fault) -> Self {
        Self::because(trouble, &fault.cause.code)
    }

    /// A trouble with the reason that was given.
    pub fn because(trouble: &'static str, why: impl ToString) -> Self {
        Self::Trouble(trouble, Words::default().with("why", why))
    }

    /// Whether what needs this may go on.
    pub fn is_good(&self, check: &str) -> bool {
        match self {
            Self::Pass(_) => true,
            Self::Skip(_) => false,
            Self::Trouble(id, _) => {
                table::trouble(check, id).is_some_and(|one| one.outcome == Outcome::Warn)
            }
        }
    }
}

/// Words for the places `{name}` of a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<(&'static str, String)>);

impl Words {
    /// One more; a later one of the same name takes the place of an earlier one.
    #[must_use]
    pub fn with(mut self, name: &'static str, word: impl ToString) -> Self {
        // What others said may hold what a terminal obeys.
        let word: String = word.to_string().chars().filter(|c| !c.is_control()).collect();
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, word));
        self
    }

    /// These, and others over them.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        for (name, word) in &others.0 {
            self = self.with(name, word);
        }
        self
    }

    /// A sentence with its places filled; what nobody knows stays as it is.
    pub fn fill(&self, sentence: &str) -> String {
        self.put(sentence, |word| word.to_owned())
    }

    /// A command with its places filled: a word with anything unusual in it is quoted.
    pub fn fill_command(&self, shell: Shell, command: &str) -> String {
        self.put(command, |word| shell.quoted(word))
    }

    fn put(&self, text: &str, made: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let known = after.split_once('}').and_then(|(name, tail)| {
                let (_, word) = self.0.iter().find(|(known, _)| *known == name)?;
                Some((word, tail))
            });
            match known {
                Some((word, tail)) => {
                    out.push_str(&made(word));
                    rest = tail;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

impl Finding {
    /// Puts the table's words around a verdict.
    pub fn of(
        group: &str,
        check: &'static str,
        subject: &str,
        took: Duration,
        verdict: Verdict,
        known: &Words,
    ) -> Self {
        let mut finding = Self {
            group: group.to_owned(),
            check,
            subject: subject.to_owned(),
            outcome: Outcome::Pass,
            took,
            says: String::new(),
            trouble: None,
            remedy: Vec::new(),
            command: None,
        };
        match verdict {
            Verdict::Pass(says) => finding.says = says,
            Verdict::Skip(why) => (finding.outcome, finding.says) = (Outcome::Skip, why),
            Verdict::Trouble(id, words) => {
                let words = known.clone().and(&words);
                finding.outcome = Outcome::Fail;
                if let Some(trouble) = table::trouble(check, id) {
                    finding.outcome = trouble.outcome;
                    finding.trouble = Some(trouble.id);
                    finding.says = words.fill(trouble.says);
                    finding.remedy = trouble.remedy.iter().map(|one| words.fill(one)).collect();
                    finding.command = trouble
                        .command
                        .map(|(shell, text)| (shell, words.fill_command(shell, text)));
                }
            }
        }
        finding.says.retain(|c| !c.is_control());
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_smuggle_a_command_into_what_is_pasted() {
        let words = Words::default().with("mailbox", "a'; Remove-Mailbox b #@x\u{1b}[2J\n");
        let filled = words.fill_command(Shell::Exchange, "Get-Mailbox {mailbox}");
        assert_eq!(filled, "Get-Mailbox 'a''; Remove-Mailbox b #@x[2J'");
        let filled = words.fill_command(Shell::Here, "ls {mailbox}");
        assert_eq!(filled, r"ls 'a'\''; Remove-Mailbox b #@x[2J'");
        let plain = Words::default().with("user", "CORP\\svc-calway").with("user", "CORP\\svc");
        let command = "{ $_.User -eq {user} } {unknown}";
        assert_eq!(
            plain.fill_command(Shell::Exchange, command),
            "{ $_.User -eq CORP\\svc } {unknown}"
        );
    }
}
