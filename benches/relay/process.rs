//! What a process used, and on what machine, as Linux tells it under /proc.

use std::fs::read_to_string;
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Child;

/// CPU time and memory of a process up to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all threads, those that ended too, in seconds. Linux counts it in
    /// ticks, so it is good to a hundredth of a second.
    pub cpu: f64,
    /// The most memory that was ever resident (VmHWM), in MiB.
    pub peak_mib: f64,
}

/// The connector as it was built here, or the one that `CALWAY_PROGRAM` names.
pub fn connector() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_calway"));
    std::env::var_os("CALWAY_PROGRAM").map_or_else(built, PathBuf::from)
}

/// Waits for something that a program brings about; its end, or so many seconds, are errors.
pub async fn within<T>(
    (name, child): (&str, &mut Child),
    seconds: u64,
    what: &str,
    wait: impl Future<Output = T>,
) -> Result<T, String> {
    tokio::select! {
        done = wait => Ok(done),
        ended = child.wait() => Err(format!("{name} ended: {ended:?}")),
        () = tokio::time::sleep(Duration::from_secs(seconds)) =>
            Err(format!("{name} did not {what} within {seconds} s")),
    }
}

/// What `pid` used so far.
pub fn usage(pid: u32) -> Result<Usage, String> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let stat = read("stat")?;
    // The second field is the program's name in brackets and may hold anything, brackets too.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut times = fields.split_whitespace().skip(11);
    let mut ticks = || times.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(user), Some(system)) = (ticks(), ticks()) else {
        return Err(format!("/proc/{pid}/stat has no times"));
    };
    let status = read("status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(Usage {
        cpu: (user + system) as f64 / ticks_per_second(),
        peak_mib: peak.unwrap_or_default() / 1024.0,
    })
}

/// What is resident of `pid` now (VmRSS), in KiB.
pub fn resident_kib(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let status = read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    number.ok_or_else(|| format!("{path} has no VmRSS"))
}

/// sysconf(_SC_CLK_TCK), which is 100 on every Linux of today.
fn ticks_per_second() -> f64 {
    static TICKS: std::sync::OnceLock<f64> = std::sync::OnceLock::new();
    *TICKS.get_or_init(|| {
        let said = std::process::Command::new("getconf").arg("CLK_TCK").output().ok();
        let said = said.and_then(|output| String::from_utf8(output.stdout).ok());
        said.and_then(|text| text.trim().parse().ok()).unwrap_or(100.0)
    })
}

/// The processor, how many of it, and how much else runs: for the table.
pub fn machine() -> String {
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model =
        model.and_then(|rest| rest.split_once(':')).map_or("unknown", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = read_to_string("/proc/sys/kernel/ostype").unwrap_or_default();
    let release = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.split(['-', '+']).next().unwrap_or_default().trim();
    format!("{cores} × {model}, {} {release}", system.trim())
}

/// The load average of the last minute.
pub fn load() -> f64 {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
