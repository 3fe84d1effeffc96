//! `docs/reference/metrics.md`, the alert rules and the dashboard are made from the metrics and the
//! conditions.

use std::fmt::Write as _;

use calway::observe::condition::{self, Condition, fill};
use calway::observe::metrics::ALL;
use serde_json::{Value, json};

use super::{file_holds, holds};

/// What wakes somebody: name, when, for how long, how bad, what, and whose remedy it has.
struct Alert(&'static str, &'static str, &'static str, &'static str, &'static str, Condition);

const ALERTS: &[Alert] = &[
    Alert(
        "CalwayAbsent",
        "absent(calway_ready) or up{job=\"calway\"} == 0",
        "5m",
        "critical",
        "Calway does not answer: nothing is relayed",
        condition::STOPPING,
    ),
    Alert(
        "CalwayNotReady",
        "calway_ready == 0",
        "10m",
        "critical",
        "Calway started and does not do its job",
        condition::EXCHANGE_WAITS,
    ),
    Alert(
        "CalwaySignInRefused",
        "calway_signed_in == 0 unless on(instance, calendar) \
         calway_condition_open{condition=\"proxy-refuses\"}",
        "1m",
        "critical",
        "The account of calendar {{ $labels.calendar }} is not signed in",
        condition::SIGN_IN_REFUSED,
    ),
    Alert(
        "CalwayStoreFails",
        "calway_store_writable == 0",
        "1m",
        "critical",
        "The store cannot be written",
        condition::STORE_FAILS,
    ),
    Alert(
        "CalwayDiskFillsUp",
        "calway_store_disk_free_bytes < 1e9",
        "10m",
        "warning",
        "Less than a gigabyte is free on the disk of the store",
        condition::STORE_FAILS,
    ),
    Alert(
        "CalwayMailboxesFailing",
        "calway_mailboxes_failing / calway_mailboxes > 0.05 or calway_mailboxes_failing > 20",
        "15m",
        "warning",
        "More than 5 % of the mailboxes of calendar {{ $labels.calendar }}, or more than 20, \
         cannot be read",
        condition::MAILBOX_FAILING,
    ),
    Alert(
        "CalwayMailboxesPolled",
        "calway_mailboxes_polling / calway_mailboxes > 0.2",
        "30m",
        "warning",
        "Changes of {{ $value | humanizePercentage }} of the mailboxes of calendar \
         {{ $labels.calendar }} come late",
        condition::GROUP_DEMOTED,
    ),
    Alert(
        "CalwayCloudWaits",
        "calway_cloud_well == 0",
        "10m",
        "critical",
        "The cloud does not take events",
        condition::CLOUD_WAITS,
    ),
    Alert(
        "CalwayChannelClosed",
        "calway_command_channel_open == 0",
        "10m",
        "warning",
        "No command of the cloud arrives",
        condition::CHANNEL_CLOSED,
    ),
    Alert(
        "CalwayOutboxOld",
        "calway_outbox_age_seconds > 600",
        "5m",
        "warning",
        "An event waits for the cloud for {{ $value | humanizeDuration }}",
        condition::CLOUD_WAITS,
    ),
    Alert(
        "CalwayEventsSetAside",
        "delta(calway_events_set_aside[1h]) > 0",
        "0m",
        "warning",
        "The cloud refused events for good",
        condition::EVENT_SET_ASIDE,
    ),
    Alert(
        "CalwayCriticalCondition",
        "calway_condition_open{severity=\"critical\",\
         condition!~\"sign-in-refused|store-fails\"} > 0",
        "1m",
        "critical",
        "{{ $labels.condition }} is open",
        condition::INTERNAL,
    ),
    Alert(
        "CalwayErrorCondition",
        "calway_condition_open{severity=\"error\"} > 0",
        "15m",
        "warning",
        "{{ $labels.condition }} is open",
        condition::INTERNAL,
    ),
];

/// A remedy as an annotation: the labels of the alert in the place of fields.
fn remedy(alert: &Alert) -> String {
    let Alert(name, _, _, _, _, of) = alert;
    match *name {
        "CalwayAbsent" => return "systemctl status calway, journalctl -u calway -x.".into(),
        "CalwayNotReady" => {
            return "Nothing is lost. calway status says what is missing: the cloud's channel, a \
                    sign-in, Exchange."
                .into();
        }
        "CalwayCriticalCondition" | "CalwayErrorCondition" => {
            return "calway status says what to do.".into();
        }
        _ => {}
    }
    fill(of.remedy, |field| {
        Some(match field {
            "CALENDAR" => "{{ $labels.calendar }}".into(),
            "USER_ID" => "USER".into(),
            other => other.to_owned(),
        })
    })
}

/// A scalar of YAML between quotes: backslashes and quotes as JSON has them.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn rules() -> String {
    let mut out = String::from(
        "# Alerts of Calway for Prometheus. Made from the conditions and the metrics by a test \
         (tests/it/reference).\ngroups:\n  - name: calway\n    rules:\n",
    );
    for alert in ALERTS {
        let Alert(name, expr, wait, severity, summary, of) = alert;
        // Of those that are made from any condition, the one that is meant.
        let of = match *name {
            "CalwayCriticalCondition" | "CalwayErrorCondition" => "{{ $labels.condition }}",
            _ => of.name,
        };
        let _ = write!(
            out,
            "      - alert: {name}\n        expr: {}\n        for: {wait}\n        \
             labels:\n          severity: {severity}\n        annotations:\n          \
             summary: {}\n          description: {}\n          condition: {}\n",
            quoted(expr),
            quoted(summary),
            quoted(&remedy(alert)),
            quoted(of),
        );
    }
    out
}

/// A panel: title, unit as Grafana calls it, and lines of expression and legend.
type Panel = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What says at a glance that it works: 1 is green.
const LAMPS: &[(&str, &str)] = &[
    ("calway_ready", "ready"),
    ("calway_signed_in", "signed in: {{calendar}}"),
    ("calway_cloud_well", "the cloud takes events"),
    ("calway_command_channel_open", "commands arrive"),
    ("calway_store_writable", "the store is written"),
];

const PANELS: &[Panel] = &[
    (
        "Mailboxes",
        "short",
        &[
            ("sum(calway_mailboxes)", "all"),
            ("sum(calway_mailboxes_streaming)", "streaming"),
            ("sum(calway_mailboxes_polling)", "polling"),
            ("sum(calway_mailboxes_failing)", "failing"),
        ],
    ),
    (
        "Open conditions",
        "short",
        &[("calway_condition_open", "{{severity}} {{condition}} {{calendar}}")],
    ),
    (
        "Exchange: events, requests",
        "reqps",
        &[
            ("sum(rate(calway_exchange_events_total[5m]))", "events"),
            ("sum(rate(calway_exchange_requests_total[5m]))", "requests"),
        ],
    ),
    (
        "Records, and events that the cloud has",
        "reqps",
        &[
            ("sum(rate(calway_records_total[5m]))", "records"),
            ("sum(rate(calway_cloud_events_total[5m]))", "events"),
        ],
    ),
    (
        "How long: Exchange's event to the disk",
        "s",
        &[("calway_event_to_disk_seconds", "{{calendar}} {{share}}")],
    ),
    (
        "How long: the disk to the cloud's answer",
        "s",
        &[("calway_disk_to_cloud_seconds", "{{share}}")],
    ),
    (
        "Outbox",
        "short",
        &[("calway_outbox_events", "waiting"), ("calway_events_set_aside", "set aside")],
    ),
    ("Age of the outbox", "s", &[("calway_outbox_age_seconds", "oldest")]),
    ("Waiting to be read", "short", &[("calway_mailboxes_queued", "{{calendar}}")]),
    ("Streams", "short", &[("calway_streams", "{{calendar}}")]),
    ("Memory", "bytes", &[("calway_memory_bytes", "resident")]),
    (
        "Store",
        "bytes",
        &[("calway_store_bytes", "store"), ("calway_store_disk_free_bytes", "free on its disk")],
    ),
];

/// The same of those connectors that were chosen.
fn of_instance(expr: &str) -> String {
    let mut out = expr.to_owned();
    for name in named(expr) {
        out = out.replace(name, &format!("{name}{{instance=~\"$instance\"}}"));
    }
    out
}

fn dashboard() -> String {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    let targets = |lines: &[(&str, &str)]| -> Vec<Value> {
        let target = |((expr, legend), id): (&(&str, &str), char)| {
            json!({"datasource": source, "expr": of_instance(expr), "legendFormat": legend,
                   "refId": id.to_string()})
        };
        lines.iter().zip('A'..='Z').map(target).collect()
    };
    let red_below_1 = json!({"mode": "absolute", "steps": [
        {"color": "red", "value": null}, {"color": "green", "value": 1}]});
    let lamps = json!({
        "id": PANELS.len() + 1, "type": "stat", "title": "It works", "datasource": source,
        "gridPos": {"h": 4, "w": 24, "x": 0, "y": 0},
        "fieldConfig": {"defaults": {"unit": "bool_yes_no", "thresholds": red_below_1},
                        "overrides": []},
        "options": {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
        "targets": targets(LAMPS),
    });
    let panel = |(at, (title, unit, lines)): (usize, &Panel)| {
        let targets = targets(lines);
        json!({
            "id": at + 1, "type": "timeseries", "title": title, "datasource": source,
            "gridPos": {"h": 8, "w": 12, "x": at % 2 * 12, "y": 4 + at / 2 * 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": targets,
        })
    };
    let board = json!({
        "title": "Calway", "uid": "calway", "schemaVersion": 39, "version": 1,
        "editable": true, "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "tags": ["calway"],
        "templating": {"list": [
            {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
            {"name": "instance", "label": "Connector", "type": "query", "datasource": source,
             "query": "label_values(calway_ready, instance)", "refresh": 2, "multi": true,
             "includeAll": true, "current": {"text": "All", "value": "$__all"}},
        ]},
        "panels": std::iter::once(lamps).chain(PANELS.iter().enumerate().map(panel))
            .collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&board).unwrap() + "\n"
}

fn page() -> String {
    let mut out = String::from(
        "# Metrics\n\n\
         Off unless `calway.toml` says where they are to be had, for this machine alone:\n\n\
         \x20   [metrics]\n\
         \x20   listen = \"127.0.0.1:9464\"      # or \"unix:/run/calway/metrics.sock\"\n\n\
         | path | |\n|---|---|\n\
         | `/metrics` | for Prometheus, in its text format |\n\
         | `/ready` | 200 once the service does its job, 503 before |\n\
         | `/live` | 200 while the disk's thread and every calendar's loop answer within 5 s, else \
         503 |\n\n\
         No label names a person or grows with the number of mailboxes. Whoever can reach the \
         address reads without a password, so addresses of other machines are refused; where a \
         Prometheus elsewhere is to read, put a proxy before it. On this machine every user can \
         reach it, a Unix socket as well (its mode is 0666): for fewer, put the socket into a \
         folder that only they may enter. `packaging/prometheus` has alert rules with what to do \
         (the job is called `calway`), `packaging/grafana` a dashboard; packages install both in \
         `/usr/share/calway`. This page is made from the metrics that the program writes \
         (`src/observe/metrics.rs`), by a test that fails where the two differ.\n\n\
         | metric | kind | labels | |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (metric.name, metric.kind.name());
        let _ = writeln!(out, "| `{name}` | {kind} | {} | {} |", labels.join(" "), metric.help);
    }
    out += "\n## Alerts\n\n| alert | when | what to do: the condition |\n|---|---|---|\n";
    for Alert(name, expr, wait, severity, _, of) in ALERTS {
        let link = format!("[{0}](conditions.md#{0})", of.name);
        let expr = expr.replace('|', "\\|");
        let _ = writeln!(out, "| {name} ({severity}) | `{expr}` for {wait} | {link} |");
    }
    out
}

/// The metrics that a text names.
fn named(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words.filter(|word| word.starts_with("calway_")).collect()
}

#[test]
fn the_page_of_metrics_says_what_the_program_has() {
    holds("metrics.md", &page());
}

#[test]
fn alerts_and_panels_name_only_metrics_that_there_are() {
    let known: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
    let (rules, dashboard) = (rules(), dashboard());
    let all: Vec<_> = named(&rules).into_iter().chain(named(&dashboard)).collect();
    assert!(all.len() > 30, "{all:?}");
    for name in all {
        assert!(known.contains(&name), "there is no {name}");
    }
    file_holds("packaging/prometheus/calway.rules.yml", &rules);
    file_holds("packaging/grafana/calway.json", &dashboard);
}

#[test]
fn every_alert_says_what_to_do() {
    for alert in ALERTS {
        let remedy = remedy(alert);
        assert!(remedy.len() > 20 && !remedy.contains('@'), "{}: {remedy}", alert.0);
        assert!(!remedy.starts_with("Nothing to do"), "{}: {remedy}", alert.0);
    }
}
