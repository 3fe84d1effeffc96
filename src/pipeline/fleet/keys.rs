//! The key that a pass seals with.

use std::sync::Arc;

use super::{Fleet, Note, Output, Run, Stage, Ticket, Want};
use crate::model::{Cause, Fault, Next, Now, ResourceUri, Span};
use crate::pipeline::limits;
use crate::pipeline::seal::Sealer;
use crate::pipeline::sync::{Got, Keyed, Pass};

impl Fleet {
    pub(super) fn want_key(&mut self, now: Now, at: usize, run: Run, mut pass: Box<Pass>) {
        let today = now.wall.midnight();
        let Some(mailbox) = self.mailbox(at) else { return };
        if let Some((keys, sealer)) = &mailbox.sealer
            && keys.day == today
            && usable(sealer.as_ref(), now)
        {
            let step = pass.got(Got::Key(sealer.clone()));
            return self.step(now, at, run, pass, step);
        }
        let known = mailbox.sealer.as_ref().map(|(keys, _)| keys).or(mailbox.stored_keys.as_ref());
        let want = match known {
            None => Want::Establish,
            Some(keys) if keys.day == today && mailbox.sealer.is_none() => {
                Want::Recall(keys.resource.clone(), keys.key.clone())
            }
            Some(keys) => Want::Rotate(keys.resource.clone()),
        };
        let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
        self.out.push(Output::Key(ticket, user, want));
    }

    pub(super) fn keyed(
        &mut self,
        now: Now,
        ticket: Ticket,
        keyed: Result<(ResourceUri, Arc<dyn Sealer>), Fault>,
    ) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.server, run.live);
            return;
        };
        let day = now.wall.midnight();
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let had_some = mailbox.sealer.is_some() || mailbox.stored_keys.is_some();
        let sealer = match (keyed, &mailbox.sealer) {
            (Ok((resource, sealer)), _) => {
                let keys = Keyed { resource, key: sealer.key_uri().clone(), day };
                mailbox.sealer = Some((keys, sealer.clone()));
                sealer
            }
            (Err(fault), _) if fault.next == Next::KeyLost && had_some => {
                mailbox.sealer = None;
                mailbox.stored_keys = None;
                let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Key(ticket, user, Want::Establish));
                return;
            }
            (Err(fault), Some((_, old)))
                if matches!(fault.next, Next::Retry { .. }) && usable(old.as_ref(), now) =>
            {
                let old = old.clone();
                self.out.push(Output::Note(Note::KeyLate(user, fault.of(run.trace))));
                old
            }
            (Err(fault), _) => {
                // The key server's trouble is not Exchange's: this mailbox alone waits.
                let after = match fault.next {
                    Next::Retry { after } | Next::BackOff { after } => after,
                    _ => None,
                };
                let cause = Cause {
                    code: format!("no key from the key server: {}", fault.cause.code),
                    request_id: fault.cause.request_id,
                    trace: Some(run.trace),
                };
                let fault = Fault { next: Next::Retry { after }, cause };
                self.release(run.server, run.live);
                return self.mailbox_failed(now, at, fault, limits::KEY_RETRY, after);
            }
        };
        let step = pass.got(Got::Key(sealer));
        self.step(now, at, run, pass, step);
    }
}

/// A key that expires while a pass seals with it would be one too late.
fn usable(sealer: &dyn Sealer, now: Now) -> bool {
    sealer.until().is_none_or(|until| until > now.wall + Span::MINUTE)
}
