//! What goes wrong, who comes and goes, and how it ends.

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::model::Span;
use calway::pipeline::fleet::Input;

use super::super::play::Held;
use super::play::{Event, PLACES, Play};
use super::watch::Kind;

impl Play {
    pub(super) fn mischief(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let after = self.dice.of(1..2 * self.mischief_every);
        self.at(after, Event::Mischief);
        let place = self.dice.of(0..PLACES as u64) as usize;
        let calls: Vec<u64> = self.standing.keys().copied().collect();
        let call = self.dice.pick(&calls).copied();
        let what = self.dice.of(0..12);
        self.say(|| format!("mischief {what} at {place}"));
        match what {
            0 => {
                self.servers[place].restart();
                self.calls_at(place).into_iter().for_each(|call| self.reset(call));
            }
            1 => self.forget(place, true),
            2 | 3 => self.forget(place, false),
            4 => call.into_iter().for_each(|call| self.reset(call)),
            5 => calls.into_iter().for_each(|call| self.reset(call)),
            6 => {
                if let Some(standing) = call.and_then(|call| self.standing.get_mut(&call)) {
                    standing.silent = true;
                    self.watch.played(Kind::Silent);
                }
            }
            7 | 8 => {
                let rest = Span::from_ms(self.dice.of(1_000..90_000));
                self.rests[place / 2] = self.now.mono + rest;
            }
            9 => {
                let living = self.servers[place].living();
                let id = self.dice.pick(&living);
                if let Some(member) = id.and_then(|id| self.servers[place].member(id)) {
                    self.servers[place].denied.insert(member);
                }
            }
            10 => self.servers[place].bad = self.dice.of(0..300),
            _ => {
                if let Some(call) = call
                    && let Some(standing) = self.standing.get(&call)
                {
                    let told = self.servers[place].trouble(&standing.ids, &mut self.dice);
                    self.speak(call, told);
                }
            }
        }
        Ok(())
    }

    /// Mailboxes are activated, deactivated, and move; now and then many at once.
    pub(super) fn change(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let after = self.dice.of(1..2 * self.change_every);
        self.at(after, Event::Change);
        let times = if self.dice.one_in(10) { 20 } else { 1 };
        for _ in 0..times {
            let Some(user) = self.dice.pick(&self.pool).cloned() else { continue };
            if self.dice.one_in(3) {
                let to = self.dice.of(0..PLACES as u64) as usize;
                self.say(|| format!("{user} moves to {to}"));
                if self.truth.get(&user) != Some(&to) {
                    self.relocate(&user, to);
                }
            } else if self.active.contains(&user) {
                self.say(|| format!("{user} goes"));
                self.deactivate(&user)?;
            } else {
                self.say(|| format!("{user} comes"));
                self.activate(&user)?;
            }
        }
        Ok(())
    }

    /// From now on nothing goes wrong. What was lost in silence stays lost.
    pub(super) fn calm_down(&mut self) -> Held {
        self.say(|| "calm".into());
        self.calm = true;
        for server in &mut self.servers {
            server.bad = 0;
            server.denied.clear();
        }
        self.rests = Default::default();
        let silent: Vec<u64> = self.standing.keys().copied().collect();
        if self.dice.one_in(2)
            && let Some(call) = self.dice.pick(&silent)
        {
            self.speak(*call, StreamEvent::Closed);
        }
        if self.active.is_empty()
            && let Some(user) = self.pool.first().cloned()
        {
            self.activate(&user)?;
        }
        // The administrator looked after the account.
        self.fleet(Input::SecretChanged)
    }
}
