//! What the cloud is told of a user beside the meetings: presence, and how the mailbox is.
//!
//! **Promise.** It is told once for each change, also over a restart: the store knows what was told
//! last, by [`Announcement::mark`]. Nothing in it is personal, so nothing in it is sealed; the
//! words of an out-of-office reply are never read.

use serde_json::{Map, Value, json};

use super::record::rfc3339;
use super::seal::{Installation, Sealed, Tag};
use crate::model::{Absence, Audience, Away, Time, UserId};

/// What of a user is told. Of each the newest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `user.presence`.
    Presence,
    /// `user.state`.
    State,
}

impl Topic {
    /// The id under which a newer one takes the place of an older one.
    pub fn id(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::State => "state",
        }
    }
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Of whom.
    pub user: UserId,
    /// What.
    pub topic: Topic,
    /// A hash of what it says: the same again is not told again.
    pub mark: Tag,
    /// The `data`.
    pub data: Sealed,
}

/// Whether somebody is out of office at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not.
    #[default]
    Here,
    /// Since then, where a schedule says, until then, where there is an end.
    Away {
        /// The beginning.
        since: Option<Time>,
        /// The end.
        until: Option<Time>,
        /// Who outside is told.
        audience: Audience,
    },
}

impl Presence {
    /// At this time of day.
    pub fn at(wall: Time, absence: Absence) -> Self {
        let audience = absence.audience;
        match absence.away {
            Away::Always => Self::Away { since: None, until: None, audience },
            Away::Between(start, end) if (start..end).contains(&wall) => {
                Self::Away { since: Some(start), until: Some(end), audience }
            }
            Away::Between(..) | Away::No => Self::Here,
        }
    }

    /// When it changes by itself, after this time of day.
    pub fn changes(wall: Time, absence: Absence) -> Option<Time> {
        let Away::Between(start, end) = absence.away else { return None };
        [start, end].into_iter().find(|at| *at > wall)
    }

    /// The announcement of it.
    pub fn announce(self, installation: &Installation, user: &UserId, wall: Time) -> Announcement {
        let mut said = Map::new();
        said.insert("subject".into(), user.as_str().into());
        said.insert("eventType".into(), "ooo".into());
        match self {
            Self::Here => {
                said.insert("ttl".into(), 0.into());
            }
            Self::Away { since, until, audience } => {
                said.insert("label".into(), "Out of office".into());
                said.insert("externalAudience".into(), word(audience).into());
                if let Some(since) = since {
                    said.insert("start".into(), rfc3339(since).into());
                }
                if let Some(until) = until {
                    said.insert("until".into(), rfc3339(until).into());
                    let left = until.since(wall).as_ms().div_ceil(1_000);
                    said.insert("ttl".into(), left.into());
                }
            }
        }
        Announcement {
            user: user.clone(),
            topic: Topic::Presence,
            mark: self.mark(installation),
            data: Sealed::new(json!({ "presence": Value::Object(said) }).to_string()),
        }
    }

    fn mark(self, installation: &Installation) -> Tag {
        let bytes = |time: Option<Time>| time.map_or([0xff; 8], |time| time.as_ms().to_be_bytes());
        match self {
            Self::Here => installation.tag(&[b"presence"]),
            Self::Away { since, until, audience } => {
                let (since, until) = (bytes(since), bytes(until));
                installation.tag(&[b"presence", &since, &until, word(audience).as_bytes()])
            }
        }
    }
}

fn word(audience: Audience) -> &'static str {
    match audience {
        Audience::None => "NONE",
        Audience::Known => "KNOWN",
        Audience::All => "ALL",
    }
}

/// How an activated mailbox is. Before the first word of it, it is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserState {
    /// It is there, may be read, and is relayed.
    Active,
    /// It cannot be relayed; tried again by itself. The stable name of the condition.
    Error(&'static str),
}

impl UserState {
    /// The announcement of it.
    pub fn announce(
        &self,
        installation: &Installation,
        user: &UserId,
        since: Time,
    ) -> Announcement {
        let (state, reason) = match self {
            Self::Active => ("active", ""),
            Self::Error(reason) => ("error", *reason),
        };
        let mut said = Map::new();
        said.insert("state".into(), state.into());
        said.insert("since".into(), rfc3339(since).into());
        if !reason.is_empty() {
            said.insert("reason".into(), reason.into());
        }
        Announcement {
            user: user.clone(),
            topic: Topic::State,
            mark: installation.tag(&[b"state", state.as_bytes(), reason.as_bytes()]),
            data: Sealed::new(json!({ "userState": Value::Object(said) }).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;
    use crate::pipeline::samples::{installation, user};

    const NOON: Time = Time::from_ms(1_800_000_000_000);

    fn scheduled(from: Span, to: Span) -> Absence {
        Absence { away: Away::Between(NOON + from, NOON + to), audience: Audience::Known }
    }

    fn said(presence: Presence, wall: Time) -> Value {
        let announcement = presence.announce(&installation(), &user(1), wall);
        let data: Value = serde_json::from_str(announcement.data.json()).unwrap();
        data["presence"].clone()
    }

    #[test]
    fn a_schedule_counts_from_its_beginning_to_its_end() {
        let (from, to) = (Span::HOUR, Span::HOUR.times(3));
        let absence = scheduled(from, to);
        let at = |after| Presence::at(NOON + after, absence);
        let (since, until) = (Some(NOON + from), Some(NOON + to));
        let away = Presence::Away { since, until, audience: Audience::Known };
        assert_eq!(at(Span::default()), Presence::Here);
        assert_eq!(at(from), away);
        assert_eq!(at(to), Presence::Here);
        assert_eq!(Presence::changes(NOON, absence), since);
        assert_eq!(Presence::changes(NOON + from, absence), until);
        assert_eq!(Presence::changes(NOON + to, absence), None);
        let always = Absence { away: Away::Always, ..absence };
        assert_eq!(Presence::changes(NOON, always), None);
    }

    #[test]
    fn the_cloud_is_told_until_when_and_nothing_of_what_is_answered() {
        let presence = Presence::at(NOON, scheduled(Span::default(), Span::HOUR));
        assert_eq!(
            said(presence, NOON + Span::MINUTE),
            json!({
                "subject": user(1).as_str(), "eventType": "ooo", "label": "Out of office",
                "externalAudience": "KNOWN", "start": "2027-01-15T08:00:00Z",
                "until": "2027-01-15T09:00:00Z", "ttl": 3_540,
            })
        );
        let always = Absence { away: Away::Always, audience: Audience::All };
        let endless = said(Presence::at(NOON, always), NOON);
        assert!(endless.get("ttl").is_none() && endless.get("until").is_none());
        let here = said(Presence::Here, NOON);
        assert_eq!(here, json!({"subject": user(1).as_str(), "eventType": "ooo", "ttl": 0}));
    }

    #[test]
    fn what_says_the_same_has_the_same_mark_and_nothing_else_has() {
        let mark = |presence: Presence, after: Span| {
            presence.announce(&installation(), &user(1), NOON + after).mark
        };
        let one = Presence::at(NOON, scheduled(Span::default(), Span::HOUR));
        assert_eq!(mark(one, Span::default()), mark(one, Span::MINUTE), "time goes on");
        let always = |audience| Presence::at(NOON, Absence { away: Away::Always, audience });
        let longer = Presence::at(NOON, scheduled(Span::default(), Span::HOUR.times(2)));
        let all = [one, longer, Presence::Here, always(Audience::All), always(Audience::None)];
        let marks: std::collections::BTreeSet<_> =
            all.iter().map(|one| mark(*one, Span::default())).collect();
        assert_eq!(marks.len(), all.len());
        let state = |state: UserState| state.announce(&installation(), &user(1), NOON).mark;
        assert_ne!(state(UserState::Active), state(UserState::Error("mailbox-failing")));
        assert_ne!(state(UserState::Error("a")), state(UserState::Error("mailbox-failing")));
    }
}
