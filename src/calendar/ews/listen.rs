//! Carries out what [`Group`] decides: one stream, and the calls around it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use futures_util::future::{BoxFuture, FutureExt, pending};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::discover::BLOCKED;
use super::discovery::Discovery;
use super::get_streaming_events::{self, EventReader, StreamEvent};
use super::http::{Affinity, Events, Route};
use super::servers::Server;
use super::soap::Header;
use super::stream::Splitter;
use super::subscription::{Group, Input, Output};
use super::turns::Lane;
use super::{Ews, Options, subscribe, unsubscribe};
use crate::model::{Fault, Hint, ListenEnd, Next, Order, Span, Target, Time};

/// Listens until the group's time is over, it breaks or it is told to stop.
pub(super) async fn listen(
    ews: &Ews,
    targets: Vec<Target>,
    every: Duration,
    mut orders: mpsc::Receiver<Order>,
    hints: mpsc::Sender<Hint>,
) -> ListenEnd {
    let clock = Clock(Instant::now());
    // Subscriptions are dear: they live over many openings of the stream, each on its own time.
    let life = span(every).times(u64::from(ews.options.openings.max(1)));
    let group = Group::new(clock.now(), targets, life, span(ews.options.silence));
    let mut group = group.rolling(span(every));
    let mut calls: FuturesUnordered<BoxFuture<'_, Input>> = FuturesUnordered::new();
    let mut feed = Feed::None;
    let mut stopping = false;
    let mut turns = ews.discovery.turns();
    loop {
        while let Some(output) = group.poll() {
            match output {
                Output::Tell(hint) => {
                    // Nobody listens any more.
                    if hints.send(hint).await.is_err() {
                        group.on(clock.now(), Input::Stop);
                    }
                }
                Output::Subscribe(member) => calls.push(subscribe_call(ews, &group, member)),
                Output::GiveBack { member, id } => {
                    calls.push(give_back_call(ews, &group, member, id));
                }
                Output::Open(ids) => feed = Feed::Opening(open_call(ews, &group, ids)),
                Output::Close => feed = Feed::None,
                Output::End(end) => return end,
            }
        }
        let deadline = clock.at(group.deadline());
        // Bytes that wait are heard before the silence is judged.
        let input = tokio::select! {
            biased;
            order = orders.recv(), if !stopping => match order {
                Some(Order::Join(target)) => Input::Join(target),
                Some(Order::Leave(user)) => Input::Leave(user),
                Some(Order::Stop) | None => {
                    stopping = true;
                    Input::Stop
                }
            },
            input = feed.next() => input,
            Some(input) = calls.next(), if !calls.is_empty() => input,
            () = Discovery::next_verdict(&mut turns) => {
                if let Some(fault) = blocked(ews, &group).await {
                    // What is dropped is closed; nothing is given back where nothing may be sent.
                    return ListenEnd::Failed(fault);
                }
                Input::Tick
            }
            () = sleep_until(deadline) => Input::Tick,
        };
        group.on(clock.now(), input);
    }
}

/// Each group's own, so that those which began together are not opened anew together.
pub(super) fn life(options: &Options) -> Duration {
    let (shortest, longest) = options.roll_over;
    let mut random = [0; 4];
    // Without chance the life is the shortest.
    let _ = rand::fill(&mut random);
    let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    shortest + longest.saturating_sub(shortest).mul_f64(part)
}

/// Why nothing may be sent to the group's server any more.
async fn blocked(ews: &Ews, group: &Group) -> Option<Fault> {
    let blocked = ews.discovery.is_blocked(&group.anchor()?.address).await;
    blocked.then(|| Fault::new(Next::Denied, BLOCKED))
}

/// The machine's time: since it was started.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Time {
        Time::from_ms(i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn at(&self, time: Time) -> Instant {
        let since = Duration::from_millis(time.since(Time::from_ms(0)).as_ms());
        // Instants have finer parts than the machine's milliseconds: never a moment too early.
        self.0 + since + Duration::from_millis(1)
    }
}

fn span(duration: Duration) -> Span {
    Span::from_ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The route of all calls of a group.
fn route(group: &Group) -> Route {
    Route {
        anchor: group.anchor().map(|target| Arc::clone(&target.address)),
        affinity: Some(Affinity { cookie: group.cookie() }),
        lane: Lane::Crowd,
    }
}

fn subscribe_call<'a>(ews: &'a Ews, group: &Group, member: usize) -> BoxFuture<'a, Input> {
    let (route, target) = (route(group), group.target(member).cloned());
    async move {
        let Some(target) = target else {
            return Input::GivenBack;
        };
        let asked = ews.ask(&target, &route, subscribe::request, subscribe::read).await;
        Input::Subscribed { member, result: asked }
    }
    .boxed()
}

fn give_back_call<'a>(
    ews: &'a Ews,
    group: &Group,
    member: usize,
    id: Arc<str>,
) -> BoxFuture<'a, Input> {
    let affinity = Some(Affinity { cookie: group.cookie_back() });
    let (route, target) = (Route { affinity, ..route(group) }, group.target(member).cloned());
    async move {
        if let Some(target) = target {
            let request = |header: &Header<'_>| unsubscribe::request(header, &id);
            // The server forgets it by itself where this fails.
            let _ = ews.ask(&target, &route, request, unsubscribe::read).await;
        }
        Input::GivenBack
    }
    .boxed()
}

fn open_call<'a>(
    ews: &'a Ews,
    group: &Group,
    ids: Vec<Arc<str>>,
) -> BoxFuture<'a, Result<Opened, Fault>> {
    let (route, anchor) = (route(group), group.anchor().cloned());
    async move {
        let anchor = anchor.ok_or_else(|| Fault::refused("a group without members"))?;
        if let Some(left) = ews.home(&anchor).await?.1.rests_for() {
            return Ok(Opened::Rests(left));
        }
        let request =
            |header: &Header<'_>| get_streaming_events::request(header, ids.iter().map(|id| &**id));
        let (events, server) = ews.open(&anchor, &route, request).await?;
        Ok(Opened::Stands(Box::new(events), server))
    }
    .boxed()
}

/// What came of opening a stream.
enum Opened {
    Stands(Box<Events>, Arc<Server>),
    /// It was not asked for: the server wants to be left alone for so long.
    Rests(Span),
}

/// The group's stream.
enum Feed<'a> {
    None,
    Opening(BoxFuture<'a, Result<Opened, Fault>>),
    Open { events: Box<Events>, server: Arc<Server>, splitter: Splitter, reader: EventReader },
}

impl Feed<'_> {
    /// What happens next on it; nothing ever where there is none.
    async fn next(&mut self) -> Input {
        match self {
            Self::None => pending().await,
            Self::Opening(opening) => match opening.await {
                Ok(Opened::Rests(left)) => {
                    *self = Self::None;
                    Input::Rests(left)
                }
                Ok(Opened::Stands(events, server)) => {
                    *self = Self::Open {
                        events,
                        server,
                        splitter: Splitter::default(),
                        reader: EventReader::default(),
                    };
                    Input::Heard
                }
                Err(fault) => self.broke(fault),
            },
            Self::Open { events, server, splitter, reader } => match events.chunk().await {
                Ok(Some(bytes)) => match read(splitter, reader, &bytes) {
                    Ok(told) if told.is_empty() => Input::Heard,
                    Ok(told) => {
                        // What it says on a stream, it says of itself.
                        told.iter().filter_map(StreamEvent::fault).for_each(|f| server.heard(f));
                        Input::Events(told)
                    }
                    Err(fault) => {
                        server.heard(&fault);
                        self.broke(fault)
                    }
                },
                Ok(None) => self.broke(Fault::retry("the server ended the stream")),
                Err(fault) => self.broke(fault),
            },
        }
    }

    fn broke(&mut self, fault: Fault) -> Input {
        *self = Self::None;
        Input::Broke(fault)
    }
}

fn read(
    splitter: &mut Splitter,
    reader: &mut EventReader,
    bytes: &[u8],
) -> Result<Vec<StreamEvent>, Fault> {
    let mut told = Vec::new();
    for envelope in splitter.push(bytes)? {
        told.extend(reader.read(&envelope)?);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{Address, CalendarName, UserId};

    const MINUTE: Duration = Duration::from_secs(60);

    fn options() -> Options {
        let url = "https://mail.corp.example/EWS/Exchange.asmx".parse().unwrap();
        Options::new(CalendarName::new("hq"), url, "CORP\\svc")
    }

    #[test]
    fn the_shipped_times_are_those_that_exchange_keeps() {
        let options = options();
        assert_eq!(options.roll_over, (MINUTE * 7, MINUTE * 9), "a lost one shows within ten");
        assert!(options.roll_over.1 < MINUTE * 30, "the server ends it then");
        assert_eq!(options.silence, Duration::from_secs(45) * 2, "two heartbeats");
        assert!(options.request_timeout >= Duration::from_secs(100), "the server gives up first");
    }

    #[test]
    fn groups_that_began_together_are_not_opened_anew_together() {
        let options = options();
        let lives: Vec<Duration> = (0..100).map(|_| life(&options)).collect();
        let (shortest, longest) = options.roll_over;
        assert!(lives.iter().all(|life| (shortest..=longest).contains(life)), "{lives:?}");
        let different: BTreeSet<u128> = lives.iter().map(Duration::as_millis).collect();
        assert!(different.len() >= 50, "{different:?}");
        // All connections drop at once, and all streams are opened again at once.
        let (dropped, back) = (Time::from_ms(9_000), Time::from_ms(9_100));
        let rolls = lives.into_iter().map(|life| {
            let address = Arc::new(Address::parse("ann@corp.example").unwrap());
            let ann = Target { user: UserId::new("ann"), address };
            let began = Time::from_ms(0);
            let mut group = Group::new(began, vec![ann], span(life).times(40), Span::HOUR);
            group = group.rolling(span(life));
            let opened = || Input::Events(vec![StreamEvent::Opened]);
            group.on(began, Input::Subscribed { member: 0, result: Ok(("s".into(), None)) });
            group.on(began, opened());
            group.on(dropped, Input::Broke(Fault::retry("connection reset")));
            group.on(back, opened());
            group.deadline().since(dropped).as_ms()
        });
        let rolls: BTreeSet<u64> = rolls.collect();
        let spread = rolls.last().unwrap() - rolls.first().unwrap();
        assert!(rolls.len() >= 50 && spread >= 60_000, "{rolls:?}");
    }
}
