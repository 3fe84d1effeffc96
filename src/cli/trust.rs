//! `calway trust`: which hosts that a discovery met may be sent credentials.
//!
//! It speaks with the store itself, and works while the daemon runs, which looks at the list before
//! each discovery.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use crate::config;
use crate::model::{Fault, Time, TrustEntry, Verdict};
use crate::store::Shelf as _;
use crate::store::sqlite::Sqlite;

/// A redirect or a DNS record may lead to a host that nobody vouched for. Nothing is sent there
/// before it is allowed here. A decision is taken up within five minutes, without a restart.
#[derive(Args, Debug)]
pub(super) struct Trust {
    #[command(subcommand)]
    what: What,
    /// The configuration; of it only [[calendar]] and the store's place are looked at.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Show all hosts and what was said of them.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// This host may be sent the account's credentials.
    Allow {
        /// Its name.
        host: String,
    },
    /// This host is passed over, even one of our own.
    Block {
        /// Its name.
        host: String,
    },
}

impl Trust {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (_, path) =
            config::read_calendars(&self.config).map_err(|why| Failure::Usage(why.to_string()))?;
        if !path.exists() {
            // Made here, it would belong to whoever calls this, and not to the service.
            let why = "there is no store yet; the service makes it at its first start";
            return Err(Failure::Failed(format!("{}: {why}", path.display())));
        }
        let failed = |fault: Fault| Failure::Failed(format!("{}: {fault}", path.display()));
        let mut store = Sqlite::open(&path).map_err(failed)?;
        let (host, verdict) = match self.what {
            What::List { json } => {
                for entry in store.trust().map_err(failed)? {
                    show(&entry, json);
                }
                return Ok(());
            }
            What::Allow { host } => (host, Verdict::Allowed),
            What::Block { host } => (host, Verdict::Blocked),
        };
        let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == ':';
        if host.is_empty() || !host.chars().all(plain) {
            return Err(Failure::Usage("a host's name is needed, without https://".into()));
        }
        store.decide_trust(&host, verdict, now()).map_err(failed)?;
        println!("{host} is {}", verdict.as_str());
        Ok(())
    }
}

fn show(entry: &TrustEntry, as_json: bool) {
    let TrustEntry { host, verdict, via, since } = entry;
    let time = jiff::Timestamp::from_millisecond(since.as_ms()).unwrap_or_default();
    if as_json {
        let verdict = verdict.as_str();
        println!(
            "{}",
            json!({"host": host, "verdict": verdict, "via": via, "since": time.to_string()})
        );
    } else {
        println!("{:<8} {host}  ({via}, {time:.0})", verdict.as_str());
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
