//! Findings for people and for machines, and the line that shows what is going on.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::book::Event;
use super::finding::{Finding, Outcome};

/// Columns of a check's name, and of a subject at most.
const NAME: usize = 13;
const SUBJECT: usize = 28;

/// Columns of a time.
const TIME: usize = 6;

/// Columns where nobody says how many there are, the least, and the most that reads well.
const WIDTH: usize = 100;
const NARROW: usize = 60;
/// Whoever has no terminal may ask for longer lines (`COLUMNS`), up to this.
const MOST: usize = 1_000;

/// How findings are shown.
pub(super) struct Page {
    json: bool,
    colour: bool,
    width: usize,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    shown: bool,
    open: Vec<(String, &'static str, String)>,
    done: usize,
}

impl Page {
    /// For whoever reads standard output.
    pub(super) fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = rustix::termios::tcgetwinsize(std::io::stdout())
            .map_or(WIDTH, |size| usize::from(size.ws_col));
        let written = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let width = match terminal && columns > 0 {
            true => columns.min(WIDTH),
            false => written.unwrap_or(WIDTH).min(MOST),
        };
        let shown = !json && terminal && std::io::stderr().is_terminal() && !dumb;
        Self {
            json,
            colour: terminal && !json && !dumb && !set("NO_COLOR"),
            width: width.max(NARROW),
            progress: Mutex::new(Progress { shown, ..Progress::default() }),
        }
    }

    #[cfg(test)]
    pub(super) fn plain(width: usize) -> Self {
        Self { json: false, colour: false, width, progress: Mutex::default() }
    }

    /// Shows what is being looked at, on a terminal.
    pub(super) fn hear(&self, event: Event) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begins(group, check, subject) => progress.open.push((group, check, subject)),
            Event::Ends(finding) => {
                progress.done += 1;
                let Finding { group, check, subject, .. } = *finding;
                progress.open.retain(|one| *one != (group.clone(), check, subject.clone()));
            }
        }
        if progress.shown {
            let line = progress.line(self.width.saturating_sub(1));
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    /// Shows what was found, some groups at a time.
    pub(super) fn show(&self, findings: &[Finding]) {
        self.clear();
        let mut out = String::new();
        match self.json {
            true => {
                for finding in findings {
                    let _ = writeln!(out, "{}", object(finding));
                }
            }
            false => {
                for group in findings.chunk_by(|a, b| a.group == b.group) {
                    out.push_str(&self.group(group));
                }
            }
        }
        let _ = std::io::stdout().write_all(out.as_bytes());
    }

    /// Shows how it went as a whole.
    pub(super) fn sum(&self, findings: &[Finding], took: Duration, exit: u8) {
        self.clear();
        let count = |outcome: Outcome| findings.iter().filter(|one| one.outcome == outcome).count();
        let all = [Outcome::Pass, Outcome::Fail, Outcome::Warn, Outcome::Skip];
        if self.json {
            let [pass, fail, warn, skip] = all.map(count);
            let took = ms(took);
            println!(
                "{}",
                json!({"summary": {"pass": pass, "fail": fail, "warn": warn, "skip": skip,
                    "took_ms": took, "exit": exit}})
            );
            return;
        }
        let told = all.map(|outcome| {
            let many = count(outcome);
            let text = match (outcome, many) {
                (Outcome::Pass, _) => format!("{many} passed"),
                (Outcome::Fail, _) => format!("{many} failed"),
                (Outcome::Warn, 1) => "1 warning".to_owned(),
                (Outcome::Warn, _) => format!("{many} warnings"),
                (Outcome::Skip, _) => format!("{many} skipped"),
            };
            if many == 0 { text } else { self.painted(outcome, &text) }
        });
        println!("{}, in {}", told.join(", "), time(took));
    }

    fn group(&self, findings: &[Finding]) -> String {
        let mut out = String::new();
        let title = findings.first().map(|one| one.group.as_str()).unwrap_or_default();
        let _ = writeln!(out, "{}", self.bold(title));
        for (finding, subject) in findings.iter().zip(columns(findings)) {
            self.row(&mut out, finding, subject);
        }
        out.push('\n');
        out
    }

    fn row(&self, out: &mut String, finding: &Finding, subject: usize) {
        let word = match finding.outcome {
            Outcome::Pass => "pass",
            Outcome::Warn => "WARN",
            Outcome::Fail => "FAIL",
            Outcome::Skip => "skip",
        };
        let says = &finding.says;
        let took = match finding.took {
            none if none < Duration::from_millis(1) => String::new(),
            some => time(some),
        };
        let word = self.painted(finding.outcome, word);
        let start = format!("  {word}  {:NAME$} {took:>TIME$}  ", finding.check);
        let column = 2 + 4 + 2 + NAME + 1 + TIME + 2;
        let room = |from: usize| self.width.saturating_sub(from).max(NARROW / 2);
        let first = match finding.subject.is_empty() {
            true => String::new(),
            false => format!("{:subject$}  ", finding.subject),
        };
        let beside = column + first.chars().count();
        let left = self.width.saturating_sub(beside);
        // What has no room beside its subject stands below it.
        let narrow = left < NARROW / 2 && says.chars().count() > left;
        let mut lines = if finding.subject.chars().count() > subject || narrow {
            let _ = writeln!(out, "{start}{}", finding.subject);
            let pad = " ".repeat(column + 2);
            let lines = wrapped(says, room(column + 2));
            lines.into_iter().map(|line| format!("{pad}{line}")).collect::<Vec<_>>()
        } else {
            let pad = " ".repeat(beside);
            let lines = wrapped(says, room(beside)).into_iter().enumerate();
            let lines = lines.map(|(at, line)| match at {
                0 => format!("{start}{first}{line}"),
                _ => format!("{pad}{line}"),
            });
            lines.collect()
        };
        for remedy in &finding.remedy {
            lines
                .extend(wrapped(remedy, room(8)).into_iter().map(|line| format!("        {line}")));
        }
        if let Some((shell, command)) = &finding.command {
            lines.push(format!("        {shell}:"));
            lines.extend(command.lines().map(|line| format!("            {}", self.bold(line))));
        }
        for line in lines {
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }

    fn painted(&self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Pass => "32",
            Outcome::Warn => "1;33",
            Outcome::Fail => "1;31",
            Outcome::Skip => "2",
        };
        self.in_code(code, text)
    }

    fn bold(&self, text: &str) -> String {
        self.in_code("1", text)
    }

    fn in_code(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

impl Progress {
    fn line(&self, width: usize) -> String {
        let open = self.open.iter().map(|(group, check, subject)| match subject.is_empty() {
            true => format!("{group}: {check}"),
            false => format!("{group}: {check} {subject}"),
        });
        let open: Vec<_> = open.collect();
        let line = format!("checking ({} done) {}", self.done, open.join(" · "));
        line.trim_end().chars().filter(|c| !c.is_control()).take(width).collect()
    }
}

/// How wide the column of subjects is beside each: mailboxes one below the other have one of their
/// own, so that hosts leave more room.
fn columns(findings: &[Finding]) -> Vec<usize> {
    let is_mailbox = |one: &Finding| one.subject.contains('@');
    let same = |a: &Finding, b: &Finding| b.subject.is_empty() || is_mailbox(a) == is_mailbox(b);
    let runs = findings.chunk_by(same).flat_map(|run| {
        let subjects = run.iter().map(|one| one.subject.chars().count());
        let widest = subjects.filter(|length| *length <= SUBJECT).max().unwrap_or(0);
        std::iter::repeat_n(widest, run.len())
    });
    runs.collect()
}

fn object(finding: &Finding) -> Value {
    let command =
        finding.command.as_ref().map(|(shell, text)| json!({"where": shell.name(), "text": text}));
    json!({
        "group": finding.group,
        "check": finding.check,
        "subject": finding.subject,
        "outcome": finding.outcome.name(),
        "took_ms": ms(finding.took),
        "says": finding.says,
        "trouble": finding.trouble,
        "remedy": finding.remedy,
        "command": command,
    })
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn time(took: Duration) -> String {
    match ms(took) {
        ms @ ..1_000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}

/// A text in lines of so many characters; a word that is longer has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
