//! The connector beside an equivalent exchangelib program, each in its own process, against the
//! same calendars in the lab: a first synchronisation, then how soon an edit is in the cloud.
//!
//! `benches/run.sh` runs it with the peer. Environment: `CALWAY_BENCH_PYTHON` (a Python that has
//! the peer's libraries; without it only the connector is measured), `CALWAY_BENCH_SMALL=1` (to
//! see whether it runs), `CALWAY_PROGRAM` (another connector than the one just built).
//! `docs/benchmarks.md` says what the figures mean. Nothing is asserted of them; what is asserted
//! is that both did the same work.

mod content;
mod contestant;
mod measure;
#[allow(dead_code, reason = "the other benchmark reads it too")]
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use calway_lab::stage::{Options, Stage};

use self::content::Size;
use self::contestant::Contestant;
use self::measure::{Figures, Shapes};

/// Edits a second that both are given.
const RATE: usize = 100;
/// Edits a second of the budget; the connector alone is given those.
const BUDGET_RATE: usize = 500;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts this too, without the flag.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: use benches/run.sh or cargo bench");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<String, String> {
    let small = std::env::var_os("CALWAY_BENCH_SMALL").is_some_and(|value| value == "1");
    let size = if small { Size::SMALL } else { Size::FULL };
    let run = report::Run {
        machine: process::machine(),
        load: process::load(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        mailboxes: size.mailboxes,
    };
    let (calway, own) = contest(size, None).await?;
    let peer = match std::env::var_os("CALWAY_BENCH_PYTHON") {
        Some(python) => Some(contest(size, Some(PathBuf::from(python))).await?),
        None => {
            eprintln!("SKIPPED: the peer. CALWAY_BENCH_PYTHON names no Python with exchangelib.");
            None
        }
    };
    if let Some((_, other)) = &peer
        && let Some(difference) = difference(&own, other)
    {
        return Err(format!("they did not do the same work: {difference}"));
    }
    let markdown = std::env::args().any(|argument| argument == "--markdown");
    Ok(report::table(&run, &calway, peer.as_ref().map(|(figures, _)| figures), markdown))
}

/// One contestant in a lab of its own, the peer where a Python is given.
async fn contest(size: Size, python: Option<PathBuf>) -> Result<(Figures, Shapes), String> {
    let text = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(text)?;
    let mut options = Options::default();
    // The lab is to serve, not to remember.
    options.cloud.record_limit = 0;
    // With several, exchangelib's pool of connections mixes up its mailboxes' affinity cookies and
    // a stream now and then finds its subscription on another host.
    options.exchange.back_ends = 1;
    let password = options.exchange.password.clone();
    let stage = Stage::start(folder.path(), options).await.map_err(text)?;
    let items = content::fill(stage.exchange.calendars(), size, now_ms());
    let users = content::users(size);
    let mut one = match &python {
        Some(python) => Contestant::peer(&stage, python, &password, &users).await?,
        None => Contestant::connector(&stage).await?,
    };
    let done = contend(&stage, &mut one, &items, size, python.is_none()).await;
    one.end().await;
    done.map_err(|error| {
        let log = std::fs::read_to_string(folder.path().join("program.log")).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(30).collect();
        let end: Vec<_> = end.into_iter().rev().collect();
        format!("{error}\n{}", end.join("\n"))
    })
}

async fn contend(
    stage: &Stage,
    one: &mut Contestant,
    items: &[content::Item],
    size: Size,
    to_budget: bool,
) -> Result<(Figures, Shapes), String> {
    eprintln!("{}: first synchronisation of {} meetings", one.name, size.items());
    let first = measure::first(stage, one, size).await?;
    let shapes = measure::shapes(stage, size);
    let targets = measure::targets(stage, items)?;
    one.listen(stage, size.mailboxes).await?;
    measure::warm_up(stage, one, &targets).await?;
    eprintln!("{}: {} edits one after the other", one.name, size.edits);
    let idle = measure::one_by_one(stage, one, &targets, size.edits).await?;
    let mut figures = Figures { first, idle, ..Figures::default() };
    for rate in [RATE, BUDGET_RATE].into_iter().filter(|rate| to_budget || *rate == RATE) {
        eprintln!("{}: {rate} edits a second", one.name);
        let paced = measure::paced(stage, one, &targets, rate, size.stream_seconds).await?;
        figures.paced.insert(rate, paced);
    }
    let stats = stage.cloud.stats();
    if stats.rejected + stats.duplicated_visible > 0 {
        return Err(format!("{}: the cloud did not take everything: {stats:?}", one.name));
    }
    Ok((figures, shapes))
}

/// The first record in which two clouds differ.
fn difference(own: &Shapes, other: &Shapes) -> Option<String> {
    if own.len() != other.len() {
        return Some(format!("{} records and {}", own.len(), other.len()));
    }
    let unlike = own.iter().find(|(key, shape)| other.get(*key) != Some(*shape));
    unlike.map(|(key, shape)| format!("{key:?}: {shape:?} and {:?}", other.get(key)))
}

/// The time of day, in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
