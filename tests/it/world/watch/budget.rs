//! Who is asked, when, and how many at once: each server, the directory, the account.

use std::collections::{BTreeMap, BTreeSet};

use calway::calendar::HOMES_PER_CALL;
use calway::model::{Fault, Home, Next, Now, ServerKey, Span, Time, UserId};
use calway::pipeline::fleet::Ticket;

use super::super::play::Held;

/// The least wait after sign-in was refused.
const SIGNED_OUT: Span = Span::from_secs(720);

/// Calls to the directory at once.
const HOMES_AT_ONCE: usize = 3;

/// One that is asked, and how it is with it.
#[derive(Debug, Default)]
struct Side {
    quiet_until: Time,
    /// After a pause one alone tries, until it was answered well.
    probing: bool,
}

/// A request under way.
#[derive(Debug)]
struct Asked {
    /// Absent: the directory.
    server: Option<ServerKey>,
    /// Those who still wait for it.
    users: Vec<Option<UserId>>,
    /// It was sent after the last pause of its side began.
    since_pause: bool,
    /// The same, of the account.
    since_refusal: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Budget {
    passes: usize,
    /// Of them, for mailboxes that nobody rang for.
    backlog: usize,
    /// Mailboxes that were rung for at any time in this life.
    rung: BTreeSet<UserId>,
    /// What was told of a mailbox: the last home, and the one before, as an answer that crossed
    /// with another question does not count.
    homes: BTreeMap<UserId, Vec<Home>>,
    servers: BTreeMap<ServerKey, Side>,
    directory: Side,
    signed_out_until: Time,
    /// After sign-in was refused one alone tries, anywhere.
    trying: bool,
    asked: BTreeMap<Ticket, Asked>,
    /// When a mailbox's home was last asked for anew.
    sought: BTreeMap<UserId, Time>,
    /// The most requests that were under way at one server.
    pub most_open: usize,
}

impl Budget {
    pub fn new(passes: usize, backlog: usize) -> Self {
        Self { passes, backlog, ..Self::default() }
    }

    /// Nobody remembers anything.
    pub fn died(&mut self) {
        let Self { passes, backlog, most_open, .. } = *self;
        *self = Self { most_open, ..Self::new(passes, backlog) };
    }

    /// Somebody's doorbell rang.
    pub fn rings(&mut self, user: &UserId) {
        self.rung.insert(user.clone());
    }

    /// It is not active any more; what is on its way for it does not count.
    pub fn removed(&mut self, user: &UserId) {
        self.homes.remove(user);
        self.sought.remove(user);
        self.void(user, true);
    }

    /// Nobody waits for what was asked about it, or for its home alone.
    fn void(&mut self, user: &UserId, all: bool) {
        let waiting = self.asked.values_mut().filter(|asked| all || asked.server.is_none());
        for one in waiting.flat_map(|asked| &mut asked.users) {
            if one.as_ref() == Some(user) {
                *one = None;
            }
        }
    }

    /// The home that was told last.
    pub fn home(&self, user: &UserId) -> Option<&Home> {
        self.homes.get(user)?.first()
    }

    /// When its home was last asked for anew.
    pub fn sought(&self, user: &UserId) -> Option<Time> {
        self.sought.get(user).copied()
    }

    /// The account's secret changed.
    pub fn secret_changed(&mut self) {
        self.signed_out_until = Time::default();
    }

    // ---- questions ----

    /// A mailbox is asked about.
    pub fn asks(&mut self, now: Now, ticket: Ticket, user: &UserId) -> Held {
        let twice =
            |asked: &&Asked| asked.server.is_some() && asked.users[0].as_ref() == Some(user);
        if self.asked.values().find(twice).is_some() {
            return Err(format!("{user} is asked about twice at once"));
        }
        let homes = self.homes.get(user).cloned().unwrap_or_default();
        let mut wrong = None;
        for home in homes {
            match self.may_ask_more(now, &home.server, user) {
                Ok(()) => {
                    self.begin(ticket, Some(home.server), vec![user.clone()]);
                    return Ok(());
                }
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        Err(wrong.unwrap_or_else(|| format!("{user} is asked about before its home is known")))
    }

    /// Homes are asked for.
    pub fn seeks(&mut self, now: Now, ticket: Ticket, users: &[UserId], fresh: bool) -> Held {
        let different: BTreeSet<_> = users.iter().collect();
        if users.is_empty() || users.len() > HOMES_PER_CALL || different.len() < users.len() {
            return Err(format!("homes of {} mailboxes are asked for", users.len()));
        }
        self.signed_in(now)?;
        quiet(now, &self.directory, "the directory")?;
        let under_way = self.asked.values().filter(|asked| asked.server.is_none());
        let since = under_way.clone().filter(|asked| asked.since_pause).count();
        if self.directory.probing && since > 0 {
            return Err("more than one tries the directory after a pause".into());
        }
        if under_way.count() >= HOMES_AT_ONCE {
            return Err("too many calls to the directory at once".into());
        }
        for user in users {
            self.void(user, false);
            if fresh {
                self.sought.insert(user.clone(), now.mono);
            }
        }
        self.begin(ticket, None, users.to_vec());
        Ok(())
    }

    fn begin(&mut self, ticket: Ticket, server: Option<ServerKey>, users: Vec<UserId>) {
        let users = users.into_iter().map(Some).collect();
        let asked = Asked { server, users, since_pause: true, since_refusal: true };
        self.asked.insert(ticket, asked);
    }

    /// Streams are asked for at the server of these, which must be of one group.
    pub fn streams(&self, now: Now, users: &[UserId]) -> Held {
        let Some((first, rest)) = users.split_first() else { return Ok(()) };
        let homes = |user| self.homes.get(user).map(Vec::as_slice).unwrap_or_default();
        let mut wrong = format!("{first} is listened to before its home is known");
        for home in homes(first) {
            let same = |other: &Home| other.server == home.server && other.group == home.group;
            match rest.iter().find(|user| !homes(user).iter().any(same)) {
                Some(user) => wrong = format!("{user} is not of the group of {first}"),
                None => match self.may_ask(now, &home.server) {
                    Ok(()) => return Ok(()),
                    Err(why) => wrong = why,
                },
            }
        }
        Err(wrong)
    }

    fn signed_in(&self, now: Now) -> Held {
        let under_way = self.asked.values().filter(|asked| asked.since_refusal).count();
        if self.trying && under_way > 0 {
            return Err("more than one tries after sign-in was refused".into());
        }
        if now.mono < self.signed_out_until {
            let left = self.signed_out_until.since(now.mono);
            return Err(format!("somebody signs in {left} before he may"));
        }
        Ok(())
    }

    fn may_ask(&self, now: Now, server: &ServerKey) -> Held {
        if now.mono < self.signed_out_until {
            return Err("a stream signs in before it may".into());
        }
        self.servers.get(server).map_or(Ok(()), |side| quiet(now, side, server.as_str()))
    }

    fn may_ask_more(&mut self, now: Now, server: &ServerKey, user: &UserId) -> Held {
        self.signed_in(now)?;
        self.may_ask(now, server)?;
        let under_way = self.asked.values().filter(|asked| asked.server.as_ref() == Some(server));
        let since = under_way.clone().filter(|asked| asked.since_pause).count();
        let was_rung = |user: &UserId| self.rung.contains(user);
        let unrung = |asked: &&Asked| asked.users[0].as_ref().is_some_and(|user| !was_rung(user));
        let backlog = under_way.clone().filter(unrung).count();
        let open = under_way.count();
        if self.servers.get(server).is_some_and(|side| side.probing) && since > 0 {
            return Err(format!("more than one tries {server} after a pause"));
        }
        if open >= self.passes {
            return Err(format!("more than {open} requests under way at {server}"));
        }
        if backlog >= self.backlog && !was_rung(user) {
            return Err(format!("more than {backlog} of the backlog are read at {server}"));
        }
        self.most_open = self.most_open.max(open + 1);
        Ok(())
    }

    // ---- answers ----

    /// What was asked is answered.
    pub fn answered(&mut self, now: Now, ticket: Ticket, fault: Option<&Fault>) {
        let Some(asked) = self.asked.remove(&ticket) else { return };
        self.judge(now, &asked, fault);
    }

    /// Homes are told.
    pub fn found(&mut self, now: Now, ticket: Ticket, told: &[Result<Home, Fault>]) {
        let Some(asked) = self.asked.remove(&ticket) else { return };
        for (user, told) in asked.users.iter().zip(told) {
            if let (Some(user), Ok(home)) = (user, told) {
                let homes = self.homes.entry(user.clone()).or_default();
                homes.retain(|known| known.server != home.server || known.group != home.group);
                homes.insert(0, home.clone());
                homes.truncate(2);
            }
        }
        let good = told.iter().any(Result::is_ok);
        if good {
            self.judge(now, &asked, None);
        }
        for fault in told.iter().filter_map(|told| told.as_ref().err()) {
            self.judge(now, &asked, Some(fault));
        }
    }

    fn judge(&mut self, now: Now, asked: &Asked, fault: Option<&Fault>) {
        match fault {
            Some(Fault { next: Next::BackOff { .. } | Next::SignIn, .. }) => {
                self.pause(now, asked.server.as_ref(), fault);
            }
            // Nobody knows how it is with the other side.
            Some(Fault { next: Next::Retry { .. }, .. }) => {}
            _ => {
                if asked.since_refusal {
                    self.trying = false;
                }
                if asked.since_pause {
                    self.side(asked.server.as_ref()).probing = false;
                }
            }
        }
    }

    fn side(&mut self, server: Option<&ServerKey>) -> &mut Side {
        match server {
            Some(server) => self.servers.entry(server.clone()).or_default(),
            None => &mut self.directory,
        }
    }

    /// A stream of this mailbox says that its server is busy, or refuses sign-in.
    pub fn stream_trouble(&mut self, now: Now, user: Option<&UserId>, fault: &Fault) {
        // Where it is not sure which server it was, only what holds for all counts.
        let homes = user.and_then(|user| self.homes.get(user)).cloned().unwrap_or_default();
        match (homes.as_slice(), fault.next) {
            ([home], _) => self.pause(now, Some(&home.server), Some(fault)),
            (_, Next::SignIn) => self.pause(now, None, Some(fault)),
            _ => {}
        }
    }

    fn pause(&mut self, now: Now, server: Option<&ServerKey>, fault: Option<&Fault>) {
        match fault.map(|fault| fault.next) {
            Some(Next::SignIn) => {
                self.signed_out_until = self.signed_out_until.max(now.mono + SIGNED_OUT);
                self.trying = true;
                self.asked.values_mut().for_each(|asked| asked.since_refusal = false);
            }
            Some(Next::BackOff { after }) => {
                let asked = after.unwrap_or_default().min(Span::HOUR);
                let wait = asked.max(Span::from_ms(800));
                let side = self.side(server);
                side.quiet_until = side.quiet_until.max(now.mono + wait);
                side.probing = true;
                let of_side = |asked: &&mut Asked| asked.server.as_ref() == server;
                for asked in self.asked.values_mut().filter(of_side) {
                    asked.since_pause = false;
                }
            }
            _ => {}
        }
    }
}

fn quiet(now: Now, side: &Side, name: &str) -> Held {
    if now.mono < side.quiet_until {
        let left = side.quiet_until.since(now.mono);
        return Err(format!("{name} is asked {left} before its pause is over"));
    }
    Ok(())
}
