//! Readings of a mailbox, and the way from the disk to the cloud.

use std::sync::Arc;

use calway::model::{Fault, Next, UserId};
use calway::pipeline::limits::BATCH_BYTES;
use calway::pipeline::seal::Sealer;
use calway::pipeline::sync::{Ask, Got, Pass, Step};
use calway::pipeline::window::{Reach, Window};
use calway::store::Settled;

use super::super::keys::Mark;
use super::super::play::Held;
use super::play::{Event, Play};
use super::watch::Kind;

/// A pass under way.
pub struct Running {
    no: u64,
    pass: Pass,
}

/// The key that everything of a user is sealed with.
pub fn sealer(user: &UserId) -> Arc<dyn Sealer> {
    Arc::new(Mark::new(&format!("kms://kms.example/keys/of-{user}")))
}

impl Play {
    pub fn address(&self, user: &UserId) -> Option<String> {
        let people = &self.connector.as_ref()?.people;
        people.get(user).map(|address| address.reveal().to_owned())
    }

    /// A mailbox is to be read.
    pub fn ring(&mut self, user: &UserId) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        if !connector.people.contains_key(user) {
            return Ok(());
        }
        if connector.passes.contains_key(user) {
            connector.again.insert(user.clone());
            return Ok(());
        }
        let window = Window::at(self.now.wall, Reach::default(), &Default::default());
        let loaded = match self.disk().and_then(|disk| disk.load(user)) {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Ok(()),
            Err(_) => return self.ring_later(user),
        };
        let (installation, showing) = (self.installation.clone(), self.rules.showing.clone());
        let begun = Pass::start(user.clone(), window, loaded, installation, showing);
        let (pass, step) = begun.map_err(|fault| fault.to_string())?;
        self.serial += 1;
        let no = self.serial;
        if let Some(connector) = &mut self.connector {
            connector.passes.insert(user.clone(), Running { no, pass });
        }
        self.step(user, no, Ok(step))
    }

    fn ring_later(&mut self, user: &UserId) -> Held {
        let after = self.dice.of(1_000..30_000);
        self.at(after, Event::Ring(user.clone()));
        Ok(())
    }

    fn give_up(&mut self, user: &UserId) -> Held {
        if let Some(connector) = &mut self.connector {
            connector.passes.remove(user);
        }
        self.ring_later(user)
    }

    fn step(&mut self, user: &UserId, no: u64, mut step: Result<Step, Fault>) -> Held {
        loop {
            let got = match step {
                Ok(Step::Ask(ask)) => {
                    let (life, after) = (self.life, self.delay());
                    self.at(after, Event::Reading(life, user.clone(), no, ask));
                    return Ok(());
                }
                Ok(Step::Look(lookup)) => {
                    self.disk().and_then(|disk| disk.rows(user, &lookup)).map(Got::Rows)
                }
                Ok(Step::Key) if self.dice.per_mille(self.weather.kms) => {
                    Err(Fault::retry("kms 503"))
                }
                Ok(Step::Key) => Ok(Got::Key(sealer(user))),
                Ok(Step::Commit(commit)) => {
                    let wall = self.now.wall;
                    let commits = std::slice::from_ref(commit.as_ref());
                    let counted = self.disk().and_then(|disk| disk.commit(commits, wall));
                    self.say(|| format!("commit of {user}: {counted:?}"));
                    if self.kill_now() {
                        return Ok(());
                    }
                    self.wake_uplink();
                    match counted {
                        Ok(counted) if counted == [true] => {
                            if !commit.noticed.is_empty() {
                                self.filed()?;
                            }
                            Ok(Got::Committed)
                        }
                        Ok(_) => return self.give_up(user),
                        Err(fault) => Err(fault),
                    }
                }
                Ok(Step::Done { .. }) => {
                    let Some(connector) = &mut self.connector else { return Ok(()) };
                    let ill = connector.passes.remove(user).is_some_and(|one| one.pass.is_ill());
                    let again = connector.again.remove(user);
                    return if again || ill { self.ring_later(user) } else { Ok(()) };
                }
                Err(fault) if fault.next == Next::Refused => {
                    return Err(format!("a pass of {user}: {fault}"));
                }
                Err(_) => return self.give_up(user),
            };
            let running = self.connector.as_mut().and_then(|all| all.passes.get_mut(user));
            let Some(running) = running.filter(|running| running.no == no) else { return Ok(()) };
            step = got.and_then(|got| running.pass.got(got));
        }
    }

    /// What a pass asks for reaches the server.
    pub fn read(&mut self, user: &UserId, no: u64, ask: &Ask) -> Held {
        let Some(address) = self.address(user) else { return Ok(()) };
        let got = match self.busy() {
            Some(fault) => Err(fault),
            None => match ask {
                Ask::Changes(cursor) => {
                    self.exchange.changes(&address, cursor.as_ref()).map(Got::Page)
                }
                Ask::Items(ids) => self.exchange.items(&address, ids).map(Got::Items),
                Ask::View(window) => {
                    self.exchange.view(&address, window.from, window.to).map(Got::View)
                }
            },
        };
        let running = self.connector.as_mut().and_then(|all| all.passes.get_mut(user));
        let Some(running) = running.filter(|running| running.no == no) else { return Ok(()) };
        let step = got.and_then(|got| running.pass.got(got));
        self.step(user, no, step)
    }

    // ---- to the cloud ----

    pub fn wake_uplink(&mut self) {
        let (life, after) = (self.life, self.delay() + 2_000);
        let Some(connector) = &mut self.connector else { return };
        if !std::mem::replace(&mut connector.uplink, true) {
            self.at(after, Event::Uplink(life));
        }
    }

    pub fn uplink(&mut self) -> Held {
        if let Some(connector) = &mut self.connector {
            connector.uplink = false;
        }
        let rows = match self.disk().and_then(|disk| disk.outbox(500, BATCH_BYTES)) {
            Ok(rows) if rows.is_empty() => return Ok(()),
            Ok(rows) => rows,
            Err(_) => {
                self.wake_uplink();
                return Ok(());
            }
        };
        if self.dice.per_mille(self.weather.lost) {
            self.wake_uplink();
            return Ok(());
        }
        for row in &rows {
            if let Some(request) = self.cloud.take(row)? {
                self.say(|| format!("the cloud is asked: {request}"));
                self.plan_answers(request);
            }
        }
        if !self.kill_now() && !self.dice.per_mille(self.weather.lost) {
            let done = rows.iter().map(|row| row.row).collect();
            let settled = Settled { done, aside: Vec::new() };
            let _ = self.disk().and_then(|disk| disk.settle(&settled));
        }
        self.wake_uplink();
        Ok(())
    }

    fn plan_answers(&mut self, request: String) {
        if self.cloud.refuses(&request) {
            self.watch.played(Kind::CloudRefuses);
        }
        let late = !self.calm && self.dice.one_in(5);
        if late {
            self.watch.played(Kind::CloudLate);
        }
        let after = if late { 900_000 } else { self.dice.of(10..5_000) };
        self.at(after, Event::Answer(request.clone(), false));
        if !self.calm && self.dice.one_in(4) {
            self.watch.played(Kind::CloudTwice);
            let other = self.dice.one_in(2);
            if other {
                self.watch.played(Kind::OtherDetails);
            }
            let later = after + self.dice.of(1..120_000);
            self.at(later, Event::Answer(request, other));
        }
    }
}
