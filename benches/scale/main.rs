//! The connector with 1,000, 15,000 and 50,000 mailboxes against the lab: what a mailbox and an
//! event cost, and how long starting and recovering take.
//!
//! `benches/scale.sh` runs it. Environment: `CALWAY_SCALE` (numbers of mailboxes, `1000,15000`),
//! `CALWAY_SCALE_MEETINGS` (meetings in each calendar), `CALWAY_PROGRAM` (another connector than
//! the one just built), `CALWAY_SCALE_FOLDER` (where to work; it is kept). `docs/benchmarks.md`
//! says what the figures mean. Nothing is asserted of them.

mod connector;
#[allow(dead_code, reason = "the other benchmark reads it too")]
#[path = "../relay/content.rs"]
mod content;
mod play;
#[allow(dead_code, reason = "the other benchmark reads it too")]
#[path = "../relay/process.rs"]
mod process;
mod report;

use std::process::ExitCode;

use self::content::Size;

/// Edits a second, as the budget says.
const RATE: usize = 500;
/// For how long.
const SECONDS: usize = 30;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts this too, without the flag.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: use benches/scale.sh or cargo bench");
        return ExitCode::SUCCESS;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let sizes = std::env::var("CALWAY_SCALE").unwrap_or_else(|_| "1000,15000,50000".to_owned());
    let sizes: Vec<usize> = sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let meetings = number("CALWAY_SCALE_MEETINGS").unwrap_or(4);
    let (machine, load) = (process::machine(), process::load());
    let mut all = Vec::new();
    for mailboxes in sizes {
        let size = Size { mailboxes, meetings, edits: RATE * SECONDS, stream_seconds: SECONDS };
        // Each has threads and memory of its own, so that nothing is left of the one before.
        let figures = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime.block_on(play::play(size, RATE)),
            Err(error) => Err(error.to_string()),
        };
        match figures {
            Ok(figures) => all.push(figures),
            Err(error) => {
                eprintln!("{mailboxes} mailboxes: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", report::table(&machine, load, meetings, &all));
    ExitCode::SUCCESS
}
