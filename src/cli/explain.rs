//! The settings in force in words, for `config show` and `check --explain`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::Failure;
use crate::config::{self, explain::Line};

/// Each value in force and the file that it came from, as lines or as JSON.
///
/// # Errors
/// `Usage` with the mistakes of a configuration that is wrong.
pub(super) fn text(file: &Path, json: bool) -> Result<String, Failure> {
    let settings = config::read(file).map_err(|why| Failure::Usage(why.to_string()))?;
    Ok(if json { machine(&settings.lines) } else { people(&settings.lines) })
}

fn people(lines: &[Line]) -> String {
    let row = |line: &Line| {
        let value = match &line.value {
            Some(value) => format!("{} = {value}", line.key),
            None => format!("{} is not set", line.key),
        };
        let from = match (&line.file, &line.value) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(_)) => "default".to_owned(),
            (None, None) => line.remark.to_owned(),
        };
        (value, from)
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    // Where one is very long its remark stands behind it, and the others stay in their column.
    let width = rows.iter().map(|(value, _)| value.chars().count()).filter(|one| *one <= 60).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for (value, from) in rows {
        let _ = writeln!(text, "{value:<width$}  # {from}");
    }
    text
}

fn machine(lines: &[Line]) -> String {
    let row = |line: &Line| {
        // What is written as TOML here is JSON as well.
        let value = line.value.as_ref().map(|value| {
            serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value.as_str()))
        });
        json!({
            "key": line.key,
            "value": value,
            "file": line.file.as_ref().map(|file| file.display().to_string()),
        })
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    format!("{:#}\n", serde_json::Value::from(rows))
}
