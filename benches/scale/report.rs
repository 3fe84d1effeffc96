//! The figures as a table, a column for each number of mailboxes.

use crate::RATE;
use crate::play::Figures;

/// The table, for the terminal and the page of benchmarks.
pub fn table(machine: &str, load: f64, meetings: usize, all: &[Figures]) -> String {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut text = format!(
        "{}, {profile} build, {machine}; load of the machine before the run: {load:.2}; {meetings} \
         meetings in each calendar.\n\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    );
    let row = |what: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells: Vec<_> = all.iter().map(cell).collect();
        format!("| {what} | {} |\n", cells.join(" | "))
    };
    text += &row("mailboxes", &|f| f.mailboxes.to_string());
    text += &format!("|---|{}\n", "---:|".repeat(all.len()));
    for (what, read, places) in ROWS {
        text += &row(what, &|f| format!("{:.*}", *places, read(f)));
    }
    if let (Some(first), Some(last)) = (all.first(), all.last())
        && all.len() > 1
    {
        text += &format!(
            "\nCPU an edit, {} mailboxes against {}: {:.2}; above rest: {:.2}.\n",
            last.mailboxes,
            first.mailboxes,
            last.edit_cpu_ms / first.edit_cpu_ms,
            above_rest(last) / above_rest(first),
        );
    }
    for figures in all {
        let said: Vec<_> =
            figures.requests.iter().map(|(name, count)| format!("{name} {count}")).collect();
        text += &format!(
            "\nRequests to Exchange in all, {} mailboxes: {}.\n",
            figures.mailboxes,
            said.join(", ")
        );
    }
    text
}

/// What edits alone take: less what the process takes at rest in the time that they were offered in
/// (each mailbox is asked every five minutes whether its owner is out of office).
fn above_rest(figures: &Figures) -> f64 {
    let seconds = figures.edits as f64 / RATE as f64;
    figures.edit_cpu_ms - 1e3 * figures.idle_cpu_second * seconds / figures.edits.max(1) as f64
}

type Row = (&'static str, fn(&Figures) -> f64, usize);

const ROWS: &[Row] = &[
    ("first synchronisation, seconds", |f| f.first_seconds, 1),
    ("… until all are listened to, seconds", |f| f.all_streaming_seconds, 1),
    ("… CPU milliseconds a mailbox", |f| 1e3 * f.first_cpu / f.mailboxes as f64, 2),
    ("… CPU milliseconds of the lab a mailbox", |f| 1e3 * f.lab_cpu / f.mailboxes as f64, 2),
    ("resident with nobody to serve, MiB", |f| f.alone_kib / 1024.0, 1),
    ("resident at rest, MiB", |f| f.idle_kib / 1024.0, 1),
    ("… what a mailbox adds, KiB", |f| (f.idle_kib - f.alone_kib) / f.mailboxes as f64, 1),
    ("… all of it divided by the mailboxes, KiB", |f| f.idle_kib / f.mailboxes as f64, 1),
    ("CPU at rest, % of a core", |f| 100.0 * f.idle_cpu_second, 1),
    ("edits", |f| f.edits as f64, 0),
    ("edit to record, p50, ms", |f| f.p50_ms, 2),
    ("… p99, ms", |f| f.p99_ms, 2),
    ("… longest, ms", |f| f.most_ms, 1),
    ("… CPU milliseconds an edit", |f| f.edit_cpu_ms, 3),
    ("… above what rest takes meanwhile", above_rest, 3),
    ("… CPU milliseconds of the lab an edit", |f| f.edit_lab_cpu_ms, 3),
    ("resident after the edits, KiB a mailbox", |f| f.after_edits_kib / f.mailboxes as f64, 1),
    ("all connections reset: all listened to again, seconds", |f| f.recovered_seconds, 1),
    ("… first edit made meanwhile in the cloud, seconds", |f| f.first_edit_seconds, 2),
    ("… last of 500, seconds", |f| f.last_edit_seconds, 2),
    ("… CPU seconds", |f| f.recovery_cpu, 1),
    ("stop, seconds", |f| f.stop_seconds, 2),
    ("start to READY, seconds", |f| f.ready_seconds, 2),
    ("… until all are listened to, seconds", |f| f.restart_streaming_seconds, 1),
    ("… CPU milliseconds a mailbox until then", |f| 1e3 * f.restart_cpu / f.mailboxes as f64, 2),
    ("… resident then, KiB a mailbox", |f| f.restart_kib / f.mailboxes as f64, 1),
    ("store on the disk, MiB", |f| f.store_mib, 0),
];
