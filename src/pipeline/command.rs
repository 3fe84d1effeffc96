//! What a command of the cloud comes to. Whatever is decided is on the disk, with the command's id,
//! before it is acknowledged; so a command that comes again gets the same answer and nothing else.

use std::borrow::Cow;
use std::sync::Arc;

use super::errand::{self, ErrandKind};
use super::seal::{Installation, Stashed};
use crate::model::{
    Address, Command, CommandId, CommandKind, Fault, KeyUri, Next, Outcome, Plain, UserId, Wish,
};

/// Why nothing is done in the name of somebody whose calendar is not relayed.
pub const NOT_ACTIVE: &str = "the user is not active";

/// The same, where it was accepted while they were.
pub const NO_LONGER_ACTIVE: &str = "the user is not active any more";

/// Why a command about one calendar is not taken.
pub const TOO_MANY: &str = "too many commands of this user wait";

/// What has to happen before a command can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: here is the decision.
    Nothing(Decision),
    /// Open these with that key, then call [`opened`].
    Open {
        /// The JWEs.
        jwes: Vec<String>,
        /// The key's name.
        key: KeyUri,
    },
}

/// One transaction: the effect, and the outcome under the command's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which command.
    pub id: CommandId,
    /// Its place in the channel.
    pub sequence: u64,
    /// What changes.
    pub effect: Effect,
    /// What the cloud is told.
    pub outcome: Outcome,
}

/// What a command changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The mailbox is there from now on, everything of it is to be sent. Active already with the
    /// same address: only the latter.
    Activate {
        /// Who.
        user: UserId,
        /// The address, for our disk.
        address: Stashed,
    },
    /// The records are withdrawn, the mailbox is forgotten.
    Deactivate {
        /// Who.
        user: UserId,
    },
    /// Everything is to be sent again.
    Resend {
        /// Who; everybody where absent.
        user: Option<UserId>,
    },
    /// Something is to be done in Exchange. Where the user is not active, or too much waits, the
    /// outcome is [`NOT_ACTIVE`] or [`TOO_MANY`] instead.
    Errand {
        /// In whose name.
        user: UserId,
        /// What for.
        kind: ErrandKind,
        /// What exactly, for our disk.
        body: Stashed,
    },
}

/// Begins with a command that has no outcome yet.
pub fn decide(command: &Command) -> Need {
    let done = |effect| {
        Need::Nothing(Decision {
            id: command.id.clone(),
            sequence: command.sequence,
            effect,
            outcome: Outcome::Done,
        })
    };
    match &command.kind {
        CommandKind::Activate { sealed_address, key, .. } => {
            Need::Open { jwes: vec![sealed_address.clone()], key: key.clone() }
        }
        CommandKind::Deactivate { user } => done(Effect::Deactivate { user: user.clone() }),
        CommandKind::Resend { user } => done(Effect::Resend { user: user.clone() }),
        CommandKind::Errand(wish) => match &wish.key {
            Some(key) => Need::Open { jwes: wish.sealed.clone(), key: key.clone() },
            // Nothing is sealed in it: there is nothing to open either.
            None => Need::Open { jwes: Vec::new(), key: KeyUri::new("") },
        },
        CommandKind::Ping => done(Effect::None),
        CommandKind::Unknown { why } => Need::Nothing(refused(command, why.reveal())),
    }
}

/// Goes on after the KMS opened what was sealed, or did not.
///
/// # Errors
/// The fault, where trying again later may help: the command stays unanswered and comes again.
pub fn opened(
    command: &Command,
    installation: &Installation,
    opened: Result<Vec<Plain>, Fault>,
) -> Result<Decision, Fault> {
    let what = match &command.kind {
        CommandKind::Activate { .. } => "the address does",
        CommandKind::Errand(_) => "what is sealed does",
        _ => return Ok(refused(command, "nothing was sealed in this command")),
    };
    let plain = match opened {
        Ok(plain) => plain,
        Err(fault) => {
            return match fault.next {
                Next::Denied | Next::Gone | Next::Moved | Next::Refused | Next::KeyLost => {
                    Ok(refused(command, &format!("{what} not open: {fault}")))
                }
                _ => Err(fault),
            };
        }
    };
    let effect = match &command.kind {
        CommandKind::Errand(wish) => errand(wish, &plain, installation)?,
        CommandKind::Activate { user, .. } => activation(user, &plain, installation)?,
        _ => Err("nothing was sealed in this command".into()),
    };
    Ok(match effect {
        Err(why) => refused(command, &why),
        Ok(effect) => Decision {
            id: command.id.clone(),
            sequence: command.sequence,
            effect,
            outcome: Outcome::Done,
        },
    })
}

type Accepted = Result<Result<Effect, Cow<'static, str>>, Fault>;

fn activation(user: &UserId, plain: &[Plain], installation: &Installation) -> Accepted {
    let text = plain.first().map_or("", Plain::reveal);
    Ok(match Address::parse(text) {
        Err(why) => Err(why.into()),
        Ok(address) => {
            let address = installation.stash(address.reveal())?;
            Ok(Effect::Activate { user: user.clone(), address })
        }
    })
}

fn errand(wish: &Wish, plain: &[Plain], installation: &Installation) -> Accepted {
    let accepted = errand::accept(wish, plain, installation)?;
    let user = wish.user.clone();
    Ok(accepted.map(|(kind, body)| Effect::Errand { user, kind, body }))
}

/// The address that a decision activates, to begin with at once.
pub fn address(installation: &Installation, stashed: &Stashed) -> Result<Arc<Address>, Fault> {
    let plain = installation.unstash(stashed)?;
    Address::parse(plain.reveal()).map(Arc::new).map_err(Fault::refused)
}

fn refused(command: &Command, why: &str) -> Decision {
    Decision {
        id: command.id.clone(),
        sequence: command.sequence,
        effect: Effect::None,
        outcome: Outcome::Refused(why.chars().filter(|c| !c.is_control()).take(200).collect()),
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
