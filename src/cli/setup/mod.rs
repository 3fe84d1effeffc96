//! `calway setup`: asks, tests and writes the configuration and its secrets; all of it can be told
//! by arguments as well.

mod answers;
mod keep;
mod talk;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use zeroize::Zeroizing;

use self::answers::Answers;
use self::talk::Talk;
use super::secret::{Desk, Store, ask, set};
use super::{Failure, check};
use crate::config;
use crate::config::draft::Draft;
use crate::config::secrets::{CLIENT_SECRET, Needed, Place, STORE_KEY, Secrets, new_key};
use crate::model::Secret;

const LONG: &str = "\
On a terminal each question has a word on why it is asked, and most have a default. What is given as \
an argument is not asked for; with --non-interactive nothing is.

Before anything is written, the ways to Exchange, the cloud and the key server are looked at as calway \
check does, and the account and the client sign in once (where no address of EWS is given, to the \
servers of the test mailbox). A connector that runs already, and needs a secret for the same account, \
is handed it as calway secret set does. The configuration is written as a whole \
(mode 0640, group calway where there is one), a file that was there is kept beside it, and the secrets \
go where calway secret set puts them. The key of the store is made where there is none.";

/// Ask what the connector has to know, test it, and write the configuration and its secrets.
#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub(super) struct Setup {
    /// Ask nothing: what is needed and not given is an error.
    #[arg(long)]
    non_interactive: bool,
    #[command(flatten)]
    answers: Answers,
    /// Read the account's password from the first line of standard input, and the cloud's client
    /// secret from the second, where there is one.
    #[arg(long)]
    password_stdin: bool,
    /// Take the secrets from the credentials that systemd handed to this program
    /// ($CREDENTIALS_DIRECTORY), and store them for the service.
    #[arg(long)]
    secrets_from_credentials: bool,
    /// Write without looking whether it works.
    #[arg(long)]
    no_test: bool,
    /// Write although there is a configuration already, and although something does not work.
    #[arg(long)]
    force: bool,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    output: PathBuf,
    /// Where the secrets are kept; as root: systemd, where it is there.
    #[arg(long, value_name = "STORE")]
    store: Option<Store>,
    /// The system to work on is the one below this folder.
    #[arg(long, value_name = "FOLDER", default_value = "/", hide = true)]
    root: PathBuf,
}

impl Setup {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !self.non_interactive && !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(
                "there is no terminal to ask at: calway setup --non-interactive takes the answers \
                 as arguments (calway setup --help)"
                    .into(),
            ));
        }
        keep::may_write(&self.output, self.force)?;
        #[cfg(feature = "kerberos")]
        if let Some(keytab) = self.answers.keytab() {
            super::keytab::provide_one(keytab, &[])?;
        }
        let desk = Desk::new(self.output.clone(), self.store, self.root.clone());
        let place = desk.place(None)?;
        let draft = {
            let (mut input, mut output) = (std::io::stdin().lock(), std::io::stderr());
            self.draft(&mut Talk { input: &mut input, output: &mut output })?
        };
        let needed = draft.needed().map_err(|why| Failure::Usage(why.to_string()))?;
        let mut given = self.given(&needed, &place)?;
        while !self.no_test && !self.works(&draft, &given)? {
            match self.what_now()? {
                'a' => given = self.given(&needed, &place)?,
                'w' => break,
                _ => return Err(Failure::Failed("nothing was written".into())),
            }
        }
        // First what may fail, and while the configuration is still the one that runs.
        for (name, secret) in &given {
            self.keep(&desk, &place, &draft, (name, secret))?;
        }
        let kept = keep::write(&self.output, &draft.text())?;
        println!("\nWritten: {}", self.output.display());
        if let Some(kept) = kept {
            println!("Kept as it was before: {}", kept.display());
        }
        self.say_what_is_next(&draft, &needed, &place);
        Ok(())
    }

    /// Stores a secret. A running connector is handed it first, where it needs it for the same.
    fn keep(
        &self,
        desk: &Desk,
        place: &Place,
        draft: &Draft,
        (name, secret): (&str, &Secret),
    ) -> Result<(), Failure> {
        println!();
        if name == STORE_KEY {
            place.put(name, secret).map_err(Failure::Failed)?;
            desk.tell_service(place)?;
            println!("Made: {}", place.says(name));
            return Ok(());
        }
        let before = config::read(&self.output).ok();
        let after = draft.settings(&self.output).ok();
        let same = before.zip(after).is_some_and(|(old, new)| keep::same(&old, &new, name));
        println!("{name}:");
        set::keep(desk, place, (name, secret), same)
    }

    fn draft(&self, talk: &mut Talk<'_>) -> Result<Draft, Failure> {
        let tried = !self.no_test;
        let draft = match self.non_interactive {
            true => self.answers.whole(tried)?,
            false => {
                // With a keytab that was answered the program began again: it was said before.
                if self.answers.keytab().is_none() {
                    talk.say(
                        "Calway is told here where Exchange and the cloud are. Enter takes what \
                         stands in brackets,\nCtrl-C ends it; nothing is written before the end.\n",
                    )?;
                }
                let domain = answers::own_domain(Path::new("/etc/resolv.conf"));
                let (known, answered) = self.answers.account_asked(talk, &domain)?;
                again_with_keytab(&known, &answered)?;
                known.asked(talk, &domain, tried)?
            }
        };
        draft.settings(&self.output).map_err(|why| Failure::Usage(why.to_string()))?;
        Ok(draft)
    }

    /// The secrets that are new: asked for, read or made. Those that are stored already stay.
    fn given(&self, needed: &[Needed], place: &Place) -> Result<Vec<(String, Secret)>, Failure> {
        let mut lines = match self.password_stdin {
            true => lines()?.into_iter(),
            false => Vec::new().into_iter(),
        };
        let handed = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let handed = handed.filter(|_| self.secrets_from_credentials);
        let mut given = Vec::new();
        for Needed { name, what } in needed {
            let from_line = name.ends_with(".password") || name == CLIENT_SECRET;
            let secret = if name == STORE_KEY {
                match place.has(name).map_err(Failure::Failed)? {
                    true => continue,
                    false => new_key().map_err(|fault| Failure::Failed(fault.to_string()))?,
                }
            } else if let Some(line) = from_line.then(|| lines.next()).flatten() {
                line
            } else if let Some(folder) = &handed {
                let found = Secrets::open(Some(folder.clone())).get(name);
                found.map_err(|fault| Failure::Failed(fault.to_string()))?
            } else if self.non_interactive
                || (place.has(name).map_err(Failure::Failed)? && !self.anew(what)?)
            {
                continue;
            } else {
                ask::secret(what, false)?
            };
            given.push((name.clone(), secret));
        }
        Ok(given)
    }

    fn anew(&self, what: &str) -> Result<bool, Failure> {
        let question = format!("\nThe {what} is stored already. Another one?");
        Ok(chosen(&question, &['n', 'y'])? == 'y')
    }

    /// Looks whether it works as calway check does, before it is written.
    fn works(&self, draft: &Draft, given: &[(String, Secret)]) -> Result<bool, Failure> {
        let settings = draft.settings(&self.output);
        let settings = settings.map_err(|why| Failure::Usage(why.to_string()))?;
        let secrets = Secrets::on(&self.root, None);
        for (name, secret) in given {
            secrets.take(name, secret.clone());
        }
        println!();
        let failed = check::before(settings, Arc::new(secrets))?;
        Ok(failed == 0)
    }

    fn what_now(&self) -> Result<char, Failure> {
        if self.force {
            return Ok('w');
        }
        if self.non_interactive {
            return Err(Failure::Failed(
                "nothing was written, as something does not work: what to do stands above (--force \
                 writes it all the same, --no-test does not look)"
                    .into(),
            ));
        }
        chosen(
            "\nSomething does not work; what to do stands above. Stop and write nothing (s), ask \
             for the secrets again and look again (a), write it all the same (w)?",
            &['s', 'a', 'w'],
        )
    }

    fn say_what_is_next(&self, draft: &Draft, needed: &[Needed], place: &Place) {
        for file in keep::out_of_reach(draft) {
            println!(
                "\n{} cannot be read by the service there: put it into /etc/calway, readable for \
                 the group calway, and name it so.",
                file.display()
            );
        }
        println!("\nNext:");
        for one in needed.iter().filter(|one| !place.has(&one.name).unwrap_or_default()) {
            println!("  calway secret set {}", one.name);
        }
        println!(
            "  systemctl enable --now calway     start it, now and with each boot (restart, where \
             it runs)\n  calway status                     how it is\n\
             Then have the cloud's administrator activate a user: its calendar is relayed at once."
        );
    }
}

/// A keytab is known to the Kerberos library from the beginning, or not at all.
#[cfg(feature = "kerberos")]
fn again_with_keytab(known: &Answers, answered: &[String]) -> Result<(), Failure> {
    match known.keytab() {
        Some(keytab) => super::keytab::provide_one(keytab, answered),
        None => Ok(()),
    }
}

#[cfg(not(feature = "kerberos"))]
fn again_with_keytab(_: &Answers, _: &[String]) -> Result<(), Failure> {
    Ok(())
}

fn chosen(question: &str, letters: &[char]) -> Result<char, Failure> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stderr());
    Talk { input: &mut input, output: &mut output }.choose(question, letters)
}

/// The secrets of standard input, a line each.
fn lines() -> Result<Vec<Secret>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    let read = std::io::stdin().lock().take(128 * 1024).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Usage("standard input: secrets are UTF-8 text".into()))?;
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let fits = |line: &str| {
        ask::fits(line).map_err(|why| Failure::Usage(format!("standard input: {why}")))?;
        Ok(Secret::new(line))
    };
    let all = lines.map(fits).collect::<Result<Vec<_>, Failure>>()?;
    match all.is_empty() {
        true => Err(Failure::Usage("standard input: there is no password in it".into())),
        false => Ok(all),
    }
}
