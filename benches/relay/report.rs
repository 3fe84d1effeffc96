//! The figures for people: a table for the terminal or for the page of benchmarks.

use crate::measure::Figures;

/// The circumstances of a run.
pub struct Run {
    pub machine: String,
    pub load: f64,
    pub profile: &'static str,
    pub mailboxes: usize,
}

/// One line: what, the connector's, the peer's, the ratio.
type Row = [String; 4];

/// The table; without a peer two columns stay empty.
pub fn table(run: &Run, calway: &Figures, peer: Option<&Figures>, markdown: bool) -> String {
    let mut rows = first_rows(calway, peer);
    rows.extend(latency_rows(calway, peer));
    let mut text = format!(
        "{}, {} build, {}; load of the machine before the run: {:.2}.\n\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        run.profile,
        run.machine,
        run.load,
    );
    let head = [
        format!("{} mailboxes, {} meetings", run.mailboxes, grouped(calway.first.items)),
        "calway".to_owned(),
        "exchangelib".to_owned(),
        "exchangelib / calway".to_owned(),
    ];
    if markdown {
        text += &line(&head);
        text += "|---|---:|---:|---:|\n";
        rows.iter().for_each(|row| text += &line(row));
    } else {
        for row in std::iter::once(&head).chain(&rows) {
            let [what, own, other, ratio] = row;
            text += &format!("  {what:<58} {own:>12} {other:>12} {ratio:>22}\n");
        }
    }
    text += "\nRequests to Exchange up to the last record: ";
    text += &requests(calway);
    if let Some(peer) = peer {
        text += &format!(" (calway); {} (exchangelib)", requests(peer));
    }
    text + ".\n"
}

fn line(row: &Row) -> String {
    format!("| {} |\n", row.join(" | "))
}

fn first_rows(calway: &Figures, peer: Option<&Figures>) -> Vec<Row> {
    let row = |what: &str, read: fn(&Figures) -> f64, places: usize| {
        row(what, read(calway), peer.map(read), places)
    };
    vec![
        row("first synchronisation, seconds", |f| f.first.seconds, 2),
        row("… meetings a second", |f| f.first.items as f64 / f.first.seconds, 0),
        row("… CPU seconds", |f| f.first.cpu, 2),
        row("… CPU milliseconds a meeting", |f| 1e3 * f.first.cpu / f.first.items as f64, 3),
        row("… CPU seconds of the lab meanwhile", |f| f.first.lab_cpu, 2),
        row("… records in the cloud, KiB", |f| f.first.stored as f64 / 1024.0, 0),
        row("most memory resident, MiB", |f| f.first.peak_mib, 0),
    ]
}

fn latency_rows(calway: &Figures, peer: Option<&Figures>) -> Vec<Row> {
    let what = format!("edit to record at rest ({} edits), p50, ms", calway.idle.count);
    let mut rows = vec![
        row(&what, calway.idle.p50, peer.map(|p| p.idle.p50), 2),
        row("… p99, ms", calway.idle.p99, peer.map(|p| p.idle.p99), 2),
        row("… longest, ms", calway.idle.most, peer.map(|p| p.idle.most), 2),
    ];
    for (rate, paced) in &calway.paced {
        let other = peer.and_then(|peer| peer.paced.get(rate));
        let what = format!("edit to record at {rate} edits/s ({} edits), p50, ms", paced.edits);
        rows.push(row(&what, paced.spread.p50, other.map(|o| o.spread.p50), 2));
        rows.push(row("… p99, ms", paced.spread.p99, other.map(|o| o.spread.p99), 2));
        rows.push(row("… longest, ms", paced.spread.most, other.map(|o| o.spread.most), 2));
        let each = |cpu: f64, edits: usize| 1e3 * cpu / edits.max(1) as f64;
        let other = other.map(|o| each(o.cpu, o.edits));
        rows.push(row("… CPU milliseconds an edit", each(paced.cpu, paced.edits), other, 2));
    }
    rows
}

fn row(what: &str, own: f64, other: Option<f64>, places: usize) -> Row {
    let number = |value: f64| match places {
        0 => grouped(value.round() as usize),
        _ => format!("{value:.places$}"),
    };
    let ratio = other.filter(|_| own > 0.0).map(|other| format!("{:.2}", other / own));
    let dash = || "–".to_owned();
    [what.to_owned(), number(own), other.map_or_else(dash, number), ratio.unwrap_or_else(dash)]
}

fn requests(figures: &Figures) -> String {
    let counts = &figures.first.requests;
    let said: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    said.join(", ")
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
