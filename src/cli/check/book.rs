//! Where findings are written down as they come: with their time, within their time, and only those
//! that are wanted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::finding::{Finding, Verdict, Words};
use super::table::{LATE, Shell, WITHIN};

/// What happens while checks run.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// This is being looked at: group, check and subject.
    Begins(String, &'static str, String),
    /// It came to this.
    Ends(Box<Finding>),
}

/// Hears of events as they happen.
pub(crate) type Tell<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// The findings of one group.
pub(super) struct Book<'a> {
    group: String,
    tell: Tell<'a>,
    /// Those that are wanted; nothing: all.
    wanted: Option<&'a [&'static str]>,
    words: Words,
    /// Whether Exchange's own commands help here.
    is_exchange: bool,
    found: Mutex<Vec<Finding>>,
}

/// For whatever stands in front of somebody else's server than Exchange.
const LOOK: &str = "openssl s_client -connect {host}:{port} -servername {host} -showcerts";

impl<'a> Book<'a> {
    /// An empty one; `words` fill what the table says.
    pub(super) fn new(
        group: impl Into<String>,
        words: Words,
        is_exchange: bool,
        (tell, wanted): (Tell<'a>, Option<&'a [&'static str]>),
    ) -> Self {
        let found = Mutex::default();
        Self { group: group.into(), tell, wanted, words, is_exchange, found }
    }

    /// All that was found.
    pub(super) fn close(self) -> Vec<Finding> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this check is wanted.
    pub(super) fn wants(&self, check: &str) -> bool {
        self.wanted.is_none_or(|wanted| wanted.contains(&check))
    }

    /// Looks, and writes down what is found. What was looked for comes back where the check went
    /// well; `words` are the subject's own.
    pub(super) async fn look<T>(
        &self,
        check: &'static str,
        (subject, words): (&str, &Words),
        looking: impl Future<Output = (Verdict, Option<T>)>,
    ) -> Option<T> {
        if !self.wants(check) {
            return None;
        }
        (self.tell)(Event::Begins(self.group.clone(), check, subject.to_owned()));
        let start = Instant::now();
        let found = timeout(Duration::from_secs(WITHIN), looking).await;
        let (verdict, value) = found.unwrap_or_else(|_| (Verdict::of(LATE.id), None));
        let good = verdict.is_good(check);
        self.write(check, (subject, words), start.elapsed(), verdict);
        value.filter(|_| good)
    }

    /// Writes down what needed no waiting.
    pub(super) fn note(&self, check: &'static str, subject: (&str, &Words), verdict: Verdict) {
        if self.wants(check) {
            self.write(check, subject, Duration::ZERO, verdict);
        }
    }

    /// These were not looked at, because of this.
    pub(super) fn skip(&self, checks: &[&'static str], subject: &str, why: &str) {
        for check in checks {
            let verdict = Verdict::Skip(why.to_owned());
            self.note(check, (subject, &Words::default()), verdict);
        }
    }

    fn write(
        &self,
        check: &'static str,
        (subject, words): (&str, &Words),
        took: Duration,
        verdict: Verdict,
    ) {
        let words = self.words.clone().and(words);
        let mut finding = Finding::of(&self.group, check, subject, took, verdict, &words);
        if !self.is_exchange && matches!(finding.command, Some((Shell::Exchange, _))) {
            finding.command = Some((Shell::Here, words.fill_command(Shell::Here, LOOK)));
        }
        (self.tell)(Event::Ends(Box::new(finding.clone())));
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }
}
