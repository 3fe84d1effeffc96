//! `docs/reference/command-line.md` is made from what clap reads and from what is said beside it.

use std::fmt::Write as _;

use calway::cli::manual::{CODES, ENTRIES, Entry, command_line};
use clap::{Arg, Command};

use super::holds;

const BEGIN: &str = "\
# Command line

This page is made from what the program reads and says in `--help` (`src/cli`), by a test that \
fails where the two differ. `man calway-status` and the like have the same.

Commands that concern the running service ask it over its admin socket, `/run/calway/admin.sock` \
unless `[admin]` of the configuration names another one. Root and the service's own user may do \
everything there, users that `[admin] users` names may look, others nothing. What has `--json` \
prints JSON for machines; members may be added to it, none is taken away. Colours are shown on \
terminals, and not where `NO_COLOR` is set.

Users are named by the cloud's ids. Where a command takes an address, it finds its user by it and \
notes it nowhere.

## Exit codes

| code | |
|---|---|
";

fn below(command: &Command) -> impl Iterator<Item = &Command> {
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    shown.filter(|one| one.get_name() != "help")
}

/// Every command below this one, with the words that call it.
fn commands<'a>(command: &'a Command, words: &str, all: &mut Vec<(String, &'a Command)>) {
    for one in below(command) {
        let words = format!("{words} {}", one.get_name());
        all.push((words.trim_start().to_owned(), one));
        commands(one, words.trim_start(), all);
    }
}

/// Those that do something.
fn leaves(command: &Command) -> Vec<(String, &Command)> {
    let mut all = Vec::new();
    commands(command, "", &mut all);
    all.retain(|(_, one)| below(one).next().is_none());
    all
}

/// What is said of it, in paragraphs; what `manual.rs` says is shown in its own way.
fn words_of(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let about = sentence(about.map(ToString::to_string).unwrap_or_default());
    let more = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let more = more.split("Prints: ").next().unwrap_or_default().trim_end();
    let more = if more.is_empty() { String::new() } else { format!("<br>{}", sentence(more)) };
    (about + &more).replace("<br>", "\n\n")
}

fn entry(words: &str) -> &'static Entry {
    let found = ENTRIES.iter().find(|entry| entry.command == words);
    found.unwrap_or_else(|| panic!("src/cli/manual.rs says nothing of calway {words}"))
}

fn sentence(text: impl ToString) -> String {
    let text = text.to_string().replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|");
    if text.ends_with(['.', ']', '…']) || text.is_empty() { text } else { text + "." }
}

fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let takes = arg.get_action().takes_values();
    names.iter().filter(|_| takes).map(|name| format!(" <{name}>")).collect()
}

fn argument(arg: &Arg) -> String {
    let name = match (arg.get_short(), arg.get_long()) {
        (_, Some(long)) => format!("--{long}{}", values(arg)),
        (Some(short), None) => format!("-{short}{}", values(arg)),
        (None, None) => values(arg).trim_start().to_owned(),
    };
    let help = arg.get_long_help().or(arg.get_help()).map(sentence).unwrap_or_default();
    let mut notes = Vec::new();
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults: Vec<_> = defaults.filter(|_| arg.get_action().takes_values()).collect();
    if !defaults.is_empty() {
        notes.push(format!(" Without: `{}`.", defaults.join(" ")));
    }
    let possible = arg.get_possible_values();
    let possible: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !possible.is_empty() && arg.get_action().takes_values() {
        notes.push(format!(" One of {}.", possible.join(", ")));
    }
    format!("| `{}` | {help}{} |\n", name.replace('|', "\\|"), notes.concat())
}

fn page() -> String {
    let mut all = command_line();
    all.build();
    let leaf = leaves(&all);
    let mut out = BEGIN.to_owned();
    for (code, meaning) in CODES {
        let _ = writeln!(out, "| {code} | {meaning} |");
    }
    out += "\nWhat went wrong stands in the last line, on standard error, with what to do.\n";
    out += "\n## Commands\n\n| | |\n|---|---|\n";
    for (words, command) in &leaf {
        let about = command.get_about().map(sentence).unwrap_or_default();
        let link = words.replace(' ', "-");
        let _ = writeln!(out, "| [`calway {words}`](#calway-{link}) | {about} |");
    }
    let mut every = Vec::new();
    commands(&all, "", &mut every);
    for (words, command) in every {
        let _ = write!(out, "\n### calway {words}\n\n{}\n", words_of(command));
        if below(command).next().is_none() {
            out += &whole(&words, command);
        }
    }
    out
}

/// What a command that does something takes and says.
fn whole(words: &str, command: &Command) -> String {
    let Entry { prints, example, codes, .. } = entry(words);
    let codes: Vec<_> = codes.iter().map(u8::to_string).collect();
    let mut out = format!(
        "\n    {example}\n\n**Prints.** {prints}\n\n**Exit codes.** {}.\n",
        codes.join(", "),
    );
    if words == "demo" {
        out += "\nPackages leave it out.\n";
    }
    let own = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
    let shown = command.get_arguments().filter(own).filter(|arg| !arg.is_hide_set());
    let rows: String = shown.map(argument).collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n| | |\n|---|---|\n{rows}");
    }
    out
}

#[test]
fn the_page_of_the_command_line_says_what_the_program_reads() {
    // The page is that of all there is.
    if cfg!(feature = "demo") {
        holds("command-line.md", &page());
    }
}

#[test]
fn every_command_has_an_example_that_the_program_reads_and_codes_that_are_explained() {
    let all = command_line();
    let leaf = leaves(&all);
    let known: Vec<_> = leaf.iter().map(|(words, _)| words.as_str()).collect();
    for entry in ENTRIES.iter().filter(|entry| cfg!(feature = "demo") || entry.command != "demo") {
        assert!(known.contains(&entry.command), "calway {} is not there", entry.command);
        let read = all.clone().try_get_matches_from(entry.example.split(' '));
        assert!(read.is_ok(), "{}: {}", entry.example, read.unwrap_err());
        assert!(entry.example.starts_with(&format!("calway {}", entry.command)));
        assert!(entry.codes.iter().all(|code| CODES.iter().any(|(known, _)| known == code)));
    }
    assert_eq!(known.len(), ENTRIES.len() - usize::from(!cfg!(feature = "demo")));
}
