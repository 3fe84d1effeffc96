//! What a person sees: scenes, two columns side by side, and checks.

use std::io::Write as _;

/// Columns of each side.
const SIDE: usize = 46;

/// The terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn title(&self, text: &str, below: &str) {
        say(&format!("\n  {}  {}\n", self.paint("1;36", text), self.paint("2", below)));
    }

    pub(super) fn scene(&self, number: usize, text: &str) {
        let rule = "─".repeat(88_usize.saturating_sub(text.chars().count()));
        let head = self.paint("1", &format!("{number:>2}  {text}"));
        say(&format!("\n{head} {}", self.paint("2", &rule)));
    }

    pub(super) fn line(&self, text: &str) {
        say(&format!("    {text}"));
    }

    pub(super) fn fact(&self, name: &str, value: &str) {
        say(&format!("    {} {value}", self.paint("2", &format!("{name:<11}"))));
    }

    /// What the user reads beside what the cloud has.
    pub(super) fn sides(&self, user: &[String], cloud: &[String]) {
        let bar = self.paint("2", "│");
        let heads = ("what the user's app shows", "what the cloud has");
        let (left, right) = (fit(heads.0, SIDE), fit(heads.1, SIDE));
        say(&format!("    {} {bar} {}", self.paint("4", &left), self.paint("4", &right)));
        for at in 0..user.len().max(cloud.len()) {
            let text = |side: &[String]| fit(side.get(at).map_or("", String::as_str), SIDE);
            let (left, right) = (text(user), text(cloud));
            say(&format!("    {} {bar} {}", self.paint("32", &left), self.paint("33", &right)));
        }
    }

    pub(super) fn check(&self, held: bool, text: &str) {
        let mark = if held { self.paint("1;32", "✓") } else { self.paint("1;31", "✗") };
        say(&format!("    {mark} {text}"));
    }
}

/// A terminal that went away is no reason to fail.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Exactly so many columns; what is longer ends in an ellipsis.
fn fit(text: &str, columns: usize) -> String {
    let count = text.chars().count();
    if count <= columns {
        return format!("{text}{}", " ".repeat(columns - count));
    }
    let kept: String = text.chars().take(columns - 1).collect();
    format!("{kept}…")
}
