//! Decisions: what came in and what is to be done about it. No clock, no socket, no file, no async.

pub mod seal;
