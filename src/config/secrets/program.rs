//! A program beside us that is handed a secret by its standard input, or gives one by its output:
//! a secret stands in no argument and in no variable.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use zeroize::Zeroizing;

use super::LONGEST;

/// A TPM that is busy takes some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Encrypted and in base64 a secret is longer.
const LONGEST_OUTPUT: u64 = 4 * LONGEST;

/// Runs a program with this input, and gives back what it wrote.
///
/// # Errors
/// Why not, in one line: it is not there, it failed (its own last words), or it hung.
pub(super) fn pipe(
    program: &str,
    arguments: &[String],
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>, String> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| format!("{program}: {error}"))?;
    let (output, words) = (gather(child.stdout.take()), gather(child.stderr.take()));
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it says why at his end.
        let _ = stdin.write_all(input);
    }
    let output = output.recv_timeout(PATIENCE);
    let words = words.recv_timeout(PATIENCE);
    if [&output, &words].iter().any(|one| **one == Err(RecvTimeoutError::Timeout)) {
        end(&mut child);
        return Err(format!("{program}: no answer within {} s", PATIENCE.as_secs()));
    }
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    let output = output.unwrap_or_default();
    if status.success() && output.len() as u64 <= LONGEST_OUTPUT {
        return Ok(output);
    }
    let words = words.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let last: String = last.unwrap_or("it failed").chars().take(300).collect();
    Err(format!("{program}: {last}"))
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn gather(from: Option<impl Read + Send + 'static>) -> Receiver<Zeroizing<Vec<u8>>> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        // Room for the whole from the beginning: what grows leaves copies behind.
        let mut all = Zeroizing::new(Vec::with_capacity(16 * 1024));
        if let Some(from) = from {
            let _ = from.take(LONGEST_OUTPUT + 1).read_to_end(&mut all);
        }
        let _ = tell.send(all);
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_a_failure_says_its_last_words() {
        let run = |script: &str| pipe("sh", &["-c".into(), script.into()], b"hunter2");
        assert_eq!(run("cat").unwrap().as_slice(), b"hunter2");
        let why = run("echo first >&2; echo last >&2; exit 3").unwrap_err();
        assert_eq!(why, "sh: last");
        assert_eq!(run("exit 1").unwrap_err(), "sh: it failed");
        assert!(pipe("/nowhere/creds", &[], b"").unwrap_err().starts_with("/nowhere/creds: "));
    }
}
