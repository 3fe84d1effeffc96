//! Bad input: whatever comes from outside is answered with a clear error or a tolerant reading,
//! in bounded time and memory. `bent` checks the promises that are fuzzed; the others name cases.

mod bent;
mod configuration;
mod json;
mod soap;

use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
mod promises;

/// Far beyond what any of it takes, far below what growing with the square would take.
const SOON: Duration = Duration::from_secs(30);

fn soon<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < SOON, "{what} took {:?}", start.elapsed());
    result
}
