//! Invitations, and the address that each is joined by: `tests/golden/join`, one file a case, with
//! what is expected in its first headers.

mod bounds;
mod program;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use calway::cli::join_test::message;
use calway::model::Plain;
use calway::pipeline::join::{Device, Join, ORDER, Rules, table};

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/join");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        if folder.is_dir() {
            found.extend(std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
        }
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
    found.sort();
    found
}

/// What a file expects: header and value.
fn expected(bytes: &[u8]) -> BTreeMap<&'static str, String> {
    let names = ["Expect-Join", "Expect-Service", "Expect-URI", "Expect-Phone", "Expect-Device"];
    let read = |name: &'static str| Some((name, message::header(bytes, name)?));
    names.into_iter().filter_map(read).collect()
}

/// The same of what was found.
fn told(found: &Join) -> BTreeMap<&'static str, String> {
    let text = |plain: &Plain| plain.reveal().to_owned();
    let mut all = BTreeMap::new();
    all.insert("Expect-Join", found.url.as_ref().map_or("none".into(), text));
    if let (Some(_), Some(service)) =
        (&found.url, found.chosen.as_ref().and_then(|chosen| chosen.service))
    {
        all.insert("Expect-Service", service.to_owned());
    }
    all.extend(found.uri.as_ref().map(|uri| ("Expect-URI", text(uri))));
    all.extend(found.phone.as_ref().map(|phone| ("Expect-Phone", text(&phone.dialled()))));
    let device = device(&found.device);
    if !device.is_empty() {
        all.insert("Expect-Device", device);
    }
    all
}

fn device(found: &Device) -> String {
    let all = [
        ("teams-conference", &found.teams_conference),
        ("teams-tenant-key", &found.teams_tenant_key),
        ("webex-number", &found.webex_number),
    ];
    let there = all.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let told: Vec<_> = there.map(|(name, value)| format!("{name}={}", value.reveal())).collect();
    told.join("; ")
}

#[test]
fn every_invitation_is_joined_where_a_person_would_click() {
    let rules = Rules::default();
    let (mut wrong, mut services, mut languages) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let (mut none, files) = (0, files());
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let wanted = expected(&bytes);
        let meeting = message::read(&bytes).expect("a message");
        let found = rules.join(&meeting);
        let told = told(&found);
        none += usize::from(wanted.get("Expect-Join").is_some_and(|join| join == "none"));
        services.extend(wanted.get("Expect-Service").cloned());
        let language = message::header(&bytes, "Content-Language").unwrap_or_default();
        languages.insert(language.split('-').next().unwrap_or_default().to_ascii_lowercase());
        if let Some(chosen) = &found.chosen {
            assert!(ORDER.iter().any(|(id, _)| *id == &*chosen.rule), "{}", chosen.rule);
        }
        if wanted != told {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/join");
            let name = path.strip_prefix(root).unwrap().display();
            let rule = found.chosen.as_ref().map_or("-", |chosen| &*chosen.rule);
            wrong.push(format!("{name}\n    wanted {wanted:?}\n    found  {told:?} by {rule}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), files.len(), wrong.join("\n"));
    assert!(files.len() >= 400, "{} invitations", files.len());
    assert!(none >= 60, "{none} without an address of the web");
    languages.remove("");
    assert!(languages.len() >= 15, "{languages:?}");
    for service in table::services() {
        assert!(services.contains(service.id), "no invitation to {}", service.id);
    }
}
