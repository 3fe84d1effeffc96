//! Who is measured: the connector as it is shipped, or the program written with exchangelib.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use calway_lab::stage::Stage;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::content;
use crate::process::{self, Usage};

/// A program that relays, in a process of its own.
pub struct Contestant {
    pub name: &'static str,
    child: Child,
    pid: u32,
    /// How it is told what to do; the connector is told by the cloud.
    wire: Option<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

impl Contestant {
    /// Starts the connector, and waits until it is signed in to the cloud.
    pub async fn connector(stage: &Stage) -> Result<Self, String> {
        let mut command = stage.connector(process::connector());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(stage)?);
        let mut one = Self::spawn("calway", &mut command, false)?;
        let cloud = stage.cloud.clone();
        one.within(60, "sign in to the cloud", cloud.wait(|view| view.channel_open())).await?;
        Ok(one)
    }

    /// Starts the peer, and waits until it has loaded everything and signed in to the cloud.
    pub async fn peer(
        stage: &Stage,
        python: &Path,
        password: &str,
        users: &[(String, String)],
    ) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.py");
        let mut command = Command::new(python);
        command.arg(script).kill_on_drop(true).stderr(log(stage)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // exchangelib keeps a cache among the temporary files.
        command.env("TMPDIR", stage.folder());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let mut one = Self::spawn("exchangelib", &mut command, true)?;
        let folder = stage.folder();
        let (client_id, client_secret) = stage.cloud.credentials();
        let facts = json!({
            "exchange": stage.exchange.url(),
            "exchange_ca": folder.join("exchange-ca.pem"),
            "account": "CORP\\svc-calway",
            "password": password,
            "cloud": stage.cloud.url(),
            "cloud_ca": folder.join("cloud-ca.pem"),
            "connector": stage.cloud.connector_id(),
            "client_id": client_id,
            "client_secret": client_secret,
            "window_ms": content::window(crate::now_ms()),
            "mailboxes": users,
        });
        one.tell(&facts.to_string()).await?;
        one.hear("ready").await?;
        Ok(one)
    }

    fn spawn(name: &'static str, command: &mut Command, wired: bool) -> Result<Self, String> {
        let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let pid = child.id().ok_or("it ended at once")?;
        let ends = (child.stdin.take(), child.stdout.take());
        let wire = match ends {
            (Some(input), Some(output)) if wired => Some((input, BufReader::new(output).lines())),
            _ => None,
        };
        Ok(Self { name, child, pid, wire })
    }

    /// Lets it begin its first synchronisation.
    pub async fn begin(&mut self, stage: &Stage, users: &[(String, String)]) -> Result<(), String> {
        match self.wire {
            Some(_) => {
                users.iter().for_each(|(user, _)| stage.cloud.admit(user));
                self.tell("sync").await
            }
            None => {
                stage.cloud.activate_many(users).await;
                Ok(())
            }
        }
    }

    /// Lets it listen, and waits until streams are open.
    pub async fn listen(&mut self, stage: &Stage, mailboxes: usize) -> Result<(), String> {
        let mut streams = 1;
        if self.wire.is_some() {
            self.hear("synced").await?;
            self.tell("listen").await?;
            self.hear("listening").await?;
            streams = mailboxes;
        }
        let open = async {
            while stage.exchange.open_streams() < streams {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        self.within(60, "listen", open).await
    }

    /// What it used so far.
    pub fn usage(&self) -> Result<Usage, String> {
        process::usage(self.pid)
    }

    /// Waits for something that the program brings about; its end, or so many seconds, are errors.
    pub async fn within<T>(
        &mut self,
        seconds: u64,
        what: &str,
        wait: impl Future<Output = T>,
    ) -> Result<T, String> {
        process::within((self.name, &mut self.child), seconds, what, wait).await
    }

    async fn tell(&mut self, line: &str) -> Result<(), String> {
        let Some((input, _)) = &mut self.wire else { return Ok(()) };
        let line = format!("{line}\n");
        input.write_all(line.as_bytes()).await.map_err(|error| format!("{}: {error}", self.name))
    }

    /// Reads lines until one is an object with this member.
    async fn hear(&mut self, member: &str) -> Result<Value, String> {
        let Some((_, lines)) = &mut self.wire else { return Ok(Value::Null) };
        let heard = async {
            while let Ok(Some(line)) = lines.next_line().await {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(value) = said.get(member) {
                    return Ok(value.clone());
                }
            }
            Err(format!("the peer ended before it said {member:?}"))
        };
        let late = |_| format!("the peer did not say {member:?} within 10 minutes");
        tokio::time::timeout(Duration::from_secs(600), heard).await.map_err(late)?
    }

    /// Ends it.
    pub async fn end(mut self) {
        drop(self.wire.take());
        let _ = self.child.kill().await;
    }
}

fn log(stage: &Stage) -> Result<std::fs::File, String> {
    let path = stage.folder().join("program.log");
    std::fs::File::create(path).map_err(|error| error.to_string())
}
