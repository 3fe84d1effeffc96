//! The program's own commands: the trust list, and a discovery that a person watches.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::house::PROGRAM;

/// A configuration of a calendar whose servers are to be found, and a store beside it.
fn written(folder: &Path, calendar: &str) -> PathBuf {
    let file = folder.join("calway.toml");
    let store = folder.join("calway.db");
    let text = format!(
        "[[calendar]]\nname = \"hq\"\naccount = 'CORP\\svc'\ndomains = [\"corp.example\"]\n\
         {calendar}\n[store]\npath = \"{}\"\n",
        store.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn calway(file: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(words)
        .arg("--config")
        .arg(file)
        .env("CREDENTIALS_DIRECTORY", file.parent().unwrap());
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_person_allows_and_blocks_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "discover = {}");
    assert!(calway(&file, &["trust", "allow", "Mail.Corp.Example."]).status.success());
    assert!(calway(&file, &["trust", "block", "evil.example"]).status.success());
    let list = lines(&calway(&file, &["trust", "list", "--json"]));
    let pair = |line: &Value| format!("{} {}", line["host"], line["verdict"]);
    let pairs: Vec<_> = list.iter().map(pair).collect();
    let expected = ["\"evil.example\" \"blocked\"", "\"mail.corp.example\" \"allowed\""];
    assert_eq!(pairs, expected);
    let shown = calway(&file, &["trust", "list"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("blocked  evil.example"));
    let wrong = calway(&file, &["trust", "allow", "https://evil.example/"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_watches_a_discovery() {
    let exchange = calway_lab::exchange::Exchange::start(Default::default()).await.unwrap();
    super::add(&exchange, "ann");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, exchange.ca_pem()).unwrap();
    std::fs::write(folder.path().join("calendar.hq.password"), super::PASSWORD).unwrap();
    let start = format!("{}/autodiscover/autodiscover.svc", exchange.origin());
    let file = written(
        folder.path(),
        &format!(
            "autodiscover = \"{start}\"\ndiscover = {{ srv = false }}\nsystem_trust = false\n\
             ca_file = \"{}\"\n",
            ca.display()
        ),
    );
    let text = std::fs::read_to_string(&file).unwrap().replace("CORP\\svc", "CORP\\svc-calway");
    std::fs::write(&file, text).unwrap();
    let run = |address: &'static str| {
        let file = file.clone();
        tokio::task::spawn_blocking(move || calway(&file, &["discover", address, "--json"]))
    };
    let found = run("ann@corp.example").await.unwrap();
    let told = lines(&found);
    assert!(found.status.success(), "{told:?}");
    assert_eq!((told[0]["step"].as_str(), told[0]["at"].as_str()), (Some("soap"), Some(&*start)));
    assert_eq!(told[told.len() - 1]["ews"], exchange.url());

    let nobody = run("nobody@corp.example").await.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("InvalidUser"));
}
