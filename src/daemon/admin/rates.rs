//! How much happens a second, over the last minute.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use crate::pipeline::fleet::Tally;

/// What is looked at.
const MINUTE: Duration = Duration::from_secs(60);

/// What happened since the start, all calendars together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) tally: Tally,
    /// Events that the cloud has.
    pub(super) sent: u64,
}

impl Sums {
    /// Another calendar's.
    pub(super) fn add(&mut self, other: Tally) {
        self.tally.events += other.events;
        self.tally.readings += other.readings;
        self.tally.requests += other.requests;
        self.tally.records += other.records;
    }

    /// Each with its name.
    pub(super) fn each(&self) -> [(&'static str, u64); 5] {
        let Tally { events, readings, requests, records } = self.tally;
        [
            ("events", events),
            ("readings", readings),
            ("requests", requests),
            ("records", records),
            ("sent", self.sent),
        ]
    }
}

/// Looks at them, of the last minute.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, Sums)>);

impl Rates {
    /// What a look shows.
    pub(super) fn add(&mut self, now: Instant, sums: Sums) {
        self.0.push_back((now, sums));
        // The last one that is older stays: it is where the minute begins.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            self.0.pop_front();
        }
    }

    /// How many a second since the beginning of the last minute, or of the process.
    pub(super) fn since(&self, now: Instant, sums: &Sums) -> [(&'static str, f64); 5] {
        let (at, before) = self.0.front().copied().unwrap_or((now, *sums));
        let seconds = now.duration_since(at).as_secs_f64();
        let mut each = sums.each().into_iter().zip(before.each());
        std::array::from_fn(|_| {
            let Some(((name, now), (_, before))) = each.next() else { return ("", 0.0) };
            let more = now.saturating_sub(before) as f64;
            let rate = if seconds < 0.001 { 0.0 } else { more / seconds };
            (name, (rate * 100.0).round() / 100.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_last_minute() {
        let mut rates = Rates::default();
        let mut sums = Sums::default();
        for second in 0..600_u64 {
            // Ten a second at first, one later.
            sums.sent += if second < 500 { 10 } else { 1 };
            if second % 5 == 0 {
                rates.add(Instant::now(), sums);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let sent = rates.since(Instant::now(), &sums)[4];
        assert!(sent.0 == "sent" && (0.9..=1.1).contains(&sent.1), "{sent:?}");
        assert!(rates.0.len() < 20, "it remembers no more than it needs");
        let nothing = Rates::default().since(Instant::now(), &sums);
        assert!(nothing.iter().all(|(_, rate)| *rate == 0.0));
    }
}
