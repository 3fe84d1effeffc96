//! How what people read is laid out: columns, lengths of time, sizes, lines that end in time.

use std::io::IsTerminal as _;

use serde_json::Value;

/// Columns of a text where nobody says how many there are, and the least.
const WIDTH: usize = 100;
const NARROW: usize = 40;

/// Rows with their columns below each other, two blanks apart. Columns from `left` on stand at the
/// right, as numbers do.
pub(super) fn table(rows: &[Vec<String>], left: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, width))| match at < left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// A text in a colour (ECMA-48, select graphic rendition), where somebody looks who can see it.
pub(super) fn ink(code: &str, text: &str) -> String {
    match is_coloured() {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

fn is_coloured() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !dumb && !set("NO_COLOR")
}

/// The columns and lines of the terminal at standard output.
pub(super) fn terminal() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let (columns, lines) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && lines > 0).then_some((columns, lines))
}

/// How wide texts are: as the terminal, but no wider than reads well.
pub(super) fn width() -> usize {
    terminal().map_or(WIDTH, |(columns, _)| columns.clamp(NARROW, WIDTH))
}

/// A length of time in the two units that matter.
pub(super) fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Milliseconds, as people read them.
pub(super) fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => time(ms / 1_000),
    }
}

/// How long it was from one time to the other, both as the daemon writes them (RFC 3339).
pub(super) fn between(from: &Value, to: &Value) -> Option<u64> {
    let stamp = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    u64::try_from(stamp(to)?.as_second() - stamp(from)?.as_second()).ok()
}

/// Bytes, with the unit that fits.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1_024.0 && unit + 1 < units.len() {
        (size, unit) = (size / 1_024.0, unit + 1);
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if size < 10.0 && unit != "B" {
        format!("{size:.1} {unit}")
    } else {
        format!("{size:.0} {unit}")
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its thing, which gets an s where there is not one of it.
pub(super) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", self::number(number))
}

/// A text in lines of at most `width` characters, each after `indent` blanks.
pub(super) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > width {
            out += &format!("{:indent$}{line}\n", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        out += &format!("{:indent$}{line}\n", "");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["calendar", "mailboxes"], ["hq", "1,203"], ["a-long-one", "7"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let shown = "calendar    mailboxes\nhq              1,203\na-long-one          7\n";
        assert_eq!(table(&rows, 1), shown);
    }

    #[test]
    fn lengths_and_sizes_are_short() {
        assert_eq!([5, 300, 11_520, 200_000].map(time), ["5 s", "5 min", "3 h 12 min", "2 d 7 h"]);
        assert_eq!([8, 1_500, 90_000].map(millis), ["8 ms", "1.5 s", "1 min"]);
        assert_eq!([17, 1_536, 12 << 30].map(bytes), ["17 B", "1.5 KiB", "12 GiB"]);
        assert_eq!([0, 999, 1_203, 1_000_000].map(number), ["0", "999", "1,203", "1,000,000"]);
        assert_eq!([1, 2].map(|n| count(n, "stream")), ["1 stream", "2 streams"]);
        assert_eq!(wrapped("a bc def g", 2, 7), "  a bc\n  def g\n");
    }
}
