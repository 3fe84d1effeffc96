//! `calway config show`: each value in force, and the file that it came from. `calway config
//! reload`: the running service reads its files anew, and says what came of it.

use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::admin::Place;
use super::{Failure, explain};
use crate::config;

/// Show the configuration in force and where it came from, or have it read anew.
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Show each value in force, and the file that it came from. No secret is among them.
    Show(Show),
    /// Have the running service read its configuration anew, and wait until it counts.
    Reload(Reload),
}

/// What `calway run` would take for its settings now, which may be newer than what it runs with:
/// a changed file counts after `systemctl reload calway`, and some keys after a restart.
#[derive(Args, Debug)]
struct Show {
    /// The configuration; drop-ins are read from the folder beside it, calway.d/*.toml.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// For machines: a JSON list of key, value, file.
    #[arg(long)]
    json: bool,
}

/// What can be applied counts when the command ends; of the rest it is said that it waits for a
/// restart. A configuration with a mistake changes nothing: the command says where the mistake is
/// and ends with 2. `systemctl reload calway` runs this, and fails where it fails.
#[derive(Args, Debug)]
struct Reload {
    #[command(flatten)]
    place: Place,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Show(show) => print!("{}", explain::text(&show.config, show.json)?),
            What::Reload(reload) => reload.run()?,
        }
        Ok(())
    }
}

impl Reload {
    fn run(&self) -> Result<(), Failure> {
        let client = self.place.client()?;
        let told = client.ask(Method::POST, "/v1/reload", Bytes::new());
        let told = match (told, main_process()) {
            (Err(Failure::Unreachable(_)), Some(process)) if !client.is_heard() => {
                return self.signal(process);
            }
            (told, _) => told?,
        };
        println!("applied: {}", keys(&told["applied"]).unwrap_or_else(|| "no change".to_owned()));
        if let Some(keys) = keys(&told["needsRestart"]) {
            println!("counts after a restart: {keys}");
        }
        Ok(())
    }

    /// For systemd, where the service goes on without its socket, or with another one than its
    /// files name by now.
    fn signal(&self, process: Pid) -> Result<(), Failure> {
        config::read(self.place.config()).map_err(|why| Failure::Usage(why.to_string()))?;
        let sent = kill_process(process, Signal::HUP);
        sent.map_err(|error| Failure::Failed(format!("the service cannot be told: {error}")))?;
        println!("the service was told; its journal says what came of it: journalctl -u calway");
        Ok(())
    }
}

/// The service's process, as systemd names it to what `ExecReload=` runs (systemd.service(5)).
fn main_process() -> Option<Pid> {
    Pid::from_raw(std::env::var("MAINPID").ok()?.parse().ok()?)
}

fn keys(list: &Value) -> Option<String> {
    let keys: Vec<_> = list.as_array()?.iter().filter_map(Value::as_str).collect();
    (!keys.is_empty()).then(|| keys.join(", "))
}
