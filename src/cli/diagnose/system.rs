//! Facts of the system below: kernel, distribution, systemd and our unit in it, clock, disk.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::cli::admin::Client;
use crate::observe::scrub::Scrub;

/// No program of the system may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that is taken of what one says, in bytes.
const MOST: usize = 32 * 1024 * 1024;

/// What of the unit is asked for: numbers and names of states.
const UNIT: &str = "--property=ActiveState,SubState,Result,NRestarts,ExecMainCode,ExecMainStatus,\
    ActiveEnterTimestampMonotonic,MemoryCurrent,MemoryPeak,CPUUsageNSec,TasksCurrent,Type,\
    WatchdogUSec,LimitNOFILE,LimitMEMLOCK,LoadState,UnitFileState,NeedDaemonReload";

/// What a program of the system says; nothing where it is not there, fails or takes too long.
pub(super) fn said(client: &Client, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    client.runtime().block_on(async {
        let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
        let mut text = output.stdout;
        text.truncate(MOST);
        output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
    })
}

/// All of them.
pub(super) fn facts(client: &Client, store: Option<&Path>) -> Value {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let system = file("/etc/os-release");
    let of = |name: &str| {
        let line = system.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| Scrub::name(value.trim_matches('"')))
    };
    let systemd = said(client, "systemctl", &["--version"]).unwrap_or_default();
    let clock = said(client, "timedatectl", &["show", "--property=NTPSynchronized"]);
    let memory = file("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let disk = store.and_then(Path::parent);
    let disk = disk.and_then(|folder| nix::sys::statvfs::statvfs(folder).ok());
    json!({
        "kernel": Scrub::name(file("/proc/sys/kernel/osrelease").trim()),
        "distribution": of("ID"),
        "distribution_version": of("VERSION_ID"),
        "systemd": systemd.split_whitespace().nth(1).map(Scrub::name),
        "unit": properties(&said(client, "systemctl", &["show", "calway", UNIT])),
        "clock": properties(&clock),
        "processors": std::thread::available_parallelism().map(usize::from).ok(),
        "memory_kib": memory.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()),
        "disk_free_bytes": disk.map(|disk| disk.blocks_available() * disk.fragment_size()),
        "disk_bytes": disk.map(|disk| disk.blocks() * disk.fragment_size()),
        "inodes_free": disk.map(|disk| disk.files_available()),
    })
}

/// `Name=value` a line.
fn properties(said: &Option<String>) -> Value {
    let lines = said.as_deref().unwrap_or_default().lines();
    let pairs = lines.filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(name, value)| (Scrub::name(name), Scrub::name(value).into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}
