//! Decisions: what came in, and what is to be done about it.
//!
//! No clock, no socket, no file, no async here. A machine is called with the time and one input;
//! afterwards its outputs are drained, all of them, before the next input (the *one input, drained*
//! contract). So a run is a function of its inputs, and the world tests replay it from a seed.

pub mod announcement;
pub mod command;
pub mod decorate;
pub mod errand;
pub mod fleet;
pub mod join;
pub mod keyword;
pub mod limits;
pub mod notes;
pub mod outbox;
pub mod pace;
pub mod presence;
pub mod record;
pub mod seal;
pub mod showing;
pub mod spread;
pub mod sync;
pub mod tracking;
pub mod window;

#[cfg(test)]
#[path = "samples_tests.rs"]
mod samples;
