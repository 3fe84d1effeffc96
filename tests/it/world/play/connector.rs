//! The connector's life: it starts, carries out what the fleet wants, and dies.

use std::collections::{BTreeMap, VecDeque};

use calway::model::{ListenEnd, UserId};
use calway::pipeline::command;
use calway::pipeline::fleet::{Fleet, Input, Output, Rules};
use calway::pipeline::outbox::{self, Outbox};

use super::doorbells::Order;
use super::search::Search;
use super::{Connector, Event, Held, Job, Play};

impl Play {
    pub(super) fn start(&mut self) -> Held {
        if self.connector.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.disk.reopen();
        self.broken_disk()?;
        let active = self.disk.mailboxes().map_err(|f| f.to_string())?;
        self.say(|| format!("life {}: starts with {} mailboxes", self.life, active.len()));
        let rules = Rules { seed: self.seed ^ self.life, ..self.rules };
        self.watch.born();
        self.connector = Some(Connector {
            fleet: Fleet::new(rules, self.installation.clone()),
            outbox: Outbox::new(self.seed ^ self.life),
            addresses: BTreeMap::new(),
            commands: VecDeque::new(),
            obeying: false,
            jobs: VecDeque::new(),
            disk_busy: false,
            search: Search::new(self.places.layout, self.seed ^ self.life),
        });
        for (user, blob) in active {
            let address = command::address(&self.installation, &blob).map_err(|f| f.to_string())?;
            self.add(user, address.reveal())?;
        }
        for command in self.relay.open_commands() {
            self.send(command);
        }
        self.outbox(outbox::Input::Wake)
    }

    pub(super) fn add(&mut self, user: UserId, address: &str) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let before = connector.addresses.insert(user.clone(), address.into());
        if before.is_some_and(|before| before != address) {
            self.watch.removed(&user);
            self.fleet(Input::Removed(user.clone()))?;
        }
        self.watch.added(&user);
        self.fleet(Input::Added(user))
    }

    /// The connector dies, and starts again soon.
    pub fn crash(&mut self) {
        if self.connector.take().is_none() {
            return;
        }
        self.say(|| "the connector dies".into());
        self.life += 1;
        self.watch.died();
        self.streams.clear();
        let after = self.dice.of(100..20_000);
        self.at(after, Event::Start);
    }

    pub(super) fn fleet(&mut self, input: Input) -> Held {
        let now = self.now();
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let ticked = matches!(input, Input::Tick);
        if !ticked {
            self.watch.shown(&input)?;
        }
        if self.trace && !ticked {
            let ms = self.mono - 1_000_000;
            eprintln!("{:>6}.{:03}   > {input:?}", ms / 1_000, ms % 1_000);
        }
        self.watch.input(now, &input)?;
        connector.fleet.handle(now, input);
        let outputs = connector.fleet.drain();
        self.watch.fleet(now, &connector.fleet)?;
        for output in outputs {
            self.watch.shown(&output)?;
            self.say(|| format!("    < {output:?}"));
            self.watch.output(now, &output)?;
            self.carry_out(output)?;
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, output: Output) -> Held {
        let (life, after) = (self.life, self.delay());
        let address = |user: &UserId| -> Held<String> {
            let addresses = self.connector.as_ref().map(|c| &c.addresses);
            let found = addresses.and_then(|all| all.get(user));
            found.cloned().ok_or_else(|| format!("{user} is asked for and not active"))
        };
        match output {
            Output::Load(ticket, user, _) => self.job(Job::Load(ticket, user)),
            Output::Look(ticket, user, lookup) => self.job(Job::Look(ticket, user, lookup)),
            Output::Commit(ticket, commit) => self.job(Job::Commit(ticket, commit)),
            Output::Homes(ticket, users, doubt) => {
                let addresses: Held<Vec<_>> = users.iter().map(address).collect();
                self.at(after, Event::Homes(life, ticket, addresses?, doubt));
            }
            Output::Ask(ticket, user, ask) => {
                let address = address(&user)?;
                self.at(after, Event::Ask(life, ticket, user, address, ask));
            }
            Output::Key(ticket, user, want) => {
                self.at(after, Event::Key(life, ticket, user, want));
            }
            Output::Listen(stream, users) => {
                let all: Held<Vec<_>> =
                    users.into_iter().map(|user| Ok((user.clone(), address(&user)?))).collect();
                let all = all?;
                self.at(after, Event::Subscribe(life, stream, all));
            }
            Output::Hush(stream) => {
                self.at(after, Event::StreamEnds(life, stream, ListenEnd::Stopped));
            }
            Output::Join(stream, user) => {
                let address = address(&user)?;
                self.order_stream(stream, Order::Join(user, address));
            }
            Output::Leave(stream, user) => self.order_stream(stream, Order::Leave(user)),
            Output::Note(_) => {}
        }
        Ok(())
    }
}
