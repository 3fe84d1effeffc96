//! What is known of an account's secrets: which was right and where, which was refused, for how
//! long it is not sent again, and what of it is kept over a restart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::model::{Plain, Span, Time};

/// What a secret is known by: a keyed digest. The secret itself is not kept.
pub type Mark = [u8; 16];

/// A refused secret is tried again after the pause, then after twice and four times as long.
const LONGEST_PAUSE: u32 = 4;

/// So many refused secrets are remembered; of more the oldest are forgotten.
pub(super) const MOST_REFUSED: usize = 16;

/// So many places that refuse what others take are remembered, and so many that took it.
const MOST_PLACES: usize = 64;

/// What a refusal shuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// The secret, everywhere.
    Everywhere,
    /// The secret at this place alone: another one takes it.
    Here,
}

/// Why a secret may not be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// It was refused.
    Everywhere,
    /// It was refused here, and is right elsewhere.
    Here,
    /// It was refused at another place, and whether it is right is asked first where it was.
    InDoubt,
}

struct Refusal {
    secret: Mark,
    /// Where, if others take it.
    place: Option<String>,
    /// Whether none of those others was asked since.
    doubted: bool,
    /// Until then it is not sent again: by our own clock, and by the wall's.
    opens: Instant,
    until: Time,
    times: u32,
}

impl Refusal {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.opens
    }

    fn is_of(&self, secret: &Mark, place: Option<&str>) -> bool {
        self.secret == *secret && self.place.as_deref() == place
    }
}

/// The time, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    pub(super) mono: Instant,
    pub(super) wall: Time,
}

/// All that is known before one gate.
#[derive(Default)]
pub(super) struct Known {
    /// The secret that was right last, and where.
    right: Option<(Mark, VecDeque<String>)>,
    /// Whether it was right since the start.
    proven: bool,
    refused: VecDeque<Refusal>,
}

impl Known {
    /// Whether this secret was right since the start, and nobody refused it since.
    pub(super) fn is_proven(&self, secret: &Mark) -> bool {
        self.proven
            && self.right.as_ref().is_some_and(|(right, _)| right == secret)
            && !self.refused.iter().any(|one| one.doubted && one.secret == *secret)
    }

    /// Whether it may be sent to this place.
    pub(super) fn check(&self, now: Instant, secret: &Mark, place: &str) -> Result<(), No> {
        let shut =
            |place| self.refused.iter().any(|one| one.is_of(secret, place) && !one.is_over(now));
        if shut(None) {
            return Err(No::Everywhere);
        }
        if shut(Some(place)) {
            return Err(No::Here);
        }
        let mut doubts = self.refused.iter().filter(|one| one.doubted && one.secret == *secret);
        let in_doubt = doubts.any(|one| !one.is_over(now));
        if in_doubt && !self.was_right(secret, place) {
            return Err(No::InDoubt);
        }
        Ok(())
    }

    /// It was right there. Servers that count wrong ones begin anew then. Whether that is news.
    pub(super) fn prove(&mut self, secret: &Mark, place: &str) -> bool {
        let other = |one: &Refusal| {
            one.doubted
                || one.secret != *secret
                || one.place.as_deref().is_none_or(|at| at == place)
        };
        if self.proven && self.was_right(secret, place) && !self.refused.iter().any(other) {
            return false;
        }
        self.proven = true;
        self.refused.retain_mut(|one| {
            one.doubted = false;
            one.secret == *secret && one.place.as_deref().is_some_and(|refused| refused != place)
        });
        match &mut self.right {
            Some((right, places)) if right == secret => {
                if !places.iter().any(|known| known == place) {
                    places.push_back(place.to_owned());
                }
                if places.len() > MOST_PLACES {
                    places.pop_front();
                }
            }
            right => *right = Some((*secret, [place.to_owned()].into())),
        }
        true
    }

    /// It was wrong there. `beside`: whoever refused it is known to be no judge of it, where it was
    /// right for another one.
    pub(super) fn refuse(
        &mut self,
        now: Clocks,
        pause: Duration,
        (secret, place): (&Mark, &str),
        beside: bool,
    ) -> Shut {
        let was_right = self.was_right(secret, place);
        let doubted = self.refused.iter().any(|one| one.doubted && one.secret == *secret);
        if let Some((right, places)) = &mut self.right
            && right == secret
        {
            places.retain(|known| known != place);
        }
        let elsewhere = self
            .right
            .as_ref()
            .is_some_and(|(right, places)| right == secret && !places.is_empty());
        if elsewhere && (beside || !(doubted && was_right)) {
            self.remember(now, pause, secret, Some(place), !beside);
            return Shut::Here;
        }
        if self.right.as_ref().is_some_and(|(right, _)| right == secret) {
            (self.right, self.proven) = (None, false);
        }
        self.refused.retain(|one| one.secret != *secret || one.place.is_none());
        self.remember(now, pause, secret, None, false);
        Shut::Everywhere
    }

    /// It may be tried once more.
    pub(super) fn forget(&mut self, secret: &Mark) {
        self.refused.retain(|one| one.secret != *secret);
    }

    fn was_right(&self, secret: &Mark, place: &str) -> bool {
        let right = self.right.as_ref().filter(|(right, _)| right == secret);
        right.is_some_and(|(_, places)| places.iter().any(|known| known == place))
    }

    fn remember(
        &mut self,
        now: Clocks,
        pause: Duration,
        secret: &Mark,
        place: Option<&str>,
        doubted: bool,
    ) {
        let before = self.refused.iter().position(|one| one.is_of(secret, place));
        let before = before.and_then(|at| self.refused.remove(at));
        let refusal = match before {
            // It was on its way already when the first answer came.
            Some(before) if !before.is_over(now.mono) => before,
            before => {
                let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
                let rest = rest(pause, times);
                Refusal {
                    secret: *secret,
                    place: place.map(str::to_owned),
                    doubted,
                    opens: now.mono + rest,
                    until: now.wall + span(rest),
                    times,
                }
            }
        };
        self.refused.push_back(refusal);
        self.bound();
    }

    fn bound(&mut self) {
        for (apart, most) in [(false, MOST_REFUSED), (true, MOST_PLACES)] {
            let is = |one: &Refusal| one.place.is_some() == apart;
            while self.refused.iter().filter(|one| is(one)).count() > most
                && let Some(oldest) = self.refused.iter().position(is)
            {
                self.refused.remove(oldest);
            }
        }
    }

    /// What is to be kept of it: lines by their keys.
    pub(super) fn lines(&self) -> BTreeMap<String, String> {
        let refused = self.refused.iter().map(|one| {
            let secret = hex(&one.secret);
            let place = one.place.as_deref();
            let key = format!("refused {secret} {}", place.unwrap_or_default());
            let line = Line::Refused {
                secret,
                place: place.map(str::to_owned),
                doubted: one.doubted,
                until: one.until.as_ms(),
                times: one.times,
            };
            (key, line)
        });
        let right = self.right.as_ref().map(|(secret, places)| {
            let line = Line::Right { secret: hex(secret), places: places.clone() };
            ("right".to_owned(), line)
        });
        let lines = refused.chain(right);
        lines.filter_map(|(key, line)| Some((key, serde_json::to_string(&line).ok()?))).collect()
    }

    /// Takes in what was kept, by us or by another process; `beside` what is known already, where
    /// that could not be kept. Lines that are not understood are passed over.
    pub(super) fn recall(&mut self, now: Clocks, pause: Duration, lines: &[Plain], beside: bool) {
        let mut found = Self::default();
        for line in lines {
            match serde_json::from_str(line.reveal()) {
                Ok(Line::Refused { secret, place, doubted, until, times }) => {
                    let Some(secret) = mark(&secret) else { continue };
                    let until = Time::from_ms(until);
                    let longest = rest(pause, times);
                    // A clock that was set back makes it wait anew, not for ever.
                    let left = Duration::from_millis(until.since(now.wall).as_ms()).min(longest);
                    let opens = now.mono + left;
                    found.refused.push_back(Refusal {
                        secret,
                        place,
                        doubted,
                        opens,
                        until,
                        times,
                    });
                }
                Ok(Line::Right { secret, places }) => {
                    found.right = mark(&secret).map(|secret| (secret, places));
                }
                Err(_) => {}
            }
        }
        if beside {
            let ours = std::mem::take(&mut self.refused);
            found
                .refused
                .retain(|one| !ours.iter().any(|own| own.is_of(&one.secret, one.place.as_deref())));
            found.refused.extend(ours);
            found.right = self.right.take().or(found.right);
        }
        let same = |(ours, _): &(Mark, _)| {
            found.right.as_ref().is_some_and(|(right, _): &(Mark, VecDeque<String>)| right == ours)
        };
        found.proven = self.proven && self.right.as_ref().is_none_or(same);
        found.bound();
        *self = found;
    }
}

fn rest(pause: Duration, times: u32) -> Duration {
    pause * (1 << times.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

fn span(rest: Duration) -> Span {
    Span::from_ms(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX))
}

fn hex(mark: &Mark) -> String {
    mark.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mark(hex: &str) -> Option<Mark> {
    if hex.len() != 32 {
        return None;
    }
    Some(u128::from_str_radix(hex, 16).ok()?.to_be_bytes())
}

/// What is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Refused { secret: String, place: Option<String>, doubted: bool, until: i64, times: u32 },
    Right { secret: String, places: VecDeque<String> },
}
