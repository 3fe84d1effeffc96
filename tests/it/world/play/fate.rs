//! What people, the cloud's operators and fate do.

use calway::model::{Command, Time, UserId};
use calway::pipeline::fleet::Input;

use super::{Event, Held, Play, Weather};
use crate::world::relay::Moods;

impl Play {
    pub(super) fn edit(&mut self) {
        if self.calm {
            return;
        }
        let addresses = self.addresses();
        let today = self.now().wall.midnight();
        if let Some(address) = self.dice.pick(&addresses).cloned() {
            self.edit_one(&address, today);
        }
        let every = if self.dice.one_in(20) { 50 } else { self.edit_every };
        let after = self.dice.of(1..2 * every);
        self.at(after, Event::Edit);
    }

    /// Somebody edits this calendar; its doorbell rings.
    pub fn edit_one(&mut self, address: &str, today: Time) {
        let what = self.exchange.edit(address, today, &mut self.dice);
        self.say(|| format!("edit {address}: {what}"));
        self.ring(address);
    }

    /// Something is written into a meeting that nobody can see.
    pub fn touch(&mut self, address: &str) {
        self.say(|| format!("touch {address}"));
        self.exchange.touch(address);
        self.ring(address);
    }

    /// Somebody imports a calendar: more than is staged at once, and dying is likely meanwhile.
    fn edit_many(&mut self, address: &str) {
        let today = self.now().wall.midnight();
        self.say(|| format!("many edits of {address}"));
        for _ in 0..150 {
            self.exchange.import(address, today, &mut self.dice);
        }
        self.ring(address);
        if self.dice.one_in(2) {
            let after = self.dice.of(100..900);
            self.at(after, Event::Crash);
        }
    }

    /// Somebody edits, and the feed does not know.
    pub fn edit_unheard(&mut self, address: &str, today: Time) {
        let what = self.exchange.edit(address, today, &mut self.dice);
        self.say(|| format!("edit {address}, unheard: {what}"));
        self.exchange.forget_last(address);
    }

    pub(super) fn order(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let users = self.users.clone();
        let addresses = self.addresses();
        let after = self.dice.of(60_000..1_800_000);
        self.at(after, Event::Order);
        let (Some(user), Some(address)) =
            (self.dice.pick(&users).cloned(), self.dice.pick(&addresses).cloned())
        else {
            return Ok(());
        };
        let own = self.relay.wanted.get(&user).cloned();
        let command = match self.dice.of(0..10) {
            0..2 => self.relay.activate(&user, &own.unwrap_or(address)),
            2 => self.relay.activate(&user, &address),
            3 => self.relay.deactivate(&user),
            4 => self.relay.resend(None),
            5 => self.relay.resend(Some(&user)),
            6 => {
                self.say(|| format!("the cloud forgets {user}"));
                self.relay.forget(&user);
                self.relay.resend(Some(&user))
            }
            7 => self.relay.other(true),
            8 => self.relay.other(false),
            _ => {
                let nobody = UserId::new("user-unknown");
                let opens = self.dice.one_in(2);
                self.relay.activate_badly(&nobody, opens)
            }
        };
        self.send_down(command)
    }

    /// A command goes down the channel, now and then twice.
    pub fn send_down(&mut self, command: Command) -> Held {
        self.say(|| format!("cloud orders {:?}", command.kind));
        for _ in 0..1 + u64::from(self.dice.one_in(5)) {
            self.send(command.clone());
        }
        Ok(())
    }

    /// The channel keeps the order.
    pub(super) fn send(&mut self, command: Command) {
        self.channel = self.channel.max(self.mono) + self.dice.of(20..2_000) as i64;
        let after = (self.channel - self.mono) as u64;
        self.at(after, Event::Heard(self.life, command));
    }

    /// What a run came to.
    pub fn summary(&self) -> String {
        format!(
            "{} lives, {} inputs, {} calls, {} streams, {} events, {} commands",
            self.life,
            self.watch.inputs,
            self.watch.asks,
            self.watch.listens,
            self.relay.taken,
            self.relay.commands.len(),
        )
    }

    /// Whether every place at a server was used at some time.
    pub fn was_full(&self) -> bool {
        self.watch.budget.most_open == self.rules.passes
    }

    pub(super) fn mischief(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let after = self.dice.of(30_000..900_000);
        self.at(after, Event::Mischief);
        let (addresses, users) = (self.addresses(), self.users.clone());
        let (Some(address), Some(user)) =
            (self.dice.pick(&addresses).cloned(), self.dice.pick(&users).cloned())
        else {
            return Ok(());
        };
        let what = self.dice.of(0..24);
        self.say(|| format!("mischief {what} at {address}, {user}"));
        match what {
            0..2 => self.exchange.lose_cursors(&address),
            2 => self.kms.lose(&user),
            3 => self.disk.full = !self.disk.full,
            4 if self.jumps => {
                self.offset += self.dice.of(0..2 * 86_400_000) as i64 - 86_400_000;
            }
            // A lost store counts on a clock that is not behind.
            4 if self.dice.one_in(2) => self.lose_store()?,
            5..8 => self.crash(),
            19..22 if self.seed % 8 == 2 => self.edit_many(&address),
            8 | 9 => {
                self.watch.budget.secret_changed();
                self.fleet(Input::SecretChanged)?;
            }
            10 | 11 => self.hide(&address, what == 10),
            12..16 => {
                let to_cloud = self.dice.one_in(4);
                self.relocate(&address, to_cloud);
            }
            16 => {
                let server = self.dice.of(0..self.places.servers);
                self.gap(server);
            }
            17 => self.places.travel(&address, &mut self.dice),
            22 | 23 => self.network.rebuild(&mut self.dice),
            _ => self.places.bring_back(&address),
        }
        Ok(())
    }

    /// Nobody can reach it for now.
    pub fn hide(&mut self, address: &str, denied: bool) {
        let Some(mailbox) = self.exchange.mailboxes.get_mut(address) else { return };
        if denied {
            mailbox.denied = !mailbox.denied;
        } else {
            mailbox.gone = !mailbox.gone;
        }
    }

    /// A mailbox is moved to another place; often its cursors do not survive that.
    pub fn relocate(&mut self, address: &str, to_cloud: bool) {
        let words = self.places.relocate(address, to_cloud, self.mono, &mut self.dice);
        self.say(|| format!("{address}: {words}"));
        if self.dice.one_in(2) {
            self.exchange.lose_cursors(address);
        }
        self.uproot(address);
    }

    /// The store is moved away, the cloud activates everybody anew and drops whoever is not.
    fn lose_store(&mut self) -> Held {
        self.say(|| "the store is lost".into());
        self.crash();
        self.disk.lose();
        self.office.lose();
        self.relay.first_life = self.life;
        self.relay.drop_open_commands();
        for (user, address) in self.wanted() {
            match address {
                Some(address) => {
                    let command = self.relay.activate(&user, &address);
                    self.send_down(command)?;
                }
                None => self.relay.forget(&user),
            }
        }
        Ok(())
    }

    pub(super) fn change_weather(&mut self) {
        if self.calm {
            return;
        }
        let after = self.dice.of(120_000..2_400_000);
        self.at(after, Event::Weather);
        let dice = &mut self.dice;
        let mut bad = |most: u64| match dice.of(0..16) {
            0..8 => 0,
            // Away altogether.
            8 if most >= 100 => 1_000,
            _ => dice.of(0..most),
        };
        self.weather = Weather {
            exchange: [bad(300), bad(300), bad(300)],
            homes: bad(300),
            kms: bad(400),
            cloud: bad(600),
            disk: bad(150),
            slow: bad(150),
            lost_hints: bad(500),
            streams: bad(300),
            crash: bad(6),
        };
        self.relay.moods = if self.dice.one_in(3) {
            Moods {
                reject_one_in: self.dice.of(4..60),
                spoil_one_in: self.dice.of(20..90),
                most: self.dice.of(1..40) as usize,
            }
        } else {
            Moods::default()
        };
        self.say(|| format!("weather {:?}", self.weather));
    }

    /// Everything is well from now on, and nobody edits.
    pub fn calm_down(&mut self) {
        self.say(|| "all is well from now on".into());
        self.calm = true;
        self.weather = Weather::default();
        self.relay.moods = Moods::default();
        self.disk.full = false;
        for mailbox in self.exchange.mailboxes.values_mut() {
            (mailbox.denied, mailbox.gone) = (false, false);
        }
        self.places.settle(self.mono);
        for address in self.addresses() {
            self.places.bring_back(&address);
        }
        self.leave_one_out();
        self.at(1, Event::Office);
        if self.connector.is_none() {
            self.at(1, Event::Start);
        }
    }

    /// In some worlds one mailbox stays out of reach for good.
    fn leave_one_out(&mut self) {
        let addresses = self.addresses();
        let (true, Some(address)) =
            (self.dice.one_in(4) && addresses.len() > 2, self.dice.pick(&addresses).cloned())
        else {
            return;
        };
        match self.dice.of(0..3) {
            0 => self.relocate(&address, true),
            n => self.hide(&address, n == 1),
        }
        self.places.settle(self.mono);
        self.say(|| format!("{address} stays out of reach"));
        self.hopeless.insert(address);
    }

    /// It comes back nevertheless.
    pub fn give_hope(&mut self) {
        for address in std::mem::take(&mut self.hopeless) {
            if let Some(mailbox) = self.exchange.mailboxes.get_mut(&address) {
                (mailbox.denied, mailbox.gone) = (false, false);
            }
            self.places.bring_back(&address);
        }
    }
}
