//! What `--json` prints has the shape that docs/reference/checks.md describes, and exit codes are
//! those of the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::Scene;

/// The fields of a finding, with what each is.
fn described() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/checks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let machines = page.split("\n## For machines\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = machines.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
    });
    rows.collect()
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "text" => value.is_string(),
        "number" => value.is_u64(),
        "text or null" => value.is_string() || value.is_null(),
        "object or null" => value.is_object() || value.is_null(),
        "list of texts" => {
            value.as_array().is_some_and(|all| all.iter().all(serde_json::Value::is_string))
        }
        other => panic!("the page has a field that is {other}"),
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_machines_read_has_the_shape_that_the_page_describes() {
    let fields = described();
    assert!(fields.len() > 5, "{fields:?}");
    let scene = Scene::plain().await;
    scene.in_calendar("test_mailboxes = [\"alice@corp.example\"]");
    // All four outcomes: a failure, and a warning without which none would have been read.
    scene.systemctl("[Service]\nLimitNOFILE=64\nLoadCredentialEncrypted=store.key\n");
    let mut lines = scene.json(&[]).await;
    let last = lines.pop().unwrap();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for line in &lines {
        let wanted: BTreeSet<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(keys(line), wanted, "{line}");
        for (field, kind) in &fields {
            assert!(is(kind, &line[field]), "{field} is no {kind}: {line}");
        }
        let outcome = line["outcome"].as_str().unwrap();
        let trouble = ["fail", "warn"].contains(&outcome);
        assert_eq!(trouble, line["trouble"].is_string(), "{line}");
        assert_eq!(trouble, !line["remedy"].as_array().unwrap().is_empty(), "{line}");
        if !line["command"].is_null() {
            assert_eq!(keys(&line["command"]), ["text", "where"].into());
            let place = line["command"]["where"].as_str().unwrap();
            assert!(["here", "exchange", "windows"].contains(&place), "{line}");
        }
        *seen.entry(outcome.to_owned()).or_default() += 1;
    }
    let sum = &last["summary"];
    assert_eq!(keys(&last), ["summary"].into());
    assert_eq!(keys(sum), ["exit", "fail", "pass", "skip", "took_ms", "warn"].into());
    for outcome in ["pass", "fail", "warn", "skip"] {
        assert_eq!(sum[outcome].as_u64(), seen.get(outcome).copied(), "{outcome}: {sum}");
    }
    assert_eq!(sum["exit"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_learns_by_the_exit_code_whether_all_is_well() {
    let scene = Scene::plain().await;
    let secrets = ["--json", "--only", "secrets"];
    let code = |said: &super::Said| {
        let last: Value = serde_json::from_str(said.text.lines().last().unwrap()).unwrap();
        (said.exit, last["summary"]["exit"].as_i64().unwrap())
    };
    assert_eq!(code(&scene.check(&secrets).await), (0, 0));
    // A warning is no failure.
    scene.systemctl("[Service]\nLimitNOFILE=64\n");
    assert_eq!(code(&scene.check(&["--json", "--only", "files"]).await), (0, 0));
    scene.secret("cloud.client_secret", "");
    assert_eq!(code(&scene.check(&secrets).await), (1, 1));
    scene.in_calendar("connections = 1000");
    assert_eq!(code(&scene.check(&secrets).await), (2, 2));
    let wrong = scene.check(&["--only", "nonsense"]).await;
    assert_eq!((wrong.exit, wrong.text.as_str()), (2, ""));
}
