//! `calway secret set` and `generate`: a new secret, handed to the running connector first, and
//! written down when that has said what it is good for.

use std::time::SystemTime;

use bytes::Bytes;
use clap::Args;
use http::Method;
use zeroize::Zeroizing;

use super::{Desk, WITHOUT_KEY, ask, list};
use crate::cli::Failure;
use crate::cli::admin::part;
use crate::config::secrets::{Kind, PREVIOUS, Place, STORE_KEY, decode_key, new_key};
use crate::model;

const LONG: &str = "\
It is asked for twice, without showing it; from a pipe, or with --stdin, it is read from standard input.

A running connector tries it once. Works: it is in use from then on, and stored. Refused: the old one \
stays in use, nothing is stored. If that cannot be told now, it is stored and tried again by itself; \
the old one stays in use, and is kept as NAME.previous until the new one has worked.";

/// Sets one.
#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub(super) struct Set {
    /// Which secret: calendar.NAME.password, cloud.client_secret … (calway secret list).
    name: String,
    /// Read it from standard input; one line end at its end does not belong to it.
    #[arg(long)]
    stdin: bool,
    /// The key that systemd-creds encrypts with: host, tpm2, host+tpm2, auto (see its page).
    #[arg(long, value_name = "KEY")]
    with_key: Option<String>,
    /// Store it without letting the running connector try it first: it has it at its next start.
    #[arg(long)]
    untried: bool,
    /// Let the running connector try it although it was refused before: the account was mended, or
    /// the directory knows the password only now.
    #[arg(long, conflicts_with = "untried")]
    try_again: bool,
    /// Replace a store.key by another one, after which the store cannot be read any more.
    #[arg(long)]
    force: bool,
}

/// 32 bytes of chance, which nobody has to know. An installation has one for all its life.
#[derive(Args, Debug)]
pub(super) struct Generate {
    /// What to make: store.key is the only one that is made here.
    #[arg(value_parser = [STORE_KEY], default_value = STORE_KEY)]
    name: String,
    /// The key that systemd-creds encrypts with: host, tpm2, host+tpm2, auto (see its page).
    #[arg(long, value_name = "KEY")]
    with_key: Option<String>,
    /// Make another one although there is one, after which the store cannot be read any more.
    #[arg(long)]
    force: bool,
}

/// What the running connector made of a new secret.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    /// It works, and is in use now.
    Works,
    /// It is refused, with the reason; the old one stays in use.
    Refused(String),
    /// It cannot be told now, with the reason; it is tried again by itself.
    Later(String),
    /// It is in use, as nothing can try it by itself; where it is refused, the old one is again.
    Taken,
    /// Whoever stores it has looked at it by other ways; no connector runs.
    Elsewhere,
    /// There is no connector to try it, for the reason.
    Nobody(String),
}

impl Set {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Failure> {
        let needed = desk.named(&self.name)?;
        let place = desk.place(self.with_key)?;
        if self.name == STORE_KEY {
            return restore_key(desk, &place, self.stdin, self.force);
        }
        let secret = ask::secret(&needed.what, self.stdin)?;
        let tried = match self.untried {
            true => Tried::Nobody("it is not tried now".into()),
            false => offer(desk, &self.name, &secret, self.try_again)?,
        };
        store(desk, &place, &self.name, &secret, &tried)
    }
}

/// Stores a secret that was looked at already. `shared`: a running connector needs it for the same,
/// and is handed it first, as above.
pub(in crate::cli) fn keep(
    desk: &Desk,
    place: &Place,
    (name, secret): (&str, &model::Secret),
    shared: bool,
) -> Result<(), Failure> {
    let tried = match desk.socket().exists() {
        false => Tried::Elsewhere,
        true if shared => offer(desk, name, secret, false)?,
        true => Tried::Nobody("the connector that runs has another configuration".into()),
    };
    store(desk, place, name, secret, &tried)
}

impl Generate {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Failure> {
        let place = desk.place(self.with_key)?;
        if place.has(STORE_KEY).map_err(Failure::Failed)? && !self.force {
            return Err(there_already(&place));
        }
        let key = new_key().map_err(|fault| Failure::Failed(fault.to_string()))?;
        place.put(STORE_KEY, &key).map_err(Failure::Failed)?;
        desk.tell_service(&place)?;
        println!("{STORE_KEY} is made: {}", place.says(STORE_KEY));
        Ok(())
    }
}

fn there_already(place: &Place) -> Failure {
    Failure::Failed(format!(
        "{STORE_KEY} is there already ({}): {WITHOUT_KEY}. If that is meant: --force",
        place.says(STORE_KEY)
    ))
}

/// A key that was kept elsewhere comes back, with the store that it was made for.
fn restore_key(desk: &Desk, place: &Place, stdin: bool, force: bool) -> Result<(), Failure> {
    let there = place.has(STORE_KEY).map_err(Failure::Failed)?;
    if there && !force {
        return Err(there_already(place));
    }
    if !stdin {
        eprintln!(
            "calway: for a new installation: calway secret generate store.key; here the key of \
             one that is brought back is asked for"
        );
    }
    let key = ask::secret("key that the store was made with", stdin)?;
    decode_key(&key).map_err(|fault| Failure::Usage(fault.to_string()))?;
    place.put(STORE_KEY, &key).map_err(Failure::Failed)?;
    desk.tell_service(place)?;
    println!("{STORE_KEY} is stored: {}", place.says(STORE_KEY));
    Ok(())
}

/// Hands it to the running connector, which tries it.
fn offer(desk: &Desk, name: &str, secret: &model::Secret, again: bool) -> Result<Tried, Failure> {
    if !desk.socket().exists() {
        return Ok(Tried::Nobody("calway is not running".into()));
    }
    let client = desk.daemon()?;
    eprintln!("calway: the running connector tries it …");
    let body = Bytes::from_owner(Zeroizing::new(secret.reveal().as_bytes().to_vec()));
    let query = if again { "?try-again" } else { "" };
    let path = format!("/v1/secrets/{}{query}", part(name));
    let answer = match client.ask(Method::PUT, &path, body) {
        Ok(answer) => answer,
        Err(Failure::Unreachable(_)) => return Ok(Tried::Nobody("calway is not running".into())),
        // One that was started with another configuration does not know the name yet.
        Err(Failure::Failed(why)) => return Ok(Tried::Nobody(why)),
        Err(other) => return Err(other),
    };
    let why = answer["why"].as_str().unwrap_or("no reason was given").to_owned();
    Ok(match answer["outcome"].as_str() {
        Some("works") => Tried::Works,
        Some("refused") => Tried::Refused(why),
        Some("taken") => Tried::Taken,
        _ => Tried::Later(why),
    })
}

/// Writes it down as far as what was tried allows, and says what is so now.
fn store(
    desk: &Desk,
    place: &Place,
    name: &str,
    secret: &model::Secret,
    tried: &Tried,
) -> Result<(), Failure> {
    let kept = match tried {
        Tried::Refused(why) => {
            return Err(Failure::Failed(format!(
                "it is refused ({why}). The one before stays in use; nothing was stored. If it is \
                 right, and only the account or the directory was not ready: --try-again"
            )));
        }
        Tried::Works => {
            put_alone(place, name, secret).map_err(|failure| in_use_only(name, failure))?;
            false
        }
        Tried::Later(_) | Tried::Taken => {
            put_beside(desk, place, name, secret).map_err(|failure| in_use_only(name, failure))?
        }
        Tried::Nobody(_) | Tried::Elsewhere => put_beside(desk, place, name, secret)?,
    };
    desk.tell_service(place)?;
    match tried {
        Tried::Works => println!("It works, and is in use from now on."),
        Tried::Later(why) => println!(
            "Whether it works cannot be told now ({why}). The one before stays in use; the new \
             one is tried again by itself, and taken when it works."
        ),
        Tried::Taken => println!(
            "It is in use from now on. It shows with its first use whether it works; where it is \
             refused, the one before is used again."
        ),
        Tried::Nobody(why) => println!("Not tried: {why}. It is used from the next start on."),
        Tried::Refused(_) | Tried::Elsewhere => {}
    }
    let sealed = match place.kind() {
        Kind::Systemd => ", encrypted with a key of this machine",
        _ => "",
    };
    println!("Stored: {}{sealed}.", place.says(name));
    if kept {
        println!("The one before is kept beside it (….previous) until the new one has worked.");
    }
    Ok(())
}

/// The running connector has it and the disk has not: what that means until the next start.
fn in_use_only(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Failed(why) => Failure::Failed(format!(
            "the running connector has it, but it could not be stored ({why}): the next start has \
             the one before. When that is mended: calway secret set {name}, once more"
        )),
        other => other,
    }
}

/// Writes a secret that works: no other is kept.
fn put_alone(place: &Place, name: &str, secret: &model::Secret) -> Result<(), Failure> {
    place.put(name, secret).map_err(Failure::Failed)?;
    forget_previous(place, name).map(drop)
}

/// Writes a secret of which nobody knows whether it works, and keeps the one that did. Whether
/// there is such a one.
fn put_beside(
    desk: &Desk,
    place: &Place,
    name: &str,
    secret: &model::Secret,
) -> Result<bool, Failure> {
    // After a slow answer, and before a slow store: it cannot have worked any earlier.
    let given = SystemTime::now();
    let previous = format!("{name}{PREVIOUS}");
    let mut kept = place.has(&previous).map_err(Failure::Failed)?;
    // One that is kept already has worked; what came after it only where that was seen.
    if !kept || list::settled(desk, place, name) {
        match place.get(name) {
            Ok(Some(old)) if old != *secret => {
                place.put(&previous, &old).map_err(Failure::Failed)?;
                kept = true;
            }
            Ok(_) => {}
            Err(why) => eprintln!("calway: the one before cannot be read, so not kept ({why})"),
        }
    }
    place.put(name, secret).map_err(Failure::Failed)?;
    place.date(name, given);
    Ok(kept)
}

/// Takes away what is kept from before; whether there was something.
pub(super) fn forget_previous(place: &Place, name: &str) -> Result<bool, Failure> {
    place.remove(&format!("{name}{PREVIOUS}")).map_err(Failure::Failed)
}
