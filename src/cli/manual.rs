//! What each command prints, an example of it and its exit codes: for `--help`, the man pages and
//! `docs/reference/command-line.md`, beside what clap knows itself.

use clap::{Command, CommandFactory as _};

/// What the exit codes mean, for all commands.
pub const CODES: [(u8, &str); 5] = [
    (0, "Done, and all is well."),
    (1, "It failed, as the last line says; or (status, check, user show) something is wrong."),
    (2, "The command line or the configuration is wrong."),
    (3, "The running service cannot be reached."),
    (4, "This user is not allowed to."),
];

/// What is said of one command beside its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The words that call it, without `calway`.
    pub command: &'static str,
    /// What it prints.
    pub prints: &'static str,
    /// A whole command line, as somebody may type it.
    pub example: &'static str,
    /// The codes that it may end with.
    pub codes: &'static [u8],
}

/// Its own work alone.
const OWN: &[u8] = &[0, 1, 2];
/// With a look at the running service, which need not be there.
const BESIDE: &[u8] = &[0, 1, 2, 4];
/// Of the running service.
const ASKS: &[u8] = &[0, 1, 2, 3, 4];

/// All commands that do something.
pub const ENTRIES: &[Entry] = &[
    Entry {
        command: "setup",
        prints: "The questions, with why each is asked; how each thing that was tried went, and \
                 what to do where it failed; then what was written, and what to do next.",
        example: "calway setup --test-mailbox alice@corp.example",
        codes: BESIDE,
    },
    Entry {
        command: "run",
        prints: "Nothing on standard output. Its conditions go to the journal; where journald does \
                 not listen, as lines or JSON to standard error.",
        example: "calway run --config /etc/calway/calway.toml",
        codes: OWN,
    },
    Entry {
        command: "config show",
        prints: "A line for each value in force: the key, the value, and the file that it came \
                 from, or that it is the default. With --json one list.",
        example: "calway config show",
        codes: OWN,
    },
    Entry {
        command: "config reload",
        prints: "The keys whose new values count now, and those that wait for a restart; or the \
                 mistakes, a line each, with file, key and line.",
        example: "calway config reload",
        codes: ASKS,
    },
    Entry {
        command: "check",
        prints: "A line for each thing that was looked at: pass, fail, warn or skip, what it is, \
                 how long it took; below a failure why, what to do, and the command of Exchange to \
                 paste; then a summary. With --json a finding a line, then {\"summary\"}.",
        example: "calway check --mailbox alice@corp.example",
        codes: OWN,
    },
    Entry {
        command: "status",
        prints: "Since when it runs and whether it is ready; of each calendar its mailboxes, \
                 streaming, polling, failing and waiting; the cloud, the outbox, the store, \
                 memory, delays and rates; then each open condition with what to do. With --json \
                 one object.",
        example: "calway status",
        codes: ASKS,
    },
    Entry {
        command: "user list",
        prints: "A line for each user who is active: the cloud's id, the state, since when, the \
                 calendar. With --json an object a line.",
        example: "calway user list --state failing",
        codes: ASKS,
    },
    Entry {
        command: "user show",
        prints: "The mailbox's state and since when; its server and stream; the last event of \
                 Exchange, reading, record and error; what the store keeps of it; what happens \
                 next; and what to do where it fails, with which it ends with 1. With --json one \
                 object.",
        example: "calway user show alice@corp.example",
        codes: ASKS,
    },
    Entry {
        command: "user trace",
        prints: "A line for each step, as it happens: the time, what, and what belongs to it. All \
                 steps of one change, or of one command of the cloud, have the same tracking_id, \
                 which the journal has as TRACKING_ID. With --json an object a line.",
        example: "calway user trace alice@corp.example",
        codes: ASKS,
    },
    Entry {
        command: "user resync",
        prints: "The user's id, and that all is read anew. The command does not wait for it.",
        example: "calway user resync alice@corp.example",
        codes: ASKS,
    },
    Entry {
        command: "diagnose",
        prints: "The file that was written, and what is in it. Nothing in it names a person, a \
                 meeting or a secret.",
        example: "calway diagnose --output /tmp/calway.tar.gz",
        codes: BESIDE,
    },
    Entry {
        command: "top",
        prints: "The picture of calway status with rates as curves, anew each second, as large as \
                 the terminal lets it be; where its output is no terminal, a picture a second.",
        example: "calway top",
        codes: ASKS,
    },
    Entry {
        command: "discover",
        prints: "Each step to the mailbox's server and what came of it; then the address of EWS, \
                 or why there is none; then the hosts that wait for a decision. With --json an \
                 object a line.",
        example: "calway discover alice@corp.example",
        codes: OWN,
    },
    Entry {
        command: "join-test",
        prints: "The address that the Join button would open, the rule that chose it, and what \
                 else was found. With --json one object.",
        example: "calway join-test invitation.eml",
        codes: OWN,
    },
    Entry {
        command: "trust list",
        prints: "A line for each host: allowed, blocked or waiting, what led there, and since \
                 when. With --json an object a line.",
        example: "calway trust list",
        codes: BESIDE,
    },
    Entry {
        command: "trust allow",
        prints: "The host, and that it is allowed. It counts within seconds.",
        example: "calway trust allow mail.corp.example",
        codes: BESIDE,
    },
    Entry {
        command: "trust block",
        prints: "The host, and that it is blocked. It counts within seconds.",
        example: "calway trust block autodiscover.elsewhere.example",
        codes: BESIDE,
    },
    Entry {
        command: "trust remove",
        prints: "The host, and that it is forgotten.",
        example: "calway trust remove mail.corp.example",
        codes: BESIDE,
    },
    Entry {
        command: "secret set",
        prints: "Whether the new secret works, and where it was stored. The secret is never shown.",
        example: "calway secret set calendar.hq.password",
        codes: BESIDE,
    },
    Entry {
        command: "secret generate",
        prints: "Where the key was stored, and to keep a copy of it. The key is never shown.",
        example: "calway secret generate",
        codes: BESIDE,
    },
    Entry {
        command: "secret list",
        prints: "A line for each secret: its name, where it is, since when; and which are missing. \
                 With --json an object a line.",
        example: "calway secret list",
        codes: BESIDE,
    },
    Entry {
        command: "secret remove",
        prints: "The secret's name, and that it is gone.",
        example: "calway secret remove calendar.hq.proxy_password",
        codes: BESIDE,
    },
    Entry {
        command: "demo",
        prints: "What Exchange has, what the cloud receives and what the holder of the key reads, \
                 step by step. With --json one line of numbers at the end.",
        example: "calway demo",
        codes: OWN,
    },
    Entry {
        command: "completions",
        prints: "The text that the shell reads to complete calway's commands.",
        example: "calway completions bash",
        codes: OWN,
    },
];

/// The command line as clap knows it, each command with what is said of it here.
pub fn command_line() -> Command {
    let mut all = super::Arguments::command();
    for entry in ENTRIES {
        let words: Vec<_> = entry.command.split(' ').collect();
        all = described(all, &words, entry);
    }
    all
}

fn described(command: Command, words: &[&str], entry: &Entry) -> Command {
    let Some((first, rest)) = words.split_first() else {
        let before = command.get_after_long_help().map(|text| format!("{text}\n\n"));
        let codes: Vec<_> = entry.codes.iter().map(u8::to_string).collect();
        let said = format!(
            "Prints: {}\n\nExample:\n    {}\n\nExit codes: {} (calway --help says which).",
            entry.prints,
            entry.example,
            codes.join(", ")
        );
        return command.after_long_help(before.unwrap_or_default() + &said);
    };
    // A build may lack one: demo.
    match command.find_subcommand(first).is_some() {
        true => command.mut_subcommand(first, |one| described(one, rest, entry)),
        false => command,
    }
}
