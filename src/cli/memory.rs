//! The memory of a process that holds secrets: nobody looks into it, and no core of it is written.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::Failure;

/// Closes it to everybody but root, also to the user's own other processes (prctl(2),
/// PR_SET_DUMPABLE; core(5)).
///
/// # Errors
/// The system's.
pub(super) fn close() -> Result<(), Failure> {
    let told =
        |error| Failure::Failed(format!("the memory of this program cannot be closed: {error}"));
    // Programs that this one starts are handed secrets, too.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(told)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(told)
}
