//! Where log lines go: to journald with fields if it listens, else to standard error.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing::Metadata;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, reload};

use super::condition::INTERNAL;
use super::restraint::Restraint;
use super::{severity, standing};
use crate::condition;

pub use super::restraint::{stop, tick};

/// How lines look where journald does not listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts the journal. `filter` is a level, or directives as `calway=debug,info`. Our own crates
/// alone may be more talkative than `info`: a library's debug lines may hold what it carries.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(filter: &str, shape: Shape) -> Result<(), String> {
    let filter = bounded(filter)?;
    let registry = tracing_subscriber::registry().with(standing::layer());
    let wanted = std::env::var_os("JOURNAL_STREAM");
    match wanted.and_then(|_| Some([journald(false)?, journald(true)?])) {
        Some([other, critical]) => {
            let is_critical = |line: &Metadata<'_>| line.target() == severity::CRITICAL;
            let critical = critical.with_filter(filter_fn(is_critical));
            let other = other.with_filter(filter_fn(move |line| !is_critical(line)));
            registry
                .with(other.and_then(critical).with_filter(changeable(filter).and(Restraint)))
                .init();
        }
        None if shape == Shape::Json => {
            let layer = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
            registry.with(layer.with_filter(changeable(filter).and(Restraint))).init();
        }
        None => {
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .with_writer(std::io::stderr);
            registry.with(layer.with_filter(changeable(filter).and(Restraint))).init();
        }
    }
    quiet_panics();
    Ok(())
}

/// Puts another filter in the place of the one in force.
static FILTER: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

fn changeable<S: tracing::Subscriber>(filter: EnvFilter) -> reload::Layer<EnvFilter, S> {
    let (layer, handle) = reload::Layer::new(filter);
    // It fails only where the journal has ended.
    let _ = FILTER.set(Box::new(move |filter| drop(handle.reload(filter))));
    layer
}

/// Lets the journal hold what this filter says from now on.
///
/// # Errors
/// What is wrong with the filter; the one before counts then.
pub fn refilter(filter: &str) -> Result<(), String> {
    let filter = bounded(filter)?;
    if let Some(set) = FILTER.get() {
        set(filter);
    }
    Ok(())
}

/// Whether a filter can be taken.
///
/// # Errors
/// What is wrong with it.
pub fn check(filter: &str) -> Result<(), String> {
    bounded(filter).map(drop)
}

/// A way to journald, for critical lines or for all others: their PRIORITY is not of one level.
fn journald(critical: bool) -> Option<tracing_journald::Layer> {
    let error = if critical { Priority::Critical } else { Priority::Error };
    let (info, debug) = (Priority::Informational, Priority::Debug);
    let priorities = PriorityMappings { error, info, debug, ..PriorityMappings::new() };
    let layer = tracing_journald::layer().ok()?.with_field_prefix(None);
    Some(layer.with_priority_mappings(priorities).with_syslog_identifier("calway".into()))
}

/// `calway=<what was asked>`, everything else `warn` at most: the libraries below us know nothing
/// of personal data, and some print what they send.
fn bounded(filter: &str) -> Result<EnvFilter, String> {
    let filter = filter.trim();
    let directives = if filter.contains('=') || filter.contains(',') {
        let foreign =
            filter.split(',').any(|part| part.contains('=') && !part.trim().starts_with("calway"));
        if foreign {
            return Err("log: only directives for calway are allowed, as \"calway=debug\"".into());
        }
        format!("warn,{filter}")
    } else {
        format!("warn,calway={filter}")
    };
    EnvFilter::try_new(directives).map_err(|error| format!("log: {error}"))
}

/// A panic names its place and nothing else: its message could hold what it was about.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        condition!(error, INTERNAL, PLACE = place,;
            "internal error; the part that failed is rebuilt from the store. Please report PLACE");
    }));
}
