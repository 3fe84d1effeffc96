//! `docs/reference/configuration.md` is made from the table of keys: `CALWAY_WRITE=1 cargo test
//! --test it reference` writes it anew. The table has every key that is read, and no other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use calway::config::reference::{Default, KEYS, Kind, OPTIONAL, Reload, key_of};
use calway::config::{self, Settings};
use tempfile::TempDir;

const BEGIN: &str = "\
# Configuration

This page is made from the table that the connector reads (`src/config/reference`), by a test that fails where the two differ, or where a key is read that is not here.

`/etc/calway/calway.toml`, and beside it `/etc/calway/calway.d/*.toml` in the order of their names. A later file's value takes the place of an earlier one's; a list (`[[calendar]]` as well) takes the place of the whole earlier list. An unknown key or a wrong value is an error that names the file, the key and its line and says what is allowed. No variable of the environment changes a value. Secrets stand in none of these files.

    calway config show               # each value in force, and the file that it came from
    systemctl reload calway          # take a changed file up

A reload drops no stream. It applies the keys that have \"reload\" in the last column, at once and to all mailboxes, and names the others, which count after a restart, in the condition `reload-needs-restart` and in the status line until there was one. A calendar is known by its `name`: a new one, and one that is gone, are named and wait for a restart too. Connections that are open are used to their end and not again; streams go another way when they are opened anew, within ten minutes. Certificates that were renewed under the same name (`ca_file`, `anchors_file`, the system's) are read anew by each reload; a `keytab` whenever it is used. A configuration with a mistake, or with a file that holds no certificate, changes nothing: the condition `reload-refused` names the file and the key, and `systemctl reload` fails; `calway config reload`, which it runs, says the same where it is typed.
";

const INTRODUCTIONS: &[(&str, &str, &str)] = &[
    ("", "At the top", ""),
    ("calendar[]", "`[[calendar]]`", "One entry for each calendar system; one at least is needed."),
    (
        "calendar[].proxy_auth",
        "`proxy_auth = { … }` of a calendar",
        "Where the proxy asks who comes.",
    ),
    (
        "calendar[].discover",
        "`discover = { … }` of a calendar",
        "How the servers of mailboxes are found.",
    ),
    (
        "calendar[].discover.scp",
        "`scp = { … }` in `discover`",
        "Whether the directory is asked for them first.",
    ),
    ("cloud", "`[cloud]`", ""),
    ("cloud.auth", "`auth = { … }` of the cloud", ""),
    ("cloud.proxy_auth", "`proxy_auth = { … }` of the cloud", "Where the proxy asks who comes."),
    ("kms", "`[kms]`", "The key server."),
    ("window", "`[window]`", "The part of each calendar that is relayed."),
    ("records", "`[records]`", "What of a meeting is shown."),
    (
        "join.rule[]",
        "`[[join.rule]]`",
        "Own rules for the address to join: [How a meeting is joined](join.md).",
    ),
    ("keyword[]", "`[[keyword]]`", "More keywords: [Keywords](../guide/keywords.md)."),
    ("decorate", "`[decorate]`", "What is written into invitations."),
    ("decorate.text[]", "`[[decorate.text]]`", "The organisation's own words around it."),
    ("store", "`[store]`", ""),
    ("admin", "`[admin]`", "How the running service is asked how it is."),
    ("metrics", "`[metrics]`", "What Prometheus asks: [Metrics](metrics.md)."),
];

/// What is needed and no more; every list and optional section has one entry.
const LEAST: &str = r#"
[[calendar]]
name = "hq"
account = 'CORP\svc-calway'
discover = { domains = ["corp.example"], scp = { server = "ldaps://dc1.corp.example" } }
[cloud]
url = "https://relay.example.com"
auth = { kind = "oauth", client_id = "hq-1" }
[kms]
anchors_file = "ANCHORS"
[[join.rule]]
name = "video"
pattern = "x"
[[keyword]]
name = "video"
[[decorate.text]]
language = "en"
"#;

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("anchors.pem"), "").unwrap();
        Self { folder }
    }

    fn main(&self) -> PathBuf {
        self.folder.path().join("calway.toml")
    }

    fn read(&self, text: &str) -> Result<Settings, String> {
        let anchors = self.folder.path().join("anchors.pem");
        let text = text.replace("ANCHORS", &anchors.to_string_lossy());
        std::fs::write(self.main(), text).unwrap();
        config::read(&self.main()).map_err(|why| why.to_string())
    }
}

/// Puts a line into a section of [`LEAST`]; sections that are not there are made.
fn with(section: &str, line: &str) -> String {
    let inline = |within: &str| format!("{within} = {{ ");
    match section {
        "" => format!("{line}\n{LEAST}"),
        "calendar[]" | "cloud" | "kms" | "keyword[]" | "join.rule[]" | "decorate.text[]" => {
            let name = section.trim_end_matches("[]");
            let head =
                if section.ends_with("[]") { format!("[[{name}]]") } else { format!("[{name}]") };
            LEAST.replacen(&head, &format!("{head}\n{line}"), 1)
        }
        "calendar[].discover" => LEAST.replacen("scp = {", &format!("{line}, scp = {{"), 1),
        "calendar[].discover.scp" => {
            LEAST.replacen("example\" } }", &format!("example\", {line} }} }}"), 1)
        }
        "cloud.auth" => LEAST.replacen("\"hq-1\" }", &format!("\"hq-1\", {line} }}"), 1),
        "calendar[].proxy_auth" | "cloud.proxy_auth" => {
            let (outer, _) = section.rsplit_once('.').unwrap();
            let auth = format!("{}kind = \"basic\", user = \"u\", {line} }}", inline("proxy_auth"));
            with(outer, &format!("proxy = \"http://p:1\"\n{auth}"))
        }
        other => format!("{LEAST}\n[{other}]\n{line}\n"),
    }
}

fn shown(default: &str) -> String {
    // The page is that of the packages, which have Kerberos.
    let default = match cfg!(feature = "kerberos") {
        true => default.to_owned(),
        false => default.replace("[\"ntlm\"", "[\"negotiate\", \"ntlm\""),
    };
    format!("`{default}`")
}

fn page(least: &Settings) -> String {
    let mut page = BEGIN.to_owned();
    for (section, title, what) in INTRODUCTIONS {
        let _ = write!(page, "\n## {title}\n");
        if !what.is_empty() {
            let _ = writeln!(page, "{what}\n");
        }
        page.push_str("| key | value | if absent | what | change counts after |\n");
        page.push_str("|---|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.section() == *section) {
            let default = match key.default {
                Default::Needed => "needed".to_owned(),
                Default::Nothing(what) | Default::Follows(what, _) => what.to_owned(),
                Default::Is(value) => shown(&value(least, 0)),
            };
            let allowed = match key.allowed {
                "" => String::new(),
                allowed => format!(": {allowed}"),
            };
            let reload = match key.reload {
                Reload::Applied => "reload",
                Reload::Restart => "restart",
            };
            let (name, kind, what) = (key.name(), key.kind.name(), key.what);
            let _ =
                writeln!(page, "| `{name}` | {kind}{allowed} | {default} | {what} | {reload} |");
        }
    }
    page
}

#[test]
fn the_page_about_the_configuration_says_what_is_read() {
    let least = Files::new().read(LEAST).unwrap();
    super::holds("configuration.md", &page(&least));
    let sections: BTreeSet<_> = KEYS.iter().map(|key| key.section()).collect();
    let shown: BTreeSet<_> = INTRODUCTIONS.iter().map(|(section, ..)| *section).collect();
    assert_eq!(shown, sections, "every section has its place in the page");
}

/// What an unknown key of a section is answered with: those that there are.
fn known(section: &str) -> BTreeSet<String> {
    let mistake = config::parse(&with(section, "nonsense = 1")).unwrap_err();
    assert!(mistake.contains("unknown field `nonsense`"), "{section}: {mistake}");
    let (_, rest) = mistake.split_once("expected").unwrap_or_else(|| panic!("{mistake}"));
    let rest = rest.lines().next().unwrap_or_default();
    let rest = rest.split(" for key ").next().unwrap_or_default();
    let keys = rest.split('`').skip(1).step_by(2);
    keys.filter(|key| !key.contains(['.', '['])).map(str::to_owned).collect()
}

#[test]
fn no_key_is_read_that_the_page_does_not_have_and_none_is_there_that_is_not_read() {
    let sections: BTreeSet<_> = KEYS.iter().map(|key| key.section()).collect();
    let mut all: BTreeSet<&str> = sections.clone();
    for section in &sections {
        let mut outer = *section;
        while let Some((before, _)) = outer.rsplit_once('.') {
            all.insert(before);
            outer = before;
        }
    }
    for section in all {
        let below = |path: &'static str| -> Option<&'static str> {
            match section {
                "" => Some(path),
                _ => path.strip_prefix(section)?.strip_prefix('.'),
            }
        };
        let in_table: BTreeSet<_> = KEYS
            .iter()
            .filter_map(|key| below(key.path))
            .map(|rest| rest.split('.').next().unwrap().trim_end_matches("[]").to_owned())
            // The variants of `kind` are told apart by it, before their own keys are read.
            .filter(|name| !(name == "kind" && section.ends_with("auth")))
            .collect();
        assert_eq!(in_table, known(section), "[{section}]");
    }
    // What the table takes for a value is no section.
    for key in KEYS {
        let place = with(key.section(), &format!("{} = {{ nonsense = 1 }}", key.name()));
        let mistake = config::parse(&place).unwrap_err();
        assert!(!mistake.contains("unknown field `nonsense`"), "{}: {mistake}", key.path);
    }
}

/// What would differ although the settings are the same.
fn settings_of(mut settings: Settings) -> String {
    settings.lines.clear();
    format!("{settings:?}")
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    let files = Files::new();
    let mut tried = 0;
    for key in KEYS {
        let (Default::Is(value) | Default::Follows(_, value)) = key.default else { continue };
        let section = key.section();
        let proxied = section.ends_with("proxy_auth");
        assert!(!proxied, "{}: this test knows no default there", key.path);
        let least = files.read(LEAST).unwrap();
        let value = value(&least, 0);
        let text = with(section, &format!("{} = {value}", key.name()));
        // What is written in the least is a value of its own.
        if config::parse(&text).is_err_and(|why| why.contains("duplicate key")) {
            continue;
        }
        let written = files.read(&text).unwrap_or_else(|why| panic!("{}: {why}", key.path));
        assert_eq!(settings_of(written), settings_of(least), "{} = {value}", key.path);
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
}

#[test]
fn the_bounds_that_the_page_names_are_those_that_are_kept() {
    let files = Files::new();
    let mut tried = 0;
    for key in KEYS.iter().filter(|key| key.kind == Kind::Number) {
        let Some((least, most)) = key.allowed.split_once(" to ") else { continue };
        let (least, most) = (least.parse::<i64>().unwrap(), most.parse::<i64>().unwrap());
        for (value, fits) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let read = files.read(&with(key.section(), &format!("{} = {value}", key.name())));
            assert_eq!(read.is_ok(), fits, "{} = {value}", key.path);
            let why = read.err().unwrap_or_default();
            // What is below nothing is refused for its kind.
            let named = fits || value < 0 || why.contains(key.name());
            assert!(named, "{} = {value}: {why}", key.path);
        }
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
}

#[test]
fn each_value_is_shown_with_the_file_that_it_came_from() {
    let files = Files::new();
    files.read(LEAST).unwrap();
    let folder = files.folder.path().join("calway.d");
    std::fs::create_dir(&folder).unwrap();
    let drop_in = folder.join("10-window.toml");
    std::fs::write(&drop_in, "poll_seconds = 30\n[window]\nfuture_days = 14\n").unwrap();
    let settings = config::read(&files.main()).unwrap();
    let line = |key: &str| {
        let found = settings.lines.iter().find(|line| line.key == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not shown"));
        (found.value.as_deref(), found.file.clone())
    };
    assert_eq!(line("poll_seconds"), (Some("30"), Some(drop_in.clone())));
    assert_eq!(line("window.future_days"), (Some("14"), Some(drop_in.clone())));
    assert_eq!(line("window.past_days"), (Some("7"), None));
    assert_eq!(line("calendar[0].name"), (Some("\"hq\""), Some(files.main())));
    assert_eq!(line("calendar[0].proxy"), (None, None));
    assert_eq!(line("cloud.connector"), (Some("\"hq-1\""), None));
    assert!(!settings.lines.iter().any(|line| line.key.starts_with("cloud.proxy_auth")));
    assert!(settings.lines.iter().all(|line| key_of(&line.key).is_some()));
    assert!(OPTIONAL.iter().all(|one| KEYS.iter().any(|key| key.section() == *one)));
    // A list is taken as a whole, so what it does not say is not the earlier one's.
    let other = "[[calendar]]\nname = \"b\"\naccount = \"x\"\nurl = \"https://b/EWS\"\n";
    std::fs::write(&drop_in, other).unwrap();
    let settings = config::read(&files.main()).unwrap();
    let calendars = settings.lines.iter().filter(|line| line.key.starts_with("calendar["));
    for line in calendars {
        assert!(line.key.starts_with("calendar[0]") && line.file != Some(files.main()), "{line:?}");
    }
}

#[test]
fn the_command_shows_what_is_in_force_for_people_and_for_machines() {
    let files = Files::new();
    files.read(LEAST).unwrap();
    let show = |words: &[&str]| {
        let mut command = std::process::Command::new(crate::house::PROGRAM);
        let output = command.args(["config", "show", "--config"]).arg(files.main()).args(words);
        let output = output.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    let (code, text, _) = show(&[]);
    assert_eq!(code, Some(0));
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("window.past_days = 7 ").ends_with("# default"), "{text}");
    assert!(line("cloud.url = ").ends_with(&format!("# {}", files.main().display())), "{text}");
    assert!(line("cloud.proxy is not set").ends_with("# the straight way"), "{text}");
    let (_, json, _) = show(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let past = json.as_array().unwrap().iter().find(|one| one["key"] == "window.past_days");
    assert_eq!(past.unwrap()["value"], 7);
    std::fs::write(files.main(), "[window]\npast_day = 1\n").unwrap();
    let (code, _, why) = show(&[]);
    let why = String::from_utf8(why).unwrap();
    assert!(code == Some(2) && why.contains("past_day") && why.contains("calway.toml"), "{why}");
}
