//! The command without a connector that runs.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::house::PROGRAM;

/// Names the credential in what it writes, as systemd-creds does, and refuses another name.
const CREDS: &str = r#"#!/bin/sh
for word; do case $word in --name=*) name=${word#--name=};; --with-key=*) key=${word#*=};; esac; done
case $1 in
encrypt) echo "${key:-auto} $name"; base64;;
decrypt) exec <"$3"; read -r _ found; [ "$found" = "$name" ] || { echo "name is $found" >&2; exit 1; }; base64 -d;;
esac
"#;

/// A machine below a folder.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/systemd-creds");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        crate::house::program(&program, CREDS);
        std::fs::write(folder.path().join("calway.toml"), CONFIG).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn stored(&self, name: &str) -> PathBuf {
        self.path("etc/credstore.encrypted").join(name)
    }

    /// Calls it with these words, and this on standard input.
    pub fn calway(&self, words: &[&str], input: &str) -> Output {
        let config = self.path("calway.toml");
        self.run(&[words, &["--config", config.to_str().unwrap()]].concat(), input)
    }

    /// The same, for a command that takes its configuration otherwise.
    pub fn run(&self, words: &[&str], input: &str) -> Output {
        self.start(words, input).wait_with_output().unwrap()
    }

    /// The same without waiting for its end.
    pub fn start(&self, words: &[&str], input: &str) -> Child {
        let path = std::env::var("PATH").unwrap();
        let mut child = Command::new(PROGRAM)
            .args(words)
            .args(["--store", "systemd", "--root"])
            .arg(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who refuses the words does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    /// What is stored under this name.
    pub fn decrypted(&self, name: &str) -> String {
        let file = self.stored(name);
        let asked = Command::new(self.path("bin/systemd-creds"))
            .args(["decrypt", &format!("--name={name}")])
            .args([file.as_os_str(), "-".as_ref()])
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap()
    }

    /// From now on nothing can be stored.
    pub fn break_store(&self) {
        let failing = "#!/bin/sh\necho no TPM >&2\nexit 1\n";
        crate::house::program(&self.path("bin/systemd-creds"), failing);
    }

    pub fn drop_in(&self) -> String {
        let path = self.path("etc/systemd/system/calway.service.d/secrets.conf");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn list(&self) -> Vec<Value> {
        let output = self.calway(&["secret", "list", "--json"], "");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn line(&self, name: &str) -> Value {
        self.list().into_iter().find(|line| line["name"] == name).unwrap()
    }
}

const CONFIG: &str = "[[calendar]]\nname = \"hq\"\naccount = 'CORP\\svc-calway'\nurl = \
    \"https://mail.corp.example/EWS/Exchange.asmx\"\n";

pub fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part));
    format!("{out}{err}")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub const NAME: &str = "calendar.hq.password";

#[test]
fn a_secret_is_stored_for_the_service_alone_and_nothing_shows_it() {
    let machine = Machine::new();
    let set = machine.calway(&["secret", "set", NAME, "--stdin"], "Wiedehopf-7\n");
    assert!(set.status.success(), "{}", said(&set));
    assert_eq!(mode(&machine.stored(NAME)), 0o600);
    assert_eq!(mode(&machine.path("etc/credstore.encrypted")), 0o700);
    // Without a path: systemd finds it itself, and starts the service also where it is gone.
    let line = format!("LoadCredentialEncrypted={NAME}\n");
    assert!(machine.drop_in().contains(&line), "{}", machine.drop_in());
    let found = machine.line(NAME);
    assert_eq!((&found["missing"], &found["store"]), (&false.into(), &"systemd".into()));
    assert_eq!(machine.line("cloud.client_secret")["missing"], true);
    let shown = machine.calway(&["secret", "list"], "");
    assert!(said(&shown).contains("MISSING: calway secret set cloud.client_secret"));
    assert!(said(&shown).contains("MISSING: calway secret generate store.key"));
    for output in [&set, &shown] {
        assert!(!said(output).contains("Wiedehopf"));
    }
    let sealed = std::fs::read_to_string(machine.stored(NAME)).unwrap();
    // What is encrypted is the secret itself, without the end of its line.
    assert_eq!(sealed, format!("auto {NAME}\nV2llZGVob3BmLTc=\n"));
}

#[test]
fn the_one_before_is_kept_until_the_new_one_has_worked() {
    let machine = Machine::new();
    let set = |text: &str| {
        let set = machine.calway(&["secret", "set", NAME, "--with-key", "host"], text);
        assert!(set.status.success(), "{}", said(&set));
        said(&set)
    };
    let previous = machine.stored(&format!("{NAME}.previous"));
    assert!(!set("first").contains("The one before is kept"));
    assert!(!set("first").contains("The one before is kept"), "it is the same");
    assert!(set("second").contains("The one before is kept"));
    let kept = std::fs::read_to_string(&previous).unwrap();
    assert_eq!(kept, format!("host {NAME}.previous\nZmlyc3Q=\n"), "under its own name");
    assert!(machine.drop_in().contains(&format!("LoadCredentialEncrypted={NAME}.previous\n")));
    // The second never worked: it is not what to go back to.
    set("third");
    assert_eq!(std::fs::read_to_string(&previous).unwrap(), kept);
    assert_eq!(machine.line(NAME)["previous"], true);
    let removed = machine.calway(&["secret", "remove", NAME], "");
    assert!(removed.status.success(), "{}", said(&removed));
    assert!(said(&removed).contains("does not start again"), "{}", said(&removed));
    assert!(!previous.exists() && !machine.stored(NAME).exists());
    assert_eq!(machine.drop_in(), "");
    let again = machine.calway(&["secret", "remove", NAME], "");
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn what_no_secret_can_be_and_what_none_is_called_is_said_with_what_is_needed() {
    let machine = Machine::new();
    for (words, input, expected) in [
        (&["secret", "set", "calendar.branch.password"][..], "x", "It needs calendar.hq.password"),
        (&["secret", "set", "../../etc/passwd"], "x", "needs no secret"),
        (&["secret", "set", NAME], "", "it is empty"),
        (&["secret", "set", NAME], "\n", "it is empty"),
        (&["secret", "set", NAME], "one\ntwo\n", "more than one line"),
        (&["secret", "remove", "../x"], "", "no secret of the connector"),
    ] {
        let output = machine.calway(words, input);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{words:?}: {}", said(&output));
    }
    assert!(!machine.path("etc").exists(), "nothing is written");
    std::fs::remove_file(machine.path("calway.toml")).unwrap();
    let early = machine.calway(&["secret", "set", NAME], "x");
    assert!(early.status.success(), "before there is a configuration: {}", said(&early));
    let unknown = machine.calway(&["secret", "set", "calendar.hq.key"], "x");
    assert!(said(&unknown).contains("cloud.client_secret, cloud.proxy_password and store.key"));
}

#[test]
fn the_stores_key_is_made_here_and_not_replaced_by_accident() {
    let machine = Machine::new();
    let made = machine.calway(&["secret", "generate", "store.key"], "");
    assert!(made.status.success(), "{}", said(&made));
    let first = std::fs::read_to_string(machine.stored("store.key")).unwrap();
    for words in [&["secret", "generate", "store.key"][..], &["secret", "remove", "store.key"]] {
        let again = machine.calway(words, "");
        assert_eq!(again.status.code(), Some(1));
        let words = said(&again);
        assert!(words.contains("read from the beginning") && words.contains("--force"), "{words}");
    }
    let key = "A".repeat(43);
    let refused = machine.calway(&["secret", "set", "store.key"], &key);
    assert_eq!(refused.status.code(), Some(1), "not by another one either");
    assert_eq!(std::fs::read_to_string(machine.stored("store.key")).unwrap(), first);
    let short = machine.calway(&["secret", "set", "store.key", "--force", "--stdin"], "short");
    assert_eq!(short.status.code(), Some(2), "{}", said(&short));
    for words in [
        &["secret", "set", "store.key", "--force", "--stdin"][..],
        &["secret", "generate", "--force"],
    ] {
        let forced = machine.calway(words, &key);
        assert!(forced.status.success(), "{}", said(&forced));
    }
    assert_ne!(std::fs::read_to_string(machine.stored("store.key")).unwrap(), first);
}

#[test]
fn what_systemd_creds_refuses_changes_nothing() {
    let machine = Machine::new();
    assert!(machine.calway(&["secret", "set", NAME], "first").status.success());
    let before = std::fs::read_to_string(machine.stored(NAME)).unwrap();
    machine.break_store();
    let set = machine.calway(&["secret", "set", NAME], "second");
    assert_eq!(set.status.code(), Some(1));
    assert!(said(&set).contains("systemd-creds: no TPM"), "{}", said(&set));
    assert_eq!(std::fs::read_to_string(machine.stored(NAME)).unwrap(), before);
    assert_eq!(std::fs::read_dir(machine.path("etc/credstore.encrypted")).unwrap().count(), 1);
}
