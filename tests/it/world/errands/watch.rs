//! What is checked of invitations and commands, while they are written and at the end, and what was
//! played.

use std::collections::BTreeSet;

use calway::model::{Notify, Outcome, RecordKey, Time, UserId};
use calway::pipeline::keyword::Mark;
use calway::pipeline::seal::Installation;

use super::super::play::Held;
use super::calendar::{Exchange, Item, Text, Write};
use super::cloud::{Cloud, Sent, What, comment, url};
use super::people::{FOREIGN, MOST_INVITEES, typed};

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Join details were written into an invitation.
    Decorated,
    /// They were taken out again.
    TakenOut,
    /// Into a series.
    Series,
    /// An occurrence was changed by itself.
    Apart,
    /// Somebody typed another keyword.
    KeywordChanged,
    /// Somebody typed a place without one, where details of ours stood.
    KeywordRemoved,
    /// Somebody was faster than a write.
    Conflict,
    /// A write took effect, and its answer was lost.
    AnswerLost,
    /// A write got lost.
    RequestLost,
    /// A write took effect long after its answer was given up.
    LateEffect,
    /// The cloud answers after a quarter of an hour.
    CloudLate,
    /// The cloud answers twice.
    CloudTwice,
    /// The second time with other details.
    OtherDetails,
    /// The cloud has no details for a request.
    CloudRefuses,
    /// A command comes twice.
    CommandTwice,
    /// A command comes again in another life, as it was not acknowledged in the one before.
    CommandAgain,
    /// The connector dies.
    Killed,
    /// It dies while something is written for it.
    KilledWriting,
    /// A user is deactivated.
    Deactivated,
    /// While something was to be done in their name.
    DeactivatedWaiting,
    /// A meeting was made for the cloud.
    Created,
    /// An invitation was answered for the cloud.
    Responded,
    /// The disk does not take something.
    DiskFails,
    /// The server has no time.
    Busy,
}

impl Kind {
    pub const ALL: [Self; 24] = [
        Self::Decorated,
        Self::TakenOut,
        Self::Series,
        Self::Apart,
        Self::KeywordChanged,
        Self::KeywordRemoved,
        Self::Conflict,
        Self::AnswerLost,
        Self::RequestLost,
        Self::LateEffect,
        Self::CloudLate,
        Self::CloudTwice,
        Self::OtherDetails,
        Self::CloudRefuses,
        Self::CommandTwice,
        Self::CommandAgain,
        Self::Killed,
        Self::KilledWriting,
        Self::Deactivated,
        Self::DeactivatedWaiting,
        Self::Created,
        Self::Responded,
        Self::DiskFails,
        Self::Busy,
    ];
}

/// Eyes on all of it.
#[derive(Debug, Default)]
pub struct Watch {
    played: BTreeSet<Kind>,
    pub writes: u32,
    pub edits: u32,
}

/// What stands in a body beside what people wrote of it, if it is one piece.
fn ours<'a>(written: &str, body: &'a str) -> Option<&'a str> {
    let same = |(a, b): &(u8, u8)| a == b;
    let before = written.bytes().zip(body.bytes()).take_while(same).count();
    let back = written.bytes().rev().zip(body.bytes().rev());
    let after = back.take_while(same).count().min(written.len() - before);
    let whole = before + after == written.len();
    body.get(before..body.len() - after).filter(|_| whole)
}

impl Watch {
    pub fn played(&mut self, kind: Kind) {
        self.played.insert(kind);
    }

    pub fn was_played(&self, kind: Kind) -> bool {
        self.played.contains(&kind)
    }

    pub fn summary(&self) -> String {
        format!("{} edits, {} writes, {:?}", self.edits, self.writes, self.played)
    }

    /// An invitation was changed by the connector.
    pub fn wrote(
        &mut self,
        write: &Write,
        exchange: &mut Exchange,
        (cloud, now): (&Cloud, Time),
    ) -> Held {
        self.writes += 1;
        let Write { address, id, at, before, notify } = write;
        let wrong = |why: &str| Err(format!("{id} {at:?} of {address}: {why}"));
        let mailbox = exchange.mailboxes.get_mut(address);
        let Some(item) = mailbox.and_then(|mailbox| mailbox.items.get_mut(id)) else {
            return Ok(());
        };
        if !item.mine || item.cancelled || item.invitees > MOST_INVITEES {
            return wrong("it is not to be written into");
        }
        let (start, is_series) = (at.unwrap_or(item.start), item.count > 0 && at.is_none());
        let old = before.text(*at).clone();
        let text = match at {
            Some(at) if item.apart.contains_key(at) => item.apart.entry(*at).or_default(),
            _ => &mut item.text,
        };
        let is_seen = (&old.place, &old.body) != (&text.place, &text.body);
        if (*notify == Notify::All) != (is_seen && item.invitees > 0) {
            return wrong("its invitees are to be told, where there is anything to be seen");
        }
        let Some(block) = ours(&text.written, &text.body) else {
            return wrong("what its organiser wrote is not there as it was");
        };
        let words = typed(&text.place).1;
        if let Some(word) = text.room.split(' ').find(|word| !words.contains(*word)) {
            return wrong(&format!("{word:?} is not in its place any more: {:?}", text.place));
        }
        let Some(mark) = text.mark.as_ref().and_then(|mark| Mark::parse(mark.reveal())) else {
            self.played(Kind::TakenOut);
            return match (&text.wish, block) {
                (Some(_), _) => wrong("details were taken out that are asked for"),
                (None, "") => once(text, "").or_else(|why| wrong(&why)),
                (None, _) => wrong("not all of what was ours was taken out"),
            };
        };
        let request = mark.request.to_string();
        let Some(asked) = cloud.requests.get(&request).filter(|asked| asked.answered) else {
            return wrong("it got details that nobody gave");
        };
        let wish = text.wish.as_ref().map(|(name, mode)| (name.as_str(), mode.as_str()));
        if wish != Some((&asked.keyword, &asked.mode)) {
            return wrong(&format!("{wish:?} is wanted, and {asked:?} was written"));
        }
        if !block.contains(&url(&request)) || !text.place.contains(&url(&request)) {
            return wrong("it lacks the details that it was given");
        }
        let before = old.mark.as_ref().and_then(|mark| Mark::parse(mark.reveal()));
        let first = before.is_none_or(|before| before.meeting != mark.meeting);
        if start < now || (first && text.written.contains(FOREIGN)) {
            return wrong("it is over, or can be joined already");
        }
        once(text, &request).or_else(|why| wrong(&why))?;
        self.played(Kind::Decorated);
        if is_series {
            self.played(Kind::Series);
        }
        Ok(())
    }

    /// Everything is quiet: what was asked for is there.
    pub fn settled(
        &self,
        (user, address): (&UserId, &str),
        exchange: &Exchange,
        (cloud, installation, now): (&Cloud, &Installation, Time),
    ) -> Held {
        let Some(mailbox) = exchange.mailboxes.get(address) else { return Ok(()) };
        for (id, item) in &mailbox.items {
            let key = |at| installation.record_key(user, &uid(item), at);
            let eyes = (cloud, user, now);
            let series_asks = typed(&item.text.place).0.is_some();
            // What was refused is not asked again before somebody types again.
            let asks = |(at, text): (&Time, &Text)| {
                typed(&text.place).0.is_some() && !was_refused(text, &key(Some(*at)), (cloud, user))
            };
            // Of a series nobody sees more than its occurrences.
            let is_seen = item.count == 0 || item.apart.len() < item.count as usize;
            if is_seen || (series_asks && item.apart.iter().any(asks)) {
                decorated(item, &item.text, (&key(None), item.start), eyes)
                    .map_err(|why| format!("{id} of {user}: {why}; {item:?}"))?;
            }
            for (at, text) in item.apart.iter().filter(|_| !series_asks) {
                decorated(item, text, (&key(Some(*at)), *at), eyes)
                    .map_err(|why| format!("{id} of {user} at {at:?}: {why}; {item:?}"))?;
            }
        }
        Ok(())
    }

    /// Every command has its end.
    pub fn told(&self, exchange: &Exchange, cloud: &Cloud, installation: &Installation) -> Held {
        for (n, sent) in cloud.commands.iter().enumerate() {
            let id = &sent.command.id;
            let wrong = |why: String| Err(format!("{id} {:?}: {why}", sent.what));
            let Some(outcome) = &sent.outcome else { return wrong("nobody answered".into()) };
            let is_errand = sent.what != What::Other && *outcome == Outcome::Done;
            if sent.results.len() != usize::from(is_errand) {
                return wrong(format!("{outcome:?}, and told {:?}", sent.results));
            }
            took_effect(n, sent, (exchange, installation)).or_else(wrong)?;
        }
        Ok(())
    }
}

/// Nothing is written twice, and nobody told twice, for the same request.
fn once(text: &mut Text, request: &str) -> Held {
    let times = text.writes.entry(request.to_owned()).or_default();
    *times += 1;
    if *times > 1 { Err(format!("written {times} times for request {request:?}")) } else { Ok(()) }
}

fn uid(item: &Item) -> calway::model::Plain {
    calway::model::Plain::new(item.uid.clone())
}

/// Whether the cloud said no to what was typed last.
fn was_refused(text: &Text, record: &RecordKey, (cloud, user): (&Cloud, &UserId)) -> bool {
    let Some((keyword, mode)) = &text.wish else { return false };
    let mut asked = cloud.requests.iter().filter(|(_, asked)| {
        let of_it = asked.record == record.as_str() && asked.user == *user;
        of_it && asked.keyword == *keyword && asked.mode == *mode
    });
    asked.any(|(id, _)| cloud.refuses(id))
}

/// Whether an invitation is as its organiser wants it.
fn decorated(
    item: &Item,
    text: &Text,
    (record, start): (&RecordKey, Time),
    (cloud, user, now): (&Cloud, &UserId, Time),
) -> Held {
    let wrong = |why: &str| Err(why.to_owned());
    let Some(block) = ours(&text.written, &text.body) else {
        return wrong("what its organiser wrote is not there as it was");
    };
    let mark = text.mark.as_ref().and_then(|mark| Mark::parse(mark.reveal()));
    let mark = mark.filter(|mark| mark.meeting == *record);
    let may = item.mine && !item.cancelled && item.invitees <= MOST_INVITEES && start > now;
    if !may {
        return Ok(());
    }
    let Some((keyword, mode)) = &text.wish else {
        return match mark {
            Some(_) => wrong("nothing is asked for, and our details stand in it"),
            None => Ok(()),
        };
    };
    if typed(&text.place).0.is_some() {
        let joinable = mark.is_none() && text.written.contains(FOREIGN);
        return match joinable || was_refused(text, record, (cloud, user)) {
            true => Ok(()),
            false => wrong("what was asked for is not there"),
        };
    }
    let Some(mark) = mark else { return wrong("it was written into without a mark") };
    if (&*mark.keyword, mark.mode.as_str()) != (keyword.as_str(), mode.as_str()) {
        return wrong("it got what was not asked for");
    }
    if !block.is_empty() && !block.contains(&url(&mark.request)) {
        return wrong("it has details of another request");
    }
    Ok(())
}

/// Whether a command did what its result says, once.
fn took_effect(
    n: usize,
    sent: &Sent,
    (exchange, installation): (&Exchange, &Installation),
) -> Result<(), String> {
    let result = sent.results.first();
    let how = result.and_then(|result| result["outcome"].as_str()).unwrap_or("none");
    let reason = result.and_then(|result| result["reason"].as_str()).unwrap_or_default();
    let times = match &sent.what {
        What::Create => {
            let id = sent.command.id.as_str();
            let tag = installation.tag(&[b"command", id.as_bytes()]);
            let mark: String = tag.0.iter().map(|byte| format!("{byte:02x}")).collect();
            exchange.made.get(mark.as_str())
        }
        What::Respond(_) => exchange.answers.get(&comment(n + 1)),
        What::Other | What::Decorate => return Ok(()),
    };
    let times = times.copied().unwrap_or_default();
    // Whoever is deactivated while something is written hears that it was refused.
    let left = reason.contains("not active any more");
    let fits = match (how, &sent.what) {
        ("done", What::Create) => times == 1,
        // Somebody may have answered in the same way already.
        ("done", _) => times <= 1,
        // What was answered in doubt may be called off or thrown away before anybody can look.
        ("refused", What::Respond(_)) => times <= 1,
        ("failed", What::Respond(_)) if reason.contains("is not known") => times <= 1,
        _ if left => times <= 1,
        _ => times == 0,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("it took effect {times} times, and {result:?} was told"))
    }
}
