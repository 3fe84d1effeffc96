//! What comes back from the key server and the cloud.

use calway::model::{Fault, Next, Span, Time};
use calway::pipeline::outbox::{self, Outgoing};
use calway::store::Settled;

use super::{Event, Held, Job, Play};

impl Play {
    pub(super) fn kms_fault(&mut self) -> Option<Fault> {
        if !self.dice.per_mille(self.weather.kms) {
            return None;
        }
        let next = match self.dice.of(0..10) {
            0..5 => Next::Retry { after: None },
            5 | 6 => Next::BackOff { after: Some(Span::from_secs(self.dice.of(0..60))) },
            7 => Next::KeyLost,
            8 => Next::Denied,
            _ => Next::SignIn,
        };
        Some(Fault::new(next, "kms 503"))
    }

    pub(super) fn outbox(&mut self, input: outbox::Input) -> Held {
        let now = self.now();
        let Some(connector) = &mut self.connector else { return Ok(()) };
        self.watch.shown(&input)?;
        self.watch.moved()?;
        let outputs = connector.outbox.handle(now, input);
        for output in outputs {
            self.watch.shown(&output)?;
            self.say(|| format!("    outbox < {output:?}"));
            let (life, after) = (self.life, self.delay());
            match output {
                outbox::Output::Load { limit } => self.job(Job::Outbox(limit)),
                outbox::Output::Send(rows) => {
                    self.watch.sends(now, &rows)?;
                    self.at(after, Event::Batch(life, rows));
                }
                outbox::Output::Settle { done, aside } => {
                    self.job(Job::Settle(Settled { done, aside }))
                }
                outbox::Output::Trouble(_) => self.watch.cloud_well = false,
                outbox::Output::Well => self.watch.cloud_well = true,
                outbox::Output::StoreFails(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn batch(&mut self, life: u64, batch: &[Outgoing]) -> Held {
        let bad = self.dice.per_mille(self.weather.cloud);
        let kind = self.dice.of(0..10);
        let busy = Span::from_secs(self.dice.of(0..90));
        let answer = match kind {
            0..3 if bad => Err(Fault::retry("connection refused")),
            3..5 if bad => Err(Fault::new(Next::BackOff { after: Some(busy) }, "429")),
            5 if bad => Err(Fault::new(Next::SignIn, "401")),
            _ => {
                let seed = self.seed;
                let bent = move |id: &str| {
                    id.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) + u64::from(byte))
                };
                // Now and then it takes only a part, and answers for that.
                let part: Vec<Outgoing> = batch
                    .iter()
                    .filter(|_| !(bad && kind >= 8 && self.dice.one_in(3)))
                    .cloned()
                    .collect();
                match self.relay.take(life, &part, bent)? {
                    Ok(_) if bad && kind < 8 => Err(Fault::retry("answer lost")),
                    other => other,
                }
            }
        };
        self.say(|| format!("cloud takes {}: {answer:?}", batch.len()));
        if self.crash_now() {
            return Ok(());
        }
        let after = self.delay();
        if let Err(Fault { next: Next::BackOff { after: Some(asked) }, .. }) = &answer
            && life == self.life
        {
            self.watch.cloud_asks(Time::from_ms(self.mono + after as i64), *asked);
        }
        self.at(after, Event::Outbox(life, outbox::Input::Answered(answer)));
        Ok(())
    }

    pub(super) fn crash_now(&mut self) -> bool {
        let now = !self.calm && self.dice.per_mille(self.weather.crash);
        if now {
            self.crash();
        }
        now
    }
}
