//! When a request may go to a server: there is a place for it, not too many ask in the same
//! mailbox's name, and the server has had the rest that it asked for.
//!
//! **Promise.** Whoever waited for a place looks again before it goes. What comes in hundreds waits
//! for the end of a rest; a meeting's request is told of it, so that whoever asked goes by it too,
//! and so is an errand's. What people wait for has all places, the others have half of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::codes;
use crate::model::{Address, Cause, Fault, Next, Span};

/// Requests and streams in one mailbox's name at once: its own budget pays for them.
const IN_ONE_NAME: usize = 2;
/// A rest that is over so soon is waited for by everybody.
const SHORT: Duration = Duration::from_millis(100);

/// What a request is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody's meeting. It has all places, and is told of a rest.
    #[default]
    Live,
    /// Something that somebody wants done. It has half of the places, and is told of a rest.
    Errand,
    /// It comes in hundreds. It has half of the places, and waits for the end of a rest.
    Crowd,
}

/// The turns of one server.
pub(super) struct Turns {
    places: Arc<Semaphore>,
    /// Half of the places, for all but [`Lane::Live`].
    aside: Arc<Semaphore>,
    size: Mutex<usize>,
    names: Names,
    rest: Mutex<Option<Rest>>,
}

/// What the server asked for, and how it said so.
struct Rest {
    until: Instant,
    why: Cause,
}

/// The right to send one request.
pub(super) struct Turn<'a> {
    _aside: Option<SemaphorePermit<'a>>,
    _named: Option<Named>,
    _place: SemaphorePermit<'a>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

impl Turns {
    /// For so many requests at once.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.max(1))),
            aside: Arc::new(Semaphore::new((places / 2).max(1))),
            size: Mutex::new(places),
            names: Names::default(),
            rest: Mutex::default(),
        }
    }

    /// For so many from now on. What is under way is not given up: where there are fewer places,
    /// they go as they come free.
    pub(super) fn resize(&self, places: usize) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *size, places);
        resize(&self.places, before.max(1), places.max(1));
        resize(&self.aside, (before / 2).max(1), (places / 2).max(1));
    }

    /// Waits for the right to send a request in this mailbox's name.
    ///
    /// # Errors
    /// [`Next::BackOff`] where the server rests; what comes in hundreds waits instead.
    pub(super) async fn enter(
        &self,
        lane: Lane,
        whose: Option<&Arc<Address>>,
    ) -> Result<Turn<'_>, Fault> {
        let closed = |_| Fault::retry("closed");
        loop {
            self.may_go(lane == Lane::Crowd).await?;
            let turn = Turn {
                _aside: match lane {
                    Lane::Errand | Lane::Crowd => Some(self.aside.acquire().await.map_err(closed)?),
                    Lane::Live => None,
                },
                _named: match whose {
                    Some(whose) => Some(self.names.enter(whose).await?),
                    None => None,
                },
                _place: self.places.acquire().await.map_err(closed)?,
            };
            if !self.is_resting() {
                return Ok(turn);
            }
        }
    }

    /// Waits for the right to open a stream in this mailbox's name.
    ///
    /// # Errors
    /// [`Next::BackOff`] where the server rests: whoever waited for that here would be taken for
    /// one whom the server does not answer.
    pub(super) async fn enter_stream(&self, whose: &Arc<Address>) -> Result<Named, Fault> {
        loop {
            self.may_go(false).await?;
            let named = self.names.enter(whose).await?;
            if !self.is_resting() {
                return Ok(named);
            }
        }
    }

    /// Hears from an answer whether the server wants to be left alone, and for how long.
    pub(super) fn heard(&self, fault: &Fault) {
        let Next::BackOff { after } = fault.next else { return };
        // A connection that is refused says nothing about the server's load.
        if !codes::is_answer(fault) {
            return;
        }
        let now = Instant::now();
        let ends = |length: Span| now + Duration::from_millis(length.as_ms());
        let until = ends(after.unwrap_or_default().max(Span::SECOND).min(Span::HOUR));
        let mut rest = self.rest();
        // Whoever was told of this rest has nothing new to say: it would never end.
        let ours = |rest: &Rest| {
            let after = after.filter(|after| *after > Span::default());
            rest.why == fault.cause && after.is_some_and(|left| ends(left) <= rest.until + SHORT)
        };
        if rest.as_ref().is_some_and(ours) {
            return;
        }
        if rest.as_ref().is_none_or(|rest| rest.until < until) {
            *rest = Some(Rest { until, why: fault.cause.clone() });
        }
    }

    /// Whether it wants to be left alone.
    pub(super) fn is_resting(&self) -> bool {
        self.rests().is_some()
    }

    /// For how long it wants to be left alone, where that is worth speaking of.
    pub(super) fn rests_for(&self) -> Option<Span> {
        let left = self.rests()?.0.saturating_duration_since(Instant::now());
        (left > SHORT).then(|| told(left))
    }

    async fn may_go(&self, waits: bool) -> Result<(), Fault> {
        while let Some((until, why)) = self.rests() {
            let left = until.saturating_duration_since(Instant::now());
            if !waits && left > SHORT {
                return Err(Fault { next: Next::BackOff { after: Some(told(left)) }, cause: why });
            }
            sleep_until(until).await;
        }
        Ok(())
    }

    fn rests(&self) -> Option<(Instant, Cause)> {
        let mut rest = self.rest();
        rest.take_if(|rest| rest.until <= Instant::now());
        rest.as_ref().map(|rest| (rest.until, rest.why.clone()))
    }

    fn rest(&self) -> MutexGuard<'_, Option<Rest>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resize(places: &Arc<Semaphore>, before: usize, after: usize) {
    if after > before {
        places.add_permits(after - before);
        return;
    }
    for _ in after..before {
        let places = Arc::clone(places);
        // It takes its turn like everybody, and never gives it back.
        tokio::spawn(async move {
            if let Ok(place) = places.acquire_owned().await {
                place.forget();
            }
        });
    }
}

/// Not a moment too early for whoever comes back then.
fn told(left: Duration) -> Span {
    Span::from_ms(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
}

/// In whose names requests are under way.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<Box<str>, Arc<Semaphore>>>>);

/// The right to ask in a mailbox's name, or the wish to.
pub(super) struct Named {
    names: Names,
    key: Box<str>,
    own: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Names {
    async fn enter(&self, whose: &Address) -> Result<Named, Fault> {
        let key: Box<str> = whose.reveal().to_ascii_lowercase().into();
        let own = {
            let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = names.entry(key.clone());
            Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(IN_ONE_NAME))))
        };
        // Whoever gives up waiting leaves nothing behind either.
        let mut named =
            Named { names: self.clone(), key, own: Some(Arc::clone(&own)), permit: None };
        named.permit = Some(own.acquire_owned().await.map_err(|_| Fault::retry("closed"))?);
        Ok(named)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut names = self.names.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        self.own = None;
        // Nobody else is in it, nor waits for it.
        if names.get(&self.key).is_some_and(|own| Arc::strong_count(own) == 1) {
            names.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    fn address(name: &str) -> Arc<Address> {
        Arc::new(Address::parse(&format!("{name}@corp.example")).unwrap())
    }

    fn busy(after: Option<Span>) -> Fault {
        Fault::new(Next::BackOff { after }, "ErrorServerBusy")
    }

    const SECOND: Duration = Duration::from_secs(1);

    async fn is_kept_waiting<T>(turn: impl Future<Output = Result<T, Fault>>) -> bool {
        timeout(SECOND / 2, turn).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_place_looks_again_whether_the_server_rests() {
        let turns = Turns::new(1);
        let first = turns.enter(Lane::Live, None).await.unwrap();
        let (told, held, ()) = tokio::join!(
            turns.enter(Lane::Live, None),
            timeout(SECOND * 5, turns.enter(Lane::Crowd, None)),
            async {
                tokio::task::yield_now().await;
                turns.heard(&busy(Some(Span::from_secs(9))));
                drop(first);
            }
        );
        let told = told.err().expect("it is not sent");
        assert_eq!(told.cause.code, "ErrorServerBusy");
        let Next::BackOff { after: Some(after) } = told.next else { panic!("{told:?}") };
        assert!((8_000..=9_001).contains(&after.as_ms()), "{after}");
        assert!(held.is_err(), "what comes in hundreds waits");
        advance(SECOND * 9).await;
        assert!(turns.enter(Lane::Live, None).await.is_ok(), "then all go on");
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_places_go_as_they_come_free_and_more_are_there_at_once() {
        let turns = Turns::new(4);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(turns.enter(Lane::Live, None).await.unwrap());
        }
        turns.resize(1);
        tokio::task::yield_now().await;
        for _ in 0..3 {
            held.pop();
            assert!(is_kept_waiting(turns.enter(Lane::Live, None)).await, "one is still under way");
        }
        held.pop();
        let last = turns.enter(Lane::Live, None).await.unwrap();
        assert!(is_kept_waiting(turns.enter(Lane::Live, None)).await, "one at a time");
        turns.resize(2);
        assert!(timeout(SECOND, turns.enter(Lane::Live, None)).await.is_ok(), "two now");
        drop(last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_told_of_a_rest_and_when_it_ends() {
        let turns = Turns::new(4);
        turns.heard(&busy(None));
        let ann = address("ann");
        let told = turns.enter_stream(&ann).await.err().expect("it is not opened");
        let Next::BackOff { after: Some(left) } = told.next else { panic!("{told:?}") };
        assert_eq!(turns.rests_for(), Some(left));
        assert!((1_000..=1_001).contains(&left.as_ms()), "a floor of our own: {left}");
        advance(Duration::from_millis(left.as_ms())).await;
        assert_eq!(turns.rests_for(), None);
        turns.enter_stream(&ann).await.unwrap();
        turns.heard(&Fault::new(Next::BackOff { after: None }, "connection refused"));
        assert!(turns.enter(Lane::Live, None).await.is_ok(), "nobody said that it is busy");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_rest_does_not_end_a_longer_one() {
        let turns = Turns::new(4);
        turns.heard(&busy(Some(Span::from_secs(60))));
        turns.heard(&busy(None));
        advance(SECOND * 59).await;
        assert!(turns.enter(Lane::Live, None).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_told_of_a_rest_does_not_make_it_longer() {
        let turns = Turns::new(4);
        turns.heard(&busy(Some(Span::from_secs(3))));
        for _ in 0..28 {
            advance(SECOND / 10).await;
            let told = turns.enter(Lane::Live, None).await.err().expect("it is not sent");
            turns.heard(&told);
        }
        turns.heard(&busy(None));
        advance(SECOND / 2).await;
        assert!(turns.is_resting(), "the server itself said it once more");
        advance(SECOND / 2).await;
        assert!(!turns.is_resting());
    }

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_has_two_requests_at_once_and_its_stream_is_one_of_them() {
        let turns = Turns::new(10);
        let (ann, also_ann) = (address("ann"), address("ANN"));
        let stream = turns.enter_stream(&ann).await.unwrap();
        let pass = turns.enter(Lane::Live, Some(&also_ann)).await.unwrap();
        assert!(
            is_kept_waiting(turns.enter(Lane::Crowd, Some(&ann))).await,
            "that would be the third"
        );
        assert!(turns.enter(Lane::Live, Some(&address("bob"))).await.is_ok(), "it waits alone");
        drop(stream);
        drop(turns.enter(Lane::Crowd, Some(&ann)).await.unwrap());
        drop(pass);
        assert!(turns.names.0.lock().unwrap().is_empty(), "names that nobody uses are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_hundreds_has_half_of_the_places() {
        let turns = Turns::new(4);
        let _one = turns.enter(Lane::Crowd, None).await.unwrap();
        let _two = turns.enter(Lane::Errand, None).await.unwrap();
        assert!(is_kept_waiting(turns.enter(Lane::Crowd, None)).await);
        assert!(is_kept_waiting(turns.enter(Lane::Errand, None)).await);
        assert!(turns.enter(Lane::Live, None).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_errand_is_told_of_a_rest_and_does_not_wait_in_memory() {
        let turns = Turns::new(4);
        turns.heard(&busy(Some(Span::HOUR)));
        let told = turns.enter(Lane::Errand, None).await.err().expect("it is not sent");
        assert!(matches!(told.next, Next::BackOff { after: Some(_) }), "{told:?}");
    }
}
