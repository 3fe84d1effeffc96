//! The loops that carry decisions out: the only place that reads clocks.
//!
//! | loop | from | to |
//! |---|---|---|
//! | intake, one a calendar | provider | store |
//! | uplink | store | cloud |
//! | commands | cloud's channel | store, intake |
//! | disk | all of them | SQLite, on a thread of its own |
//! | status | intake, disk | cloud, systemd |
//! | presence, one a calendar | provider | announce |
//! | announce | intake, presence | store |
//! | admin | who asks on its socket | all of them, to look |
//! | verdicts | disk | provider, intake |
//! | reload | configuration | intake, presence, errands |
//! | rotation | admin socket | secrets |

pub(crate) mod account;
mod admin;
mod announce;
mod clock;
mod commands;
mod disk;
mod errands;
mod follow;
mod health;
mod intake;
mod ledger;
mod metrics;
mod presence;
mod pulse;
mod questions;
pub(crate) mod reload;
mod rotation;
mod run;
mod serve;
mod status;
mod stop;
mod targets;
mod uplink;
mod verdicts;

pub use run::{Reason, run};
