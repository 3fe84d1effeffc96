//! Exit codes, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    calway::cli::main()
}
