//! The way to the daemon that runs: its admin socket, asked with one request a connection.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::Failure;
use crate::config;

/// Until the daemon takes the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Until it has answered: more than it gives itself.
const ANSWER: Duration = Duration::from_secs(35);
/// The longest answer, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// Where the daemon is reached.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// The daemon's configuration; of it only the place of the admin socket is looked at.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// The admin socket, where it is not the one of the configuration.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Asks the daemon.
pub(super) struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Place {
    /// The daemon's configuration.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Nothing is asked yet.
    ///
    /// # Errors
    /// A system that gives nothing to wait with.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let socket = self.socket.clone();
        Client::at(&socket.unwrap_or_else(|| config::admin_socket(&self.config)))
    }
}

impl Client {
    /// For the socket at this path.
    ///
    /// # Errors
    /// As [`Place::client`].
    pub(super) fn at(socket: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { socket: socket.to_path_buf(), runtime })
    }

    /// What is at this path.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// Sends a request; what is answered, as JSON.
    ///
    /// # Errors
    /// `Unreachable`, `NotAllowed`, or `Failed` with what the daemon says; `Usage` where it says
    /// that its configuration is wrong.
    pub(super) fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let asked = async {
            let (status, body) = self.send(method, path, body).await?;
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|_| self.broken("its answer ends early"))?.to_bytes();
            told(status, serde_json::from_slice(&body).map_err(|_| self.broken("no JSON"))?)
        };
        let late = || self.broken("no answer within 35 seconds");
        self.runtime.block_on(async {
            tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(late()))
        })
    }

    /// Takes the lines of an answer as they come, until `take` says no or the daemon ends it.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(super) fn follow(
        &self,
        path: &str,
        mut take: impl FnMut(&Value) -> bool,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let (status, mut body) = self.send(Method::GET, path, Bytes::new()).await?;
            let mut rest = Vec::new();
            while let Some(frame) = body.frame().await {
                let stopped = "calway stopped, or was started anew: systemctl status calway";
                let frame = frame.map_err(|_| Failure::Unreachable(stopped.into()))?;
                rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                if rest.len() > LONGEST {
                    return Err(self.broken("an endless line"));
                }
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let line = serde_json::from_slice(&line);
                    let line = told(status, line.map_err(|_| self.broken("no JSON"))?)?;
                    if !take(&line) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    /// Whether anybody listens at the socket.
    pub(super) fn is_heard(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.socket).is_ok()
    }

    /// To wait with for other things.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Lets time pass.
    pub(super) fn pause(&self, time: Duration) {
        // Made inside: a timer needs its runtime.
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Incoming), Failure> {
        let stream = tokio::time::timeout(CONNECT, UnixStream::connect(&self.socket)).await;
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.unreachable(error.kind())),
            Err(_) => return Err(self.broken("it does not take the connection")),
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| self.broken("it hung up"))?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "calway");
        let request = request.body(Full::new(body));
        let request = request.map_err(|_| Failure::Usage(format!("{path}: not a path")))?;
        let answer = tokio::time::timeout(ANSWER, sender.send_request(request)).await;
        let answer = answer.map_err(|_| self.broken("no answer within 35 seconds"))?;
        let answer = answer.map_err(|_| self.broken("it hung up"))?;
        Ok((answer.status(), answer.into_body()))
    }

    fn unreachable(&self, kind: ErrorKind) -> Failure {
        let socket = self.socket.display();
        match kind {
            ErrorKind::PermissionDenied => Failure::NotAllowed(format!(
                "this user may not open {socket}: ask as root (sudo), or name the user in users \
                 of [admin] in calway.toml"
            )),
            _ => Failure::Unreachable(format!(
                "calway is not running, or its socket is not at {socket}: systemctl status calway"
            )),
        }
    }

    fn broken(&self, why: &str) -> Failure {
        let socket = self.socket.display();
        Failure::Unreachable(format!(
            "what listens at {socket} does not answer as calway does ({why}): systemctl status \
             calway"
        ))
    }
}

/// What an answer says, where it is no refusal.
fn told(status: StatusCode, answer: Value) -> Result<Value, Failure> {
    if status.is_success() {
        return Ok(answer);
    }
    let why = answer.pointer("/error/message").and_then(Value::as_str);
    let why = why.map_or_else(|| format!("the daemon answered {status}"), str::to_owned);
    let code = answer.pointer("/error/code").and_then(Value::as_str);
    Err(match status {
        StatusCode::FORBIDDEN => Failure::NotAllowed(why),
        _ if code == Some("configuration-wrong") => Failure::Usage(why),
        _ => Failure::Failed(why),
    })
}

/// A part of a path, percent-encoded (RFC 3986, 2.1).
pub(super) fn part(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
