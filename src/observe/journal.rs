//! Where log lines go: to journald with fields if it listens, else to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

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
    let registry = tracing_subscriber::registry();
    let journald = std::env::var_os("JOURNAL_STREAM")
        .and_then(|_| tracing_journald::layer().ok())
        .map(|layer| layer.with_field_prefix(None).with_syslog_identifier("calway".into()));
    match journald {
        Some(layer) => registry.with(layer.with_filter(filter)).init(),
        None if shape == Shape::Json => {
            let layer = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
            registry.with(layer.with_filter(filter)).init();
        }
        None => {
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .with_writer(std::io::stderr);
            registry.with(layer.with_filter(filter)).init();
        }
    }
    quiet_panics();
    Ok(())
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
        tracing::error!(
            MESSAGE_ID = super::condition::INTERNAL.message_id,
            CONDITION = super::condition::INTERNAL.name,
            PLACE = place,
            "internal error; the part that failed is rebuilt from the store. Please report PLACE"
        );
    }));
}
