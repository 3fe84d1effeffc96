//! `calway secret`: sets, lists and removes the secrets that the connector signs in with. Nothing
//! that was stored is ever shown.

pub(super) mod ask;
mod list;
pub(super) mod set;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use super::admin::Client;
use crate::config;
use crate::config::secrets::{Credstore, Kind, Needed, Place, STORE_KEY, is_ours, needed};

const LONG: &str = "\
No secret stands in the configuration, in an argument or in the environment, and none is shown again.

As root on a machine with systemd, secrets are encrypted by systemd-creds with the key of this machine \
(its TPM, where there is one) into /etc/credstore.encrypted/NAME (mode 0600), and the service is told \
to load them by /etc/systemd/system/calway.service.d/secrets.conf, which this command writes. \
Elsewhere name another store with --store.

A running connector is handed a new secret at once. It tries it once and keeps the old one in use \
until the new one has worked: a mistyped password stops nothing and locks nobody out.";

/// Set, list and remove the secrets that the connector signs in with.
#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub(super) struct Secret {
    #[command(subcommand)]
    what: What,
    /// The configuration: it says which secrets are needed.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Where secrets are kept; as root: systemd, where it is there.
    #[arg(long, global = true, value_name = "STORE")]
    store: Option<Store>,
    /// The system to work on is the one below this folder.
    #[arg(long, global = true, value_name = "FOLDER", default_value = "/", hide = true)]
    root: PathBuf,
}

const DEFAULT_CONFIG: &str = "/etc/calway/calway.toml";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Store {
    /// Encrypted for this machine by systemd-creds, handed to the service.
    Systemd,
    /// The kernel's keyring of this user: gone with the next boot.
    Keyutils,
    /// The desktop's keyring (GNOME Keyring, KWallet), where this build knows it.
    SecretService,
}

impl From<Store> for Kind {
    fn from(store: Store) -> Self {
        match store {
            Store::Systemd => Self::Systemd,
            Store::Keyutils => Self::Keyutils,
            Store::SecretService => Self::SecretService,
        }
    }
}

#[derive(Subcommand, Debug)]
enum What {
    /// Ask for a secret twice, without showing it, and store it.
    Set(set::Set),
    /// Make the key that the store is sealed with: store.key.
    Generate(set::Generate),
    /// Show which secrets there are, where and since when, and which are missing; never a value.
    List(list::List),
    /// Take a secret away.
    Remove {
        /// Its name, as the list shows it.
        name: String,
        /// Also store.key, without which the store cannot be read any more.
        #[arg(long)]
        force: bool,
    },
}

impl Secret {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { what, config, store, root } = self;
        let desk = Desk { config, store, root };
        match what {
            What::Set(set) => set.run(&desk),
            What::Generate(generate) => generate.run(&desk),
            What::List(list) => list.run(&desk),
            What::Remove { name, force } => desk.remove(&name, force),
        }
    }
}

/// What every part of the command needs.
pub(super) struct Desk {
    config: PathBuf,
    store: Option<Store>,
    root: PathBuf,
}

impl Desk {
    /// For a command that sets secrets as one of its steps.
    pub(super) fn new(config: PathBuf, store: Option<Store>, root: PathBuf) -> Self {
        Self { config, store, root }
    }

    /// The store to write to.
    pub(super) fn place(&self, with_key: Option<String>) -> Result<Place, Failure> {
        let root = rustix::process::geteuid().is_root();
        let kind = match self.store {
            Some(store) => Kind::from(store),
            None if root && Credstore::is_here() => Kind::Systemd,
            None if !root && self.config == Path::new(DEFAULT_CONFIG) => {
                return Err(Failure::NotAllowed(
                    "the service's secrets are set as root: sudo calway secret … (for a connector \
                     that you run yourself, name its --config, or a --store)"
                        .into(),
                ));
            }
            None if Place::open(Kind::SecretService, &self.root, None).is_ok() => {
                Kind::SecretService
            }
            None => Kind::Keyutils,
        };
        if kind == Kind::Systemd && !Credstore::is_here() {
            return Err(Failure::Failed(
                "systemd-creds is not here (systemd 250 or later has it): name another --store"
                    .into(),
            ));
        }
        Place::open(kind, &self.root, with_key).map_err(Failure::Failed)
    }

    /// The running connector.
    fn daemon(&self) -> Result<Client, Failure> {
        Client::at(&self.socket())
    }

    /// Where it listens, if it runs.
    fn socket(&self) -> PathBuf {
        config::admin_socket(&self.config)
    }

    /// The secrets that the configuration needs; nothing where there is none yet.
    fn needed(&self) -> Result<Option<Vec<Needed>>, Failure> {
        if !self.config.exists() {
            return Ok(None);
        }
        needed(&self.config).map(Some).map_err(|why| Failure::Usage(why.to_string()))
    }

    /// The secret of this name, which the configuration has to need.
    fn named(&self, name: &str) -> Result<Needed, Failure> {
        let Some(all) = self.needed()? else {
            if is_ours(name) {
                let what = format!("secret {name}");
                return Ok(Needed { name: name.to_owned(), what });
            }
            return Err(Failure::Usage(format!(
                "no secret of the connector is called {name}. They are calendar.NAME.password and \
                 calendar.NAME.proxy_password (NAME is the calendar's), cloud.client_secret, \
                 cloud.proxy_password and store.key"
            )));
        };
        let names: Vec<_> = all.iter().map(|one| one.name.clone()).collect();
        all.into_iter().find(|one| one.name == name).ok_or_else(|| {
            Failure::Usage(format!(
                "{} needs no secret {name}. It needs {}",
                self.config.display(),
                names.join(", ")
            ))
        })
    }

    /// After something was written or taken away: the service's next start has it so.
    pub(super) fn tell_service(&self, place: &Place) -> Result<(), Failure> {
        if place.kind() != Kind::Systemd {
            return Ok(());
        }
        let drop_in = place.files().drop_in();
        let told = |error: std::io::Error| format!("{}: {error}", drop_in.display());
        place.files().tell_service().map_err(|error| Failure::Failed(told(error)))?;
        if self.root != Path::new("/") || !Path::new("/run/systemd/system").exists() {
            return Ok(());
        }
        match Command::new("systemctl").arg("daemon-reload").status() {
            Ok(status) if status.success() => {}
            _ => eprintln!("calway: systemctl daemon-reload failed: run it before the next start"),
        }
        Ok(())
    }

    fn remove(&self, name: &str, force: bool) -> Result<(), Failure> {
        if !is_ours(name) {
            return Err(Failure::Usage(format!("no secret of the connector is called {name}")));
        }
        if name == STORE_KEY && !force {
            return Err(Failure::Failed(format!("{WITHOUT_KEY}. If that is meant: --force")));
        }
        let place = self.place(None)?;
        let gone = place.remove(name).map_err(Failure::Failed)?;
        let before = set::forget_previous(&place, name)?;
        if !gone && !before {
            return Err(Failure::Failed(format!("{name} is not there: {}", place.says(name))));
        }
        self.tell_service(&place)?;
        println!("{name} is removed from {}", place.says(name));
        let needed = self.needed().ok().flatten().unwrap_or_default();
        if needed.iter().any(|one| one.name == name) {
            println!("The configuration needs it: without it the connector does not start again.");
        }
        Ok(())
    }
}

/// What is lost with the store's key.
const WITHOUT_KEY: &str = "without store.key, or with another one, the store (/var/lib/calway) \
    cannot be read any more: it has to be moved away then, what still waited for the cloud is \
    lost, and every mailbox is activated anew by the cloud and read from the beginning";
