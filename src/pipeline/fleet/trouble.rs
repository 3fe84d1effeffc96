//! What failed: who waits for it, and how long.

use super::{Fleet, Note, Output, Pause, Queue, Run};
use crate::model::{Fault, Next, Now, Span, Time};
use crate::pipeline::limits;

impl Fleet {
    pub(super) fn pass_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.live);
        match fault.next {
            Next::BackOff { .. } | Next::SignIn => {
                self.server_trouble(now, &fault);
                self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
            }
            Next::Denied | Next::Gone | Next::Refused => {
                self.mailbox_failed(now, at, fault, limits::DENIED_RETRY, None);
            }
            Next::Retry { after } => {
                self.mailbox_failed(now, at, fault, limits::MAILBOX_RETRY, after);
            }
            Next::Moved => {
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.group = None;
                }
                self.mailbox_failed(now, at, fault, limits::MAILBOX_RETRY, None);
            }
            Next::CursorLost | Next::KeyLost => {
                self.mailbox_failed(now, at, fault, limits::MAILBOX_RETRY, None);
            }
        }
    }

    pub(super) fn mailbox_failed(
        &mut self,
        now: Now,
        at: usize,
        fault: Fault,
        limits: (Span, Span),
        after: Option<Span>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        mailbox.again = false;
        let until = mailbox.pace.fail(now.mono, limits, after, &mut self.dice);
        let user = mailbox.user.clone();
        self.set_timer(at, Some(until));
        let wait = until.since(now.mono);
        self.out.push(Output::Note(Note::MailboxFailing(user, fault, wait)));
    }

    /// Its mailbox was removed, but what Exchange says to us all counts.
    pub(super) fn orphan_answered(&mut self, now: Now, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.server_trouble(now, &fault);
        }
    }

    /// Begins a pause, if the fault asks for one.
    pub(super) fn server_trouble(&mut self, now: Now, fault: &Fault) {
        match fault.next {
            Next::BackOff { after } => self.pause(now, fault, limits::SERVER_RETRY, after),
            Next::SignIn => self.pause(now, fault, limits::SIGN_IN_RETRY, None),
            _ => {}
        }
    }

    pub(super) fn pause(
        &mut self,
        now: Now,
        fault: &Fault,
        limits: (Span, Span),
        after: Option<Span>,
    ) {
        let sign_in = fault.next == Next::SignIn;
        // Whatever else is decided, nobody is asked again before the time that he was told.
        let least = now.mono + limits.0.max(after.unwrap_or_default().min(Span::HOUR));
        let busy = if sign_in { Time::default() } else { least };
        self.pauses += 1;
        if let Some(pause) = self.paused.as_mut().filter(|pause| pause.until > now.mono) {
            pause.busy_until = pause.busy_until.max(busy);
            if pause.sign_in || !sign_in {
                // The answers of those who were on their way already do not count twice.
                pause.until = pause.until.max(least);
                return;
            }
        }
        let until = self.server.fail(now.mono, limits, after, &mut self.dice);
        let busy = if sign_in { busy } else { until };
        let busy_until = self.paused.map_or(busy, |pause| pause.busy_until.max(busy));
        let until = until.max(busy_until);
        self.paused = Some(Pause { until, sign_in, busy_until });
        let wait = until.since(now.mono);
        let note = match fault.next {
            Next::SignIn => Note::SignInRefused(fault.clone(), wait),
            _ => Note::ServerWaits(fault.clone(), wait),
        };
        self.out.push(Output::Note(note));
    }

    /// One tries whether the new secret is right; a busy Exchange is left alone nevertheless.
    pub(super) fn secret_changed(&mut self) {
        if let Some(pause) = self.paused.as_mut().filter(|pause| pause.sign_in) {
            pause.until = pause.busy_until;
            pause.sign_in = false;
        }
    }

    pub(super) fn store_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.live);
        if self.store_rests.is_none() {
            let until = self.store.fail(now.mono, limits::STORE_PACE, None, &mut self.dice);
            self.store_rests = Some(until);
        }
        self.out.push(Output::Note(Note::StoreFails(fault)));
        self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
    }
}
