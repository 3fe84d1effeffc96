//! The one thread that the disk is used by, and its failures.

use calway::model::Fault;
use calway::pipeline::fleet::{Input, Ticket};
use calway::pipeline::limits::BATCH_BYTES;
use calway::pipeline::outbox;
use calway::pipeline::sync::Commit;

use super::{Event, Held, Job, Play};

impl Play {
    pub(super) fn job(&mut self, job: Job) {
        let after = if self.dice.per_mille(self.weather.slow) {
            self.dice.of(100..5_000)
        } else {
            self.dice.of(1..12)
        };
        let life = self.life;
        let Some(connector) = &mut self.connector else { return };
        connector.jobs.push_back(job);
        if !std::mem::replace(&mut connector.disk_busy, true) {
            self.at(after, Event::Disk(life));
        }
    }

    pub(super) fn broken_disk(&mut self) -> Held {
        self.disk.broken.take().map_or(Ok(()), Err)
    }

    /// Commits that wait together are one transaction; everything else is one by one.
    pub(super) fn work_disk(&mut self) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let Some(job) = connector.jobs.pop_front() else {
            connector.disk_busy = false;
            return Ok(());
        };
        let mut commits = Vec::new();
        if let Job::Commit(..) = job {
            let jobs = std::mem::take(&mut connector.jobs);
            for job in std::iter::once(job).chain(jobs) {
                match job {
                    Job::Commit(ticket, commit) => commits.push((ticket, *commit)),
                    other => connector.jobs.push_back(other),
                }
            }
            self.commit(commits)?;
        } else {
            self.do_job(job)?;
        }
        self.broken_disk()?;
        let (life, after) = (self.life, self.dice.of(1..12));
        self.at(after, Event::Disk(life));
        self.crash_now();
        Ok(())
    }

    pub(super) fn disk_fault(&mut self) -> Option<Fault> {
        let bad = self.dice.per_mille(self.weather.disk);
        bad.then(|| Fault::retry("store: disk I/O error"))
    }

    pub(super) fn commit(&mut self, commits: Vec<(Ticket, Commit)>) -> Held {
        let wall = self.now().wall;
        let (tickets, commits): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
        let counted = match self.disk_fault() {
            Some(fault) => Err(fault),
            None => self.disk.commit(&commits, wall),
        };
        let words = || format!("disk commits {}: {counted:?}", commits.len());
        self.say(words);
        let (life, after) = (self.life, self.dice.of(0..4));
        for (at, ticket) in tickets.into_iter().enumerate() {
            let counted = match &counted {
                Ok(all) => Ok(*all.get(at).ok_or("a commit without an answer")?),
                Err(fault) => Err(fault.clone()),
            };
            self.at(after, Event::Fleet(life, Input::Committed(ticket, counted)));
        }
        if counted.is_ok() {
            self.at(after, Event::Outbox(life, outbox::Input::Wake));
        }
        Ok(())
    }

    pub(super) fn do_job(&mut self, job: Job) -> Held {
        let (life, after, wall) = (self.life, self.dice.of(0..4), self.now().wall);
        let fault = self.disk_fault();
        let event = match job {
            Job::Load(ticket, user) => {
                let loaded = fault.map_or_else(|| self.disk.load(&user), Err);
                Event::Fleet(life, Input::Loaded(ticket, loaded))
            }
            Job::Look(ticket, user, lookup) => {
                let rows = fault.map_or_else(|| self.disk.rows(&user, &lookup), Err);
                Event::Fleet(life, Input::Rows(ticket, rows))
            }
            Job::Outbox(limit) => {
                let rows = fault.map_or_else(|| self.disk.outbox(limit, BATCH_BYTES), Err);
                Event::Outbox(life, outbox::Input::Loaded(rows))
            }
            Job::Settle(settled) => {
                let settled = fault.map_or_else(|| self.disk.settle(&settled), Err);
                Event::Outbox(life, outbox::Input::Settled(settled))
            }
            Job::Outcome(command) => {
                let known = fault.map_or_else(|| self.disk.outcome(&command.id), Err);
                return self.known(command, known);
            }
            Job::Decide(decision) => {
                let outcome = fault.map_or_else(|| self.disk.decide(&decision, wall), Err);
                self.say(|| format!("disk decides {decision:?}: {outcome:?}"));
                return self.decided(*decision, outcome);
            }
            Job::Commit(..) => return Ok(()),
        };
        self.at(after, event);
        Ok(())
    }
}
