//! This machine: configuration, secrets, unit, store, disk, files.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::book::{Book, Tell};
use super::case::{Case, Prepared};
use super::finding::{Finding, Verdict, Words};
use crate::config::secrets::{CLIENT_SECRET, STORE_KEY};
use crate::model::{Fault, Next};

/// What is left of the disk before it is named, and before it is too little.
const LOW: u64 = 1 << 30;
const FULL: u64 = 64 << 20;

/// Mailboxes of one stream, and what else is open: the store, the journal, the cloud, sockets.
const IN_A_STREAM: u64 = 200;
const BESIDE: u64 = 64;

/// Looks at the machine.
pub(super) async fn machine(
    prepared: &Prepared<'_>,
    hearing: (Tell<'_>, Option<&[&'static str]>),
) -> Vec<Finding> {
    let case = prepared.case;
    let folder = case.store.parent().unwrap_or(Path::new("."));
    let words =
        Words::default().with("store", case.store.display()).with("folder", folder.display());
    let book = Book::new("machine", words, false, hearing);
    configuration(&book, case);
    for name in case.secret_names() {
        let words = Words::default().with("secret", &name);
        book.note("secrets", (&name, &words), secret(case, &name));
    }
    let unit = unit_text().await;
    unit_secrets(&book, case, unit.as_deref());
    let none = Words::default();
    book.note("store", ("", &none), store(prepared));
    book.note("disk", ("", &none), disk(folder, &case.store));
    book.note("files", ("", &none), files(prepared, unit.as_deref()));
    book.close()
}

fn configuration(book: &Book<'_>, case: &Case) {
    let of_calendars =
        case.calendars.iter().map(|one| (format!("calendar {}", one.ews.name), &one.ews.trust));
    let of_cloud = case.cloud.iter().map(|one| ("cloud".to_owned(), &one.trust));
    let of_keys = case.kms.iter().map(|one| ("kms".to_owned(), &one.trust));
    let mut good = Vec::new();
    for (whose, trust) in of_calendars.chain(of_cloud).chain(of_keys) {
        match trust.client() {
            Ok(_) => good.push(whose),
            Err(fault) => {
                let why = format!("{whose}: {fault}");
                book.note("configuration", ("", &Words::default()), Verdict::because("wrong", why));
            }
        }
    }
    if good.len() == case.calendars.len() + case.cloud.iter().len() + case.kms.iter().len() {
        let said = Verdict::Pass(format!("{} are configured", good.join(", ")));
        book.note("configuration", ("", &Words::default()), said);
    }
}

/// What is wrong with a configuration, one finding a mistake.
pub(super) fn mistakes(wrong: &str, hearing: (Tell<'_>, Option<&[&'static str]>)) -> Vec<Finding> {
    let book = Book::new("machine", Words::default(), false, hearing);
    for why in wrong.lines() {
        book.note("configuration", ("", &Words::default()), Verdict::because("wrong", why));
    }
    book.close()
}

fn secret(case: &Case, name: &str) -> Verdict {
    let found = match name {
        STORE_KEY => case.secrets.store_key().map(|_| ()),
        _ => case.secrets.get(name).map(|_| ()),
    };
    match found {
        Ok(()) => Verdict::Pass("is there".into()),
        Err(fault) => {
            let why = fault.to_string();
            let trouble = match why.contains("is missing") || why.contains("is empty") {
                true if name == STORE_KEY => "no-key",
                true => "missing",
                false if name == STORE_KEY => "bad-key",
                false => "unreadable",
            };
            Verdict::because(trouble, why.split(": sudo").next().unwrap_or(&why))
        }
    }
}

/// The unit with its drop-ins, as systemd has it; nothing where there is none.
async fn unit_text() -> Option<String> {
    let asking = Command::new("systemctl")
        .args(["cat", "--no-pager", "calway.service"])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(5), asking).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn unit_secrets(book: &Book<'_>, case: &Case, unit: Option<&str>) {
    let Some(unit) = unit else {
        book.skip(&["unit"], "", "calway.service is not installed here");
        return;
    };
    let missing: Vec<_> =
        case.secret_names().into_iter().filter(|name| !is_handed(unit, name)).collect();
    for name in &missing {
        let settable = if name == STORE_KEY { CLIENT_SECRET } else { name };
        let words = Words::default().with("secret", name).with("settable", settable);
        book.note("unit", (name, &words), Verdict::of("not-handed"));
    }
    if missing.is_empty() {
        let said = Verdict::Pass("calway.service is given every secret".into());
        book.note("unit", ("", &Words::default()), said);
    }
}

/// Whether a unit's text hands a credential of this name over (systemd.exec(5)).
fn is_handed(unit: &str, name: &str) -> bool {
    unit.lines().fold(false, |handed, line| {
        let Some((key, value)) = line.trim().split_once('=') else { return handed };
        let first = value.split(':').next().unwrap_or_default().trim();
        match key.trim() {
            "LoadCredential" | "LoadCredentialEncrypted" if value.trim().is_empty() => false,
            "LoadCredential" | "LoadCredentialEncrypted" | "SetCredentialEncrypted" => {
                handed || first == name
            }
            "ImportCredential" => {
                handed
                    || first
                        .strip_suffix('*')
                        .map_or(first == name, |start| name.starts_with(start))
            }
            _ => handed,
        }
    })
}

fn store(prepared: &Prepared<'_>) -> Verdict {
    match &prepared.looked {
        None => Verdict::Pass("none yet; the service makes it at its first start".into()),
        Some(Ok(found)) if found.layout == 0 => {
            Verdict::Pass("empty; the service writes it at its first start".into())
        }
        Some(Ok(found)) if found.layout == found.own => {
            Verdict::Pass(format!("layout {}, {} mailboxes", found.layout, found.mailboxes))
        }
        Some(Ok(found)) if found.layout < found.own => Verdict::Pass(format!(
            "layout {}; the next start of the service takes it over to {}",
            found.layout, found.own
        )),
        Some(Ok(found)) => {
            let words = Words::default().with("layout", found.layout).with("own", found.own);
            Verdict::Trouble("newer", words)
        }
        Some(Err(Fault { next: Next::Refused, cause })) => {
            let why = cause.code.split(": start the service").next().unwrap_or(&cause.code);
            Verdict::because("damaged", why)
        }
        Some(Err(fault)) => Verdict::from("unreadable", fault),
    }
}

/// What was seen of a disk.
#[derive(Clone, Copy, Debug)]
struct Room {
    free: u64,
    read_only: bool,
    writable: bool,
}

fn disk(folder: &Path, store: &Path) -> Verdict {
    let Ok(facts) = std::fs::metadata(folder) else { return Verdict::of("absent") };
    let Ok(seen) = rustix::fs::statvfs(folder) else { return Verdict::of("absent") };
    let room = Room {
        free: seen.f_bavail.saturating_mul(seen.f_frsize),
        read_only: seen.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        writable: facts.mode() & 0o300 == 0o300,
    };
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = ["", "-wal", "-shm"].map(|end| folder.join(format!("{name}{end}")));
    let foreign = own
        .iter()
        .find(|file| std::fs::metadata(file).is_ok_and(|found| found.uid() != facts.uid()));
    match foreign {
        Some(file) => Verdict::Trouble("owners", Words::default().with("file", file.display())),
        None => room_said(room),
    }
}

fn room_said(room: Room) -> Verdict {
    let words = Words::default().with("free", bytes(room.free));
    match room {
        Room { read_only: true, .. } => Verdict::of("read-only"),
        Room { writable: false, .. } => Verdict::of("not-writable"),
        Room { free: ..FULL, .. } => Verdict::Trouble("full", words),
        Room { free: ..LOW, .. } => Verdict::Trouble("low", words),
        Room { free, .. } => Verdict::Pass(format!("{} free for the store", bytes(free))),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_048_576 => format!("{} KiB", count >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

fn files(prepared: &Prepared<'_>, unit: Option<&str>) -> Verdict {
    let mailboxes = match &prepared.looked {
        Some(Ok(found)) => found.mailboxes,
        _ => 0,
    };
    let connections: usize =
        prepared.case.calendars.iter().map(|one| one.ews.max_connections * 4).sum();
    let own = || rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let (limit, whose) = match unit.map(unit_limit) {
        Some(Some(limit)) => (limit, "the unit"),
        // Without a word the manager's own goes, which is no less than this.
        _ => (own().unwrap_or(u64::MAX), "this shell"),
    };
    files_said((limit, whose), mailboxes, u64::try_from(connections).unwrap_or(u64::MAX))
}

fn unit_limit(unit: &str) -> Option<u64> {
    let mut lines = unit.lines().filter_map(|line| line.trim().strip_prefix("LimitNOFILE="));
    let last = lines.next_back()?.trim();
    let soft = last.split(':').next().unwrap_or_default();
    if soft == "infinity" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn files_said((limit, whose): (u64, &str), mailboxes: u64, connections: u64) -> Verdict {
    let needed = BESIDE + mailboxes.div_ceil(IN_A_STREAM) * 2 + connections;
    let shown = if limit == u64::MAX { "any number".to_owned() } else { limit.to_string() };
    if limit < needed {
        let words = Words::default().with("limit", shown).with("mailboxes", mailboxes);
        return Verdict::Trouble("few", words.with("needed", needed));
    }
    let said = format!("{needed} needed for {mailboxes} mailboxes, {whose} allows {shown}");
    Verdict::Pass(said)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
