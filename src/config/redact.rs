//! The configuration in force as it may be given away: which keys are set and how things are meant
//! to work, without accounts, addresses, words of the organisation and, unless wanted, hosts.

use std::collections::BTreeSet;

use http::Uri;
use serde_json::{Value, json};

use super::Settings;
use super::explain::Line;
use super::reference::{Kind, key_of};
use crate::net::name;

/// Texts that are one of a few that everybody knows, or a name that the journal has as well.
const OPEN: &[&str] = &[
    "log",
    "calendar[].name",
    "calendar[].kind",
    "calendar[].auth",
    "calendar[].discover.scp.bind",
    "calendar[].proxy_auth.kind",
    "cloud.auth.kind",
    "cloud.proxy_auth.kind",
    "records.private",
    "records.untitled",
    "decorate.language",
    "decorate.text[].language",
    "keyword[].mode",
];

/// Lists of domains or hosts.
const HOSTS: &[&str] =
    &["calendar[].domains", "calendar[].discover.domains", "calendar[].discover.trusted_hosts"];

/// Folders that every installation has.
const FOLDERS: &[&str] = &["/etc/calway/", "/var/lib/calway/", "/run/calway/", "/etc/ssl/certs/"];

/// Every value in force, redacted, with the kind of file that it came from.
pub fn redacted(settings: &Settings, with_hosts: bool) -> Value {
    let all = settings.lines.iter().map(|line| {
        let from = match &line.file {
            None => "default",
            Some(file) if *file == settings.file => "main file",
            Some(_) => "drop-in",
        };
        json!({"key": line.key, "value": value(line, with_hosts), "from": from})
    });
    all.collect()
}

fn value(line: &Line, with_hosts: bool) -> Value {
    let Some(written) = &line.value else { return Value::Null };
    let Some(key) = key_of(&line.key) else { return "[unknown]".into() };
    let parsed = serde_json::from_str::<Value>(written).unwrap_or_default();
    let text = parsed.as_str().unwrap_or_default();
    if OPEN.contains(&key.path) {
        return parsed;
    }
    match key.kind {
        Kind::Number | Kind::Flag if parsed.is_number() || parsed.is_boolean() => parsed,
        Kind::Number | Kind::Flag => "[wrong]".into(),
        Kind::Path => path(text).into(),
        _ if HOSTS.contains(&key.path) && with_hosts => parsed,
        Kind::Address => address(text, with_hosts).into(),
        Kind::Texts | Kind::OneOrMore => match &parsed {
            Value::Array(all) => format!("[{} texts]", all.len()).into(),
            _ => "[text]".into(),
        },
        Kind::Text => match text.parse::<Uri>() {
            Ok(uri) if uri.scheme().is_some() => address(text, with_hosts).into(),
            _ => "[text]".into(),
        },
    }
}

fn address(text: &str, with_hosts: bool) -> String {
    let Ok(uri) = text.parse::<Uri>() else { return "[address]".into() };
    let scheme = uri.scheme_str().unwrap_or("?");
    let host = if with_hosts { uri.host().unwrap_or("?") } else { "[host]" };
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let path = match uri.path().to_ascii_lowercase().as_str() {
        path @ ("" | "/" | "/ews/exchange.asmx" | "/autodiscover/autodiscover.svc") => {
            path.to_owned()
        }
        _ => "/[path]".into(),
    };
    format!("{scheme}://{host}{port}{path}")
}

fn path(text: &str) -> String {
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = ["pem", "crt", "cer", "db", "sock", "keytab"].contains(&ending);
    let ending = if known { format!(".{ending}") } else { String::new() };
    let folder = FOLDERS.iter().find(|folder| text.starts_with(**folder)).unwrap_or(&"/…/");
    format!("{folder}[file]{ending}")
}

/// The hosts that the configuration names: of addresses, and in lists.
pub fn hosts(settings: &Settings) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in &settings.lines {
        let Some(key) = key_of(&line.key) else { continue };
        let parsed = line.value.as_deref().map(serde_json::from_str::<Value>);
        match parsed {
            Some(Ok(Value::String(text))) => {
                let uri = text.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some());
                found.extend(uri.and_then(|uri| name::plain(uri.host()?)));
            }
            Some(Ok(Value::Array(all))) if HOSTS.contains(&key.path) => {
                found.extend(all.iter().filter_map(|host| name::plain(host.as_str()?)));
            }
            _ => {}
        }
    }
    found
}

/// Texts that are accounts of people and programs, or their addresses.
const ACCOUNTS: &[&str] = &[
    "calendar[].account",
    "calendar[].proxy_auth.user",
    "calendar[].test_mailboxes",
    "calendar[].test_rooms",
    "cloud.proxy_auth.user",
    "admin.users",
];

/// What would pass for a plain word in a sentence, and is an account or a host of the
/// configuration: in lower case.
pub fn words(settings: &Settings) -> BTreeSet<String> {
    let mut found = hosts(settings);
    for line in &settings.lines {
        if key_of(&line.key).is_none_or(|key| !ACCOUNTS.contains(&key.path)) {
            continue;
        }
        let parsed = line.value.as_deref().map(serde_json::from_str::<Value>);
        let Some(Ok(parsed)) = parsed else { continue };
        let texts = parsed.as_array().map_or(std::slice::from_ref(&parsed), Vec::as_slice);
        for text in texts.iter().filter_map(Value::as_str) {
            found.extend(text.split(['\\', '@']).map(str::to_ascii_lowercase));
        }
    }
    found
}

/// The same of a file that cannot be read as a configuration: all that stands in quotes there.
pub fn quoted_words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let quoted = line.split(['"', '\'']).skip(1).step_by(2);
        for word in quoted.flat_map(|text| text.split(|c: char| !is_of_word(c))) {
            found.insert(word.to_ascii_lowercase());
        }
    }
    found
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reference::KEYS;

    fn shown(key: &str, value: Value, with_hosts: bool) -> Value {
        let value = Some(value.to_string());
        let line = Line { key: key.into(), value, file: None, remark: "" };
        super::value(&line, with_hosts)
    }

    #[test]
    fn nothing_of_a_text_is_left_unless_it_is_known_to_be_harmless() {
        for key in KEYS.iter().filter(|key| !OPEN.contains(&key.path)) {
            let place = key.path.replace("[]", "[0]");
            for text in [json!("Kolibri@corp.example"), json!(["Kolibri", "Zaunkönig"])] {
                let shown = shown(&place, text, false).to_string();
                assert!(!shown.contains("Kolibri") && !shown.contains("corp"), "{place}: {shown}");
            }
        }
        let url = json!("https://user:Kolibri@ex1.corp.example:8443/Kolibri?x=Kolibri");
        assert_eq!(shown("calendar[0].url", url.clone(), false), "https://[host]:8443/[path]");
        let with = shown("calendar[0].url", url, true);
        assert_eq!(with, "https://ex1.corp.example:8443/[path]");
        let file = shown("calendar[0].ca_file", json!("/etc/calway/kolibri.pem"), true);
        assert_eq!(file, "/etc/calway/[file].pem");
        assert_eq!(shown("poll_seconds", json!(60), false), 60);
        assert_eq!(shown("calendar[0].name", json!("hq"), false), "hq");
    }

    #[test]
    fn every_key_that_is_shown_openly_is_one() {
        for path in OPEN.iter().chain(HOSTS) {
            assert!(KEYS.iter().any(|key| key.path == *path), "{path}");
        }
    }
}
