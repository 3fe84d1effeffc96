//! `calway run`: the daemon in the foreground, as systemd wants it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, memory};
use crate::condition;
use crate::config::{self, secrets::Secrets};
use crate::daemon::{self, Reason};
use crate::model::Fault;
use crate::observe::condition::START_FAILS;
use crate::observe::journal::{self, Shape};
use crate::observe::notify;

/// Run the connector: watch the calendars, relay sealed records, obey the cloud's commands.
///
/// Secrets are read from systemd credentials ($CREDENTIALS_DIRECTORY) and the kernel's keyring:
/// calendar.<name>.password, cloud.client_secret, store.key.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// The configuration; drop-ins are read from the folder beside it, calway.d/*.toml.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// Log lines as JSON where journald does not listen.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            // Run by hand it may be looked into.
            memory::close()?;
        }
        let settings = config::read(&self.config).map_err(|why| Failure::Usage(why.to_string()))?;
        #[cfg(feature = "kerberos")]
        super::keytab::provide(&settings.calendars)?;
        let shape = if self.json { Shape::Json } else { Shape::Text };
        journal::start(&settings.log, shape).map_err(Failure::Usage)?;
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let secrets = Arc::new(Secrets::open(credentials));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let ended = runtime.block_on(daemon::run(settings, secrets));
        // Work that hangs must not keep the process from ending.
        runtime.shutdown_background();
        match ended {
            Ok(Reason::Asked) => Ok(()),
            Ok(Reason::StoreDamaged) => Err(Failure::Failed(
                "the store is damaged: the next start sets it aside and begins anew".into(),
            )),
            Ok(Reason::LoopEnded) => Err(Failure::Failed("a loop ended unexpectedly".into())),
            Err(fault) => Err(not_started(&fault)),
        }
    }
}

/// In the journal and in `systemctl status`, so that nobody has to look for it.
fn not_started(fault: &Fault) -> Failure {
    notify::status(&format!("not started: {fault}"));
    condition!(error, START_FAILS, CAUSE = fault,; "not started: {fault}");
    Failure::Unwell
}
