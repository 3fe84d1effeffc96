//! Commands, in their order, one at a time, as the connector obeys them.

use calway::model::{Command, CommandId, Fault, Outcome, Plain};
use calway::pipeline::command::{self, Decision, Effect, Need};
use calway::pipeline::fleet::Input;
use calway::pipeline::outbox;

use super::{Event, Held, Job, Play};
use crate::world::keys::open;

impl Play {
    pub(super) fn heard(&mut self, command: Command) -> Held {
        self.watch.shown(&command)?;
        let Some(connector) = &mut self.connector else { return Ok(()) };
        connector.commands.push_back(command);
        self.obey()
    }

    pub(super) fn obey(&mut self) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        if connector.obeying {
            return Ok(());
        }
        let Some(head) = connector.commands.front().cloned() else { return Ok(()) };
        connector.obeying = true;
        self.job(Job::Outcome(head));
        Ok(())
    }

    pub(super) fn obey_later(&mut self) {
        let (life, after) = (self.life, self.dice.of(500..20_000));
        if let Some(connector) = &mut self.connector {
            connector.obeying = false;
        }
        self.at(after, Event::Obey(life));
    }

    pub(super) fn known(
        &mut self,
        command: Command,
        known: Result<Option<Outcome>, Fault>,
    ) -> Held {
        match known {
            Err(_) => {
                self.obey_later();
                Ok(())
            }
            Ok(Some(outcome)) => self.acknowledge(&command.id, &outcome),
            Ok(None) => match command::decide(&command) {
                Need::Nothing(decision) => {
                    self.job(Job::Decide(Box::new(decision)));
                    Ok(())
                }
                Need::Open { jwes, .. } => {
                    let opened = match self.kms_fault() {
                        // A refusal is final, so only what may pass is played here.
                        Some(_) => Err(Fault::retry("kms 503")),
                        None => jwes
                            .iter()
                            .map(|jwe| open(jwe).map(|(_, plain)| Plain::new(plain)))
                            .collect::<Option<Vec<_>>>()
                            .ok_or_else(|| Fault::refused("not a JWE")),
                    };
                    let (life, after) = (self.life, self.delay());
                    self.at(after, Event::Opened(life, Box::new((command, opened))));
                    Ok(())
                }
            },
        }
    }

    pub(super) fn opened(
        &mut self,
        (command, plain): (Command, Result<Vec<Plain>, Fault>),
    ) -> Held {
        match command::opened(&command, &self.installation, plain) {
            Err(_) => self.obey_later(),
            Ok(decision) => self.job(Job::Decide(Box::new(decision))),
        }
        Ok(())
    }

    pub(super) fn decided(&mut self, decision: Decision, outcome: Result<Outcome, Fault>) -> Held {
        self.watch.shown(&decision)?;
        let Ok(outcome) = outcome else {
            self.obey_later();
            return Ok(());
        };
        if self.crash_now() {
            return Ok(());
        }
        match decision.effect {
            // The errands' own tests play these.
            Effect::None | Effect::Errand { .. } => {}
            Effect::Activate { user, address } => {
                let plain = command::address(&self.installation, &address);
                let plain = plain.map_err(|f| f.to_string())?;
                self.add(user, plain.reveal())?;
            }
            Effect::Deactivate { user } => {
                if let Some(connector) = &mut self.connector {
                    connector.addresses.remove(&user);
                }
                self.watch.removed(&user);
                self.fleet(Input::Removed(user))?;
            }
            Effect::Resend { user } => {
                let all = self.connector.as_ref().map(|c| c.addresses.keys().cloned());
                let all: Vec<_> = all.into_iter().flatten().collect();
                for one in all.into_iter().filter(|u| user.as_ref().is_none_or(|user| user == u)) {
                    self.fleet(Input::Stirred(one))?;
                }
            }
        }
        self.outbox(outbox::Input::Wake)?;
        self.acknowledge(&decision.id, &outcome)
    }

    pub(super) fn acknowledge(&mut self, id: &CommandId, outcome: &Outcome) -> Held {
        self.say(|| format!("command {id} {outcome:?}"));
        // The answer gets lost now and then; the command comes again with the next channel.
        if self.calm || !self.dice.one_in(8) {
            self.relay.acknowledge(id, outcome)?;
        } else if let Some(command) =
            self.relay.open_commands().into_iter().find(|command| command.id == *id)
        {
            self.send(command);
        }
        if let Some(connector) = &mut self.connector {
            connector.obeying = false;
            connector.commands.pop_front();
        }
        self.obey()
    }
}
