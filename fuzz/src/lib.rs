//! What any input at all must leave standing, one file for each kind of foreign bytes. The fuzz
//! targets and `tests/it/bad_input.rs` check the same promises with different inputs.
//!
//! Each `check` panics where a promise is broken; that nothing else panics, hangs or eats memory
//! is the promise they all have in common.

pub mod commands;
pub mod config;
pub mod decorate;
pub mod discover;
pub mod join;
pub mod jose;
pub mod kms;
pub mod notes;
pub mod ntlm;
pub mod sign_in;
pub mod soap;
pub mod stream;

/// Panics where a promise is broken.
pub type Check = fn(&[u8]);

/// The targets, each by its name.
pub const ALL: [(&str, Check); 12] = [
    ("commands", commands::check),
    ("config", config::check),
    ("decorate", decorate::check),
    ("discover", discover::check),
    ("join", join::check),
    ("jose", jose::check),
    ("kms_messages", kms::check),
    ("notes", notes::check),
    ("ntlm", ntlm::check),
    ("sign_in", sign_in::check),
    ("soap", soap::check),
    ("stream", stream::check),
];
