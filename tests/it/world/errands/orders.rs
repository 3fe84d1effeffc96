//! Commands, in the order of the channel, one at a time, as the connector obeys them.

use calway::model::{Command, Fault, Next, Outcome, Plain, Span};
use calway::pipeline::command::{self, Decision, Effect, Need};

use super::super::keys::open;
use super::super::play::Held;
use super::play::{Event, Play};
use super::watch::Kind;

impl Play {
    pub fn send(&mut self, command: Command) {
        let life = self.life;
        let after = self.in_order();
        self.at(after, Event::Heard(life, command.clone()));
        if !self.calm && self.dice.one_in(8) {
            self.watch.played(Kind::CommandTwice);
            let later = after + self.dice.of(1..60_000);
            self.at(later, Event::Heard(life, command));
        }
    }

    /// When a word of the channel arrives: none before the one that was said before it.
    fn in_order(&mut self) -> u64 {
        let at = self.now.mono + Span::from_ms(self.delay());
        self.channel = self.channel.max(at);
        self.channel.since(self.now.mono).as_ms()
    }

    pub fn obey(&mut self) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let Some(head) = connector.commands.front().cloned() else { return Ok(()) };
        if std::mem::replace(&mut connector.obeying, true) {
            return Ok(());
        }
        self.heard.insert(head.id.clone());
        let decided = self.decide(&head);
        let life = self.life;
        match decided {
            Err(_) => {
                let after = self.dice.of(500..20_000);
                self.at(after, Event::Obey(life));
            }
            Ok((decision, outcome)) => {
                self.say(|| format!("command {} {outcome:?}", head.id));
                if self.kill_now() || (!self.calm && self.dice.one_in(40)) {
                    self.kill();
                    return Ok(());
                }
                if let Some(decision) = decision {
                    self.effect(decision.effect)?;
                }
                // What is not acknowledged comes again with the next channel.
                if self.calm || !self.dice.one_in(10) {
                    self.cloud.acknowledge(&head.id, &outcome)?;
                } else {
                    self.send(head);
                }
                if let Some(connector) = &mut self.connector {
                    connector.commands.pop_front();
                }
                let after = self.delay();
                self.at(after, Event::Obey(life));
            }
        }
        Ok(())
    }

    fn decide(&mut self, command: &Command) -> Result<(Option<Decision>, Outcome), Fault> {
        let wall = self.now.wall;
        if let Some(outcome) = self.disk()?.outcome(&command.id)? {
            return Ok((None, outcome));
        }
        let decision = match command::decide(command) {
            Need::Nothing(decision) => decision,
            Need::Open { .. } if self.dice.per_mille(self.weather.kms) => {
                return Err(Fault::retry("kms 503"));
            }
            Need::Open { jwes, .. } => {
                let open = |jwe: &String| open(jwe).map(|(_, text)| Plain::new(text));
                let plain = jwes.iter().map(open).collect::<Option<Vec<_>>>();
                let plain = plain.ok_or_else(|| Fault::new(Next::Refused, "not a JWE"));
                command::opened(command, &self.installation, plain)?
            }
        };
        let outcome = self.disk()?.decide(&decision, wall)?;
        Ok((Some(decision), outcome))
    }

    fn effect(&mut self, effect: Effect) -> Held {
        match effect {
            Effect::None => {}
            Effect::Errand { .. } => self.filed()?,
            Effect::Activate { user, address } => {
                let address = command::address(&self.installation, &address);
                self.add(user, address.map_err(|fault| fault.to_string())?)?;
                self.filed()?;
            }
            Effect::Deactivate { user } => {
                self.watch.played(Kind::Deactivated);
                self.remove(&user)?;
            }
            Effect::Resend { user } => {
                let all = self.connector.as_ref().map(|connector| connector.people.keys().cloned());
                let all: Vec<_> = all.into_iter().flatten().collect();
                for one in all.iter().filter(|one| user.as_ref().is_none_or(|u| u == *one)) {
                    self.ring(one)?;
                }
            }
        }
        self.wake_uplink();
        Ok(())
    }
}
