//! What failed: who waits for it, and how long.

use super::directory::pace;
use super::{Fleet, Mailbox, Note, Output, Queue, Run, Side, Trouble};
use crate::model::{Fault, Next, Now, Span, Time, Trace};
use crate::pipeline::limits;

impl Mailbox {
    /// How it waits after a fault of its own. One that worked before is more often on its way than
    /// gone: not all servers and directories hear of a move at the same time.
    pub(super) fn pace_after(&mut self, now: Now, fault: &Fault) -> ((Span, Span), Option<Span>) {
        if fault.next != Next::Gone || !self.has_worked {
            return pace(fault);
        }
        let since = *self.gone_since.get_or_insert(now.mono);
        match now.mono.since(since) < limits::GONE_DOUBTED {
            true => (limits::MOVED_RETRY, None),
            false => pace(fault),
        }
    }
}

impl Fleet {
    pub(super) fn pass_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.server, run.live);
        let fault = fault.of(run.trace);
        match fault.next {
            Next::BackOff { .. } | Next::SignIn => {
                self.server_trouble(now, run.server, &fault);
                if fault.next != Next::SignIn {
                    self.doubt_server(now, run.server, at);
                }
                self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
            }
            Next::Moved | Next::Gone => self.strayed(now, at, fault),
            // Where neither the directory knows it nor the server reads it, that is why.
            _ if self.mailbox(at).is_some_and(|mailbox| std::mem::take(&mut mailbox.missed)) => {
                self.strayed(now, at, fault);
            }
            _ => {
                let (limits, after) = pace(&fault);
                self.mailbox_failed(now, at, fault, limits, after);
            }
        }
    }

    /// It is not where it was asked: the directory says where it is, or why it is nowhere. The
    /// first time at once, and if that does not help ever later.
    fn strayed(&mut self, now: Now, at: usize, fault: Fault) {
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.strays = mailbox.strays.saturating_add(1);
        if mailbox.strays == 1 {
            return self.seek(at, true);
        }
        mailbox.lost = true;
        let (limits, after) = mailbox.pace_after(now, &fault);
        self.mailbox_failed(now, at, fault, limits, after);
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
        mailbox.again = Queue::None;
        let until = mailbox.pace.fail(now.mono, limits, after, &mut self.dice);
        mailbox.seen.fault = Some(Box::new((fault.cause.code.clone(), now.wall)));
        let user = mailbox.user.clone();
        let shut = matches!(fault.next, Next::Denied | Next::Gone | Next::Refused);
        let was_shut = mailbox.trouble.as_ref().is_some_and(|trouble| trouble.shut);
        // Where the directory said that it is gone, a server that has it no more says nothing new.
        let stale = fault.next == Next::Moved && mailbox.gone_since.is_some();
        let known = mailbox.trouble.as_ref();
        let told = known.is_some_and(|known| stale || *known.code == *fault.cause.code);
        if !told {
            mailbox.trouble = Some(Trouble { code: fault.cause.code.as_str().into(), shut });
        } else if let Some(trouble) = &mut mailbox.trouble {
            trouble.shut = shut;
        }
        self.shut = self.shut + usize::from(shut) - usize::from(was_shut);
        self.set_timer(at, Some(until));
        self.look_over(at);
        if shut {
            // Who may not be read need not be listened to, and each try would be a request.
            self.unplan(at);
        }
        if !told {
            if let Some(mailbox) = self.mailbox(at) {
                mailbox.relayed = false;
            }
            let wait = until.since(now.mono);
            self.out.push(Output::Note(Note::MailboxFailing(user, fault, wait)));
        }
    }

    /// Whether it may not be read, or is not there.
    pub(super) fn is_shut(&self, at: usize) -> bool {
        let mailbox = self.mailboxes.get(at).and_then(Option::as_ref);
        mailbox.and_then(|mailbox| mailbox.trouble.as_ref()).is_some_and(|trouble| trouble.shut)
    }

    /// It fails no more, as this reading shows, or is not there any more.
    pub(super) fn well(&mut self, at: usize, trace: Option<Trace>) {
        let Some(mailbox) = self.mailbox(at) else { return };
        (mailbox.has_worked, mailbox.gone_since) = (true, None);
        let was_failing = mailbox.pace.failures() > 0;
        mailbox.pace.reset();
        let trouble = mailbox.trouble.take();
        let user = mailbox.user.clone();
        self.look_over(at);
        let Some(mailbox) = self.mailbox(at) else { return };
        if !std::mem::replace(&mut mailbox.relayed, true) && self.names.contains_key(&user) {
            self.out.push(Output::Note(Note::Relayed(user.clone(), trace)));
        }
        if !was_failing {
            return;
        }
        self.shut -= usize::from(trouble.is_some_and(|trouble| trouble.shut));
        if self.names.contains_key(&user) {
            self.out.push(Output::Note(Note::MailboxWell(user, trace)));
        }
    }

    /// Begins a pause of the server, or of all where sign-in was refused, if the fault asks for
    /// one.
    pub(super) fn server_trouble(&mut self, now: Now, server: usize, fault: &Fault) {
        let Some(server) = self.servers.get_mut(server) else { return };
        let side = Side::Server(server.key().clone());
        let until = match fault.next {
            Next::BackOff { after } => {
                server.gate.shut(now.mono, limits::SERVER_RETRY, after, &mut self.dice)
            }
            Next::SignIn => self.account_refused(now),
            _ => None,
        };
        self.tell_pause(now, side, fault, until);
    }

    /// As [`Fleet::server_trouble`], of the directory.
    pub(super) fn directory_trouble(&mut self, now: Now, fault: &Fault) {
        let until = match fault.next {
            Next::BackOff { after } => {
                let gate = &mut self.directory.gate;
                gate.shut(now.mono, limits::SERVER_RETRY, after, &mut self.dice)
            }
            Next::SignIn => self.account_refused(now),
            _ => None,
        };
        self.tell_pause(now, Side::Directory, fault, until);
    }

    fn account_refused(&mut self, now: Now) -> Option<Time> {
        self.account.shut(now.mono, limits::SIGN_IN_RETRY, None, &mut self.dice)
    }

    fn tell_pause(&mut self, now: Now, side: Side, fault: &Fault, until: Option<Time>) {
        let Some(wait) = until.map(|until| until.since(now.mono)) else { return };
        self.out.push(Output::Note(match fault.next {
            Next::SignIn => Note::SignInRefused(fault.clone(), wait),
            _ => Note::ServerWaits(side, fault.clone(), wait),
        }));
    }

    /// One tries whether the new secret is right; a busy server is left alone nevertheless.
    pub(super) fn secret_changed(&mut self) {
        self.account.until = None;
    }

    /// Whoever waits for a trouble of its own is tried at once; the directory's and the servers'
    /// budgets keep them from coming all together.
    pub(super) fn trust_changed(&mut self, now: Now) {
        let waiting: Vec<usize> = self.timers.iter().map(|(_, at)| *at).collect();
        for at in waiting {
            if self.mailbox(at).is_some_and(|mailbox| mailbox.trouble.is_some()) {
                self.set_timer(at, Some(now.mono));
            }
        }
    }

    /// One tries each server again at once, but for those that asked for their pause.
    pub(super) fn way_changed(&mut self, now: Now) {
        for server in &mut self.servers {
            server.gate.open_unless_told();
        }
        self.directory.gate.open_unless_told();
        self.trust_changed(now);
    }

    pub(super) fn store_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.server, run.live);
        if self.store_rests.is_none() {
            let until = self.store.fail(now.mono, limits::STORE_PACE, None, &mut self.dice);
            self.store_rests = Some(until);
        }
        self.out.push(Output::Note(Note::StoreFails(fault.of(run.trace))));
        self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
    }
}
