//! Calway: an on-premises calendar connector.
//!
//! ```text
//!   calendar ──hint──▶ sync ──▶ record ──▶ seal ──▶ outbox ──▶ cloud
//!      ▲                │cursor                       │           │
//!      │                └──────── store ◀─────────────┘           │
//!      └──────────────────────── command ◀────────────────────────┘
//! ```
//!
//! The modules below stand in the order of their layers. A module imports from lower layers only,
//! and parts of one layer never import each other; `tests/it/architecture.rs` enforces it.

// 0: words
pub mod model;
// 1: decisions, and plumbing for the ports
pub mod net;
pub mod pipeline;
// 2: ports
pub mod calendar;
pub mod cloud;
pub mod kms;
pub mod observe;
pub mod store;
// 3: configuration
pub mod config;
// 4: loops
pub mod daemon;
// 5: the command line
pub mod cli;
