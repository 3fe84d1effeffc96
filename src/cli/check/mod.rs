//! `calway check`: looks at everything that the connector needs, and says what to do where it
//! fails.
//!
//! `table` has every check with its troubles and remedies; `judge`, `way` and `machine` decide
//! which of them an answer is; `exchange`, `far` and `way` ask; `print` shows. It changes nothing
//! anywhere but the store's list of what was refused, which the daemon and `calway discover` share;
//! it sends a secret once at most, and to trusted hosts only.

mod book;
mod case;
mod exchange;
mod far;
mod finding;
mod judge;
mod machine;
mod print;
pub mod table;
mod way;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};

use self::book::Tell;
use self::case::{Case, Prepared};
use self::finding::Finding;
pub use self::finding::Outcome;
use self::print::Page;
use super::Failure;
use crate::config::{self, Settings, secrets::Secrets};
use crate::model::Address;

/// Groups that are looked at at the same time.
const AT_ONCE: usize = 8;

/// Look at everything that the connector needs, and say what to do where it fails.
///
/// Looks at everything that the connector needs: configuration, secrets, disk; the way to each
/// server, its certificate, clock and sign-in; the rights in the test mailboxes; the cloud and the
/// key server. Each failure comes with what to do. It may run beside the service.
///
/// Nothing is changed. A secret is sent once; one that the service, or an earlier check beside its
/// store, was refused is not sent again before it changes. Before the service has run there is no
/// store, and nobody remembers: after a refusal change the secret before you check again.
///
/// Exit codes: 0 nothing failed; 1 something failed; 2 the configuration is wrong.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The configuration; drop-ins are read from the folder beside it, calway.d/*.toml.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// Only show each configuration value in force, and the file that it came from.
    #[arg(long)]
    explain: bool,
    /// One JSON object a line: a finding each, then {"summary"}.
    #[arg(long)]
    json: bool,
    /// Mailboxes to try the account's rights with, beside `test_mailboxes` of the configuration.
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    mailbox: Vec<String>,
    /// Rooms to look into for what is left of invitations, beside `test_rooms`.
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    room: Vec<String>,
    /// These checks alone, with what they need: /usr/share/doc/calway/reference/checks.md has
    /// their names.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.explain {
            print!("{}", super::explain::text(&self.config, self.json)?);
            return Ok(());
        }
        let start = Instant::now();
        let addresses = |all: &[String]| -> Result<Vec<Arc<Address>>, Failure> {
            let read = |text: &String| {
                let why = |why: &str| Failure::Usage(format!("{text}: {why}"));
                Address::parse(text).map(Arc::new).map_err(why)
            };
            all.iter().map(read).collect()
        };
        let (mailboxes, rooms) = (addresses(&self.mailbox)?, addresses(&self.room)?);
        if let Some(name) = self.only.iter().find(|name| table::check(name).is_none()) {
            let names: Vec<_> = table::all().map(|one| one.name).collect();
            let why = format!("there is no check {name}; there are {}", names.join(", "));
            return Err(Failure::Usage(why));
        }
        let page = Page::new(self.json);
        let tell = |event| page.hear(event);
        let settings = match config::read(&self.config) {
            Ok(settings) => settings,
            Err(wrong) => {
                let found = machine::mistakes(&wrong.to_string(), (&tell, None));
                page.show(&found);
                page.sum(&found, start.elapsed(), 2);
                return Err(Failure::Usage("the configuration is wrong".into()));
            }
        };
        #[cfg(feature = "kerberos")]
        super::keytab::provide(&settings.calendars)?;
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let secrets = Arc::new(Secrets::open(credentials));
        let case = Case { mailboxes, rooms, only: self.only, ..Case::of(settings, secrets) };
        match shown(&case, &page, start)? {
            0 => Ok(()),
            1 => Err(Failure::Failed("one check failed; what to do stands beside it".into())),
            some => {
                let why = format!("{some} checks failed; what to do stands beside each");
                Err(Failure::Failed(why))
            }
        }
    }
}

/// What is looked at before a configuration is written: all but this machine, on which the service
/// was not started yet.
const BEFORE: [&str; 17] = [
    "dns",
    "tcp",
    "proxy",
    "tls",
    "clock",
    "scp",
    "autodiscover",
    "offers",
    "sign-in",
    "protection",
    "version",
    "impersonation",
    "throttling",
    "rooms",
    "cloud-sign-in",
    "kms-chain",
    "kms",
];

/// Looks at a configuration that is not in force yet, and shows what is found; how many failed.
///
/// # Errors
/// A system that gives nothing to wait with.
pub(super) fn before(settings: Settings, secrets: Arc<Secrets>) -> Result<usize, Failure> {
    let start = Instant::now();
    let only = BEFORE.iter().map(|name| (*name).to_owned()).collect();
    let case = Case { only, ..Case::of(settings, secrets) };
    shown(&case, &Page::new(false), start)
}

/// Runs the checks and shows what is found; how many failed.
fn shown(case: &Case, page: &Page, start: Instant) -> Result<usize, Failure> {
    let tell = |event| page.hear(event);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let found = runtime.block_on(in_groups(case, &tell, |some| page.show(some)));
    // A look that hangs must not keep the process from ending.
    runtime.shutdown_background();
    let failed = found.iter().filter(|one| one.outcome == Outcome::Fail).count();
    page.sum(&found, start.elapsed(), u8::from(failed > 0));
    Ok(failed)
}

/// Runs the checks, tells of each as it begins and ends, and hands each group over as soon as it
/// and those before it are done. It ends within some minutes, whatever hangs.
async fn in_groups(case: &Case, tell: Tell<'_>, mut each: impl FnMut(&[Finding])) -> Vec<Finding> {
    let prepared = Prepared::new(case);
    let wanted = (!case.only.is_empty()).then(|| table::with_needs(&case.only));
    let hearing = (tell, wanted.as_deref());
    let mut groups: Vec<BoxFuture<'_, Vec<Finding>>> =
        vec![machine::machine(&prepared, hearing).boxed()];
    for site in &prepared.sites {
        groups.push(exchange::calendar(&prepared, site, hearing).boxed());
    }
    groups.push(far::all(&prepared, hearing).boxed());
    let mut running = futures_util::stream::iter(groups).buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(mut found) = running.next().await {
        // Of what is only needed, nobody hears unless something is wrong with it.
        let asked = |one: &Finding| {
            case.only.is_empty()
                || case.only.iter().any(|name| name == one.check)
                || matches!(one.outcome, Outcome::Fail | Outcome::Warn)
        };
        found.retain(asked);
        let place = |one: &Finding| table::all().position(|check| check.name == one.check);
        let mut order: Vec<String> = Vec::new();
        for one in &found {
            if !order.contains(&one.group) {
                order.push(one.group.clone());
            }
        }
        found.sort_by_key(|one| (order.iter().position(|name| *name == one.group), place(one)));
        each(&found);
        all.extend(found);
    }
    all
}
