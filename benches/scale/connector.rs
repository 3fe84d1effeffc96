//! The connector in a process of its own, as systemd would start it: it says when it is ready.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use calway_lab::stage::Stage;
use tokio::net::UnixDatagram;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::process::{self, Usage};

/// A running connector.
pub struct Connector {
    pub started: Instant,
    child: Child,
    pid: u32,
    said: watch::Receiver<Option<Instant>>,
    ear: JoinHandle<()>,
}

impl Connector {
    /// Starts it.
    pub fn start(stage: &Stage) -> Result<Self, String> {
        let socket = stage.folder().join("notify");
        let log = stage.folder().join("connector.log");
        let log = std::fs::File::options().append(true).create(true).open(log);
        let (said, ear) = listen(&socket)?;
        let mut command = stage.connector(process::connector());
        command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.map_err(|error| error.to_string())?);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| error.to_string())?;
        let pid = child.id().ok_or("it ended at once")?;
        Ok(Self { started, child, pid, said, ear })
    }

    /// What it used so far.
    pub fn usage(&self) -> Result<Usage, String> {
        process::usage(self.pid)
    }

    /// What is resident now, in KiB.
    pub fn resident_kib(&self) -> Result<f64, String> {
        process::resident_kib(self.pid)
    }

    /// Waits until it says that it is ready; when it was.
    pub async fn ready(&mut self, seconds: u64) -> Result<Instant, String> {
        let mut said = self.said.clone();
        let wait = async move { said.wait_for(Option::is_some).await.map(|said| *said) };
        let ready = self.within(seconds, "become ready", wait).await?;
        ready.ok().flatten().ok_or_else(|| "it says nothing more".to_owned())
    }

    /// Waits until so many mailboxes are listened to.
    pub async fn listens(
        &mut self,
        stage: &Stage,
        seconds: u64,
        mailboxes: usize,
    ) -> Result<(), String> {
        let all = async {
            while stage.exchange.listened() < mailboxes {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        self.within(seconds, "listen to all", all).await
    }

    /// Waits for something that it brings about; its end, or so many seconds, are errors.
    pub async fn within<T>(
        &mut self,
        seconds: u64,
        what: &str,
        wait: impl Future<Output = T>,
    ) -> Result<T, String> {
        process::within(("the connector", &mut self.child), seconds, what, wait).await
    }

    /// Stops it as systemd does; how long that took.
    pub async fn stop(mut self) -> Result<Duration, String> {
        let begun = Instant::now();
        let asked = tokio::process::Command::new("kill").arg(self.pid.to_string()).status().await;
        asked.map_err(|error| format!("kill: {error}"))?;
        let ended = tokio::time::timeout(Duration::from_secs(120), self.child.wait()).await;
        self.ear.abort();
        ended.map_err(|_| "it does not stop")?.map_err(|error| error.to_string())?;
        Ok(begun.elapsed())
    }
}

type Ear = (watch::Receiver<Option<Instant>>, JoinHandle<()>);

fn listen(path: &Path) -> Result<Ear, String> {
    let _ = std::fs::remove_file(path);
    let socket = UnixDatagram::bind(path).map_err(|error| error.to_string())?;
    let (tell, said) = watch::channel(None);
    let ear = tokio::spawn(async move {
        let mut room = [0; 4096];
        while let Ok(length) = socket.recv(&mut room).await {
            let text = String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned();
            if text.lines().any(|line| line == "READY=1") {
                tell.send_replace(Some(Instant::now()));
            }
        }
    });
    Ok((said, ear))
}
