//! The metrics: what there is, and how a scrape is written (Prometheus text format 0.0.4).
//!
//! No label names a person or grows with the number of mailboxes: calendars, conditions and
//! shares (0.99: the quickest 99 of 100) alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; a restart begins it anew.
    Counter,
    /// It is as it is.
    Gauge,
}

impl Kind {
    /// As the format has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit last.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The labels of each of its values.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $id:ident = $name:literal $kind:ident [$($label:ident)*];)*) => {
        $($(#[doc = $help])+ pub const $id: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$(stringify!($label)),*],
            help: concat!($($help),+).trim_ascii(),
        };)*
        /// All of them.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    /// 1, with the version of the program.
    BUILD_INFO = "calway_build_info" Gauge [version];
    /// When the program started, in seconds since 1970.
    START_TIME = "calway_start_time_seconds" Gauge [];
    /// 1 once the service does its job, as systemd was told.
    READY = "calway_ready" Gauge [];
    /// Mailboxes that the cloud activated.
    MAILBOXES = "calway_mailboxes" Gauge [calendar];
    /// Of these: Exchange tells their changes as they happen.
    MAILBOXES_STREAMING = "calway_mailboxes_streaming" Gauge [calendar];
    /// Of these: asked from time to time, as no stream tells of them, or not asked yet.
    MAILBOXES_POLLING = "calway_mailboxes_polling" Gauge [calendar];
    /// Of these: cannot be read, and so neither streaming nor polling here.
    MAILBOXES_FAILING = "calway_mailboxes_failing" Gauge [calendar];
    /// Mailboxes that wait for their turn to be read.
    MAILBOXES_QUEUED = "calway_mailboxes_queued" Gauge [calendar];
    /// Streams that are open, or are being opened.
    STREAMS = "calway_streams" Gauge [calendar];
    /// 0 while the calendar's account is not signed in, so that nothing of it is relayed.
    SIGNED_IN = "calway_signed_in" Gauge [calendar];
    /// Exchange said that something changed.
    EXCHANGE_EVENTS = "calway_exchange_events_total" Counter [calendar];
    /// Requests to Exchange that reading took.
    EXCHANGE_REQUESTS = "calway_exchange_requests_total" Counter [calendar];
    /// Mailboxes that were read to the end.
    READINGS = "calway_readings_total" Counter [calendar];
    /// Records and withdrawals that were written for the cloud.
    RECORDS = "calway_records_total" Counter [calendar];
    /// From Exchange's event until its record is on the disk, over the last minutes.
    EVENT_TO_DISK = "calway_event_to_disk_seconds" Gauge [calendar share];
    /// Events that the cloud answered for.
    CLOUD_EVENTS = "calway_cloud_events_total" Counter [];
    /// From the disk to the cloud's answer, over the last minutes.
    DISK_TO_CLOUD = "calway_disk_to_cloud_seconds" Gauge [share];
    /// 0 while the cloud does not take events.
    CLOUD_WELL = "calway_cloud_well" Gauge [];
    /// 1 while the cloud's commands arrive.
    CHANNEL_OPEN = "calway_command_channel_open" Gauge [];
    /// Events that wait on the disk for the cloud.
    OUTBOX = "calway_outbox_events" Gauge [];
    /// How old the oldest of them is; 0 where none waits.
    OUTBOX_AGE = "calway_outbox_age_seconds" Gauge [];
    /// Events that the cloud refused for good, kept in the store.
    SET_ASIDE = "calway_events_set_aside" Gauge [];
    /// 0 while the store cannot be written.
    STORE_WRITABLE = "calway_store_writable" Gauge [];
    /// The store's size on the disk.
    STORE_BYTES = "calway_store_bytes" Gauge [];
    /// What is free on the disk of the store.
    DISK_FREE = "calway_store_disk_free_bytes" Gauge [];
    /// Memory that the program has (resident set).
    MEMORY = "calway_memory_bytes" Gauge [];
    /// How many mailboxes, commands or hosts a condition concerns that is open now; of one that
    /// is not there is no value.
    CONDITION_OPEN = "calway_condition_open" Gauge [condition severity calendar];
}

/// One scrape.
#[derive(Debug, Default)]
pub struct Scrape(BTreeMap<&'static str, String>);

impl Scrape {
    /// Adds a value; `labels` in the order of [`Metric::labels`]. What is no number is left out.
    pub fn put(&mut self, metric: Metric, labels: &[&str], value: f64) {
        if !value.is_finite() || labels.len() != metric.labels.len() {
            return;
        }
        let lines = self.0.entry(metric.name).or_default();
        lines.push_str(metric.name);
        for (at, (name, value)) in metric.labels.iter().zip(labels).enumerate() {
            lines.push(if at == 0 { '{' } else { ',' });
            let _ = write!(lines, "{name}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(lines, "{end} {value}");
    }

    /// The text, in the order of [`ALL`].
    pub fn text(&self) -> String {
        let mut out = String::new();
        for metric in ALL {
            let Some(lines) = self.0.get(metric.name) else { continue };
            let Metric { name, kind, help, .. } = metric;
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {}\n{lines}", kind.name());
        }
        out
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them_and_labels_name_nobody() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(metric.name.starts_with("calway_") && metric.name.chars().all(plain));
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"));
            let bounded = ["version", "calendar", "share", "condition", "severity"];
            assert!(metric.labels.iter().all(|label| bounded.contains(label)), "{metric:?}");
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{metric:?}");
        }
    }

    #[test]
    fn a_scrape_is_text_that_prometheus_reads() {
        let mut scrape = Scrape::default();
        scrape.put(READY, &[], 1.0);
        scrape.put(MAILBOXES, &["a\"b\\c"], 15_000.0);
        scrape.put(MAILBOXES, &["lab"], 2.5);
        scrape.put(OUTBOX, &[], f64::NAN);
        scrape.put(MAILBOXES, &[], 3.0);
        let text = "# HELP calway_ready 1 once the service does its job, as systemd was told.\n\
                    # TYPE calway_ready gauge\n\
                    calway_ready 1\n\
                    # HELP calway_mailboxes Mailboxes that the cloud activated.\n\
                    # TYPE calway_mailboxes gauge\n\
                    calway_mailboxes{calendar=\"a\\\"b\\\\c\"} 15000\n\
                    calway_mailboxes{calendar=\"lab\"} 2.5\n";
        assert_eq!(scrape.text(), text);
    }
}
