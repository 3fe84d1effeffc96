//! How many instructions a record takes, from the bytes of a GetItem answer to sealed bytes, beside
//! those of its unavoidable parts: tokenizing the same bytes, AES-GCM and base64 of the same texts.
//!
//! `cargo bench --bench instructions` runs it. It starts itself under valgrind's callgrind with two
//! numbers of repetitions, so that only what one repetition adds is counted; unlike a time, that is
//! the same on a busy machine. `docs/benchmarks.md` says what the figures mean. With `--at-most R`
//! it fails where the whole is more than R times the sum of its parts.

mod parts;
mod record;
mod sample;

use std::process::{Command, ExitCode};

use self::sample::{CASES, Case, Sample};

/// Repetitions of the two runs whose difference is counted.
const FEW: u64 = 2;
const MANY: u64 = 12;

/// What is counted.
const MODES: [&str; 4] = ["whole", "tokens", "cipher", "base64"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--repeat") {
        return match arguments.get(at + 1..at + 4) {
            Some([mode, case, times]) => repeat(mode, case, times.parse().unwrap_or_default()),
            _ => ExitCode::FAILURE,
        };
    }
    // `cargo test --all-targets` starts this too, without the flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing is counted without --bench: use cargo bench --bench instructions");
        return ExitCode::SUCCESS;
    }
    let at_most = arguments.iter().position(|argument| argument == "--at-most");
    let at_most = at_most.map(|at| arguments.get(at + 1).and_then(|text| text.parse().ok()));
    if at_most == Some(None) {
        eprintln!("--at-most takes a number");
        return ExitCode::FAILURE;
    }
    let version = Command::new("valgrind").arg("--version").output();
    let Ok(version) = version else {
        println!("SKIPPED: instructions are counted by valgrind, which is not installed");
        return if at_most.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    println!("{}; instructions a record\n", String::from_utf8_lossy(&version.stdout).trim());
    println!(
        "| meeting | answer, bytes | sealed texts | … bytes | whole | tokenizing | AES-GCM | base64 | whole / sum of parts |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let limit = at_most.flatten().unwrap_or(f64::INFINITY);
    let mut above = Vec::new();
    for case in &CASES {
        match count(case) {
            Ok((line, ratio)) => {
                println!("{line}");
                if ratio > limit {
                    above.push(format!("{}: {ratio:.3} is above {limit}", case.name));
                }
            }
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    for line in &above {
        println!("FAILED  {line}");
    }
    println!("{} passed, {} failed", CASES.len() - above.len(), above.len());
    if above.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is run under callgrind.
fn repeat(mode: &str, case: &str, times: u64) -> ExitCode {
    let Some(case) = CASES.iter().find(|known| known.name == case) else {
        return ExitCode::FAILURE;
    };
    let sample = Sample::new(case);
    for _ in 0..times {
        match mode {
            "whole" => drop(std::hint::black_box(record::seal_all(&sample))),
            "tokens" => drop(std::hint::black_box(parts::tokens(&sample.answer))),
            "cipher" => drop(std::hint::black_box(parts::cipher(&sample))),
            "base64" => drop(std::hint::black_box(parts::base64(&sample))),
            _ => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

/// The line of a kind of meeting, and the whole beside the sum of its parts.
fn count(case: &Case) -> Result<(String, f64), String> {
    let sample = Sample::new(case);
    let mut counts = [0.0; MODES.len()];
    for (count, mode) in counts.iter_mut().zip(MODES) {
        let more = collected(mode, case, MANY)?.saturating_sub(collected(mode, case, FEW)?);
        *count = more as f64 / (MANY - FEW) as f64 / sample.ids.len() as f64;
    }
    let [whole, tokens, cipher, base64] = counts;
    let each = sample.ids.len();
    let ratio = whole / (tokens + cipher + base64);
    let line = format!(
        "| {} | {} | {} | {} | {whole:.0} | {tokens:.0} | {cipher:.0} | {base64:.0} | {ratio:.2} |",
        case.name,
        sample.answer.len() / each,
        sample.texts.len() / each,
        sample.texts.iter().map(String::len).sum::<usize>() / each,
    );
    Ok((line, ratio))
}

/// The instructions of a whole run.
fn collected(mode: &str, case: &Case, times: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--repeat", mode, case.name, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("valgrind: {said}"));
    }
    let count = said.lines().find_map(|line| line.split_once("Collected :"));
    let count = count.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| format!("valgrind did not say how many: {said}"))
}
