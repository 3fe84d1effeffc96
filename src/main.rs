//! Exit codes, and that freed memory is wiped; nothing else.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// What is given back is overwritten: passwords and meetings pass through many hands that do not
/// know what they carry (docs/decisions/0012-a-refused-secret-is-tried-once.md).
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    calway::cli::main()
}
