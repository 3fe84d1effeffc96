//! The diagnose bundle: planted titles, bodies, people, passwords and links are searched for in
//! every byte of it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use calway_lab::canary::Canaries;
use calway_lab::exchange::{Attendee, Draft, MailboxKind};
use calway_lab::stage::{Options, Stage};

use super::ended;
use crate::edits::now_ms;
use crate::house::{PROGRAM, within};

const PASSWORD: &str = "Zinnober-Kanarie-4471";
// Nothing of it looks like a name.
const ACCOUNT: &str = "CORP\\svc-rotkehlchen";
const TITLE: &str = "Übernahme Kolibri";
const BODY: &str = "Die Zaunkönigin kündigt morgen";
const LINK: &str = "https://kanarie.example/raum/884200731?pwd=Stieglitz";
const PERSON: (&str, &str, &str) = ("u-1", "quirin.oxblood@corp.example", "Quirin Oxblood");
const FOOTER: &str = "Eure Nachtigall-Zentrale";

/// What a journalctl of this machine would say of our unit, if others had written into it.
fn planted_journal() -> String {
    let line = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let fields: serde_json::Map<String, serde_json::Value> = fields.collect();
        serde_json::Value::Object(fields).to_string() + "\n"
    };
    let time = ("__REALTIME_TIMESTAMP", "1763777580000000");
    let secrets = format!("{TITLE} {BODY} {LINK} {} {PASSWORD}", PERSON.1);
    [
        line(&[time, ("MESSAGE", &secrets), ("_CMDLINE", &secrets), ("_HOSTNAME", PERSON.1)]),
        line(&[time, ("CONDITION", "cloud-waits"), ("CAUSE", &secrets), ("MESSAGE", &secrets)]),
        line(&[time, ("CONDITION", &secrets), ("CAUSE", "nothing"), (TITLE, TITLE)]),
        line(&[time, ("CONDITION", "cloud-waits"), ("CAUSE", "no word of svc-rotkehlchen here")]),
        line(&[time, ("CONDITION", "cloud-waits"), ("CAUSE", "no way to zinnoberhost")]),
        line(&[time, ("CONDITION", "mailbox-failing"), ("USER_ID", PERSON.1), ("HOST", LINK)]),
        "not json at all: ".to_owned() + &secrets + "\n",
        line(&[
            time,
            ("CONDITION", "exchange-waits"),
            ("CAUSE", "ErrorServerBusy"),
            ("CALENDAR", "hq"),
            ("PRIORITY", "4"),
        ]),
    ]
    .concat()
}

/// A folder whose `journalctl` says that.
fn programs(folder: &Path) -> std::path::PathBuf {
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::fs::write(folder.join("journal.txt"), planted_journal()).unwrap();
    let text = format!("#!/bin/sh\n/bin/cat {}\n", folder.join("journal.txt").display());
    let program = programs.join("journalctl");
    crate::house::program(&program, &text);
    programs
}

fn unpacked(bundle: &Path) -> Vec<(String, Vec<u8>)> {
    let file = std::fs::File::open(bundle).unwrap();
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut whole).unwrap();
    let mut files = vec![("the archive itself".to_owned(), whole.clone())];
    for entry in tar::Archive::new(whole.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.push((name, bytes));
    }
    files
}

struct Scene {
    stage: Stage,
    _connector: tokio::process::Child,
    folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { poll_seconds: Some(5), ..Options::default() };
    options.exchange.password = PASSWORD.into();
    options.exchange.account = ACCOUNT.into();
    let stage = Stage::start(folder.path(), options).await.unwrap();
    let config = std::fs::read_to_string(stage.config()).unwrap();
    let words = format!(
        "\n[decorate]\nlanguage = \"de\"\n[[decorate.text]]\nlanguage = \"de\"\n\
         footer = \"{FOOTER}\"\n"
    );
    std::fs::write(stage.config(), config + &words).unwrap();
    stage.exchange.calendars().add_mailbox(PERSON.1, PERSON.2, MailboxKind::User);
    let log = std::fs::File::create(folder.path().join("connector.log")).unwrap();
    let connector = stage.connector(PROGRAM).stderr(log).spawn().unwrap();
    let command = stage.cloud.activate(PERSON.0, PERSON.1).await;
    assert_eq!(within(stage.cloud.outcome(&command)).await.outcome, "done");
    let mut draft = Draft::meeting(TITLE, now_ms() + 3_600_000, 30);
    (draft.location, draft.body) = (LINK.into(), BODY.into());
    draft.attendees = vec![Attendee::required("zaunkoenig@outside.example", "Zaunkönig Extern")];
    stage.exchange.calendars().create(PERSON.1, draft);
    within(stage.cloud.wait(|view| view.live(PERSON.0) == 1)).await;
    // A mailbox that fails is told of in full.
    stage.exchange.calendars().deny_impersonation(PERSON.1, true);
    stage.exchange.calendars().create(PERSON.1, Draft::meeting(TITLE, now_ms() + 7_200_000, 30));
    Scene { stage, _connector: connector, folder }
}

impl Scene {
    fn diagnose(&self, more: &[&str]) -> (i32, String, String) {
        let programs = self.folder.path().join("programs");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(PROGRAM);
        command.arg("diagnose").arg("--config").arg(self.stage.config()).args(more);
        command.env("PATH", format!("{}:{path}", programs.display()));
        ended(command.current_dir(self.folder.path()).output().unwrap())
    }
}

fn canaries() -> Canaries {
    let mut canaries = Canaries::new([PASSWORD, "Stieglitz", "884200731", "kanarie.example"]);
    for text in [
        TITLE,
        BODY,
        FOOTER,
        PERSON.1,
        PERSON.2,
        "Kolibri",
        "Nachtigall",
        "zaunkoenig@outside.example",
        "Zaunkönig",
        "quirin.oxblood",
        "Oxblood",
    ] {
        canaries.plant(text);
    }
    canaries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_nothing_planted_is_found_in_the_diagnose_bundle() {
    let scene = scene().await;
    programs(scene.folder.path());
    let mut canaries = canaries();
    canaries.plant("rotkehlchen");
    let secret = |name: &str| {
        std::fs::read_to_string(scene.stage.credentials().join(name)).unwrap().trim().to_owned()
    };
    for name in ["cloud.client_secret", "store.key"] {
        canaries.plant(&secret(name));
    }
    let failing = || {
        let listed = Command::new(PROGRAM)
            .args(["user", "list", "--state", "failing", "--config"])
            .arg(scene.stage.config())
            .output();
        String::from_utf8(listed.unwrap().stdout).unwrap().contains(PERSON.0)
    };
    let until = std::time::Instant::now() + crate::house::PATIENCE;
    while !failing() {
        assert!(std::time::Instant::now() < until, "the mailbox fails: in vain");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Hosts that the operator lets go out are those of the configuration, and no others.
    for more in [&["--output", "a.tar.gz"][..], &["--with-hosts", "--output", "b.tar.gz"]] {
        let (code, out, error) = scene.diagnose(more);
        assert_eq!(code, 0, "{error}");
        let bundle = scene.folder.path().join(more.last().unwrap());
        let mode = std::fs::metadata(&bundle).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
        let files = unpacked(&bundle);
        for (name, bytes) in &files {
            assert_eq!(canaries.search(bytes, name), [], "{}", String::from_utf8_lossy(bytes));
            assert_eq!(canaries.search(name.as_bytes(), "a name"), []);
        }
        assert_eq!(canaries.search(out.as_bytes(), "what is printed"), []);
        let text = |name: &str| {
            let named = files.iter().find(|(path, _)| path.ends_with(name));
            String::from_utf8(named.expect(name).1.clone()).unwrap()
        };
        // And yet it is of use.
        for name in ["version.json", "system.json", "limits.json", "read-me.txt"] {
            assert!(out.contains(name) && text(name).len() > 20, "{name}: {out}");
        }
        assert!(text("journal.json").contains("\"CAUSE\":\"ErrorServerBusy\""));
        assert_eq!(text("journal.json").lines().count(), 7, "a line for each that can be read");
        assert!(text("conditions.json").contains("mailbox-failing"));
        assert!(text("failing.json").contains("ErrorImpersonateUserDenied"));
        assert!(text("failing.json").contains(PERSON.0), "users appear by the cloud's ids");
        assert!(text("status.json").contains("\"ready\""));
        let hosts = more.len() > 2;
        assert_eq!(text("configuration.json").contains("127.0.0.1"), hosts, "{more:?}");
        assert!(text("configuration.json").contains("\"key\": \"decorate.text[0].footer\""));
    }
    // What is there already is left alone, a link too.
    let (code, _, error) = scene.diagnose(&["--output", "a.tar.gz"]);
    assert_eq!(code, 1, "{error}");
    // The search does find them where they stand.
    let config = std::fs::read(scene.stage.config()).unwrap();
    assert!(!canaries.search(&config, "the configuration").is_empty());
    let journal = std::fs::read(scene.folder.path().join("journal.txt")).unwrap();
    assert!(canaries.search(&journal, "the journal").len() > 5);
}

/// The bundle of a configuration that cannot be read, and what was printed.
fn bundle_of(wrong: &str) -> (Vec<(String, Vec<u8>)>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    programs(folder.path());
    let config = folder.path().join("calway.toml");
    std::fs::write(&config, wrong).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["diagnose", "--output", "c.tar.gz", "--config"]).arg(&config);
    command.arg("--socket").arg(folder.path().join("nobody.sock")).current_dir(folder.path());
    command.env("PATH", folder.path().join("programs"));
    let (code, out, error) = ended(command.output().unwrap());
    assert_eq!(code, 0, "{error}");
    (unpacked(&folder.path().join("c.tar.gz")), out, error)
}

/// Somebody wrote a secret where none belongs; all of it in lower case.
const BROKEN: &str = "log = \"info\"\n[[calendar]]\nname = \"hq\"\naccount = \
    'corp\\svc-rotkehlchen'\nurl = \"https://zinnoberhost/EWS/Exchange.asmx\"\n\
    password = \"zinnober-kanarie\" oops\n";

#[test]
fn a_bundle_is_made_while_nothing_runs_and_nothing_is_right() {
    let unknown = format!("log = \"info\"\nKolibri = \"{PASSWORD}\"\n[cloud]\nurl = \"{LINK}\"\n");
    let of_another_kind = BROKEN.replace(" oops", "").replace("password", "poll_seconds");
    for (wrong, places) in
        [(unknown.as_str(), 0), (BROKEN, 1), (&of_another_kind, 0), ("\"zinnober-kanarie", 1)]
    {
        let (files, out, error) = bundle_of(wrong);
        assert!(out.contains("configuration.json"), "{out}");
        assert!(error.contains("the service does not answer"), "{error}");
        let mut canaries = canaries();
        canaries.plant("zinnober-kanarie");
        // Whose configuration names no account is not told which word is one.
        if wrong.contains("svc-rotkehlchen") {
            canaries.plant("rotkehlchen");
            canaries.plant("zinnoberhost");
        }
        for (name, bytes) in &files {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(canaries.search(bytes, name), [], "{wrong}\n{text}");
            if name.ends_with("configuration.json") {
                let found: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                assert!(found["mistakes"].as_u64() >= Some(1), "{text}");
                assert_eq!(found["at"].as_array().unwrap().len(), places, "{text}");
            }
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_is_told_by_its_place_and_not_by_what_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calway.toml");
    let told = |text: &str| {
        std::fs::write(&file, text).unwrap();
        calway::config::read(&file).unwrap_err().to_string()
    };
    let broken = told(BROKEN);
    assert!(broken.contains("at line 6, column 31"), "{broken}");
    let kind = told("poll_seconds = \"zinnober-kanarie\"\n");
    assert!(kind.contains("a string, expected") && kind.contains("poll_seconds"), "{kind}");
    for words in [broken, kind] {
        assert!(!words.contains("kanarie") && !words.contains('\n'), "{words}");
    }
}
