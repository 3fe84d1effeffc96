//! What a command of the cloud comes to. Whatever is decided is on the disk, with the command's id,
//! before it is acknowledged; so a command that comes again gets the same answer and nothing else.

use std::sync::Arc;

use super::seal::{Installation, Stashed};
use crate::model::{
    Address, Command, CommandId, CommandKind, Fault, KeyUri, Next, Outcome, Plain, UserId,
};

/// What has to happen before a command can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: here is the decision.
    Nothing(Decision),
    /// Open this with that key, then call [`opened`].
    Open {
        /// The JWE.
        jwe: String,
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
            Need::Open { jwe: sealed_address.clone(), key: key.clone() }
        }
        CommandKind::Deactivate { user } => done(Effect::Deactivate { user: user.clone() }),
        CommandKind::Resend { user } => done(Effect::Resend { user: user.clone() }),
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
    opened: Result<Plain, Fault>,
) -> Result<Decision, Fault> {
    let CommandKind::Activate { user, .. } = &command.kind else {
        return Ok(refused(command, "nothing was sealed in this command"));
    };
    let plain = match opened {
        Ok(plain) => plain,
        Err(fault) => {
            return match fault.next {
                Next::Denied | Next::Gone | Next::Moved | Next::Refused | Next::KeyLost => {
                    Ok(refused(command, &format!("the address does not open: {fault}")))
                }
                _ => Err(fault),
            };
        }
    };
    match Address::parse(plain.reveal()) {
        Err(why) => Ok(refused(command, why)),
        Ok(address) => Ok(Decision {
            id: command.id.clone(),
            sequence: command.sequence,
            effect: Effect::Activate {
                user: user.clone(),
                address: installation.stash(address.reveal())?,
            },
            outcome: Outcome::Done,
        }),
    }
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
