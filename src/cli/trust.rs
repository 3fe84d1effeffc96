//! `calway trust`: which hosts that a discovery met may be sent credentials.
//!
//! It asks the daemon. Where none listens it speaks with the store itself, which a daemon that runs
//! all the same looks at every second.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Failure;
use super::admin::{Client, part};
use crate::config;
use crate::model::{Fault, Time, TrustEntry, Verdict};
use crate::net::name;
use crate::store::Shelf as _;
use crate::store::sqlite::Sqlite;

/// Say which hosts that a discovery met may be sent the account's credentials.
///
/// A redirect or a DNS record may lead to a host that nobody vouched for. Nothing is sent there
/// before it is allowed here. A decision is taken up within seconds, without a restart.
#[derive(Args, Debug)]
pub(super) struct Trust {
    #[command(subcommand)]
    what: What,
    /// The configuration; of it only [[calendar]] and the store's place are looked at.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// The admin socket, where it is not the one of the configuration.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
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
        /// Its name, or its address where it has none.
        host: String,
    },
    /// This host is passed over, even one of our own; nothing more is sent there.
    Block {
        /// Its name, or its address where it has none.
        host: String,
    },
    /// Forget what was said of this host. When it is met again it waits for a decision again.
    Remove {
        /// As the list shows it.
        host: String,
    },
}

impl Trust {
    pub(super) fn run(self) -> Result<(), Failure> {
        let socket = self.socket.clone().unwrap_or_else(|| config::admin_socket(&self.config));
        match self.what.ask(&Client::at(&socket)?) {
            // Nobody is there, or nobody who answers: the store itself is.
            Err(Failure::Unreachable(_)) if self.socket.is_none() => self.in_store(),
            done => done,
        }
    }

    fn in_store(self) -> Result<(), Failure> {
        let (_, path) =
            config::read_calendars(&self.config).map_err(|why| Failure::Usage(why.to_string()))?;
        if !path.exists() {
            // Made here, it would belong to whoever calls this, and not to the service.
            let why = "there is no store yet; the service makes it at its first start";
            return Err(Failure::Failed(format!("{}: {why}", path.display())));
        }
        let failed = |fault: Fault| Failure::Failed(format!("{}: {fault}", path.display()));
        let mut store = Sqlite::open(&path).map_err(failed)?;
        let (written, verdict) = match self.what {
            What::List { json } => {
                for entry in store.trust().map_err(failed)? {
                    show(&entry, json);
                }
                return Ok(());
            }
            What::Allow { host } => (host, Some(Verdict::Allowed)),
            What::Block { host } => (host, Some(Verdict::Blocked)),
            What::Remove { host } => (host, None),
        };
        let host = name::plain(&written);
        match (host, verdict) {
            (Some(host), Some(verdict)) => {
                store.decide_trust(&host, verdict, now()).map_err(failed)?;
                println!("{host} is {}", verdict.as_str());
                Ok(())
            }
            (None, Some(_)) => Err(Failure::Usage(NO_HOST.into())),
            (host, None) => {
                // An older version may have written it in another form.
                let forms = host.into_iter().chain([written.trim().to_owned()]);
                let mut gone = false;
                for form in forms {
                    gone |= store.forget_trust(&form).map_err(failed)?;
                }
                if !gone {
                    return Err(Failure::Failed("it is not on the list".into()));
                }
                println!("{} is forgotten", written.trim());
                Ok(())
            }
        }
    }
}

fn show(entry: &TrustEntry, as_json: bool) {
    let TrustEntry { host, verdict, via, since } = entry;
    let time = jiff::Timestamp::from_millisecond(since.as_ms()).unwrap_or_default();
    let (verdict, since) = (verdict.as_str(), format!("{time:.0}"));
    show_value(&json!({"host": host, "verdict": verdict, "via": via, "since": since}), as_json);
}

fn show_value(entry: &Value, as_json: bool) {
    if as_json {
        return println!("{entry}");
    }
    let text = |name: &str| entry[name].as_str().unwrap_or("?");
    let (verdict, host, via) = (text("verdict"), text("host"), text("via"));
    println!("{verdict:<8} {host}  ({via}, {})", text("since"));
}

impl What {
    /// The same, by the daemon.
    fn ask(&self, client: &Client) -> Result<(), Failure> {
        let (written, verdict) = match self {
            Self::List { json } => {
                let list = client.get("/v1/trust")?;
                for entry in list["hosts"].as_array().into_iter().flatten() {
                    show_value(entry, *json);
                }
                return Ok(());
            }
            Self::Allow { host } => (host, Some(Verdict::Allowed)),
            Self::Block { host } => (host, Some(Verdict::Blocked)),
            Self::Remove { host } => (host, None),
        };
        let path = format!("/v1/trust/{}", part(written));
        match verdict {
            // What is no host is said so without asking.
            Some(_) if name::plain(written).is_none() => Err(Failure::Usage(NO_HOST.into())),
            Some(verdict) => {
                let body = json!({"verdict": verdict.as_str()}).to_string();
                let told = client.ask(Method::PUT, &path, body.into())?;
                let host = told["host"].as_str().unwrap_or(written);
                println!("{host} is {}", verdict.as_str());
                Ok(())
            }
            None => {
                client.ask(Method::DELETE, &path, Bytes::new())?;
                println!("{} is forgotten", written.trim());
                Ok(())
            }
        }
    }
}

const NO_HOST: &str = "one host is needed, without https:// and without a port: mail.corp.example \
                       (all hosts of a domain stand in the configuration: trusted_hosts)";

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
